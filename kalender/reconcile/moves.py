"""Follow a mailbox that moves from one Exchange to another; conclude nothing while it is under way.

A mailbox that is not here, or lacks more than half of our coming entries, is looked for at every
other Exchange. Where it is found with entries of ours, the calendar is looked up there, in its turn.
Where it is found without them, the calendar waits: its next looks come after growing times, and an
operator may decide. Where no other Exchange knows it, it may be on its way: the calendar waits as
well, and what stays absent for some hours is believed to be its user's doing. A visit that ends in
one of these ways raises `PutOff`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import NoReturn

import structlog
from sqlalchemy import Connection

from kalender.domain.entry import (
    MAINTAINED,
    OPEN,
    Entry,
    EntryStatus,
    FoundByKey,
    Happening,
    NotCarriedOut,
    Plain,
    Transition,
    after,
)
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.errors import (
    KalenderError,
    MailboxDenied,
    MailboxMissing,
    NeighbourError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.neighbours import breaker
from kalender.neighbours.breaker import FOR_EVER, MOVES
from kalender.ports import Calendars, EntryState, FoundItem, ItemError, ItemOutcome, ItemRef
from kalender.reconcile import doubles
from kalender.reconcile.protocol import Next, PutOff, Results, Visit, perform
from kalender.store import acts, entries, moves, people, queue
from kalender.store import doubles as doubles_log
from kalender.store.moves import ACCEPT

log = structlog.get_logger()
COPIED_WITHIN = timedelta(days=14)  # a mailbox is copied so long before it moves, at most
SAME_TIME = timedelta(minutes=2)
TOO_MANY, WITHIN = 3, timedelta(hours=1)  # calendars that wait: then all moves are paused
LOOKS_IN_VAIN = 3
"""So many looks, five hours in all, a mailbox that is known nowhere else has to turn up elsewhere."""


STATUSES_AT_OLD_PLACE = (EntryStatus.INTENDED, EntryStatus.REFUSED, *MAINTAINED)


class Absence(Enum):
    """How entries of ours came to be absent that a search of the whole calendar did not find."""

    LOST = "lost"  # they are made anew, as after a restore
    DELETED_BY_USER = "deleted by its user"  # they are put back, or declined, as settings say


def require_turn(visit: Visit) -> None:
    """Raise PutOff where the calendar moved and it is not its turn, or all moves are paused.

    Also where it was claimed as more urgent than a fill: it goes on after all live work. What is to
    be taken back from a protected person waits for no turn. A calendar whose Exchange is configured
    no more has moved to another one.
    """
    if visit.row.backend not in visit.context.exchanges:
        _follow(visit, min(visit.context.exchanges))
    if visit.claim.lane is Lane.PROTECT:
        return
    with visit.database.read() as connection:
        move = moves.open_of(connection, visit.row.calendar_id)
        pause = breaker.read(connection, [MOVES]).get(MOVES)
    if move is None:
        return
    if pause is not None and breaker.held_for(pause) and move.decision != ACCEPT:
        with visit.recording() as connection:
            now = breaker.lock(connection, MOVES).db_time
            interval = visit.context.moves.interval
            wait = moves.put_off(connection, move, interval=interval, now=now)
            _postpone(connection, visit, wait, f"all moves are paused: {pause.held_reason}")
        raise PutOff
    if move.wait > timedelta() or visit.claim.lane < Lane.FILL:
        with visit.recording() as connection:
            _postpone(connection, visit, max(move.wait, timedelta()), None)
        raise PutOff


def look_at_announced(visit: Visit, backend: str) -> None:
    """Look for a mailbox first at the Exchange that an operator announced; PutOff where it is there.

    Where it is not there, is there with less than half of our entries, or could not be asked for, it
    stays where it is; and so does one of which nothing is to come, until it is not here any more.
    """
    if backend not in visit.context.exchanges:
        return
    coming = _coming(visit)
    try:
        hits = visit.context.exchanges[backend].calendars.find(visit.row.address, None)
    except (PermanentError, TransientError, NeighbourError):
        return
    if coming and _is_enough(_present(hits, coming), coming):
        _follow(visit, backend)


def is_under_way(visit: Visit) -> bool:
    """Whether the mailbox is known to have moved, so that all that is ours has other ids."""
    with visit.database.read() as connection:
        return moves.open_of(connection, visit.row.calendar_id) is not None


def judge_absence(visit: Visit, hits: Sequence[FoundItem]) -> Absence:
    """Return how entries came to be absent; PutOff where nothing may be concluded of it.

    `hits` are all items of ours in the calendar. Where more than half of our coming entries are
    absent, that counts as their user's doing once the mailbox did not turn up elsewhere for hours.
    Where the Exchange from which it came still shows what is absent here, that may be the copy that
    was left behind: then the calendar waits as well. Where the person has another mailbox than
    before, by another address or username, nothing of ours need be there. Notes on the visit
    whether the mailbox moved. Raises TransientError where another Exchange could not be asked.
    """
    with visit.database.read() as connection:
        move = moves.open_of(connection, visit.row.calendar_id)
    visit.moved = move is not None
    coming = _coming(visit)
    present = _present(hits, coming)
    if _is_enough(present, coming) or (move is not None and move.decision == ACCEPT):
        if move is not None:
            with visit.recording() as connection:
                moves.looked(connection, move, expected=len(coming), present=present)
        return Absence.LOST
    elsewhere, unanswered = _ask_elsewhere(visit, coming)
    fullest = max(elsewhere, key=lambda name: elsewhere[name], default=None)
    with visit.database.read() as connection:
        was_left = moves.came_from(connection, visit.row.calendar_id) == fullest
    is_left = was_left and (move is None or move.from_backend != fullest)
    if fullest is not None and elsewhere[fullest] > present and not is_left:
        _follow(visit, fullest)
    if unanswered:
        name = min(unanswered)
        raise TransientError(
            f"entries of ours are not here, and [exchange.{name}] could not be asked for them"
        )
    if move is None and (len(visit.context.exchanges) == 1 or visit.row.moved_from is not None):
        return Absence.LOST  # there is no other Exchange, or it is another mailbox than before
    is_known_nowhere_else = fullest is None and (
        move is None or move.from_backend == move.to_backend
    )
    if move is None or move.looks < LOOKS_IN_VAIN or not is_known_nowhere_else:
        _wait(visit, fullest or visit.row.backend, len(coming), present)
    return Absence.DELETED_BY_USER


def may_arrive_late(visit: Visit) -> bool:
    """Whether what the calendar lacked after its move of late may have arrived since.

    What was made anew for it then stands twice, and is mended as after the move itself.
    """
    with visit.database.read() as connection:
        visit.moved = moves.lacked_lately(connection, visit.row.calendar_id)
    return visit.moved


def record_missing(visit: Visit, error: MailboxMissing) -> None:
    """Record that the mailbox is not where it was; PutOff where another Exchange knows it.

    Raises TransientError where another one could not be asked, and MailboxDenied where another does
    not open it: then nothing is concluded. Where it held entries of ours and nobody knows it, the
    person is asked for at once, to find out where the mailbox went.
    """
    elsewhere, unanswered = _ask_elsewhere(visit, _coming(visit))
    if elsewhere:
        _follow(visit, max(elsewhere, key=lambda name: elsewhere[name]))
    for name, failure in unanswered.items():
        if not isinstance(failure, MailboxDenied):
            text = f"the mailbox is not here, and [exchange.{name}] could not be asked for it"
            raise TransientError(text) from error
    for denial in unanswered.values():
        record_denied(visit, denial)
        raise denial
    with visit.recording() as connection:
        row = visit.row
        if entries.unreachable(connection, row.calendar_id, str(error)) == "lost":
            number = people.fs_number(connection, row.person_id)
            if number is not None:
                key, lane = WorkKey.of_person(number), Lane.ASKED
                mark = Mark(*key, reason="mailbox lost", cause=Cause.OPERATOR, lane=lane)
                queue.mark(connection, [mark])


def record_denied(visit: Visit, error: KalenderError) -> bool:
    """Record that the mailbox does not open; return whether it did before, where it is."""
    with visit.recording() as connection:
        return entries.denied(connection, visit.row.calendar_id, str(error))


def _coming(visit: Visit) -> list[Entry]:
    """Return what was written for sure, and has not ended."""
    with visit.database.read() as connection:
        records = entries.of_calendar(connection, visit.row.calendar_id)
    written = [entry for entry in records if entry.item_id is not None and entry.status not in OPEN]
    return [entry for entry in written if entry.ends_at > visit.now]


def _present(hits: Sequence[FoundItem], coming: Collection[Entry]) -> int:
    """Count what is there: by its key, or after a recovery another key of ours for its event."""
    keys = {hit.sync_key for hit in hits}
    events = {doubles.event_of(key) for key in keys}
    return sum(entry.sync_key in keys or entry.event_id in events for entry in coming)


def _is_enough(present: int, coming: Collection[Entry]) -> bool:
    """Whether at least half is there."""
    return 2 * present >= len(coming)


def _ask_elsewhere(
    visit: Visit, coming: Collection[Entry]
) -> tuple[Mapping[str, int], Mapping[str, KalenderError]]:
    """Return how many of our entries each other Exchange shows that knows the mailbox.

    And why others gave no answer; MailboxDenied: the mailbox may be there, and does not open.
    """
    elsewhere, unanswered = dict[str, int](), dict[str, KalenderError]()
    for name, exchange in sorted(visit.context.exchanges.items()):
        if name == visit.row.backend:
            continue
        try:
            hits = exchange.calendars.find(visit.row.address, None)
        except (MailboxDenied, TransientError, NeighbourError) as error:
            unanswered[name] = error
        except PermanentError:
            continue
        else:
            elsewhere[name] = _present(hits, coming)
    return elsewhere, unanswered


# -- recorded -----------------------------------------------------------------------------------------


def _follow(visit: Visit, backend: str) -> NoReturn:
    """Follow a mailbox to another Exchange; the visit ends."""
    _record_move(visit, backend)
    raise PutOff


def _record_move(visit: Visit, backend: str) -> None:
    """Record that the mailbox is at another Exchange now, and let it be looked up in its turn.

    Where nothing was written to it yet it did not move: it goes on there at once.
    """
    with visit.recording() as connection:
        if not entries.of_calendar(connection, visit.row.calendar_id):
            entries.move_to(connection, visit.row.calendar_id, backend)
            queue.postpone(connection, visit.claim, after=timedelta(), why=None)
            return
        now = breaker.lock(connection, MOVES).db_time
        interval = visit.context.moves.interval
        wait = moves.follow(connection, visit.row, backend, interval=interval, now=now)
        log.info(
            "mailbox_moved",
            calendar=visit.row.calendar_id,
            old=visit.row.backend,
            new=backend,
            seconds=round(wait.total_seconds()),
        )
        wait = timedelta() if visit.claim.lane is Lane.PROTECT else wait
        _postpone(connection, visit, wait, f"the mailbox is at [exchange.{backend}] now")


def _wait(visit: Visit, elsewhere: str, expected: int, present: int) -> NoReturn:
    """Record that too little of ours is here; the third such calendar in an hour pauses all moves."""
    with visit.recording() as connection:
        wait = moves.waits(connection, visit.row, elsewhere, expected=expected, present=present)
        _pause_where_many_wait(connection)
        log.warning(
            "move_waits",
            calendar=visit.row.calendar_id,
            expected=expected,
            present=present,
            seconds=round(wait.total_seconds()),
        )
        if elsewhere == visit.row.backend:
            end = "nothing is concluded for some hours; kalender move accept decides at once"
        else:
            end = "nothing is concluded; kalender move accept or wait decides"
        reason = (
            f"[exchange.{visit.row.backend}] shows {present} of {expected} coming entries, fewer "
            f"than half: {end}"
        )
        _postpone(connection, visit, wait, reason)
    raise PutOff


def _pause_where_many_wait(connection: Connection) -> None:
    """Pause all moves where too many began to wait of late, and since they were last let go on."""
    row = breaker.lock(connection, MOVES)
    since = max(row.db_time - WITHIN, row.changed_at or row.db_time - WITHIN)
    count = moves.begun_to_wait(connection, since)
    if count >= TOO_MANY and not breaker.held_for(row):
        reason = f"{count} moved calendars within an hour show fewer than half of their entries"
        breaker.hold(connection, MOVES, until=FOR_EVER, reason=reason, by=acts.SERVICE)
        acts.record(connection, "pause", who=acts.SERVICE, scope=MOVES, reason=reason, count=count)
        log.warning("moves_paused", calendars=count)


def _postpone(connection: Connection, visit: Visit, wait: timedelta, reason: str | None) -> None:
    lane = None if visit.claim.lane is Lane.PROTECT else Lane.FILL
    queue.postpone(connection, visit.claim, after=wait, why=reason, lane=lane)


# -- what stands in the place that the mailbox left -------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalsAtOldPlace:
    """Deletes entries at the Exchange that the mailbox left. They count for no brake."""

    calendars: Calendars  # of that Exchange
    located_entries: tuple[Entry, ...]  # as they are known there
    refs: tuple[ItemRef, ...]  # in the order of `located_entries`, as the next
    ahead: tuple[Transition, ...]
    counted_as: str = "deleted_at_old_place"

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down, in the change log as well, that these entries are about to go."""
        visit.save(connection, self.ahead, ahead=True)
        visit.log(connection, "remove", [entry.sync_key for entry in self.located_entries])
        return True

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Delete the items."""
        hard = visit.context.calendar_settings(visit.row.audience).delete == "hard"
        return self.calendars.delete(visit.row.address, self.refs[part], hard=hard, send_by=send_by)

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to one entry; an item that cannot be deleted stays where it is."""
        if isinstance(result, ItemRef):
            return Plain.DELETED, Next.GO_ON
        if result.outcome is ItemOutcome.UNKNOWN:
            return Plain.UNANSWERED, Next.IN_DOUBT
        return NotCarriedOut(before=self.located_entries[number]), Next.GO_ON

    def record(self, visit: Visit, connection: Connection, happenings: Sequence[Happening]) -> None:
        """Take out of the change log what stays, and say how many these are."""
        staying_keys = [
            entry.sync_key
            for entry, happening in zip(self.located_entries, happenings, strict=True)
            if isinstance(happening, NotCarriedOut)
        ]
        entries.unlog(connection, staying_keys)
        if staying_keys:
            count = len(staying_keys)
            log.warning("entries_stay_at_old_place", calendar=visit.row.calendar_id, entries=count)


def take_away_at_old_place(visit: Visit, hits: Sequence[FoundItem]) -> None:
    """Delete entries of ours that stand in the emptied place which the mailbox left.

    `hits` are all items of ours in the new place. An old place may go on answering as an empty
    mailbox after the mailbox was copied: what was created there since then stands in no other place,
    and the next plan makes it anew here. A place is emptied where all that is ours in it is absent
    here, and no operator accepted a new place that lacks entries.

    An item whose user added to it stays; so does an entry that a brake holds. Where the old place
    cannot be asked, nothing more is deleted there, and the log says so. Raises OutcomeUnknown where
    an answer is lost, and ClaimLost and StateInDoubt as `protocol.perform` does.
    """
    with visit.database.read() as connection:
        move = moves.open_of(connection, visit.row.calendar_id)
        records = entries.of_calendar(connection, visit.row.calendar_id)
    if move is None or move.from_backend == visit.row.backend or move.decision == ACCEPT:
        return
    old_place = visit.context.exchanges.get(move.from_backend)
    here = {hit.sync_key for hit in hits} | {hit.ref.item_id for hit in hits}
    absent_entries = {
        entry.sync_key: entry
        for entry in records
        if entry.status in STATUSES_AT_OLD_PLACE
        and entry.ends_at > visit.now
        and entry.held_by is None
        if entry.status is not EntryStatus.INTENDED or entry.item_id is None  # else an adoption
        if here.isdisjoint({entry.sync_key, entry.item_id})
    }
    if old_place is None or not absent_entries:
        return
    at_old_place = replace(visit, exchange=old_place)
    try:
        old_hits = old_place.calendars.find(visit.row.address, None)
        if any(hit.sync_key not in absent_entries for hit in old_hits):
            return
        # A search may not see yet what was made just now: an id that is known is read by itself.
        ids = {hit.sync_key: hit.ref.item_id for hit in old_hits}
        ids |= {key: entry.item_id for key, entry in absent_entries.items() if entry.item_id}
        states = doubles.read_states(at_old_place, sorted(ids.values()))
        untouched_items = [
            (absent_entries[key], state.ref)
            for key, item_id in sorted(ids.items())
            if (state := states.get(item_id)) is not None and state.sync_key == key
            if not doubles.added_to(visit, state, EntryState(ref=state.ref))
        ]
        if untouched_items:
            outcome = perform(at_old_place, _removals(old_place.calendars, untouched_items))
            if outcome.error is not None:
                raise outcome.error
    except OutcomeUnknown:
        raise
    except (PermanentError, TransientError, NeighbourError) as error:
        kind = type(error).__name__
        log.warning("old_place_not_asked", calendar=visit.row.calendar_id, error=kind)


def _removals(
    calendars: Calendars, untouched_items: Sequence[tuple[Entry, ItemRef]]
) -> RemovalsAtOldPlace:
    located_pairs = [
        (entry, after(entry, FoundByKey(item_id=ref.item_id, change_key=ref.change_key)))
        for entry, ref in untouched_items
    ]
    return RemovalsAtOldPlace(
        calendars=calendars,
        located_entries=tuple(located for _, located in located_pairs if located is not None),
        refs=tuple(ref for _, ref in untouched_items),
        ahead=tuple(
            Transition(entry, after(located, Plain.DELETE_AHEAD))
            for entry, located in located_pairs
        ),
    )


# -- what stands there although we took it away -----------------------------------------------------------


def take_away_again(visit: Visit, hits: Sequence[FoundItem]) -> None:
    """Record as going what we took away at the old place after the mailbox had been copied.

    It is what we made ourselves: its key is in the change log as taken away of late, it stands on
    one item, which was created when we created it, as far as the calendar's other items tell, and
    its user added nothing. What its user made a meeting, and was to be released there, is released
    here. What has ended stays.
    """
    calendar_id = visit.row.calendar_id
    times = Counter(hit.sync_key for hit in hits)
    if not visit.moved:
        return
    with visit.database.read() as connection:
        recorded = {entry.sync_key for entry in entries.of_calendar(connection, calendar_id)}
        deleted_keys, released_keys = doubles_log.taken_lately(
            connection, calendar_id, times, COPIED_WITHIN
        )
        created = doubles_log.created(connection, calendar_id, times)
    ours = {
        hit.sync_key: hit.created_at - created[hit.sync_key]
        for hit in hits
        if hit.sync_key in created
    }
    offsets = [ours[key] for key in ours.keys() & recorded]
    copied_hits = [
        hit
        for hit in hits
        if hit.sync_key in (deleted_keys | released_keys) - recorded and times[hit.sync_key] == 1
        if hit.ends_at > visit.now and hit.sync_key in ours
        if any(abs(ours[hit.sync_key] - offset) < SAME_TIME for offset in offsets)
    ]
    if not copied_hits:
        return
    states = doubles.read_states(visit, [hit.ref.item_id for hit in copied_hits])
    hits_to_take = [
        hit
        for hit in copied_hits
        if (state := states.get(hit.ref.item_id)) is not None
        if (state.meeting and hit.sync_key in released_keys)
        or not doubles.added_to(visit, state, EntryState(ref=state.ref))
    ]
    with visit.recording() as connection:
        for hit in hits_to_take:
            key, now = hit.sync_key, visit.now
            entries.adopt(connection, calendar_id, hit, key=key, now=now, goes=True)
    visit.count("taken_again", len(hits_to_take))
