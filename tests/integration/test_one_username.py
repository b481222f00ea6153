"""One username at two persons of FS: one keeps it, nothing moves to and fro, and it can be mended."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kalender.domain.work import Kind
from kalender.errors import KalenderError, PermanentError
from kalender.store import people
from kalender.store.database import Database
from tests.fakes.calendars import Item
from tests.fakes.house import House, activity, event

pytestmark = pytest.mark.integration


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """A course, and one student on it whose calendar is right."""
    house = House(open_database())
    house.teach(event(1), event(2))
    house.teach(event(key=activity(course="KJM1000")), course="KJM1000")
    house.enrol(1)
    assert house.settle() == []
    assert len(house.shown(1)) == 2
    return house


def call(house: House, number: int, username: str) -> None:
    """Let FS tell this username of a person."""
    facts = house.students.facts[number]
    account = replace(facts.account, username=username)
    house.students.facts[number] = replace(facts, account=account)


def notify(house: House, *numbers: int) -> list[KalenderError]:
    for number in numbers:
        house.mark(Kind.PERSON, f"fs {number}")
    return house.settle()


def items(house: House, address: str) -> set[str]:
    return {each.ref.item_id for each in house.exchange.own(address)}


def titles(shown: list[Item]) -> set[str]:
    return {each.content.subject.split()[0] for each in shown}


def clashes(house: House) -> list[tuple[int | None, int | None]]:
    """Return (FS number of who keeps it, FS number of who waits)."""
    with house.database.read() as connection:
        return [(each.holder, each.claimant) for each in people.clashes(connection)]


def test_who_has_the_calendar_keeps_it_and_nothing_moves_to_and_fro(house: House) -> None:
    before = items(house, "user1@uio.example")
    house.enrol(2, course="KJM1000")
    call(house, 2, "user1")
    house.forget_requests()
    for _ in range(3):
        house.resync()
        errors = house.settle()
        house.later()
        errors += notify(house, 2, 1)
        house.later()
        words = {str(each) for each in errors}
        assert all(isinstance(each, PermanentError) for each in errors)
        assert all("FS numbers 1 and 2" in each for each in words)
    assert house.exchange.requests == []
    assert items(house, "user1@uio.example") == before
    assert clashes(house) == [(1, 2)]


def test_who_is_given_anothers_username_goes_on_with_their_own_calendar(house: House) -> None:
    house.enrol(2)
    assert house.settle() == []
    before = [items(house, f"user{number}@uio.example") for number in (1, 2)]
    call(house, 2, "user1")
    house.forget_requests()
    for _ in range(3):
        house.resync()
        assert house.settle() == []
        assert notify(house, 1, 2) == []
    assert house.exchange.requests == []
    assert [items(house, f"user{number}@uio.example") for number in (1, 2)] == before
    house.teach(event(1), event(2), event(3))
    assert house.settle() == []
    assert [len(house.shown(number)) for number in (1, 2)] == [3, 3]


def test_of_two_that_come_together_the_lower_number_keeps_it(house: House) -> None:
    for number in (4, 3):
        house.enrol(number)
        call(house, number, "both")
    house.resync()
    house.settle()
    assert clashes(house) == [(3, 4)]
    assert len(items(house, "both@uio.example")) == 2


@pytest.mark.parametrize("by", ["resync", "notification"])
@pytest.mark.parametrize("mended", [1, 2])
def test_when_fs_mends_it_both_are_right(house: House, mended: int, by: str) -> None:
    house.enrol(2, course="KJM1000")
    call(house, 2, "user1")
    house.settle()
    assert clashes(house) == [(1, 2)]
    call(house, mended, "user9")
    for _ in range(2):
        if by == "resync":
            house.resync()
        else:
            notify(house, mended)
        house.settle()
        house.later()
    assert clashes(house) == []
    names = {1: "user1", 2: "user1", mended: "user9"}
    shown = {n: titles(house.exchange.own(f"{name}@uio.example")) for n, name in names.items()}
    assert shown == {1: {"IN1000"}, 2: {"KJM1000"}}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_username_that_goes_to_another_is_theirs_once_fs_says_so_of_both(
    house: House, order: tuple[int, int]
) -> None:
    house.enrol(2, course="KJM1000")
    call(house, 1, "user9")
    call(house, 2, "user1")
    for number in order:
        notify(house, number)
        house.later()
    house.settle()
    assert clashes(house) == []
    assert titles(house.exchange.own("user9@uio.example")) == {"IN1000"}
    assert titles(house.exchange.own("user1@uio.example")) == {"KJM1000"}


@pytest.mark.parametrize("how", ["unknown", "without"])
def test_who_has_it_no_more_in_fs_makes_way(house: House, how: str) -> None:
    """By the single answer, which is asked for as soon as another claims the username."""
    house.enrol(2, course="KJM1000")
    call(house, 2, "user1")
    if how == "unknown":
        del house.students.facts[1]
    else:
        facts = house.students.facts[1]
        account = replace(facts.account, username=None)
        house.students.facts[1] = replace(facts, account=account)
    for _ in range(4):
        house.resync()
        house.settle()
        house.later(700)
    assert clashes(house) == []
    assert "KJM1000" in titles(house.exchange.own("user1@uio.example"))
