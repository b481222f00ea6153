"""Drift: is what we recorded still there, as we wrote it? Looks; what differs is planned anew."""

from collections.abc import Sequence

from kalender.domain.entry import Entry
from kalender.errors import TransientError
from kalender.ports import ItemError, ItemOutcome
from kalender.reconcile.lookup import find_again, give_up
from kalender.reconcile.protocol import READS, PlanAgain, Visit, parts
from kalender.store import entries


def verify(visit: Visit, standing: Sequence[Entry]) -> tuple[Entry, ...]:
    """Compare change keys, a hundred a request. What changed counts as of unknown content.

    What is gone is looked up by key; then PlanAgain, and the plan makes what was not found anew.
    """
    changed: dict[str, Entry] = {}
    gone: list[Entry] = []
    for part in parts([entry for entry in standing if entry.item_id and not entry.open], READS):
        ids = [str(entry.item_id) for entry in part]
        states = visit.calendars.get(visit.row.address, ids, fields=False)
        for entry, state in zip(part, states, strict=True):
            if isinstance(state, ItemError):
                gone.append(gone_or_raise(entry, state))
            elif state.ref.change_key != entry.change_key:
                changed[entry.sync_key] = entry._replace(fingerprint=None)
                visit.edited[entry.sync_key] = entry.fingerprint or ""
    visit.verified = True
    edited = _to_put_back(visit, [e for e in standing if e.sync_key in changed], "restore")
    changed = {key: entry for key, entry in changed.items() if key in edited}
    if gone:
        with visit.recording() as connection:
            entries.unsettle(connection, list(changed))
        look_again(visit, gone)
        raise PlanAgain
    return tuple(changed.get(entry.sync_key, entry) for entry in standing)


def look_again(visit: Visit, gone: Sequence[Entry]) -> None:
    """Follow by key what is not found by id; what its user took away is put back, or declined.

    A mailbox that was restored or moved within an Exchange gives all its items new ids.
    """
    lost = find_again(visit, gone)
    back = _to_put_back(visit, lost, "gone")
    give_up(visit, [entry for entry in lost if entry.sync_key in back])


def _to_put_back(visit: Visit, entries_: Sequence[Entry], what: str) -> set[str]:
    """Return the keys of those to put back; what is not wanted back, or too often, is declined."""
    if not entries_:
        return set()
    settings = visit.means.audiences[visit.row.audience]
    wanted = settings.restore_deleted if what == "gone" else settings.restore_edited
    with visit.recording() as connection:
        often = entries.put_back_often(
            connection, visit.row.calendar_id, what, most=settings.max_restores
        )
        left = [e for e in entries_ if not wanted or e.event_id in often]
        entries.decline(connection, [e.sync_key for e in left], still_there=what != "gone")
        kept = [e for e in entries_ if e not in left]
    return {entry.sync_key for entry in kept}


def gone_or_raise(entry: Entry, error: ItemError) -> Entry:
    """Return the entry where Exchange says that it is not there; else TransientError."""
    if error.verdict is not ItemOutcome.GONE:
        text = f"an entry could not be read ({error.code})"
        raise TransientError(text, retry_after=error.retry_after)
    return entry
