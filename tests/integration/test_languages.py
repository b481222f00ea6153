"""Entries in a person's own language: theirs alone are rewritten, and a resync finds them right."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from kalender.domain.work import Lane
from kalender.store import languages, people
from kalender.store.database import Database
from kalender.store.languages import COMMAND, FILE
from kalender.store.tables import calendar, personal_language
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """Three students with two lectures each in their calendars, in Bokm\u00e5l."""
    house = House(open_database())
    house.teach(event(1), event(2))
    for number in (1, 2, 3):
        house.enrol(number)
    house.settle()
    house.resync()
    house.settle()
    assert subjects(house, 1) == subjects(house, 2) == {"IN1000 Forelesning"}
    return house


def subjects(house: House, number: int) -> set[str]:
    return {item.content.subject for item in house.shown(number)}


def person(house: House, number: int) -> int:
    with house.database.read() as connection:
        found = people.find(connection, people.FS, str(number))
    assert found is not None
    return found


def tell(house: House, number: int, language: str | None, by: str = COMMAND) -> bool:
    """Tell a person's language as the command does; whether it changes what is written."""
    person_id = person(house, number)
    with house.database.write() as connection:
        changed = languages.tell(connection, {person_id: language}, told_by=by, source="test")
        calendars = people.calendars_of(connection, changed)
        people.mark_calendars(connection, calendars, reason="language", lane=Lane.ASKED)
    return bool(changed)


def test_only_the_entries_of_that_person_are_rewritten(house: House) -> None:
    house.forget_requests()
    before = {item.ref.item_id for item in house.shown(1)}
    assert tell(house, 1, "en")
    house.settle()
    assert subjects(house, 1) == {"IN1000 Lecture"}
    assert {item.ref.item_id for item in house.shown(1)} == before
    assert subjects(house, 2) == subjects(house, 3) == {"IN1000 Forelesning"}
    assert (house.count("update"), house.count("create"), house.count("delete")) == (1, 0, 0)
    house.forget_requests()
    assert not tell(house, 1, "en")
    house.settle()
    assert house.exchange.requests == []
    assert tell(house, 1, None)
    house.settle()
    assert subjects(house, 1) == {"IN1000 Forelesning"}


def test_what_comes_later_is_in_that_language_too(house: House) -> None:
    tell(house, 1, "nn")
    house.teach(event(1), event(2), event(3, title="Intro"))
    house.settle()
    assert subjects(house, 1) == {"IN1000 F\u00f8relesing", "IN1000 F\u00f8relesing: Intro"}
    assert subjects(house, 2) == {"IN1000 Forelesning", "IN1000 Forelesning: Intro"}


def test_a_resync_finds_a_calendar_in_its_own_language_right(house: House) -> None:
    tell(house, 1, "en")
    house.settle()
    house.forget_requests()
    assert house.resync().decided.under_other_settings == 0
    house.settle()
    assert house.exchange.requests == []


def test_the_institutions_own_language_asks_for_nothing(house: House) -> None:
    house.forget_requests()
    tell(house, 1, "nb")
    house.settle()
    house.resync()
    house.settle()
    assert house.exchange.requests == []


def test_a_language_that_no_visit_followed_yet_is_found_by_a_resync(house: House) -> None:
    for number in range(4, 11):  # that one calendar is no share that asks for a yes
        house.enrol(number)
    house.settle()
    with house.database.write() as connection:
        languages.tell(connection, {person(house, 1): "en"}, told_by=FILE, source="idm")
    decided = house.resync().decided
    assert (decided.under_other_settings, decided.not_marked) == (1, 0)
    house.settle()
    assert subjects(house, 1) == {"IN1000 Lecture"}


def test_a_command_counts_before_a_file_and_the_file_again_without_it(house: House) -> None:
    assert tell(house, 1, "en", FILE)
    assert tell(house, 1, "nn")
    assert not tell(house, 1, "nb", FILE)
    house.settle()
    assert subjects(house, 1) == {"IN1000 F\u00f8relesing"}
    assert tell(house, 1, None)
    house.settle()
    assert subjects(house, 1) == {"IN1000 Forelesning"}
    with house.database.read() as connection:
        (counting,) = languages.counting(connection)
    assert (counting.language, counting.told_by, counting.source) == ("nb", FILE, "test")


def test_who_is_left_alone_is_not_written_in_any_language(house: House) -> None:
    with house.database.write() as connection:
        people.wish(connection, person(house, 1), {people.OPT_OUT}, "test")
    tell(house, 1, "en")
    house.settle()
    assert house.shown(1) == []


def test_a_language_goes_with_its_person(house: House) -> None:
    """Who turns out to be another brings theirs along, where the other has none."""
    with house.database.write() as connection:
        people.ensure(connection, people.USERNAME, "guest")
        guest = people.find(connection, people.USERNAME, "guest")
        assert guest is not None
        languages.tell(connection, {guest: "en"}, told_by=COMMAND, source="test")
    facts = house.students.facts[3]
    account = facts.account
    house.students.facts[3] = type(facts)(
        account=type(account)(fs_number=3, username="guest", mail=()),
        registrations=facts.registrations,
    )
    house.resync()
    house.settle()
    with house.database.read() as connection:
        assert languages.by_person(connection) == {person(house, 3): "en"}
        rows = connection.execute(select(personal_language)).all()
        addresses = connection.execute(select(calendar.c.address)).scalars().all()
    assert len(rows) == 1
    assert "guest@uio.example" in addresses
