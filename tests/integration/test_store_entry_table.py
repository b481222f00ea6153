"""Each setter of the store does to a row what the table of `domain.entry` says of its happening."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from kalender.domain.entry import (
    Adopted,
    CreateAhead,
    Created,
    Entry,
    EntryStatus,
    FoundByKey,
    Happening,
    Held,
    ImpossibleHappening,
    LeftAsItIs,
    NotCarriedOut,
    Plain,
    Refused,
    Renamed,
    Shown,
    Subject,
    after,
)
from kalender.domain.model import ActivityKey
from kalender.ports import FoundItem, ItemRef
from kalender.store import entries
from kalender.store.tables import entry as table
from tests.factories import DAY, HOUR, NOW, a_wanted, an_event
from tests.integration.test_store_entries import KEY, connection, live, ours

__all__ = ["connection", "ours"]

Setter = Callable[[Connection, Entry], None]
OTHER = a_wanted(an_event("2", starts_at=NOW + 2 * DAY, ends_at=NOW + 2 * DAY + HOUR))
SUBJECT = Subject(
    event_id=OTHER.event.event_id,
    activity=OTHER.event.teaching.activity,
    starts_at=OTHER.content.starts_at,
    ends_at=OTHER.content.ends_at,
)

STATES: dict[str, Setter] = {
    "live": lambda _, __: None,
    "live, content unknown": lambda c, e: entries.unsettle(c, [e.sync_key]),
    "live, held": lambda c, e: entries.hold(c, [e.sync_key], "all"),
    "deleting": lambda c, e: entries.condemn(c, [e.sync_key]),
    "refused": lambda c, e: entries.refused(c, e.sync_key, OTHER),
    "declined": lambda c, e: entries.decline(c, [e.sync_key], still_there=True),
    "declined, gone": lambda c, e: entries.decline(c, [e.sync_key], still_there=False),
    "abandoned": lambda c, e: entries.abandon(c, [e.sync_key]),
}

SETTERS: list[tuple[Callable[[Entry], Happening], Setter]] = [
    (lambda _: Plain.UPDATE_AHEAD, lambda c, e: entries.unsettle(c, [e.sync_key])),
    (lambda _: Plain.DELETE_AHEAD, lambda c, e: entries.condemn(c, [e.sync_key])),
    (
        lambda _: Created(item_id="i", change_key="k"),
        lambda c, e: entries.created(c, [(e.sync_key, "i", "k")]),
    ),
    (
        lambda _: Shown(subject=SUBJECT, fingerprint=OTHER.fingerprint, item_id="i"),
        lambda c, e: entries.shows(c, e.sync_key, OTHER, item_id="i"),
    ),
    (
        lambda e: NotCarriedOut(before=e._replace(fingerprint="f", held_by="all")),
        lambda c, e: entries.restore(c, e._replace(fingerprint="f", held_by="all")),
    ),
    (lambda _: NotCarriedOut(before=None), lambda c, e: entries.remove(c, [e.sync_key])),
    (lambda _: Plain.TAKEN, lambda c, e: entries.remove(c, [e.sync_key])),
    (lambda _: Plain.FORGOTTEN, lambda c, e: entries.remove(c, [e.sync_key])),
    (
        lambda _: Refused(fingerprint=OTHER.fingerprint),
        lambda c, e: entries.refused(c, e.sync_key, OTHER),
    ),
    (lambda _: Plain.NOT_FOUND_BY_KEY, lambda c, e: entries.abandon(c, [e.sync_key])),
    (
        lambda _: LeftAsItIs(still_there=True),
        lambda c, e: entries.decline(c, [e.sync_key], still_there=True),
    ),
    (
        lambda _: LeftAsItIs(still_there=False),
        lambda c, e: entries.decline(c, [e.sync_key], still_there=False),
    ),
    (lambda _: Plain.FROZEN, lambda c, e: entries.settle(c, [e.sync_key])),
    (lambda _: Held(scope="course"), lambda c, e: entries.hold(c, [e.sync_key], "course")),
    (lambda _: Plain.FREED, lambda c, e: entries.free(c, [e.sync_key])),
    (lambda _: Renamed(subject=SUBJECT), lambda c, e: entries.rename(c, e.sync_key, OTHER)),
]


def the_row(connection: Connection) -> Entry | None:
    """Return the record of the key, abandoned ones too."""
    columns = [column.label(None) for column in entries._OF_CALENDAR.selected_columns]
    row = connection.execute(select(*columns).where(table.c.sync_key == KEY)).one_or_none()
    return None if row is None else entries._entry(row)


@pytest.mark.parametrize("state", ["intended", *STATES])
def test_every_setter_does_what_the_table_says(
    connection: Connection, ours: int, state: str
) -> None:
    before = the_state(connection, ours, state)
    carried_out = 0
    for number, (happening_of, setter) in enumerate(SETTERS):
        try:
            expected = after(before, happening_of(before))
        except ImpossibleHappening:
            continue
        with connection.begin_nested() as savepoint:
            setter(connection, before)
            assert the_row(connection) == expected, (number, happening_of(before))
            savepoint.rollback()
        carried_out += 1
    assert carried_out > 0


@pytest.mark.parametrize("state", ["intended", *STATES])
def test_a_key_that_was_found_is_recorded_as_the_table_says(
    connection: Connection, ours: int, state: str
) -> None:
    before = the_state(connection, ours, state)
    if before.status is EntryStatus.ABANDONED:
        return
    found = after(before, FoundByKey(item_id="i", change_key="k"))
    if before.status is EntryStatus.INTENDED:
        entries.created(connection, [(KEY, "i", "")])
    elif before.status is EntryStatus.DECLINED:
        entries.located(connection, KEY, "i", "k")
    else:
        entries.moved(connection, KEY, "i", "k")
    assert the_row(connection) == found


@pytest.mark.parametrize("state", ["intended", *STATES])
def test_sql_and_python_agree_on_what_is_open(
    connection: Connection, ours: int, state: str
) -> None:
    record = the_state(connection, ours, state)
    asked = select(table.c.sync_key).where(entries.is_open())
    assert (connection.execute(asked).scalar() is not None) == record.open


def test_a_create_is_written_ahead_as_the_table_says(connection: Connection, ours: int) -> None:
    entries.intend(connection, ours, {KEY: OTHER})
    ahead = CreateAhead(sync_key=KEY, subject=SUBJECT, fingerprint=OTHER.fingerprint)
    assert the_row(connection) == after(None, ahead)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("status", [EntryStatus.LIVE, EntryStatus.DELETING])
def test_an_item_is_adopted_as_the_table_says(
    connection: Connection, ours: int, status: EntryStatus, *, ended: bool
) -> None:
    starts_at = NOW - 2 * DAY if ended else NOW + DAY
    ends_at, activity = starts_at + HOUR, ActivityKey("", "", "", 0, "")
    ref = ItemRef(item_id="i", change_key="k")
    item = FoundItem(ref=ref, sync_key=KEY, starts_at=starts_at, ends_at=ends_at, created_at=NOW)
    entries.adopt(connection, ours, item, key=KEY, now=NOW, status=status)
    happening = Adopted(
        sync_key=KEY,
        subject=Subject(event_id="1", activity=activity, starts_at=starts_at, ends_at=ends_at),
        item_id="i",
        change_key="k",
        ended=ended,
        goes=status is EntryStatus.DELETING,
    )
    assert the_row(connection) == after(None, happening)


def the_state(connection: Connection, calendar_id: int, state: str) -> Entry:
    """Bring the record into this state with the store's own setters."""
    if state == "intended":
        entries.intend(connection, calendar_id, {KEY: a_wanted(an_event("1"))})
    else:
        STATES[state](connection, live(connection, calendar_id))
    record = the_row(connection)
    assert record is not None
    return record
