"""A mailbox that changes place between any two steps; a dump restored after a thousand changes."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kalender.domain.model import TeachingEvent
from kalender.store import recovery
from kalender.store.database import Database
from tests.fakes.calendars import FakeCalendars, Item
from tests.fakes.house import MONDAY, House, activity, event
from tests.integration.test_taking_back import dump, restore

pytestmark = pytest.mark.integration
ADDRESS = "user1@uio.example"


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def shown(items: list[Item]) -> list[tuple[object, ...]]:
    return [(item.content.starts_at, item.content.subject) for item in items]


def lectures(count: int, hour: int = 0) -> list[TeachingEvent]:
    return [event(n, starts=MONDAY + timedelta(days=n + 1, hours=hour)) for n in range(count)]


# -- a mailbox that moves --------------------------------------------------------------------------


class Mover:
    """Moves the mailbox at the so-manieth step: before a request, or after it was carried out."""

    def __init__(self, house: House, step: int) -> None:
        self.house, self.left = house, step
        self.other: FakeCalendars | None = None
        house.exchange.before = house.exchange.after = self.pass_by

    def pass_by(self, _operation: str, _mailbox: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.other = self.house.move_mailbox(ADDRESS)


def change(house: House) -> None:
    """Something to create, to move, to rename and to delete."""
    kept = lectures(5)[:3]
    moved = [replace(e, starts_at=e.starts_at + timedelta(hours=1)) for e in kept[:1]]
    moved = [replace(e, ends_at=e.ends_at + timedelta(hours=1)) for e in moved]
    titled = [replace(e, title="nytt") for e in kept[1:2]]
    house.teach(*moved, *titled, kept[2], *[event(n, key=activity("5")) for n in (8, 9)])


@pytest.mark.parametrize("step", range(1, 11))
def test_wherever_a_mailbox_moves_it_is_right_there(house: House, step: int) -> None:
    house.teach(*lectures(5))
    house.enrol(1)
    house.settle()
    mover = Mover(house, step)
    change(house)
    for _ in range(4):
        house.settle()
        house.later(120)
    found = (mover.other or house.exchange).own(ADDRESS)
    assert len(found) == 5
    assert len(set(shown(found))) == len(shown(found)) - 1  # the two new ones stand side by side
    assert {item.content.starts_at for item in found} == {
        e.starts_at for e in house.timetables.answers[next(iter(house.timetables.answers))].events
    }
    assert (mover.other is None) is (step > steps_of_a_change())


def steps_of_a_change() -> int:
    """A read, an update, a create and a delete: before and after each."""
    return 8


# -- a restored dump -------------------------------------------------------------------------------


class Year:
    """A thousand changes, drawn."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.chance = house, random.Random(seed)  # noqa: S311
        self.events = {n: event(n, starts=self.some_time()) for n in range(30)}
        self.next = 100
        self.persons: set[int] = set()

    def some_time(self) -> datetime:
        return MONDAY + timedelta(days=self.chance.randrange(1, 80), hours=self.chance.randrange(8))

    def happen(self, times: int) -> None:
        for _ in range(times):
            self.chance.choice([self.move, self.move, self.add, self.cancel, self.person])()
        self.house.teach(*self.events.values())
        self.house.settle()

    def move(self) -> None:
        number = self.chance.choice(sorted(self.events))
        self.next += 1
        named = self.chance.choice([number, self.next])
        self.events.pop(number)
        self.events[named] = event(named, starts=self.some_time())

    def add(self) -> None:
        self.next += 1
        self.events[self.next] = event(self.next, starts=self.some_time())

    def cancel(self) -> None:
        if len(self.events) > 20:
            self.events.pop(self.chance.choice(sorted(self.events)))

    def person(self) -> None:
        number = self.chance.randrange(1, 9)
        here = number in self.persons and self.chance.random() < 0.5
        (self.persons.discard if here else self.persons.add)(number)
        self.house.enrol(number, course=None if here else "IN1000")


@pytest.mark.parametrize("seed", range(2))
def test_a_dump_restored_after_a_thousand_changes_doubles_and_loses_nothing(
    house: House, seed: int
) -> None:
    house.safety = house.safety.model_copy(
        update={"min_deletes": 100_000, "min_deletes_day": 100_000}
    )
    year = Year(house, seed)
    for number in range(1, 9):
        house.enrol(number)
    year.happen(100)
    backup = dump(house)
    for _ in range(10):
        year.happen(100)
    house.later(700)
    house.settle()
    before = {number: shown(house.shown(number)) for number in range(1, 9)}
    assert sum(map(len, before.values())) > 50
    restore(house, backup)
    with house.database.write() as connection:
        recovery.recover(connection, lease=timedelta())
    for _ in range(3):
        house.resync()
        house.settle()
        house.later(700)
    after = {number: shown(house.shown(number)) for number in range(1, 9)}
    assert after == before
