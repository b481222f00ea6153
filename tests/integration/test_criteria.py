"""Who is switched on by what is listed, and who stays so, on both databases."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kalender.domain.criteria import organisation
from kalender.domain.model import CourseOrganisations
from kalender.store import criteria, people, rollouts
from kalender.store.database import Database
from tests.fakes.house import House, activity, event

pytestmark = pytest.mark.integration
INFORMATICS, ROBOTICS, MATHEMATICS = "185,15,5,0", "185,15,5,3", "185,15,50,0"


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """Two courses of different departments, three people, and their programmes."""
    house = House(open_database(), rollout_mode="listed")
    house.teach(event(1))
    house.teach(event(1, key=activity(course="MAT1000")), course="MAT1000")
    takes(house, 1, "IN1000", programme="INF-B")
    takes(house, 2, "MAT1000", programme="MAT-B")
    takes(house, 3, "MAT1000", programme="INF-B", employed=ROBOTICS)
    house.students.organisations = [
        CourseOrganisations(course=course, version="1", organisations=frozenset({unit}))
        for course, unit in (("IN1000", INFORMATICS), ("MAT1000", MATHEMATICS))
    ]
    house.resync()
    assert house.settle() == []
    return house


def takes(
    house: House, number: int, course: str | None, *, programme: str, employed: str = ""
) -> None:
    """Let FS tell of a person that they take a course and follow a programme."""
    house.enrol(number, course=course)
    facts = house.students.facts[number]
    account = replace(facts.account, organisation=employed)
    house.students.facts[number] = replace(
        facts, account=account, programmes=frozenset({programme})
    )


def switch_on(house: House, kind: str, *values: str) -> None:
    with house.database.write() as connection:
        rollouts.add(connection, kind, values)


def inside(house: House) -> set[int]:
    """Return the FS numbers of those inside; each has one calendar."""
    with house.database.read() as connection:
        persons = rollouts.persons_of(connection, rollouts.inside(connection, "listed"))
        numbers = {people.fs_number(connection, person_id) for person_id in persons}
        of_each = {
            calendar_id
            for person_id in persons
            for calendar_id in people.calendars_of(connection, [person_id])
            if rollouts.switched_on_of(connection, [calendar_id], "listed")
        }
    assert len(of_each) == len(numbers)
    return {number for number in numbers if number is not None}


@pytest.mark.parametrize(
    ("kind", "value", "numbers"),
    [
        ("faculty", "185,15", {1, 2, 3}),
        ("faculty", "185,1", set()),
        ("department", "185,15,5", {1, 3}),
        ("department", "185,15,5,3", {3}),
        ("department", "185,15,50", {2, 3}),
        ("programme", "INF-B", {1, 3}),
        ("programme", "INF", set()),
    ],
)
def test_a_unit_has_what_lies_beneath_it(
    house: House, kind: str, value: str, numbers: set[int]
) -> None:
    assert inside(house) == set()
    switch_on(house, kind, value)
    assert inside(house) == numbers
    with house.database.write() as connection:
        rollouts.remove(connection, kind, [value])
    assert inside(house) == set()


def test_who_once_met_it_stays_until_it_is_taken_off(house: House) -> None:
    switch_on(house, "department", "185,15,5")
    switch_on(house, "programme", "MAT-B")
    assert inside(house) == {1, 2, 3}
    takes(house, 1, "MAT1000", programme="INF-B")
    takes(house, 2, "MAT1000", programme="HIS-B")
    assert house.settle() == []
    assert inside(house) == {1, 2, 3}
    assert len(house.shown(1)) == 1
    with house.database.write() as connection:
        rollouts.remove(connection, "department", ["185,15,5"])
    assert inside(house) == {2}


def test_who_comes_to_meet_it_is_written(house: House) -> None:
    switch_on(house, "programme", "INF-B")
    takes(house, 2, "MAT1000", programme="INF-B")
    assert house.settle() == []
    assert inside(house) == {1, 2, 3}
    assert len(house.shown(2)) == 1


def test_a_group_has_whom_its_lists_named(house: House) -> None:
    with house.database.write() as connection:
        person_id = people.find_by_any_identity(connection, "user2")
        assert person_id is not None
        criteria.keep(connection, {("group", "pilot", person_id)})
        assert inside_of(house) == set()
        rollouts.add(connection, "group", ["pilot"])
    assert inside(house) == {2}
    with house.database.write() as connection:
        assert criteria.group_of(connection, "pilot") == {person_id}
        rollouts.remove(connection, "group", ["pilot"])
        assert criteria.group_of(connection, "pilot") == set()


def inside_of(house: House) -> set[int]:
    with house.database.read() as connection:
        return rollouts.inside(connection, "listed")


def test_who_becomes_one_with_another_stays_in_a_group(house: House) -> None:
    house.teach(event(2, staff=["lect"]))
    assert house.settle() == []
    with house.database.write() as connection:
        person_id = people.find_by_any_identity(connection, "lect")
        assert person_id is not None
        criteria.keep(connection, {("group", "pilot", person_id)})
        rollouts.add(connection, "group", ["pilot"])
    house.enrol(9, course=None)
    account = replace(house.students.facts[9].account, username="lect")
    house.students.facts[9] = replace(house.students.facts[9], account=account)
    assert house.settle() == []
    assert inside(house) == {9}


def test_what_there_is_to_name_is_told(house: House) -> None:
    with house.database.read() as connection:
        known = {
            kind: criteria.known_values(connection, kind, 185)
            for kind in ("faculty", "department", "programme", "group")
        }
        assert criteria.known_values(connection, "faculty", 215) == []
    assert known == {
        "faculty": ["185,15"],
        "department": ["185,15,5", "185,15,50"],
        "programme": ["INF-B", "MAT-B"],
        "group": [],
    }


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("faculty", "15", "185,15"),
        ("faculty", "150000", "185,15"),
        ("faculty", "185,15,0,0", "185,15"),
        ("department", "15,5", "185,15,5"),
        ("department", "150500", "185,15,5"),
        ("department", " 15, 5, 0", "185,15,5"),
        ("department", "185,15,5,3", "185,15,5,3"),
        ("department", "150503", "185,15,5,3"),
    ],
)
def test_a_code_is_taken_in_each_of_its_forms(kind: str, text: str, code: str) -> None:
    assert organisation(kind, text, 185) == code
