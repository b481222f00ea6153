"""The plan as requests: a read, then updates, creates and deletes, of up to fifty entries each.

What is about to be written over is read first, so that nothing that its user changed meanwhile is
lost. Each request that writes is a value of one class here, which `protocol.perform` carries out; a
few requests that only create are one value together.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from sqlalchemy import Connection

from kalender.domain import block
from kalender.domain.entry import (
    CreateAhead,
    Created,
    Entry,
    Happening,
    Held,
    NotCarriedOut,
    Plain,
    Refused,
    Shown,
    Transition,
    happens,
)
from kalender.domain.plan import Create, Delete, Plan, Update
from kalender.domain.render import changed_fields
from kalender.ports import EntryChange, EntryState, ItemError, ItemOutcome, ItemRef, NewEntry
from kalender.reconcile.lookup import follow_by_key, gone_or_raise
from kalender.reconcile.protocol import READS, Next, Outcome, Results, Visit, Write, parts, perform
from kalender.store import brakes, entries

RELEASE: Literal["release"] = "release"
CREATES_TOGETHER = 8
"""Requests of creates that are written ahead, and recorded, by one transaction each."""
NEEDS_READING = frozenset({"subject", "body", "show_as"})
"""The fields of an entry that its user may have changed, or that depend on what it has become."""


def carry_out(visit: Visit, plan: Plan) -> Outcome:
    """Make the calendar as planned, and return what is next.

    Stops at the first request after which the calendar has to be planned again or is in doubt.
    Raises as `protocol.perform` and the adapter's reads do.
    """
    batch = visit.calendars.batch
    rounds = zip_longest(
        parts(plan.updates, batch),
        parts(plan.creates, batch * CREATES_TOGETHER),
        parts(plan.deletes, batch),
    )
    result = Outcome()
    for updates, creates, planned_deletes in rounds:
        deletes = _not_braked(visit, planned_deletes or ())
        states = _read(visit, updates or (), deletes)
        if states is None:
            return Outcome(Next.PLAN_AGAIN)
        for write in _writes(visit, updates or (), creates or (), deletes, states):
            outcome = perform(visit, write)
            if outcome.next > Next.COME_LATER:
                return outcome
            if outcome.next is Next.COME_LATER:
                result = outcome
    return result


def _writes(
    visit: Visit,
    updates: Sequence[Update],
    creates: Sequence[Create],
    deletes: Sequence[Delete],
    states: Mapping[str, EntryState],
) -> Iterator[Write]:
    """Give the requests of one round: what has to be changed, then what is new, then what goes."""
    write = _updates(visit, updates, states)
    if write.updates:
        yield write
    if creates:
        desired_by_key = {
            f"{c.desired.event.event_id}#{secrets.token_hex(4)}": c.desired for c in creates
        }
        ahead = (
            CreateAhead(sync_key=key, subject=desired.subject, fingerprint=desired.fingerprint)
            for key, desired in desired_by_key.items()
        )
        yield Creates(
            ahead=tuple(happens(None, happening) for happening in ahead),
            new=tuple(
                NewEntry(sync_key=key, content=desired_entry.content)
                for key, desired_entry in desired_by_key.items()
            ),
            fingerprints=tuple(desired.fingerprint for desired in desired_by_key.values()),
        )
    # What its user made a meeting is not deleted: others were invited. It is only released.
    meetings = [delete.entry for delete in deletes if states[delete.entry.sync_key].meeting]
    plain = [delete.entry for delete in deletes if not states[delete.entry.sync_key].meeting]
    # The change log says `remove` after a wish to leave, which counts for no brake.
    removal: Literal["delete", "remove"] = "remove" if visit.calendar_state.leaving else "delete"
    for removed_entries, operation in ((meetings, RELEASE), (plain, removal)):
        if removed_entries:
            yield Removals(
                ahead=tuple(happens(entry, Plain.DELETE_AHEAD) for entry in removed_entries),
                refs=tuple(states[entry.sync_key].ref for entry in removed_entries),
                operation=operation,
            )


# -- read before writing over ------------------------------------------------------------------------


def _not_braked(visit: Visit, deletes: Sequence[Delete]) -> Sequence[Delete]:
    """Return the deletes, or none and their entries held where a brake already stands.

    This spares the reading. The deletes themselves are counted under the write-ahead.
    """
    if not deletes or visit.calendar_state.leaving:
        return deletes
    with visit.database.write() as connection:
        scope = brakes.scope_in_force(connection)
        if scope is None:
            return deletes
        _hold(visit, connection, [delete.entry for delete in deletes], scope)
    return ()


def _hold(visit: Visit, connection: Connection, held_entries: Sequence[Entry], scope: str) -> None:
    """Record that a brake keeps these entries, and that the calendar is therefore not right."""
    visit.save(connection, [happens(entry, Held(scope=scope)) for entry in held_entries])
    entries.forget_digest(connection, visit.row)
    visit.count("held", len(held_entries))


def _read(
    visit: Visit, updates: Sequence[Update], deletes: Sequence[Delete]
) -> Mapping[str, EntryState] | None:
    """Read body, attendees and change key of what is about to be written over, by sync key.

    What a search of this visit told of an item is taken once: what is written by it names the change
    key, so that anything newer is a conflict, and read by its id then.
    None where an item was not there: it was followed by its key, and the calendar has to be planned
    again. Updates are read all or none, as a request for a hundred costs as much as one for one.
    """
    read_updates = any(
        update.entry.fingerprint is None
        or not update.entry.change_key
        or update.entry.sync_key in visit.conflicts
        or update.fields & NEEDS_READING
        for update in updates
    )
    targets = [u.entry for u in updates if read_updates] + [d.entry for d in deletes]
    told = {entry.sync_key: visit.states.pop(entry.item_id or "", None) for entry in targets}
    states = {key: state for key, state in told.items() if state and key not in visit.conflicts}
    gone_entries: list[Entry] = []
    for part in parts([entry for entry in targets if entry.sync_key not in states], READS):
        ids = [str(entry.item_id) for entry in part]
        answers = visit.calendars.get(visit.row.address, ids, fields=True)
        for entry, state in zip(part, answers, strict=True):
            if isinstance(state, ItemError):
                gone_entries.append(gone_or_raise(entry, state))
            else:
                states[entry.sync_key] = state
    if gone_entries:
        follow_by_key(visit, gone_entries)
        return None
    return states


# -- creates -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Creates:
    """Creates entries, each under a key that is used once and never again."""

    ahead: tuple[Transition, ...]
    new: tuple[NewEntry, ...]  # in the order of `ahead`, as the next
    fingerprints: tuple[str, ...]
    counted_as: str = "created"

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down the keys that may be about to stand in the calendar."""
        visit.save(connection, self.ahead, ahead=True)
        return True

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Create the items."""
        return visit.calendars.create(visit.row.address, self.new[part], send_by=send_by)

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to one entry."""
        if isinstance(result, ItemRef):
            created = Created(item_id=result.item_id, change_key=result.change_key)
            return created, Next.GO_ON
        match result.outcome:
            case ItemOutcome.UNKNOWN:
                return Plain.UNANSWERED, Next.IN_DOUBT
            case ItemOutcome.REFUSED:
                return Refused(fingerprint=self.fingerprints[number]), Next.GO_ON
            case _:
                return NotCarriedOut(before=None), Next.COME_LATER

    def record(self, visit: Visit, connection: Connection, happenings: Sequence[Happening]) -> None:
        """Log what was created, and count what was put back after its user had deleted it."""
        created_entries = _entries(self, happenings, Created)
        visit.log(connection, "create", [entry.sync_key for entry in created_entries])
        put_back = [
            entry.sync_key for entry in created_entries if entry.event_id in visit.deleted_by_user
        ]
        entries.count_put_back(connection, visit.row.calendar_id, put_back)


# -- updates -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """Makes entries say what is wanted, by the fields that differ."""

    updates: tuple[Update, ...]
    changes: tuple[EntryChange, ...]  # in the order of `updates`, as the next
    states: tuple[EntryState | None, ...]  # as read before, where that was necessary
    counted_as: str = "updated"

    @property
    def ahead(self) -> Sequence[Transition]:
        """What is written ahead: the content of these entries is not known any more."""
        return [happens(update.entry, Plain.UPDATE_AHEAD) for update in self.updates]

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down that the content of these entries is not known any more."""
        visit.save(connection, self.ahead, ahead=True)
        return True

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Update the items."""
        return visit.calendars.update(visit.row.address, self.changes[part], send_by=send_by)

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to one entry.

        A conflict says that somebody wrote to the item since it was read: it is read and planned
        again. An item that is gone is looked up by its key in the next round. A meeting that cannot
        be written to in silence is its user's: a plain entry of its own stands beside it.
        """
        update = self.updates[number]
        if isinstance(result, ItemRef):
            return _shown(update, self.states[number], result), Next.GO_ON
        match result.outcome:
            case ItemOutcome.UNKNOWN:
                return Plain.UNANSWERED, Next.IN_DOUBT
            case ItemOutcome.GONE:
                return Plain.UNANSWERED, Next.PLAN_AGAIN
            case ItemOutcome.REFUSED:
                return Refused(fingerprint=update.desired.fingerprint), Next.GO_ON
            case ItemOutcome.CONFLICT:
                return NotCarriedOut(before=update.entry), Next.PLAN_AGAIN
            case ItemOutcome.MEETING:
                return Plain.LEFT_TO_USER, Next.PLAN_AGAIN
            case ItemOutcome.LATER:
                return NotCarriedOut(before=update.entry), Next.COME_LATER

    def record(self, visit: Visit, connection: Connection, happenings: Sequence[Happening]) -> None:
        """Log what was updated, and what is left to its user; what they had edited was put back."""
        left = [
            update.entry.sync_key
            for update, happening in zip(self.updates, happenings, strict=True)
            if happening is Plain.LEFT_TO_USER
        ]
        visit.log(connection, RELEASE, left)
        keys = [entry.sync_key for entry in _entries(self, happenings, Shown)]
        put_back = [key for key in keys if key in visit.edited]
        visit.log(connection, "restore", put_back)
        entries.count_put_back(connection, visit.row.calendar_id, put_back)
        visit.log(connection, "update", [key for key in keys if key not in visit.edited])


def _updates(visit: Visit, updates: Sequence[Update], states: Mapping[str, EntryState]) -> Updates:
    """Return the updates that need a request; record those whose items already are as wanted."""
    about = [(update, states.get(update.entry.sync_key)) for update in updates]
    triples = [(update, change_to(visit, update, state), state) for update, state in about]
    unchanged = [
        happens(update.entry, _shown(update, state, state.ref))
        for update, change, state in triples
        if change is None and state is not None
    ]
    if unchanged:
        with visit.recording() as connection:
            visit.save(connection, unchanged)
    sent_triples = [(u, change, state) for u, change, state in triples if change is not None]
    return Updates(
        updates=tuple(update for update, _, _ in sent_triples),
        changes=tuple(change for _, change, _ in sent_triples),
        states=tuple(state for _, _, state in sent_triples),
    )


def _shown(update: Update, state: EntryState | None, ref: ItemRef) -> Shown:
    """Return that an entry says what is wanted.

    Where somebody else wrote to the item since we did, our record keeps the older change key, so
    that a verify sees that there is something to compare.
    """
    is_ours = (
        state is None
        or update.entry.fingerprint is None
        or state.ref.change_key == update.entry.change_key
    )
    return Shown(
        subject=update.desired.subject,
        fingerprint=update.desired.fingerprint,
        item_id=ref.item_id,
        change_key=ref.change_key if is_ours else None,
    )


def change_to(visit: Visit, update: Update, state: EntryState | None) -> EntryChange | None:
    """Return the fields to write, less those that already are as wanted; None: nothing.

    A meeting follows in time and place only, since its invitation is its user's. A body that the
    user edited is theirs, unless what it should say changed as well.
    """
    content, fields = update.desired.content, update.fields
    change = EntryChange(item_id=str(update.entry.item_id), change_key=update.entry.change_key)
    if state is not None:
        written = visit.edited.get(update.entry.sync_key)
        if written is not None and "body" not in changed_fields(
            written, update.desired.fingerprint
        ):
            fields -= {"body"}
        if state.meeting:
            fields &= {"time", "location"}
        matches = {
            "subject": state.subject == content.subject,
            "body": block.same(state.body or "", content.body),
            "location": (state.location or "") == content.location,
            "time": (state.starts_at, state.ends_at) == (content.starts_at, content.ends_at),
            "show_as": state.show_as == content.show_as,
        }
        fields = frozenset(name for name in fields if not matches[name])
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


# -- removals ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """Deletes entries, or releases them: then our key is taken off, and the item is its user's."""

    ahead: tuple[Transition, ...]
    refs: tuple[ItemRef, ...]  # as read, in the order of `ahead`
    operation: Literal["delete", "remove", "release"]  # the change log's word
    counted_as: str = "deleted"

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down that these entries are about to go, unless a brake holds them.

        They are logged ahead, since the brake counts the log: deletes whose answer is lost count.
        """
        removed_entries = [
            transition.before for transition in self.ahead if transition.before is not None
        ]
        scope = visit.braked(connection, len(removed_entries))
        if scope is not None:
            _hold(visit, connection, removed_entries, scope)
            return False
        visit.save(connection, self.ahead, ahead=True)
        visit.log(connection, self.operation, [entry.sync_key for entry in removed_entries])
        return True

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Delete or release the items."""
        calendars, address = visit.calendars, visit.row.address
        if self.operation != RELEASE:
            hard = visit.context.calendar_settings(visit.row.audience).delete == "hard"
            return calendars.delete(address, self.refs[part], hard=hard, send_by=send_by)
        changes = [
            EntryChange(item_id=ref.item_id, change_key=ref.change_key, release=True)
            for ref in self.refs[part]
        ]
        return calendars.update(address, changes, send_by=send_by)

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to one entry; what was gone already counts as deleted.

        A meeting that cannot be released in silence is its user's as it is. What has become a
        meeting since it was read is read again.
        """
        if isinstance(result, ItemRef) or result.outcome is ItemOutcome.GONE:
            return Plain.DELETED, Next.GO_ON
        if result.outcome is ItemOutcome.MEETING and self.operation == RELEASE:
            return Plain.LEFT_TO_USER, Next.GO_ON
        if result.outcome is ItemOutcome.UNKNOWN:
            return Plain.UNANSWERED, Next.IN_DOUBT
        again = result.outcome in {ItemOutcome.CONFLICT, ItemOutcome.MEETING}
        stays = NotCarriedOut(before=self.ahead[number].before)
        return stays, Next.PLAN_AGAIN if again else Next.COME_LATER

    def record(
        self,
        visit: Visit,  # noqa: ARG002
        connection: Connection,
        happenings: Sequence[Happening],
    ) -> None:
        """Take out of the log what was not taken away after all: no brake counts it."""
        stay = _entries(self, happenings, NotCarriedOut)
        entries.unlog(connection, [entry.sync_key for entry in stay])


def _entries(
    write: Write, happenings: Sequence[Happening], kind: type[Created | Shown | NotCarriedOut]
) -> list[Entry]:
    """Return the entries of a request to which this kind of thing happened."""
    return [
        transition.after
        for transition, happening in zip(write.ahead, happenings, strict=True)
        if transition.after is not None and isinstance(happening, kind)
    ]
