"""Drift: is what we recorded still there, as we wrote it? Looks; what differs is planned anew."""

from collections.abc import Sequence
from dataclasses import replace

from kalender.domain.plan import Entry
from kalender.errors import TransientError
from kalender.ports import ItemError, Verdict
from kalender.settle import locate
from kalender.visit import READS, PlanAgain, Visit, parts


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
                changed[entry.sync_key] = replace(entry, fingerprint=None)
                visit.edited[entry.sync_key] = entry.fingerprint or ""
    visit.verified = True
    if gone:
        locate(visit, gone)
        raise PlanAgain
    return tuple(changed.get(entry.sync_key, entry) for entry in standing)


def gone_or_raise(entry: Entry, error: ItemError) -> Entry:
    """Return the entry where Exchange says that it is not there; else TransientError."""
    if error.verdict is not Verdict.GONE:
        raise TransientError(f"an entry could not be read ({error.code})")
    return entry
