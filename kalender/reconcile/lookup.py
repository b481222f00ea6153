"""Find out what is uncertain before anything is planned; nothing is ever removed by a lookup."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from kalender.domain.entry import Entry, EntryStatus
from kalender.ports import FoundItem
from kalender.reconcile.doubles import Double, oldest_of, sort_out
from kalender.reconcile.protocol import Visit
from kalender.store import entries, people


def locate(visit: Visit, lost: Sequence[Entry]) -> None:
    """Look these keys up: what is found is adopted, what is not is never used again."""
    give_up(visit, find_again(visit, lost))


def find_again(visit: Visit, lost: Sequence[Entry]) -> list[Entry]:
    """Look these keys up and adopt what is found; return what is not in the calendar."""
    items = visit.calendars.find(visit.row.address, [entry.sync_key for entry in lost])
    oldest = oldest_of(items)
    found = [entry for entry in lost if entry.sync_key in oldest]
    if found:
        with visit.recording() as connection:
            for entry in found:
                _record(connection, entry, oldest[entry.sync_key])
    return [entry for entry in lost if entry.sync_key not in oldest]


def give_up(visit: Visit, gone: Sequence[Entry]) -> None:
    """Record that these keys are not in the calendar; what is wanted is made anew.

    Only what once stood there was taken away by its user: a lost create was not.
    """
    if gone:
        taken = [entry for entry in gone if entry.status is not EntryStatus.INTENDED]
        visit.taken |= {entry.event_id for entry in taken}
        with visit.recording() as connection:
            entries.abandon(connection, [entry.sync_key for entry in gone])
            visit.log(connection, "gone", [entry.sync_key for entry in taken])


def _record(connection: Connection, entry: Entry, item: FoundItem, *, over: bool = False) -> None:
    """What was intended says what was intended, unless its user edited it by then.

    That a verify finds out: it knows no change key of it. Of what moved the content is not known,
    and of what is over it is not asked for: it stays as it is.
    """
    key, ref = entry.sync_key, item.ref
    if entry.status is EntryStatus.INTENDED:
        entries.created(connection, [(key, ref.item_id, "")])
    elif entry.status is EntryStatus.DECLINED or (over and not entry.open):
        entries.located(connection, key, ref.item_id, ref.change_key)
    else:
        entries.moved(connection, key, ref.item_id, ref.change_key)


def look_up_everything(visit: Visit) -> list[Double]:
    """Find every item with our key: after a move, a restore, or a change of owner.

    Adopts by recorded key first, then by the event id in the key; returns what shows an event a
    second time. Items beyond that are copies, and stay; they are taken along only where somebody
    wished that all with our key go.
    """
    items = visit.calendars.find(visit.row.address, None)
    calendar_id = visit.row.calendar_id
    with visit.database.write() as connection:
        visit.renew(connection)
        keys = {item.sync_key for item in items}
        elsewhere = entries.take_over(connection, calendar_id, visit.row.address, keys)
        found = entries.of_calendar(connection, calendar_id)
        recorded = {entry.sync_key: entry for entry in found}
        _relocate(connection, recorded, items, visit.now)
        if people.SEARCH in people.wishes_of(connection, visit.row.person_id):
            _adopt_everything(connection, visit, recorded, items)
            return []
        return sort_out(connection, visit, items, elsewhere)


def _relocate(
    connection: Connection,
    recorded: Mapping[str, Entry],
    items: Sequence[FoundItem],
    now: datetime,
) -> None:
    """Record where each key is.

    Of what moved, or was written since, the content is not known. What is gone is made anew.
    """
    alive = {item.ref.item_id: item for item in items}
    oldest = oldest_of(items)
    for key, entry in recorded.items():
        item = alive.get(entry.item_id or "") or oldest.get(key)
        if item is not None and (item.ref.item_id, item.ref.change_key) != (
            entry.item_id,
            entry.change_key,
        ):
            _record(connection, entry, item, over=entry.ends_at <= now)
    lost = [entry for key, entry in recorded.items() if key not in oldest]
    declined = [entry.sync_key for entry in lost if entry.status is EntryStatus.DECLINED]
    entries.decline(connection, declined, still_there=False)
    gone = {e.sync_key for e in lost if e.ends_at > now or e.open} - set(declined)
    entries.abandon(connection, gone)


def _adopt_everything(
    connection: Connection,
    visit: Visit,
    recorded: Mapping[str, Entry],
    items: Sequence[FoundItem],
) -> None:
    """Copies too, each under a key of its own that stands on no item."""
    known = {entry.item_id for entry in recorded.values()}
    oldest = {item.ref.item_id for key, item in oldest_of(items).items() if key in recorded}
    for item in items:
        if item.ref.item_id not in known | oldest:
            key = f"{item.sync_key.rpartition('#')[0]}#{secrets.token_hex(4)}"
            entries.adopt(connection, visit.row.calendar_id, item, key=key, now=visit.now)
