"""Find out what is uncertain before anything is planned; nothing is ever removed by a lookup."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from kalender.domain.plan import Entry, EntryStatus
from kalender.ports import FoundItem
from kalender.store import entries
from kalender.visit import Visit


def settle_intended(visit: Visit) -> None:
    """Find out what became of creates whose answer never came: one lookup by key."""
    with visit.database.read() as connection:
        found = entries.of_calendar(connection, visit.row.calendar_id)
    intended = [entry for entry in found if entry.status is EntryStatus.INTENDED]
    if intended:
        locate(visit, intended)


def locate(visit: Visit, lost: Sequence[Entry]) -> None:
    """Look these keys up: what is found is adopted, what is not is never used again."""
    items = visit.calendars.find(visit.row.address, [entry.sync_key for entry in lost])
    oldest = _oldest(items)
    gone = [entry for entry in lost if entry.sync_key not in oldest]
    with visit.database.write() as connection:
        visit.renew(connection)
        for entry in lost:
            if entry.sync_key in oldest:
                _record(connection, entry, oldest[entry.sync_key])
        entries.abandon(connection, [entry.sync_key for entry in gone])
        visit.log(connection, "gone", [(entry.event_id, entry.sync_key) for entry in gone])


def _oldest(items: Sequence[FoundItem]) -> dict[str, FoundItem]:
    newest_first = sorted(items, key=lambda item: item.created_at, reverse=True)
    return {item.sync_key: item for item in newest_first}


def _record(connection: Connection, entry: Entry, item: FoundItem) -> None:
    """What was intended says what was intended; of what moved that is not known."""
    key, ref = entry.sync_key, item.ref
    if entry.status is EntryStatus.INTENDED:
        entries.created(connection, [(key, ref.item_id, ref.change_key)])
    else:
        entries.moved(connection, key, ref.item_id, ref.change_key)


def look_up_everything(visit: Visit) -> None:
    """Find every item with our key: after a move, a restore, or a change of owner.

    Adopts by recorded key first, then by the event id in the key. Items beyond that are copies,
    and stay.
    """
    items = visit.calendars.find(visit.row.address, None)
    oldest = _oldest(items)
    with visit.database.write() as connection:
        visit.renew(connection)
        entries.take_over(connection, visit.row.calendar_id, oldest)
        found = entries.of_calendar(connection, visit.row.calendar_id)
        recorded = {entry.sync_key: entry for entry in found}
        _relocate(connection, recorded, oldest, {item.ref.item_id for item in items})
        _adopt_strangers(connection, visit, recorded, oldest)


def _relocate(
    connection: Connection,
    recorded: Mapping[str, Entry],
    oldest: Mapping[str, FoundItem],
    alive: set[str],
) -> None:
    for key, entry in recorded.items():
        if key in oldest and entry.item_id not in alive:
            _record(connection, entry, oldest[key])
    entries.abandon(connection, [key for key in recorded if key not in oldest])


def _adopt_strangers(
    connection: Connection,
    visit: Visit,
    recorded: Mapping[str, Entry],
    oldest: Mapping[str, FoundItem],
) -> None:
    shown = {entry.event_id for key, entry in recorded.items() if key in oldest}
    for key, item in sorted(oldest.items()):
        event_id = key.rpartition("#")[0]
        if key not in recorded and event_id not in shown:
            entries.adopt(connection, visit.row.calendar_id, item)
            shown.add(event_id)
