"""Erasing a person: nothing of theirs stays, and nobody brings them back."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from kalender.errors import PermanentError
from kalender.operate import disclosure
from kalender.operate import erasure as forgetting
from kalender.store import people
from kalender.store.database import Database
from kalender.store.people import OPT_OUT, REMOVE
from kalender.store.tables import metadata
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration
KEPT = {"person", "identity", "preference"}


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """Two students with a lecture in their calendars."""
    house = House(open_database())
    house.teach(event(1), event(2))
    for number in (1, 2):
        house.enrol(number)
    house.settle()
    assert len(house.shown(1)) == 2
    return house


def person(house: House, number: int = 1) -> int:
    with house.database.read() as connection:
        found = people.find(connection, people.FS, str(number))
    assert found is not None
    return found


def wish(house: House, *wishes: str) -> None:
    with house.database.write() as connection:
        people.wish(connection, person(house), set(wishes), "test")
    house.resync()
    house.settle()
    assert house.shown(1) == []


def forget(house: House) -> bool:
    with house.database.write() as connection:
        return forgetting.forget(connection, person(house))


def held(house: House, person_id: int) -> set[str]:
    with house.database.read() as connection:
        return {name for name, rows in disclosure.export(connection, person_id).items() if rows}


def test_nobody_is_erased_while_entries_of_ours_stand(house: House) -> None:
    with pytest.raises(PermanentError, match="take them back first"):
        forget(house)
    assert len(house.shown(1)) == 2


def test_who_is_listed_and_did_not_opt_out_is_not_erased(house: House) -> None:
    wish(house, REMOVE)
    with pytest.raises(PermanentError, match="still listed"):
        forget(house)
    assert "registration" in held(house, person(house))


def test_of_who_opted_out_only_names_and_the_wish_stay_also_after_a_resync(house: House) -> None:
    wish(house, OPT_OUT)
    assert forget(house)
    assert held(house, person(house)) == KEPT
    house.resync()
    house.settle()
    assert held(house, person(house)) == KEPT
    house.enrol(1, "2-1")
    house.settle()
    assert held(house, person(house)) == KEPT
    assert house.shown(1) == []
    assert len(house.shown(2)) == 2


def test_of_who_is_listed_no_more_nothing_stays(house: House) -> None:
    wish(house, REMOVE)
    gone = person(house)
    house.enrol(1, course=None)
    for _ in range(3):
        house.settle()
        house.later(700)
    assert not forget(house)
    assert held(house, gone) <= {"look_up"}
    with house.database.read() as connection:
        for table in metadata.tables.values():
            if "person_id" in table.c and table.name != "look_up":
                rows = connection.execute(select(table).where(table.c.person_id == gone)).all()
                assert rows == [], table.name


def test_an_opt_in_after_it_serves_the_person_again(house: House) -> None:
    wish(house, OPT_OUT)
    forget(house)
    with house.database.write() as connection:
        people.take_wish_back(connection, person(house))
    house.resync()
    house.settle()
    assert len(house.shown(1)) == 2
