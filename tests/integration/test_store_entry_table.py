"""What the store writes of a happening is what the table of `domain.entry` says, on both databases."""

import pytest
from sqlalchemy import Connection, select

from kalender.domain.entry import (
    Adopted,
    CreateAhead,
    Created,
    Declined,
    Entry,
    EntryStatus,
    FoundByKey,
    Happening,
    Held,
    ImpossibleHappening,
    NotCarriedOut,
    NotFoundAtAll,
    Plain,
    Refused,
    Renamed,
    Shown,
    Subject,
    after,
    happens,
)
from kalender.domain.model import ActivityKey
from kalender.ports import FoundItem, ItemRef
from kalender.store import entries
from kalender.store.tables import entry as table
from tests.factories import DAY, HOUR, NOW, a_wanted, an_event
from tests.integration.test_store_entries import KEY, connection, live, ours

__all__ = ["connection", "ours"]

OTHER = a_wanted(an_event("2", starts_at=NOW + 2 * DAY, ends_at=NOW + 2 * DAY + HOUR))

STATES: dict[str, list[Happening]] = {
    "live": [],
    "live, content unknown": [Plain.UPDATE_AHEAD],
    "live, held": [Held(scope="all")],
    "deleting": [Plain.DELETE_AHEAD],
    "refused": [Refused(fingerprint=OTHER.fingerprint)],
    "declined": [Declined(still_there=True)],
    "declined, gone": [Declined(still_there=False)],
    "abandoned": [Plain.NOT_FOUND_BY_KEY],
    "abandoned, never seen": [Plain.NOT_FOUND_BY_KEY],
}


def happenings(before: Entry) -> list[Happening]:
    """Return everything that may happen to a record, whether or not it may to this one."""
    other = before._replace(fingerprint="f", held_by="all")
    return [
        *Plain,
        Created(item_id="i", change_key="k"),
        Shown(subject=OTHER.subject, fingerprint=OTHER.fingerprint, item_id="i"),
        Shown(subject=OTHER.subject, fingerprint=OTHER.fingerprint, change_key="k"),
        NotCarriedOut(before=other),
        NotCarriedOut(before=None),
        Refused(fingerprint=OTHER.fingerprint),
        FoundByKey(item_id="i", change_key="k"),
        FoundByKey(item_id="i", change_key="k", ended=True),
        NotFoundAtAll(ended=False),
        NotFoundAtAll(ended=True),
        Declined(still_there=True),
        Declined(still_there=False),
        Held(scope="course"),
        Renamed(subject=OTHER.subject),
    ]


def the_row(connection: Connection) -> Entry | None:
    """Return the record of the key, abandoned ones too."""
    columns = [column.label(None) for column in entries._RECORDS.selected_columns]
    row = connection.execute(select(*columns).where(table.c.sync_key == KEY)).one_or_none()
    return None if row is None else entries._entry(row)


@pytest.mark.parametrize("state", ["intended", *STATES])
def test_every_happening_is_written_as_the_table_says(
    connection: Connection, ours: int, state: str
) -> None:
    before = the_state(connection, ours, state)
    carried_out = 0
    for happening in happenings(before):
        try:
            expected = after(before, happening)
        except ImpossibleHappening:
            continue
        with connection.begin_nested() as savepoint:
            entries.save(connection, ours, [happens(before, happening)])
            assert the_row(connection) == expected, happening
            savepoint.rollback()
        carried_out += 1
    assert carried_out > 0


@pytest.mark.parametrize("state", ["intended", *STATES])
def test_sql_and_python_agree_on_what_is_open(
    connection: Connection, ours: int, state: str
) -> None:
    record = the_state(connection, ours, state)
    asked = select(table.c.sync_key).where(entries.is_open())
    assert (connection.execute(asked).scalar() is not None) == record.open


@pytest.mark.parametrize("state", ["intended", *STATES])
def test_only_a_create_that_was_abandoned_without_an_answer_was_never_seen(
    connection: Connection, ours: int, state: str
) -> None:
    record = the_state(connection, ours, state)
    expected = [record] if state == "abandoned, never seen" else []
    assert entries.never_seen(connection, ours) == expected


def test_what_was_left_to_its_user_stays_so_for_good(connection: Connection, ours: int) -> None:
    entries.save(connection, ours, [happens(live(connection, ours), Plain.LEFT_TO_USER)])
    record = the_row(connection)
    assert record is not None
    for happening in happenings(record):
        with pytest.raises(ImpossibleHappening):
            after(record, happening)
    assert entries.of_calendar(connection, ours) == []


def test_a_create_is_written_ahead_as_the_table_says(connection: Connection, ours: int) -> None:
    ahead = CreateAhead(sync_key=KEY, subject=OTHER.subject, fingerprint=OTHER.fingerprint)
    entries.save(connection, ours, [happens(None, ahead)], ahead=True)
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
    goes = status is EntryStatus.DELETING
    entries.adopt(connection, ours, item, key=KEY, now=NOW, goes=goes)
    happening = Adopted(
        sync_key=KEY,
        subject=Subject(event_id="1", activity=activity, starts_at=starts_at, ends_at=ends_at),
        item_id="i",
        change_key="k",
        ended=ended,
        goes=goes,
    )
    assert the_row(connection) == after(None, happening)


def test_what_somebody_else_wrote_into_another_column_stays(
    connection: Connection, ours: int
) -> None:
    before = live(connection, ours)
    entries.save(connection, ours, [happens(before, Held(scope="course"))])
    entries.save(connection, ours, [happens(before, Plain.UPDATE_AHEAD)], ahead=True)
    row = the_row(connection)
    assert row == before._replace(held_by="course", fingerprint=None)


def the_state(connection: Connection, calendar_id: int, state: str) -> Entry:
    """Bring the record into this state by what happens to it."""
    if state in {"intended", "abandoned, never seen"}:
        subject, fingerprint = a_wanted(an_event("1")).subject, OTHER.fingerprint
        ahead = CreateAhead(sync_key=KEY, subject=subject, fingerprint=fingerprint)
        entries.save(connection, calendar_id, [happens(None, ahead)])
        record = the_row(connection)
    else:
        record = live(connection, calendar_id)
    for happening in STATES.get(state, ()):
        entries.save(connection, calendar_id, [happens(record, happening)])
    row = the_row(connection)
    assert row is not None
    return row
