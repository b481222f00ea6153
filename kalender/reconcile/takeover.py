"""Take a calendar over from a predecessor: what it wrote becomes ours, or stays as it is.

Its entries are found by its mark, which the server searches for. One that shows an event of the
calendar is adopted: one request puts our key on, takes the mark off, makes our block of the
predecessor's text, and says what the event says; what its user added stays. It is written ahead
like a create, and an adoption that nobody answered is looked up by the item's id. What shows no
event is left, or recorded as an entry that goes by an ordinary delete, under write-ahead and brake.

`carry_on` does what the takeover asks of a visit. It begins with a search each time, so that it goes
on where it was, whatever died.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from sqlalchemy import Connection

from kalender.domain import block
from kalender.domain.entry import (
    ANSWERED,
    Entry,
    EntryStatus,
    Plain,
    happens,
)
from kalender.domain.model import ActivityKey
from kalender.domain.plan import DesiredEntry, without_entry
from kalender.domain.takeover import (
    Fate,
    Findings,
    MarkedItem,
    PredecessorMark,
    PropertyMark,
    courses_in,
    courses_of,
    sort_out,
)
from kalender.errors import TransientError
from kalender.ports import (
    EntryState,
    FoundItem,
    ItemRef,
)
from kalender.reconcile.adoption import Adoptions, MarkChanges, adoption_of, marked_back, marked_off
from kalender.reconcile.desired import desired_entries, split
from kalender.reconcile.doubles import read_states
from kalender.reconcile.lookup import settle_open_records
from kalender.reconcile.protocol import Next, PutOff, Visit, parts, perform
from kalender.store import entries, queue, takeovers
from kalender.store.takeovers import CalendarTakeover, FoundEntry

ROUNDS = 4
REMOVE, LEAVE, STOP = "remove", "leave", "stop"
UNKNOWN = ActivityKey("", "", "", 0, "")
NO_SETTINGS = "[takeover] is not in the settings: nothing says by what the predecessor is known"


def carry_on(visit: Visit) -> None:
    """Do what a calendar's takeover asks of this visit, before anything is planned.

    Raises PutOff where the calendar is not to be written to now; all else as `protocol.perform`
    does.
    """
    with visit.database.read() as connection:
        about = takeovers.of_calendar(connection, visit.row.calendar_id)
    if about is None or about.state == takeovers.UNDONE:
        return
    if about.state == takeovers.UNDOING:
        _require_turn(visit, about)
        _hand_back(visit)
    elif visit.calendar_state.leaving:
        return
    elif about.state == takeovers.WISHED:
        _require_turn(visit, about)
        _take_over(visit, about)
    elif visit.row.takeover == takeovers.LOOK or visit.row.must_verify:
        _look(visit, about)


def look_before_the_first_write(visit: Visit, mark: PredecessorMark) -> None:
    """Search a calendar in which nothing of ours was written yet for the predecessor's mark.

    Where it stands, the calendar is taken over as was asked for last, and not filled beside it.
    Where nobody asked yet it is stopped: raises PutOff.
    """
    with visit.database.read() as connection:
        if visit.row.synced_digest or entries.of_calendar(connection, visit.row.calendar_id):
            return
    if not visit.calendars.find_marked(visit.row.address, mark):
        return
    with visit.recording() as connection:
        is_wished = takeovers.join_last_run(connection, visit.row.calendar_id)
    if not is_wished:
        _stop(
            visit,
            "entries of the predecessor stand in this calendar, and nothing was written beside "
            "them: kalender takeover person PERSON",
        )
    carry_on(visit)


def _require_turn(visit: Visit, about: CalendarTakeover) -> None:
    """Raise PutOff where it is not the calendar's turn."""
    if about.wait.total_seconds() > 0:
        with visit.recording() as connection:
            why = "waits for its turn to be taken over"
            queue.postpone(connection, visit.claim, after=about.wait, why=why)
        raise PutOff


def _stop(visit: Visit, reason: str) -> NoReturn:
    """Write nothing to the calendar from now on, for this reason; the visit ends."""
    with visit.recording() as connection:
        takeovers.stop(connection, visit.row.calendar_id, reason)
        entries.forget_digest(connection, visit.row)
        queue.finish(connection, visit.claim)
    raise PutOff


def _mark(visit: Visit) -> PredecessorMark:
    if visit.context.takeover is None:
        _stop(visit, NO_SETTINGS)
    return visit.context.takeover.mark


# -- what is found ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a search by the mark found in one calendar, and which of its courses there are."""

    findings: Findings
    courses: frozenset[str]

    def record(
        self, marked_item: MarkedItem, fate: Fate, sync_key: str | None = None
    ) -> FoundEntry:
        """Return an entry with its fate as it is recorded."""
        return FoundEntry(
            item_id=marked_item.item_id,
            fate=fate,
            mark_value=marked_item.value,
            courses=courses_in(marked_item, self.courses),
            starts_at=marked_item.starts_at,
            ends_at=marked_item.ends_at,
            sync_key=sync_key,
        )

    def fates(self, unmatched: Fate = Fate.LEFT) -> Iterator[tuple[MarkedItem, Fate]]:
        """Give what shows no event, with what becomes of it."""
        findings = self.findings
        for items, fate in (
            (findings.unmatched, unmatched),
            (findings.copies, Fate.COPY),
            (findings.series, Fate.SERIES),
            (findings.ended, Fate.ENDED),
        ):
            for marked_item in items:
                yield marked_item, fate


def survey(
    found: Sequence[MarkedItem],
    desired_entries: Sequence[DesiredEntry],
    records: tuple[Sequence[Entry], Sequence[Entry]],
    mark: PredecessorMark,
    now: datetime,
) -> Survey:
    """Say what was found; `records` are those that may be written, and those that have ended."""
    unshown = without_entry(desired_entries, *records)
    return Survey(findings=sort_out(found, unshown, mark, now), courses=courses_of(desired_entries))


def _survey(visit: Visit, mark: PredecessorMark) -> Survey:
    """Search by the mark, and say what was found; what is recorded as going goes by a plan.

    What is ours and carries the mark again loses it, and what lost our key is ours no more.
    """
    records = settle_open_records(visit)
    found = visit.calendars.find_marked(visit.row.address, mark)
    by_id = {entry.item_id: entry for entry in records if entry.item_id is not None}
    marked_anew = [
        (marked_item, entry)
        for marked_item in found
        if (entry := by_id.get(marked_item.item_id)) and entry.status in ANSWERED
    ]
    ours = [entry for marked_item, entry in marked_anew if marked_item.sync_key == entry.sync_key]
    lost = [entry for marked_item, entry in marked_anew if marked_item.sync_key != entry.sync_key]
    _unmark(visit, mark, ours)
    if lost:
        keys = {entry.sync_key for entry in lost}
        with visit.recording() as connection:
            visit.save(connection, (happens(entry, Plain.NOT_FOUND_BY_KEY) for entry in lost))
            takeovers.forget(connection, keys)
        records = [entry for entry in records if entry.sync_key not in keys]
    own_ids = {entry.item_id for entry in ours}
    going_ids = {entry.item_id for entry in records if entry.status is EntryStatus.DELETING}
    with visit.database.read() as connection:
        desired = desired_entries(
            connection, visit.calendar_state, visit.context.settings, visit.now
        )
    return survey(
        [marked_item for marked_item in found if marked_item.item_id not in going_ids | own_ids],
        desired,
        split(records, visit.calendar_state, visit.now),
        mark,
        visit.now,
    )


# -- taken over ---------------------------------------------------------------------------------------


def _take_over(visit: Visit, about: CalendarTakeover) -> None:
    """Adopt what shows an event, deal with the rest as was wished, and record that it is done."""
    mark = _mark(visit)
    not_adopted: dict[str, Fate] = {}
    for _ in range(ROUNDS):
        found = _survey(visit, mark)
        unmatched = len(found.findings.unmatched)
        if about.unmatched == STOP and unmatched:
            _record_others(visit, found, not_adopted)
            _stop(
                visit,
                f"entries of the predecessor that show no event of this calendar: {unmatched}; look at "
                "kalender show, then take over again with --unmatched remove or leave",
            )
        pairs = [pair for pair in found.findings.pairs if pair[1].item_id not in not_adopted]
        following = _adopt(visit, mark, found, pairs, not_adopted)
        if following is Next.GO_ON:
            break
    else:
        raise TransientError("the calendar kept changing while it was taken over")
    removed_ids = _remove(visit, about, mark, found) if about.unmatched == REMOVE else {}
    _record_others(visit, found, not_adopted | removed_ids)
    with visit.recording() as connection:
        takeovers.set_done(connection, visit.row.calendar_id)


def _record_others(visit: Visit, found: Survey, decided: Mapping[str, Fate]) -> None:
    """Record what stays the predecessor's; `decided` is what is known otherwise of single ones."""
    others = [
        found.record(marked_item, fate)
        for marked_item, usual_fate in (
            *((marked_item, Fate.ADOPTED) for _, marked_item in found.findings.pairs),
            *found.fates(),
        )
        if (fate := decided.get(marked_item.item_id, usual_fate))
        not in {Fate.ADOPTED, Fate.REMOVED}
    ]
    with visit.recording() as connection:
        takeovers.put(connection, visit.row.calendar_id, others)


def _adopt(
    visit: Visit,
    mark: PredecessorMark,
    found: Survey,
    pairs: Sequence[tuple[DesiredEntry, MarkedItem]],
    not_adopted: dict[str, Fate],
) -> Next:
    """Adopt these, a batch at a time; note what cannot be, and return what is next.

    Raises OutcomeUnknown where an adoption is in doubt, TransientError where one was not taken.
    """
    for part in parts(pairs, visit.calendars.batch):
        states = read_states(visit, [marked_item.item_id for _, marked_item in part])
        adoptions = [
            adoption
            for desired, marked_item in part
            if (state := states.get(marked_item.item_id)) is not None
            for adoption in [adoption_of(visit, mark, desired, marked_item, state)]
        ]
        not_adopted |= {a.item.item_id: Fate.REFUSED for a in adoptions if a.is_stuck}
        able = [adoption for adoption in adoptions if not adoption.is_stuck]
        write = Adoptions(
            adoptions=tuple(able),
            found=tuple(found.record(a.item, Fate.ADOPTED, a.sync_key) for a in able),
            not_adopted=not_adopted,
        )
        if not write.adoptions:
            continue
        outcome = perform(visit, write)
        if outcome.error is not None:
            raise outcome.error
        if outcome.next is not Next.GO_ON:
            return outcome.next
    return Next.GO_ON


# -- removed ------------------------------------------------------------------------------------------


def _remove(
    visit: Visit, about: CalendarTakeover, mark: PredecessorMark, found: Survey
) -> dict[str, Fate]:
    """Record as going what shows no event; return what becomes of each, by item id.

    Only what carries a named property goes. What its user added to stays. Stops where the run's
    limit does not reach, or where the mirror knows no teaching at all.
    """
    items = {marked_item.item_id: marked_item for marked_item in found.findings.unmatched}
    if not items or not isinstance(mark, PropertyMark):
        return {}
    if not found.courses:
        _record_others(visit, found, {})
        _stop(
            visit,
            f"entries that would be removed: {len(items)}, but no teaching of this person is known: "
            "kalender why PERSON says why; then take over again",
        )
    states = read_states(visit, sorted(items))
    fates = {
        item_id: Fate.NOTED if _is_touched(visit, state) else Fate.REMOVED
        for item_id, state in states.items()
    }
    going = [items[item_id] for item_id, fate in sorted(fates.items()) if fate is Fate.REMOVED]
    if not going:
        return fates
    with visit.recording() as connection:
        is_granted = takeovers.grant(connection, about.run_id, len(going))
        if is_granted:
            takeovers.add(
                connection,
                visit.row.calendar_id,
                (found.record(marked_item, Fate.REMOVED) for marked_item in going),
            )
            for marked_item in going:
                _goes(connection, visit, marked_item, states[marked_item.item_id].ref)
    if not is_granted:
        _record_others(visit, found, {})
        _stop(
            visit,
            f"entries that would be removed: {len(going)}, beyond --up-to {about.up_to}; look at "
            "kalender show, then take over again with a higher limit",
        )
    return fates


def _goes(connection: Connection, visit: Visit, marked_item: MarkedItem, ref: ItemRef) -> None:
    """Record an item of the predecessor as an entry that is to be deleted by its id."""
    key = f"predecessor#{secrets.token_hex(8)}"
    found_item = FoundItem(
        ref=ref,
        sync_key=key,
        created_at=marked_item.created_at,
        starts_at=marked_item.starts_at,
        ends_at=marked_item.ends_at,
    )
    entries.adopt(
        connection,
        visit.row.calendar_id,
        found_item,
        key=key,
        now=visit.now,
        shows=("predecessor", UNKNOWN),
        goes=True,
    )


def _is_touched(visit: Visit, state: EntryState) -> bool:
    """Whether its user added something, as far as it can be told from the predecessor's text.

    Without a pattern for that text nobody can tell notes from it.
    """
    settings = visit.context.takeover
    pattern = settings.text_pattern if settings is not None else None
    has_file = state.additions is not None and state.additions.attachments
    if state.meeting or has_file:
        return True
    return pattern is not None and block.has_notes(block.without_text(state.body, pattern))


# -- looked for again ---------------------------------------------------------------------------------


def _look(visit: Visit, about: CalendarTakeover) -> None:
    """Look for the predecessor's mark; stop where it was written after the takeover.

    What stayed and is gone now keeps nothing back any more. A copy of it is its user's.
    """
    if visit.context.takeover is None:
        return
    mark = visit.context.takeover.mark
    records = settle_open_records(visit)
    found = visit.calendars.find_marked(visit.row.address, mark)
    with visit.database.read() as connection:
        others = takeovers.others(connection, visit.row.calendar_id)
    ours = {entry.item_id for entry in records if entry.status in ANSWERED}
    going = {entry.item_id for entry in records if entry.status is EntryStatus.DELETING}
    known = {row.item_id: row for row in others}
    values = {row.mark_value.casefold() for row in others if isinstance(mark, PropertyMark)}
    own_values = values if isinstance(mark, PropertyMark) and mark.prefix else frozenset()
    began_at = about.began_at.replace(microsecond=0)  # Exchange tells in seconds what was made when
    written = [
        marked_item
        for marked_item in found
        if marked_item.item_id in ours
        or (
            marked_item.item_id not in known.keys() | going
            and marked_item.value.casefold() not in own_values
            and marked_item.created_at >= began_at
        )
    ]
    if written:
        _stop(
            visit,
            f"entries that the predecessor wrote after the takeover: {len(written)}; switch it off for "
            "this person, then take over again",
        )
    unknown = [
        marked_item for marked_item in found if marked_item.item_id not in known.keys() | going
    ]
    standing_ids = {marked_item.item_id for marked_item in found}
    gone = [row for row in others if row.item_id not in standing_ids and row.fate != Fate.REMOVED]
    with visit.recording() as connection:
        takeovers.looked(connection, about)
        takeovers.drop(connection, [row.number for row in gone])
        if unknown:
            context = visit.context
            desired = desired_entries(connection, visit.calendar_state, context.settings, visit.now)
            found_late = Survey(findings=Findings(), courses=courses_of(desired))
            fates = (
                Fate.SERIES
                if marked_item.series
                else Fate.ENDED
                if marked_item.ends_at <= visit.now
                else Fate.LEFT
                for marked_item in unknown
            )
            stay = map(found_late.record, unknown, fates)
            takeovers.add(connection, visit.row.calendar_id, stay)


# -- handed back --------------------------------------------------------------------------------------


def _hand_back(visit: Visit) -> None:
    """Hand back what was adopted: our key off, the predecessor's mark on; the entry stays."""
    mark = _mark(visit)
    for _ in range(ROUNDS):
        records = settle_open_records(visit)
        with visit.database.read() as connection:
            adopted = takeovers.adopted(connection, visit.row.calendar_id)
        adopted_entries = [
            entry
            for entry in records
            if entry.sync_key in adopted and entry.status in ANSWERED and entry.item_id
        ]
        if not adopted_entries or _handed_back(visit, mark, adopted_entries, adopted) is Next.GO_ON:
            return
    raise TransientError("the calendar kept changing while it was handed back")


def _handed_back(
    visit: Visit,
    mark: PredecessorMark,
    adopted_entries: Sequence[Entry],
    adopted: Mapping[str, str],
) -> Next:
    result = Next.GO_ON
    for part in parts(adopted_entries, visit.calendars.batch):
        states = read_states(visit, [str(entry.item_id) for entry in part])
        lost = [entry for entry in part if entry.item_id not in states]
        done = [
            entry
            for entry in part
            if (state := states.get(str(entry.item_id))) is not None
            and state.sync_key != entry.sync_key
        ]
        with visit.recording() as connection:
            transitions = [
                *(happens(entry, Plain.NOT_FOUND_BY_KEY) for entry in lost),
                *(happens(entry, Plain.HANDED_BACK) for entry in done),
            ]
            visit.save(connection, transitions)
        settled = {entry.sync_key for entry in (*lost, *done)}
        going = [entry for entry in part if entry.sync_key not in settled]
        write = MarkChanges(
            entries=tuple(going),
            done=Plain.HANDED_BACK,
            counted_as="handed_back",
            changes=tuple(
                marked_back(visit, mark, states[str(entry.item_id)], adopted[entry.sync_key])
                for entry in going
            ),
        )
        if not going:
            continue
        outcome = perform(visit, write)
        if outcome.error is not None:
            raise outcome.error
        result = max(result, outcome.next)
    return result


# -- what is ours and marked again -------------------------------------------------------------------------


def _unmark(visit: Visit, mark: PredecessorMark, ours: Sequence[Entry]) -> None:
    """Take the mark off what is ours; what it says is made right by the plan that follows."""
    for part in parts(ours, visit.calendars.batch):
        states = read_states(visit, [str(entry.item_id) for entry in part])
        going = [entry for entry in part if entry.item_id in states]
        write = MarkChanges(
            entries=tuple(going),
            changes=tuple(marked_off(visit, mark, states[str(entry.item_id)]) for entry in going),
            done=Plain.UNANSWERED,
            counted_as="unmarked",
        )
        if going:
            outcome = perform(visit, write)
            if outcome.error is not None:
                raise outcome.error
