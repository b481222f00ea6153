"""Doubles of our own making: counted by every lookup, taken away only where somebody asks for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from kalender.config.sections import Safety
from kalender.domain.model import TeachingEvent
from kalender.domain.work import Lane
from kalender.errors import OutcomeUnknown
from kalender.ports import ItemRef
from kalender.store import doubles, entries, people, recovery
from kalender.store.database import Database
from kalender.store.doubles import StrayState
from tests.fakes.calendars import Item
from tests.fakes.house import MONDAY, House, event
from tests.integration.test_taking_back import dump, restore

pytestmark = pytest.mark.integration
ADDRESS = "user1@uio.example"


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def lectures(count: int) -> list[TeachingEvent]:
    return [event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(count)]


def doubled(house: House) -> None:
    """Two lectures, and three that a restored database forgot and wrote again."""
    house.teach(*lectures(2))
    house.enrol(1)
    house.settle()
    backup = dump(house)
    house.teach(*lectures(5))
    house.settle()
    restore(house, backup)
    house.teach(*lectures(5))
    assert house.settle() == []
    assert len(house.shown(1)) == 8
    house.forget_requests()


def look(house: House, *, mend: bool = False) -> None:
    """As `kalender verify --all` does."""
    with house.database.write() as connection:
        wished = entries.wish_verification(connection, None)
        doubles.wish(connection, wished, mend=mend)
        people.mark_calendars(connection, wished, reason="verify", lane=Lane.VERIFY)


def counted(house: House) -> tuple[int, int, int]:
    """How many doubles, those that stay on both sides, and keys of what nobody knows."""
    with house.database.read() as connection:
        found = doubles.counts(connection)
    return found[StrayState.DOUBLE], found[StrayState.KEPT], found[StrayState.UNKNOWN]


def pair(house: House, number: int) -> tuple[Item, Item]:
    """Return what shows a lecture: the one that nobody remembers, and the recorded one."""
    shown = [
        i for i in house.shown(1) if i.sync_key and i.sync_key.startswith(f"IN1000-1-{number}#")
    ]
    first, second = sorted(shown, key=lambda item: item.created_at)
    return first, second


def times(house: House) -> list[object]:
    return [item.content.starts_at for item in house.shown(1)]


WANTED = [e.starts_at for e in lectures(5)]


def test_a_look_counts_doubles_and_removes_nothing(house: House) -> None:
    doubled(house)
    look(house)
    assert house.settle() == []
    assert counted(house) == (3, 0, 0)
    assert len(house.shown(1)) == 8
    assert house.count("delete") == 0


def test_a_recovery_counts_doubles_too(house: House) -> None:
    doubled(house)
    with house.database.write() as connection:
        recovery.recover(connection, lease=timedelta())
    for _ in range(3):
        house.settle()
        house.later(90_000)
    assert counted(house) == (3, 0, 0)
    assert len(house.shown(1)) == 8


def test_mended_each_event_is_shown_once(house: House) -> None:
    doubled(house)
    look(house, mend=True)
    assert house.settle() == []
    assert times(house) == WANTED
    assert counted(house) == (0, 0, 0)
    look(house)
    house.forget_requests()
    assert house.settle() == []
    assert house.count("delete") == house.count("create") == 0


@pytest.mark.parametrize("added", ["notes", "attachment", "meeting", "category", "reminder"])
def test_the_one_that_its_user_added_to_stays(house: House, added: str) -> None:
    doubled(house)
    (forgotten, _), (_, recorded) = pair(house, 2), pair(house, 3)
    for item in (forgotten, recorded):
        add(house, item, added)
    look(house, mend=True)
    assert house.settle() == []
    assert times(house) == WANTED
    stayed = {item.ref.item_id for item in house.shown(1)}
    assert {forgotten.ref.item_id, recorded.ref.item_id} <= stayed
    house.teach(*[replace(e, title="nytt") for e in lectures(5)])
    assert house.settle() == []
    followed = house.exchange.items(ADDRESS)[forgotten.ref.item_id]
    assert ("nytt" in followed.content.subject) is (added != "meeting")


def add(house: House, item: Item, what: str) -> None:
    name = item.ref.item_id
    match what:
        case "notes":
            house.exchange.annotate(ADDRESS, name, "ta med kalkulator")
        case "attachment":
            house.exchange.attach(ADDRESS, name, "oppgaver.pdf")
        case "meeting":
            house.exchange.invite(ADDRESS, name)
        case "category":
            house.exchange.edit(ADDRESS, name, categories=("Viktig",))
        case _:
            house.exchange.edit(ADDRESS, name, reminder_minutes=30)


def test_where_both_carry_additions_both_stay_and_are_named(house: House) -> None:
    doubled(house)
    for item in pair(house, 2):
        add(house, item, "notes")
    look(house, mend=True)
    assert house.settle() == []
    assert len(house.shown(1)) == 6
    assert counted(house) == (0, 1, 0)
    with house.database.read() as connection:
        (kept,) = doubles.kept(connection)
    assert kept.event_id == "IN1000-1-2"
    look(house)
    assert house.settle() == []
    assert counted(house) == (0, 1, 0)


def copy(house: House, item: Item, name: str, *, sync_key: str | None = None) -> None:
    """As a user copies an entry: with its key, under another id."""
    ref = ItemRef(item_id=name, change_key=name)
    later = item.created_at + timedelta(hours=1)
    made = replace(item, ref=ref, created_at=later, sync_key=sync_key or item.sync_key)
    house.exchange.items(ADDRESS)[name] = made


def test_copies_that_a_user_made_stay_also_those_of_a_double(house: House) -> None:
    doubled(house)
    forgotten, recorded = pair(house, 2)
    copy(house, forgotten, "copy-1")
    copy(house, recorded, "copy-2")
    for _ in range(2):
        look(house, mend=True)
        assert house.settle() == []
    assert {"copy-1", "copy-2"} <= house.exchange.items(ADDRESS).keys()
    assert len(house.shown(1)) == 7
    assert counted(house) == (0, 0, 0)


def test_keys_of_events_that_nobody_knows_are_counted_and_stay(house: House) -> None:
    doubled(house)
    copy(house, pair(house, 2)[0], "strange", sync_key="unheard-of#00c0ffee")
    look(house, mend=True)
    assert house.settle() == []
    with house.database.write() as connection:
        recovery.recover(connection, lease=timedelta())
    for _ in range(3):
        house.settle()
        house.later(90_000)
    assert "strange" in house.exchange.items(ADDRESS)
    assert counted(house) == (0, 0, 1)


def test_what_has_ended_stays_as_it_is(house: House) -> None:
    doubled(house)
    house.now = MONDAY + timedelta(days=3, hours=12)
    look(house, mend=True)
    assert house.settle() == []
    assert len(house.shown(1)) == 6


def test_doubles_go_under_the_brake(house: House) -> None:
    doubled(house)
    house.safety = Safety(max_deleted_share=0.0, min_deletes=1)
    look(house, mend=True)
    assert house.settle() == []
    assert len(house.shown(1)) == 8
    with house.database.read() as connection:
        rows = connection.execute(text("SELECT status, held_by FROM entry WHERE held_by <> ''"))
        assert {tuple(row) for row in rows} == {("deleting", "institution")}
    house.safety = Safety()
    with house.database.write() as connection:
        connection.execute(text("DELETE FROM brake"))
    look(house)
    assert house.settle() == []
    assert times(house) == WANTED


@pytest.mark.parametrize("step", range(1, 7))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_whatever_is_cut_off_in_between_ends_with_each_event_once(
    house: House, step: int, moment: str
) -> None:
    doubled(house)
    left = [step]

    def cut(_operation: str, _mailbox: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OutcomeUnknown("ReadTimeout")

    setattr(house.exchange, moment, cut)
    look(house, mend=True)
    for _ in range(4):
        house.settle()
        house.later(120)
    assert times(house) == WANTED


def test_of_two_the_one_that_stays_is_taken_where_the_other_was_deleted(house: House) -> None:
    """Its user saw it twice and deleted one: that is no wish to have it put back."""
    doubled(house)
    _, recorded = pair(house, 2)
    del house.exchange.items(ADDRESS)[recorded.ref.item_id]
    look(house)
    assert house.settle() == []
    assert len(house.shown(1)) == 7
    assert house.count("create") == 0


def test_whoever_is_left_alone_keeps_no_double_once_it_was_looked_for(house: House) -> None:
    doubled(house)
    with house.database.write() as connection:
        person_id = people.find_by_any_identity(connection, "1")
        assert person_id is not None
        marked = people.wish(connection, person_id, {people.OPT_OUT}, "test")
        doubles.wish(connection, marked, mend=False)
        people.mark_calendars(connection, marked, reason="optout", lane=Lane.ASKED)
    assert house.settle() == []
    assert house.shown(1) == []
