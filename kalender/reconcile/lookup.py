"""Find out what is uncertain before anything is planned; no lookup removes anything from the calendar.

Three questions are asked of the calendar itself: what became of creates that nobody answered
(`look_up_keys`), where everything of ours is after a move or a restore (`look_up_everything`), and
whether what we wrote is still there as we wrote it (`verify`).
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from kalender.domain.entry import (
    Declined,
    Entry,
    EntryStatus,
    FoundByKey,
    NotCarriedOut,
    NotFoundAtAll,
    Plain,
    Transition,
    happens,
)
from kalender.errors import TransientError
from kalender.ports import FoundItem, ItemError, ItemOutcome
from kalender.reconcile import moves
from kalender.reconcile.doubles import Double, find_all, oldest_of, sort_out
from kalender.reconcile.moves import Absence
from kalender.reconcile.protocol import READS, Visit, parts
from kalender.store import entries, people, takeovers

# -- creates and adoptions in doubt ------------------------------------------------------------------


def settle_open_records(visit: Visit) -> list[Entry]:
    """Ask Exchange what became of creates and adoptions that nobody answered, and record it.

    Returns all standing records of the calendar as they are then.
    """
    records = read_records(visit)
    lost_entries = [entry for entry in records if entry.status is EntryStatus.INTENDED]
    creates = [entry for entry in lost_entries if entry.item_id is None]
    adoptions = [entry for entry in lost_entries if entry.item_id is not None]
    if creates:
        look_up_keys(visit, creates)
    if adoptions:
        _look_at_adoptions(visit, adoptions)
    return read_records(visit) if lost_entries else records


def read_records(visit: Visit) -> list[Entry]:
    """Return all standing records of the calendar."""
    with visit.database.read() as connection:
        return entries.of_calendar(connection, visit.row.calendar_id)


def _look_at_adoptions(visit: Visit, adoptions: Sequence[Entry]) -> None:
    """Read by id the items that were about to become ours, and record which of them carry our key.

    One that does not is the predecessor's still. One that is gone by its id is looked up by key.
    """
    transitions: list[Transition] = []
    gone_entries: list[Entry] = []
    for part in parts(adoptions, READS):
        ids = [str(entry.item_id) for entry in part]
        states = visit.calendars.get(visit.row.address, ids, fields=True)
        for entry, state in zip(part, states, strict=True):
            if isinstance(state, ItemError):
                gone_entries.append(gone_or_raise(entry, state))
            elif state.sync_key == entry.sync_key:
                where = FoundByKey(item_id=state.ref.item_id, change_key=state.ref.change_key)
                transitions.append(happens(entry, where))
            else:
                transitions.append(happens(entry, NotCarriedOut(before=None)))
    with visit.recording() as connection:
        visit.save(connection, transitions)
        adopted_keys = [t.after.sync_key for t in transitions if t.after is not None]
        visit.log(connection, "adopt", adopted_keys)
        takeovers.forget(
            connection,
            {t.before.sync_key for t in transitions if t.before is not None and t.after is None},
        )
    if gone_entries:
        lost_entries = find_again(visit, gone_entries)
        with visit.recording() as connection:
            takeovers.forget(connection, {entry.sync_key for entry in lost_entries})
        abandon_keys(visit, lost_entries)


# -- by key ------------------------------------------------------------------------------------------


def look_up_keys(visit: Visit, lost_entries: Sequence[Entry]) -> None:
    """Look these keys up: what is found is adopted, what is not is never used again.

    Raises PutOff where the mailbox may have moved to another Exchange.
    """
    absent_entries = find_again(visit, lost_entries)
    if absent_entries and len(visit.context.exchanges) > 1:
        moves.judge_absence(visit, find_all(visit))
    abandon_keys(visit, absent_entries)


def find_again(visit: Visit, lost_entries: Sequence[Entry]) -> list[Entry]:
    """Look these keys up and record where they are; return what is not in the calendar.

    Where a key stands on several items, the oldest is ours, and the others are its user's copies.
    """
    hits = visit.calendars.find(visit.row.address, [entry.sync_key for entry in lost_entries])
    oldest = oldest_of(hits)
    located = [
        happens(entry, _location(oldest[entry.sync_key], ended=False))
        for entry in lost_entries
        if entry.sync_key in oldest
    ]
    if located:
        with visit.recording() as connection:
            visit.save(connection, located)
    return [entry for entry in lost_entries if entry.sync_key not in oldest]


def abandon_keys(visit: Visit, absent_entries: Sequence[Entry]) -> None:
    """Record that these keys are not in the calendar; what is desired is made anew by the next plan.

    Only what once stood there was deleted by its user: a lost create was not. The change log says
    `gone` of what is put back therefore.
    """
    if absent_entries:
        deleted_entries = [
            entry for entry in absent_entries if entry.status is not EntryStatus.INTENDED
        ]
        visit.deleted_by_user |= {entry.event_id for entry in deleted_entries}
        with visit.recording() as connection:
            visit.save(
                connection, [happens(entry, Plain.NOT_FOUND_BY_KEY) for entry in absent_entries]
            )
            visit.log(connection, "gone", [entry.sync_key for entry in deleted_entries])


def _location(hit: FoundItem, *, ended: bool) -> FoundByKey:
    return FoundByKey(item_id=hit.ref.item_id, change_key=hit.ref.change_key, ended=ended)


# -- everything of ours ------------------------------------------------------------------------------


def look_up_everything(visit: Visit) -> list[Double]:
    """Find every item with our key: after a move, a restore, or a change of owner.

    Adopts by recorded key first, then by the event id in the key; returns what shows an event a
    second time. Items beyond that are copies, and stay; they are taken along only where somebody
    wished that all with our key go. What of ours stands in an emptied place that the mailbox left is
    taken away there. Raises PutOff where the mailbox may be elsewhere.
    """
    hits = find_all(visit, contents=moves.is_under_way(visit))
    if moves.judge_absence(visit, hits) is Absence.DELETED_BY_USER:
        _take_as_deleted(visit, hits)
    moves.take_away_at_old_place(visit, hits)
    calendar_id = visit.row.calendar_id
    with visit.recording() as connection:
        keys = {hit.sync_key for hit in hits}
        elsewhere = entries.move_records_here(
            connection, calendar_id, visit.places(connection), keys
        )
        records = entries.of_calendar(connection, calendar_id)
        visit.save(connection, _relocated(records, hits, visit.now))
        if people.SEARCH in people.wishes_of(connection, visit.row.person_id):
            recorded_keys = {entry.sync_key for entry in records}
            known_ids = {entry.item_id for entry in records}
            known_ids |= {
                hit.ref.item_id for key, hit in oldest_of(hits).items() if key in recorded_keys
            }
            for hit in hits:
                if hit.ref.item_id not in known_ids and not hit.meeting:
                    key = f"{hit.sync_key.rpartition('#')[0]}#{secrets.token_hex(4)}"
                    entries.adopt(connection, visit.row.calendar_id, hit, key=key, now=visit.now)
            return []
        found_doubles = sort_out(connection, visit, hits, elsewhere)
    moves.take_away_again(visit, hits)
    return found_doubles


def _take_as_deleted(visit: Visit, hits: Sequence[FoundItem]) -> None:
    """Take what is to come and not among these items as deleted by its user."""
    found = {hit.sync_key for hit in hits} | {hit.ref.item_id for hit in hits}
    gone_entries = [
        entry
        for entry in read_records(visit)
        if entry.status is EntryStatus.LIVE and entry.ends_at > visit.now
        if found.isdisjoint({entry.sync_key, entry.item_id})
    ]
    abandon_keys(visit, _to_put_back(visit, gone_entries, "gone"))


def _relocated(
    records: Sequence[Entry], hits: Sequence[FoundItem], now: datetime
) -> list[Transition]:
    """Return what a search of the whole calendar says of each record.

    Of what moved, or was written since, the content is not known. What is gone is made anew.
    """
    by_id = {hit.ref.item_id: hit for hit in hits}
    oldest = oldest_of(hits)
    transitions = []
    for entry in records:
        is_over = entry.ends_at <= now
        hit = by_id.get(entry.item_id or "") or oldest.get(entry.sync_key)
        if hit is None:
            transitions.append(happens(entry, NotFoundAtAll(ended=is_over)))
        elif (hit.ref.item_id, hit.ref.change_key) != (
            entry.item_id,
            entry.change_key,
        ):
            transitions.append(happens(entry, _location(hit, ended=is_over)))
    return transitions


# -- drift -------------------------------------------------------------------------------------------


def verify(visit: Visit, standing: Sequence[Entry]) -> tuple[Entry, ...] | None:
    """Compare change keys with what we recorded, a hundred items a request.

    Returns the records, in which what changed has unknown content, so that the plan writes it
    again. None where an item was gone: it was followed by its key, and the plan makes anew what was
    not found. Raises TransientError where an item could not be read.
    """
    transitions: dict[str, Transition] = {}
    gone_entries: list[Entry] = []
    for part in parts([entry for entry in standing if entry.item_id and not entry.open], READS):
        ids = [str(entry.item_id) for entry in part]
        states = visit.calendars.get(visit.row.address, ids, fields=False)
        for entry, state in zip(part, states, strict=True):
            if isinstance(state, ItemError):
                gone_entries.append(gone_or_raise(entry, state))
            elif state.ref.change_key != entry.change_key:
                transitions[entry.sync_key] = happens(entry, Plain.UPDATE_AHEAD)
                visit.edited[entry.sync_key] = entry.fingerprint or ""
    visit.verified = True
    edited = [entry for entry in standing if entry.sync_key in transitions]
    put_back = {entry.sync_key for entry in _to_put_back(visit, edited, "restore")}
    transitions = {key: transition for key, transition in transitions.items() if key in put_back}
    if gone_entries:
        with visit.recording() as connection:
            visit.save(connection, transitions.values(), ahead=True)
        follow_by_key(visit, gone_entries)
        return None
    content_unknown = {key: transition.after for key, transition in transitions.items()}
    return tuple(content_unknown.get(entry.sync_key) or entry for entry in standing)


def follow_by_key(visit: Visit, gone_entries: Sequence[Entry]) -> None:
    """Follow by key what is not found by id; what its user deleted is put back, or declined.

    A mailbox that was restored or moved within an Exchange gives all its items new ids. Raises
    PutOff where it may have moved to another Exchange.
    """
    lost_entries = find_again(visit, gone_entries)
    if lost_entries and len(visit.context.exchanges) > 1:
        moves.judge_absence(visit, find_all(visit))
    abandon_keys(visit, _to_put_back(visit, lost_entries, "gone"))


def _to_put_back(
    visit: Visit, touched_entries: Sequence[Entry], operation: Literal["gone", "restore"]
) -> list[Entry]:
    """Return the entries to put back, and decline the others: not wished, or put back too often.

    `operation` is the change log's word for putting back: `gone` for what its user deleted,
    `restore` for what they edited. Raises TransientError where the mailbox may be another one by
    now: then its user did neither.
    """
    if not touched_entries:
        return []
    settings = visit.context.calendar_settings(visit.row.audience)
    wished = settings.restore_deleted if operation == "gone" else settings.restore_edited
    with visit.recording() as connection:
        visit.require_unchanged(connection)
        row = visit.row
        often = entries.put_back_often(
            connection, row.calendar_id, operation, limit=settings.max_restores
        )
        declined = [entry for entry in touched_entries if not wished or entry.event_id in often]
        happening = Declined(still_there=operation != "gone")
        visit.save(connection, [happens(entry, happening) for entry in declined])
    return [entry for entry in touched_entries if entry not in declined]


def gone_or_raise(entry: Entry, error: ItemError) -> Entry:
    """Return the entry where Exchange says that it is not there; else raise TransientError."""
    if error.outcome is not ItemOutcome.GONE:
        text = f"an entry could not be read ({error.code})"
        raise TransientError(text, retry_after=error.retry_after)
    return entry
