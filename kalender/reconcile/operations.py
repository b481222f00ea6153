"""Carry out a plan: at most four requests for fifty creates, updates and deletes each."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from sqlalchemy import Connection

from kalender.domain import block
from kalender.domain.entry import Entry
from kalender.domain.plan import Create, Delete, DesiredEntry, Plan, Update
from kalender.domain.render import changed_fields
from kalender.ports import EntryChange, EntryState, ItemError, ItemOutcome, ItemRef, NewEntry
from kalender.reconcile.protocol import READS, PlanAgain, Visit, parts, stop_if_unknown, unknown
from kalender.reconcile.verify import gone_or_raise, look_again
from kalender.store import brakes, entries

NEEDS_READING = frozenset({"subject", "body", "show_as"})
Results = Sequence[ItemRef | ItemError]


def apply(visit: Visit, plan: Plan) -> None:
    """Make the calendar as planned. PlanAgain where something was not as recorded."""
    most = visit.calendars.batch
    rounds = list(
        zip_longest(parts(plan.updates, most), parts(plan.creates, most), parts(plan.deletes, most))
    )
    for number, (updates, creates, unguarded) in enumerate(rounds, 1):
        last = number == len(rounds) and not unguarded
        deletes = _unless_held(visit, unguarded or ())
        states = _read(visit, updates or (), deletes)
        _update(visit, updates or (), states, last=last and not creates)
        _create(visit, creates or (), last=last)
        _delete(visit, deletes, states)


# -- look before writing over ------------------------------------------------------------------------


def _unless_held(visit: Visit, deletes: Sequence[Delete]) -> Sequence[Delete]:
    """Spare the reading where a brake stands; the count itself is taken under write-ahead."""
    if not deletes or visit.view.leaving:
        return deletes
    with visit.database.write() as connection:
        scope = brakes.standing(connection)
        if scope is None:
            return deletes
        _hold(visit, connection, [delete.entry for delete in deletes], scope)
    return ()


def _hold(visit: Visit, connection: Connection, held: Sequence[Entry], scope: str) -> None:
    entries.hold(connection, [entry.sync_key for entry in held], scope)
    entries.forget_digest(connection, visit.row)
    visit.count("held", len(held))


def _read(
    visit: Visit, updates: Sequence[Update], deletes: Sequence[Delete]
) -> Mapping[str, EntryState]:
    """Read body, attendees and change key of what is about to be written over."""
    read_updates = any(_must_read(visit, update) for update in updates)
    about = [u.entry for u in updates if read_updates] + [d.entry for d in deletes]
    states: dict[str, EntryState] = {}
    gone: list[Entry] = []
    for part in parts(about, READS):
        ids = [str(entry.item_id) for entry in part]
        found = visit.calendars.get(visit.row.address, ids, fields=True)
        for entry, state in zip(part, found, strict=True):
            if isinstance(state, ItemError):
                gone.append(gone_or_raise(entry, state))
            else:
                states[entry.sync_key] = state
    if gone:
        look_again(visit, gone)
        raise PlanAgain
    return states


def _must_read(visit: Visit, update: Update) -> bool:
    entry = update.entry
    known = entry.fingerprint is not None and bool(entry.change_key)
    return not known or entry.sync_key in visit.conflicts or bool(update.fields & NEEDS_READING)


# -- create -------------------------------------------------------------------------------------------


def _create(visit: Visit, creates: Sequence[Create], *, last: bool) -> None:
    if not creates:
        return
    named = {f"{c.wanted.event.event_id}#{secrets.token_hex(4)}": c.wanted for c in creates}
    new = [NewEntry(sync_key=key, content=each.content) for key, each in named.items()]
    _, send_by = visit.write_ahead(
        lambda connection: entries.intend(connection, visit.row.calendar_id, named)
    )
    results = visit.send(
        lambda: visit.calendars.create(visit.row.address, new, send_by=send_by),
        undo=lambda connection: entries.remove(connection, list(named)),
    )
    with visit.recording_answers(results):
        visit.record(
            lambda connection: _record_creates(visit, connection, named, results),
            ends=lambda _: last and not unknown(results),
        )
    _count(visit, "created", results)
    stop_if_unknown(results)


def _record_creates(
    visit: Visit, connection: Connection, named: Mapping[str, DesiredEntry], results: Results
) -> None:
    made, dropped = [], []
    for (key, each), result in zip(named.items(), results, strict=True):
        if isinstance(result, ItemRef):
            made.append((key, result.item_id, result.change_key))
        elif result.verdict is ItemOutcome.REFUSED:
            entries.refused(connection, key, each)
        elif visit.comes_later(result):
            dropped.append(key)
    entries.created(connection, made)
    entries.remove(connection, dropped)
    visit.log(connection, "create", [key for key, *_ in made])
    back = [key for key, *_ in made if named[key].event.event_id in visit.taken]
    entries.count_put_back(connection, visit.row.calendar_id, back)


def _count(visit: Visit, done: str, results: Results) -> None:
    """Count after the recording, which may be tried twice."""
    refused = [r for r in results if isinstance(r, ItemError) and r.verdict is ItemOutcome.REFUSED]
    visit.count(done, sum(isinstance(result, ItemRef) for result in results))
    visit.count("refused", len(refused))


# -- update -------------------------------------------------------------------------------------------


def _update(
    visit: Visit, updates: Sequence[Update], states: Mapping[str, EntryState], *, last: bool
) -> None:
    changes = [(each, _change(visit, each, states.get(each.entry.sync_key))) for each in updates]
    _record_unchanged(visit, [each for each, change in changes if change is None], states)
    sent = [(each, change) for each, change in changes if change is not None]
    if not sent:
        return
    before = [each.entry for each, _ in sent]
    keys = [entry.sync_key for entry in before]
    _, send_by = visit.write_ahead(lambda connection: entries.unsettle(connection, keys))
    results = visit.send(
        lambda: visit.calendars.update(
            visit.row.address, [change for _, change in sent], send_by=send_by
        ),
        undo=lambda connection: _restore(connection, before),
    )
    with visit.recording_answers(results):
        again = visit.record(
            lambda connection: _record_updates(
                visit, connection, [u for u, _ in sent], results, states
            ),
            ends=lambda again: last and not (again or unknown(results)),
        )
    _count(visit, "updated", results)
    stop_if_unknown(results)
    if again:
        raise PlanAgain


def _change(visit: Visit, update: Update, state: EntryState | None) -> EntryChange | None:
    """Return the fields to write, less those that already are as wanted; None: nothing."""
    content, fields = update.wanted.content, update.fields
    change = EntryChange(item_id=str(update.entry.item_id), change_key=update.entry.change_key)
    if state is not None:
        fields = _differing(visit, update, state)
        change = EntryChange(item_id=state.ref.item_id, change_key=state.ref.change_key)
    if not fields:
        return None
    return replace(
        change,
        subject=content.subject if "subject" in fields else None,
        body=block.replace(state.body, content.body) if state and "body" in fields else None,
        location=content.location if "location" in fields else None,
        starts_at=content.starts_at if "time" in fields else None,
        ends_at=content.ends_at if "time" in fields else None,
        show_as=content.show_as if "show_as" in fields else None,
    )


def _differing(visit: Visit, update: Update, state: EntryState) -> frozenset[str]:
    """Return what is not as wanted in Exchange.

    A meeting follows in time and place only; a body that the user edited is theirs, unless what
    it should say changed as well.
    """
    content, fields = update.wanted.content, update.fields
    written = visit.edited.get(update.entry.sync_key)
    if written is not None and "body" not in changed_fields(written, update.wanted.fingerprint):
        fields -= {"body"}
    if state.meeting:
        fields &= {"time", "location"}
    same = {
        "subject": state.subject == content.subject,
        "body": block.same(state.body or "", content.body),
        "location": (state.location or "") == content.location,
        "time": (state.starts_at, state.ends_at) == (content.starts_at, content.ends_at),
        "show_as": state.show_as == content.show_as,
    }
    return frozenset(name for name in fields if not same[name])


def _record_unchanged(
    visit: Visit, updates: Sequence[Update], states: Mapping[str, EntryState]
) -> None:
    if not updates:
        return
    with visit.recording() as connection:
        for update in updates:
            state = states[update.entry.sync_key]
            _record_shown(connection, update, state, state.ref)


def _record_shown(
    connection: Connection, update: Update, state: EntryState | None, ref: ItemRef
) -> None:
    known = ref.change_key if _all_is_known(update, state) else None
    key = update.entry.sync_key
    entries.shows(connection, key, update.wanted, item_id=ref.item_id, change_key=known)


def _all_is_known(update: Update, state: EntryState | None) -> bool:
    """Whether nobody else wrote to it; else the change key stays, so that a verify sees it."""
    if state is None or update.entry.fingerprint is None:
        return True
    return state.ref.change_key == update.entry.change_key


def _record_updates(
    visit: Visit,
    connection: Connection,
    updates: Sequence[Update],
    results: Results,
    states: Mapping[str, EntryState],
) -> bool:
    """Record what is known; return whether something must be read and planned again."""
    done, again = [], False
    for update, result in zip(updates, results, strict=True):
        key = update.entry.sync_key
        if isinstance(result, ItemRef):
            _record_shown(connection, update, states.get(key), result)
            done.append(key)
        elif result.verdict is ItemOutcome.CONFLICT:
            entries.restore(connection, update.entry)
            visit.conflicts.add(key)
            again = True
        elif result.verdict is ItemOutcome.GONE:
            again = True
        elif result.verdict is ItemOutcome.REFUSED:
            entries.refused(connection, key, update.wanted)
        elif visit.comes_later(result):
            entries.restore(connection, update.entry)
    mended = [key for key in done if key in visit.edited]
    visit.log(connection, "restore", mended)
    entries.count_put_back(connection, visit.row.calendar_id, mended)
    visit.log(connection, "update", [key for key in done if key not in visit.edited])
    return again


# -- delete -------------------------------------------------------------------------------------------


def _delete(visit: Visit, deletes: Sequence[Delete], states: Mapping[str, EntryState]) -> None:
    """Delete; what the user made a meeting is released instead."""
    calendars, address = visit.calendars, visit.row.address
    hard = visit.means.audiences[visit.row.audience].delete == "hard"
    found = [(delete.entry, states[delete.entry.sync_key]) for delete in deletes]
    meetings = [(entry, state) for entry, state in found if state.meeting]
    plain = [(entry, state) for entry, state in found if not state.meeting]
    _take_away(
        visit,
        "release",
        [entry for entry, _ in meetings],
        lambda by: calendars.update(address, [_released(s) for _, s in meetings], send_by=by),
    )
    _take_away(
        visit,
        "remove" if visit.view.leaving else "delete",  # a wish to leave counts for no brake
        [entry for entry, _ in plain],
        lambda by: calendars.delete(address, [s.ref for _, s in plain], hard=hard, send_by=by),
    )


def _released(state: EntryState) -> EntryChange:
    return EntryChange(item_id=state.ref.item_id, change_key=state.ref.change_key, release=True)


def _take_away(
    visit: Visit, operation: str, gone: Sequence[Entry], request: Callable[[float], Results]
) -> None:
    if not gone:
        return

    def ahead(connection: Connection) -> bool:
        scope = visit.braked(connection, len(gone))
        if scope is not None:
            _hold(visit, connection, gone, scope)
            return False
        entries.condemn(connection, [entry.sync_key for entry in gone])
        visit.log(connection, operation, [entry.sync_key for entry in gone])
        return True

    let_through, send_by = visit.write_ahead(ahead)
    if let_through:
        results = visit.send(
            lambda: request(send_by), undo=lambda connection: _spare(connection, gone)
        )
        _record_taken(visit, gone, results)


def _spare(connection: Connection, standing: Sequence[Entry]) -> None:
    """These are still there: nothing was taken away, and no brake counts them."""
    _restore(connection, standing)
    entries.unlog(connection, [entry.sync_key for entry in standing])


def _record_taken(visit: Visit, gone: Sequence[Entry], results: Results) -> None:
    removed, again = [], False
    with visit.recording_answers(results), visit.recording() as connection:
        for entry, result in zip(gone, results, strict=True):
            if isinstance(result, ItemRef) or result.verdict is ItemOutcome.GONE:
                removed.append(entry.sync_key)
            elif result.verdict is ItemOutcome.CONFLICT or visit.comes_later(result):
                again = again or result.verdict is ItemOutcome.CONFLICT
                _spare(connection, [entry])
        entries.remove(connection, removed)
    visit.count("deleted", len(removed))
    stop_if_unknown(results)
    if again:
        raise PlanAgain


def _restore(connection: Connection, before: Sequence[Entry]) -> None:
    for entry in before:
        entries.restore(connection, entry)
