"""What roll-outs go by beside teaching is mirrored as FS tells it, on both databases."""

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest
from sqlalchemy import select

from kalender.domain.model import BadItem, CourseOrganisations
from kalender.store import people, unreadable
from kalender.store.database import Database
from kalender.store.tables import course_organisation, employment, study_right
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration
INFORMATICS, MATHEMATICS = "185,15,5,0", "185,15,6,0"


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """A course with two students, whose programmes FS tells, and the units of courses."""
    house = House(open_database())
    house.teach(event(1))
    for number in (1, 2):
        house.enrol(number)
        follows(house, number, "INF-B")
    house.students.organisations = [of_course("IN1000", INFORMATICS)]
    return house


def of_course(course: str, *units: str, version: str = "1") -> CourseOrganisations:
    return CourseOrganisations(course=course, version=version, organisations=frozenset(units))


def follows(house: House, number: int, *programmes: str) -> None:
    """Let FS tell that a student follows these programmes."""
    facts = house.students.facts[number]
    house.students.facts[number] = replace(facts, programmes=frozenset(programmes))


def employs(house: House, number: int, unit: str | None) -> None:
    facts = house.students.facts[number]
    account = replace(facts.account, organisation=unit)
    house.students.facts[number] = replace(facts, account=account)


def units(house: House) -> set[tuple[str, str]]:
    with house.database.read() as connection:
        return {tuple(row) for row in connection.execute(select(course_organisation))}


def codes(house: House, number: int) -> Collection[str]:
    """Return which programmes the mirror has of a person, and which unit employs them."""
    with house.database.read() as connection:
        person_id = people.find(connection, people.FS, str(number))
        found = set[str]()
        for table, code in ((study_right, "programme"), (employment, "organisation")):
            query = select(table.c[code]).where(table.c.person_id == person_id)
            found |= {*connection.execute(query).scalars()}
    return found


def test_a_resync_mirrors_units_of_courses_and_teachers_and_programmes(house: House) -> None:
    employs(house, 2, MATHEMATICS)
    house.resync()
    assert units(house) == {("IN1000", INFORMATICS)}
    assert codes(house, 1) == {"INF-B"}
    assert codes(house, 2) == {"INF-B", MATHEMATICS}


def test_units_follow_fs_and_what_fs_does_not_tell_stays(house: House) -> None:
    house.resync()
    house.students.organisations = [of_course("in1000", MATHEMATICS, INFORMATICS)]
    house.resync()
    assert units(house) == {("IN1000", INFORMATICS), ("IN1000", MATHEMATICS)}
    house.students.organisations = []
    house.resync()
    assert units(house) == {("IN1000", INFORMATICS), ("IN1000", MATHEMATICS)}
    house.students.organisations = [of_course("IN1000", MATHEMATICS)]
    house.resync()
    assert units(house) == {("IN1000", MATHEMATICS)}


def test_a_version_that_nobody_takes_does_not_count(house: House) -> None:
    old = of_course("IN1000", MATHEMATICS, version="0")
    house.students.organisations = [of_course("IN1000", INFORMATICS), old]
    house.resync()
    assert units(house) == {("IN1000", INFORMATICS)}


def test_a_study_right_that_a_collection_lacks_is_only_believed_gone_singly(house: House) -> None:
    house.resync()
    assert house.settle() == []
    follows(house, 1, "MAT-B")
    house.resync()
    assert codes(house, 1) == {"INF-B", "MAT-B"}
    assert codes(house, 2) == {"INF-B"}
    house.students.asked.clear()
    assert house.settle() == []
    assert house.students.asked == [1]
    assert codes(house, 1) == {"MAT-B"}


def test_who_is_asked_for_singly_is_mirrored_without_a_resync(house: House) -> None:
    employs(house, 1, INFORMATICS)
    house.enrol(1)
    follows(house, 1, "INF-B")
    employs(house, 1, INFORMATICS)
    assert house.settle() == []
    assert codes(house, 1) == {"INF-B", INFORMATICS}


def test_what_is_not_read_any_more_is_not_kept(house: House) -> None:
    employs(house, 2, MATHEMATICS)
    house.resync()
    house.students.organisations = None
    for number in (1, 2):
        facts = house.students.facts[number]
        house.students.facts[number] = replace(facts, programmes=None)
    house.resync()
    assert units(house) == set()
    assert codes(house, 1) == codes(house, 2) == set()


def test_a_study_right_that_cannot_be_read_is_counted_and_no_trouble_of_a_calendar(
    house: House,
) -> None:
    facts = house.students.facts[1]
    bad = BadItem(collection="studieretter", reason="no programme", fs_number=1)
    house.students.facts[1] = replace(facts, bad=(bad,))
    house.resync()
    assert house.database.counts.take()["left_out", "fs studieretter"] == 1
    with house.database.read() as connection:
        assert unreadable.items(connection) == []
