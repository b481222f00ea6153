"""The table of what FS and TP told unreadably: rows come, keep their time, and go."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kalender.domain.model import BadEvent, BadItem, CourseKey
from kalender.domain.work import Kind
from kalender.store import people, unreadable
from kalender.store.database import Database
from kalender.store.unreadable import Count, UnreadableItem
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration
COURSE = CourseKey("IN1000", "25h")
ROLE = BadItem(collection="personroller", reason="no date", item="1,7", fs_number=1)


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """Two students with a lecture in their calendars."""
    house = House(open_database())
    house.teach(event(1))
    for number in (1, 2):
        house.enrol(number)
    assert house.settle() == []
    return house


def tell(house: House, *bad: BadItem, number: int = 1) -> None:
    """Let FS tell these items of a person."""
    house.students.facts[number] = replace(house.students.facts[number], bad=bad)


def look(house: House) -> list[UnreadableItem]:
    with house.database.read() as connection:
        return unreadable.items(connection)


def counts(house: House) -> list[Count]:
    with house.database.read() as connection:
        return unreadable.counts(connection)


def ask(house: House, number: int = 1) -> None:
    house.mark(Kind.PERSON, f"fs {number}")
    assert house.settle() == []


def test_an_item_is_listed_from_the_first_reading_to_the_first_good_one(house: House) -> None:
    tell(house, ROLE)
    house.resync()
    (first,) = look(house)
    assert (first.collection, first.item, first.reason) == ("personroller", "1,7", "no date")
    ask(house)
    house.later()
    house.resync()
    (again,) = look(house)
    assert again.since == first.since < again.seen_at
    tell(house)
    ask(house)
    assert look(house) == []


def test_a_resync_believes_nothing_older_than_the_persons_own_answer(house: House) -> None:
    tell(house, ROLE)

    def mended_and_asked() -> None:
        house.students.before = lambda: None
        tell(house)
        ask(house)
        tell(house, ROLE)

    house.students.before = mended_and_asked
    house.resync()
    assert look(house) == []


def test_items_without_an_id_are_numbered_and_stay_apart(house: House) -> None:
    unnamed = BadItem(collection="personroller", reason="no object")
    tell(house, unnamed, replace(unnamed, fs_number=1), unnamed, ROLE)
    tell(house, replace(unnamed, fs_number=2), number=2)
    house.resync()
    mine, others = persons(house)
    names = {each.item for each in look(house)}
    assert names == {
        "unnamed 1",
        "unnamed 2",
        "1,7",
        f"unnamed 1 of person {mine}",
        f"unnamed 1 of person {others}",
    }
    ask(house, 2)
    assert {each.item for each in look(house)} == names
    tell(house, number=2)
    ask(house, 2)
    assert {each.item for each in look(house)} == names - {f"unnamed 1 of person {others}"}


def persons(house: House) -> list[int]:
    with house.database.read() as connection:
        found = [people.find(connection, people.FS, str(number)) for number in (1, 2)]
    return [each for each in found if each is not None]


def test_events_are_listed_by_course_until_they_are_read_well(house: House) -> None:
    good = house.timetables.answers[COURSE]
    bad = BadEvent(reason="dtstart is no time", actid="2-1", event_id="e1")
    answer = replace(good, bad=(bad, BadEvent(reason="no object")))
    house.timetables.answers[COURSE] = answer
    house.mark(Kind.COURSE, str(COURSE))
    assert house.settle() == []
    with house.database.read() as connection:
        (named, unnamed) = unreadable.of_course(connection, COURSE)
    assert (named.item, named.actid, named.course) == ("e1", "2-1", COURSE)
    assert unnamed.item == "unnamed 1"
    (count,) = counts(house)
    assert (count.source, count.collection, count.count, count.courses) == ("tp", "events", 2, 1)
    house.timetables.answers[COURSE] = good
    house.mark(Kind.COURSE, str(COURSE))
    assert house.settle() == []
    assert look(house) == []


def test_of_a_protected_person_it_is_told_only_that_there_is_something(house: House) -> None:
    tell(house, ROLE)
    house.resync()
    (person_id, _) = persons(house)
    with house.database.write() as connection:
        people.wish(connection, person_id, {people.PROTECT}, "test")
    (found,) = look(house)
    assert (found.item, found.person_id) == ("of a protected person", None)
    with house.database.read() as connection:
        assert [each.item for each in unreadable.of_person(connection, person_id)] == ["1,7"]
