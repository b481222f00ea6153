"""One claimed visit to one calendar, and the protocol by which it changes anything there.

`perform` changes entries, in four steps. It writes ahead what is about to happen, in a transaction
that also renews the claim. It sends the request, or one after the other the few that this was
written for. It records what became of each entry, in a second transaction. It returns what the
visit has to do next.

Whatever dies between the two transactions leaves records whose outcome is open. The next visit looks
a create in doubt up by its key before it plans anything. An update or a delete in doubt is planned
again: it names its item by id, and what is gone by that id is looked up by key. The test
`..._killed_between_a_create_and_its_record_...` of `tests/integration/test_reconcile.py` shows it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from kalender.config.calendar import RoleCalendar
from kalender.config.sections import Moves, Safety
from kalender.config.takeover import Takeover
from kalender.domain.entry import (
    Created,
    Happening,
    Plain,
    Refused,
    Shown,
    Transition,
    happens,
)
from kalender.domain.mailbox import BY_MAIL
from kalender.domain.model import lies_in
from kalender.domain.roles import ROLES, leading
from kalender.domain.timetable import Audience, Role
from kalender.domain.work import Cause, Trigger, WorkKey
from kalender.errors import (
    ClaimLost,
    KalenderError,
    NeighbourUnavailable,
    OutcomeUnknown,
    StateInDoubt,
    TransientError,
)
from kalender.ports import Calendars, EntryState, ItemError, ItemOutcome, ItemRef
from kalender.reconcile.desired import CalendarSettings, CalendarState
from kalender.reconcile.memory import Memory
from kalender.store import brakes, entries, mailboxes, moves, queue, rollouts, takeovers
from kalender.store.database import Database
from kalender.store.entries import CalendarOwnership, CalendarRow
from kalender.store.queue import Claim
from kalender.store.semesters import BEGINNING

READS = 100
COUNT_AGAIN_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One configured Exchange: how to write to it, and how long it may work on a lost request.

    `second_look` is after how long a create is looked for once more that nobody answered and that
    was not found. None: a search sees at once what was made, and finds it or never will.
    `user_form` is how it names the user of a mailbox: `mail`, by the address.
    """

    calendars: Calendars
    server_seconds: float
    second_look: timedelta | None = None
    user_form: str = BY_MAIL


@dataclass(slots=True)
class LiveCount:
    """How many coming entries live, counted at most once a minute."""

    value: int = 0
    counted: float = float("-inf")

    def read(self, connection: Connection, now: datetime) -> int:
        """Return the count, a minute old at most."""
        if time.monotonic() - self.counted > COUNT_AGAIN_SECONDS:
            self.value, self.counted = entries.coming(connection, now), time.monotonic()
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileContext:
    """What visits share: the database, every Exchange, and the settings."""

    database: Database
    exchanges: Mapping[str, Exchange]
    settings: CalendarSettings
    safety: Safety
    rollout_mode: str
    lease: timedelta
    send_seconds: float
    clock: Callable[[], datetime]
    live: LiveCount = field(default_factory=LiveCount)
    moves: Moves = field(default_factory=Moves)
    takeover: Takeover | None = None  # how a predecessor's entries are known
    memory: Memory = field(default_factory=Memory)  # of the database, so that an older one is known
    mail_domains: frozenset[str] = frozenset()  # that may be written to; empty: all
    role_calendars: Mapping[Role, RoleCalendar] = field(
        default_factory=lambda: dict.fromkeys(ROLES, RoleCalendar())
    )

    def calendar_settings(self, audience: Audience) -> RoleCalendar:
        """Return the settings for a calendar of this audience."""
        return self.role_calendars[leading(audience)]

    def allowed(self, connection: Connection, row: CalendarRow) -> bool:
        """Whether this calendar, of which the row was just read, may be written to at all."""
        return bool(self.all_allowed(connection, [row]))

    def all_allowed(self, connection: Connection, rows: Sequence[CalendarRow]) -> list[CalendarRow]:
        """Return those of these calendars, of which the rows were just read, that may be written to."""
        ids = [row.calendar_id for row in rows]
        inside = rollouts.inside_of(connection, ids, self.rollout_mode)
        return [
            row
            for row in rows
            if row.state != "closed"
            and (
                row.taking_back or (row.calendar_id in inside and row.takeover != takeovers.UNDONE)
            )
            and lies_in(row.address, self.mail_domains)
        ]


class PutOff(Exception):  # no error: what is to be done is written down
    """The visit ended, and its claim with it: the calendar waits for its turn or its next look."""


Results = Sequence[ItemRef | ItemError]
NOT_SENT = ItemError(code="NotCarriedOut", outcome=ItemOutcome.LATER)
NOT_ANSWERED = ItemError(code="NotAnswered", outcome=ItemOutcome.UNKNOWN)


@dataclass(slots=True, kw_only=True)
class Visit:
    """A calendar under our claim, with what the visit learned of it so far.

    `counts` holds how many entries were created, updated, deleted, refused and so on.
    """

    context: ReconcileContext
    claim: Claim
    calendar_state: CalendarState
    exchange: Exchange
    now: datetime
    renewed_at: datetime = BEGINNING  # by the database's clock
    verified: bool = False
    searched: bool = False  # for doubles of ours
    moved: bool = False  # from another Exchange: what stands twice is mended
    held: bool = False  # what is new, as it is too much
    edited: dict[str, str] = field(default_factory=dict)  # sync key -> what we had written
    deleted_by_user: set[str] = field(default_factory=set)  # events whose entry its user deleted
    conflicts: set[str] = field(default_factory=set)  # sync keys that were not as recorded
    states: dict[str, EntryState] = field(default_factory=dict)  # item id -> as a search told it
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def row(self) -> CalendarRow:
        """The calendar's row, as it was when the visit began."""
        return self.calendar_state.row

    @property
    def database(self) -> Database:
        """The database in which everything is recorded."""
        return self.context.database

    @property
    def calendars(self) -> Calendars:
        """The adapter of the calendar's Exchange."""
        return self.exchange.calendars

    def places(self, connection: Connection) -> frozenset[str]:
        """Return what the mailbox is called: by its address, and by its user's name."""
        address, form = self.row.address, self.exchange.user_form
        user = mailboxes.principal_name_of(connection, address, form)
        return frozenset({address, user or address})

    def count(self, operation: str, number: int) -> None:
        """Add to what the visit did."""
        if number:
            self.counts[operation] = self.counts.get(operation, 0) + number

    def log(self, connection: Connection, operation: str, keys: Collection[str]) -> None:
        """Write into the change log what was done to the entries of these keys."""
        about = (self.claim.reason, self.claim.since, self.renewed_at)
        cause, lane = self.claim.cause, self.claim.lane
        entries.log(connection, self.row, operation, keys, *about, cause=cause, lane=lane)

    def save(
        self, connection: Connection, transitions: Iterable[Transition], *, ahead: bool = False
    ) -> None:
        """Write what happened to entries of this calendar.

        Where a create is given up that a search may not have seen yet, the calendar is marked to be
        searched for its key once more.
        """
        transitions = tuple(transitions)
        entries.save(connection, self.row.calendar_id, transitions, ahead=ahead)
        after = self.exchange.second_look
        if after is not None and any(change.gives_up_a_create for change in transitions):
            entries.look_again(connection, self.row.calendar_id, after)
            work = WorkKey.of_calendar(self.row.calendar_id)
            trigger = Trigger("second look at an unanswered create", Cause.TIME)
            queue.mark_later(connection, work, trigger, after=after)

    @contextmanager
    def recording(self) -> Iterator[Connection]:
        """Open a transaction for what is known now, under a claim that is prolonged in full.

        Raises ClaimLost where the claim is not ours any more: then somebody else knows better.
        """
        with self.database.write() as connection:
            self.renew_claim(connection)
            yield connection

    def renew_claim(self, connection: Connection) -> None:
        """Prolong the claim in full; ClaimLost where it is not ours any more."""
        self.renewed_at = queue.renew(connection, self.claim, self.context.lease)

    def require_unchanged(
        self, connection: Connection, ownership: CalendarOwnership | None = None
    ) -> None:
        """Raise TransientError where the calendar may not be written to as the visit believes.

        The person may have opted out or left the roll-out since the visit began, and the mailbox
        may have passed to somebody else or to another Exchange, or be another one by another
        username. `ownership` is what was just read of it. Where that is not given it is read here,
        and the calendar's digest is cleared: until the visit ends well, the calendar is not known
        to be right.
        """
        if ownership is None:
            ownership = entries.forget_digest(connection, self.row)
        if not self.context.allowed(connection, replace(self.row, takeover=ownership.takeover)):
            raise TransientError("the calendar left the roll-out meanwhile")
        if (ownership.leaves or self.row.taking_back) is not self.calendar_state.leaving:
            raise TransientError("the person's wishes changed meanwhile")
        row = self.row
        before = (row.owner, row.address, row.backend, row.state)
        now = (ownership.owner, ownership.address, ownership.backend, ownership.state)
        if now != before or ownership.must_look_up > row.must_look_up:
            raise TransientError("the calendar's mailbox changed meanwhile")

    def look_again(self, send_by: float) -> float:
        """Require claim and calendar unchanged before a further request; return until when it may leave.

        Where less than half of `send_seconds` is left until `send_by`, the claim is renewed as well.
        ClaimLost where it is not ours any more: somebody else may have looked for what was written
        ahead, and not found what this request would make.
        """
        started = time.monotonic()
        if send_by - started > self.context.send_seconds / 2:
            with self.database.read() as connection:
                ownership = entries.ownership(connection, self.row, self.claim)
                self.require_unchanged(connection, ownership)
            return send_by
        with self.context.memory.writing(self.database) as connection:
            self.renew_claim(connection)
            self.require_unchanged(connection)
        return started + self.context.send_seconds

    def braked(self, connection: Connection, deletes: int) -> str | None:
        """Return the scope of the brake that holds so many more deletes, or None.

        Whoever wished to leave is exempt.
        """
        if self.calendar_state.leaving:
            return None
        live = self.context.live.read(connection, self.now)
        return brakes.judge_deletes(connection, deletes, live, self.context.safety)

    def finish(self) -> None:
        """Finish the claim, and record the digest where nothing was marked meanwhile.

        Where the database gives up the transaction, as by a deadlock with a resync, it is tried
        once more: all that this visit wrote is recorded already.
        """
        try:
            self._finish()
        except NeighbourUnavailable:
            self._finish()

    def _finish(self) -> None:
        with self.database.write() as connection:
            if queue.finish(connection, self.claim):
                entries.synced(
                    connection,
                    self.row.calendar_id,
                    digest=None
                    if self.row.taking_back or self.held
                    else self.calendar_state.digest,
                    settings=self.context.settings.in_language(self.calendar_state.language).digest,
                    changes_at=self.calendar_state.changes_at,
                    verified=self.verified,
                    searched=self.searched,
                )
                if self.row.must_look_up:
                    moves.end(connection, self.row.calendar_id)
                if self.row.takeover == takeovers.UNDOING:
                    takeovers.set_undone(connection, self.row.calendar_id)


# -- the protocol ------------------------------------------------------------------------------------


class Next(IntEnum):
    """What is to be done after a request, or after one entry's answer; the greatest one counts."""

    GO_ON = 0
    COME_LATER = 1  # an entry was certainly not written, and may be at another time
    PLAN_AGAIN = 2  # an entry was not as recorded; what is known now is written down
    IN_DOUBT = 3  # an entry may or may not have been written


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: what is next, and the error to end the visit with, if any."""

    next: Next = Next.GO_ON
    error: TransientError | OutcomeUnknown | None = None


class Write(Protocol):
    """Creates, updates, deletes or releases of entries, as a value: one request for each batch."""

    @property
    def counted_as(self) -> str:
        """What the visit's counts call an entry that this request changed."""
        ...

    @property
    def ahead(self) -> Sequence[Transition]:
        """What the write-ahead makes of each record, in the request's order."""
        ...

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down what is about to happen; False where a brake holds, and nothing is sent."""
        ...

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Make the request for this part of the entries, which leaves until `send_by` or not at all.

        Returns a result for each of them, in their order.
        """
        ...

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to the entry of this number, and what is to be done then."""
        ...

    def record(self, visit: Visit, connection: Connection, happenings: Sequence[Happening]) -> None:
        """Write into logs what happened; the records themselves are written already."""
        ...


def perform(visit: Visit, write: Write) -> Outcome:
    """Write ahead, send, record, and say what is next.

    Where a request fails, no further one leaves. One that was certainly not carried out is recorded
    as such for each of its entries, and its error is raised. An error that no adapter raises on
    purpose leaves every entry in doubt that has no result.

    Raises ClaimLost; TransientError where the calendar may not be written to any more; whatever
    the adapter raises but OutcomeUnknown; NeighbourUnavailable where the database is away.

    The visit's claim is finished in a transaction of its own. To finish it in the one that records
    the last request would save 6 % of the processor time of workers and PostgreSQL while a lecture
    moves, and was tried: it holds the claim's row while it waits for the calendar's, and a resync,
    which locks them in the other order, was ended by a deadlock.
    """
    started = time.monotonic()
    with visit.context.memory.writing(visit.database) as connection:
        visit.renew_claim(connection)
        visit.require_unchanged(connection)
        if not write.write_ahead(visit, connection):
            return Outcome()
    results, error = _sent(visit, write, started + visit.context.send_seconds)
    if isinstance(error, OutcomeUnknown):
        if len(unknown(results)) < len(results):
            _record(visit, write, results)
        return Outcome(Next.IN_DOUBT, error)
    outcome = _record(visit, write, results)
    if error is not None:
        raise error
    return outcome


def _sent(visit: Visit, write: Write, send_by: float) -> tuple[Results, KalenderError | None]:
    """Make the requests one after the other; return a result for each entry, and what ended them.

    After a failure, or an entry in doubt, no further request leaves. Before a later one the
    calendar is looked at again, and it has half of `send_seconds` at least. Raises ClaimLost and
    StateInDoubt, after which nothing may be recorded.
    """
    number, batch = len(write.ahead), visit.calendars.batch
    results: list[ItemRef | ItemError] = []
    error: KalenderError | None = None
    for first in range(0, number, batch):
        try:
            if first:
                send_by = visit.look_again(send_by)
            results += write.send(visit, slice(first, first + batch), send_by)
        except (ClaimLost, StateInDoubt):
            raise
        except KalenderError as raised:
            error = raised
        except Exception as raised:  # noqa: BLE001 - by no adapter on purpose: nothing is known
            error = OutcomeUnknown(f"an unexpected {type(raised).__name__}")
            error.__cause__ = raised
        if isinstance(error, OutcomeUnknown):
            results += [NOT_ANSWERED] * min(batch, number - first)
        if error is not None or unknown(results):
            break
    return [*results, *[NOT_SENT] * (number - len(results))], error


def _record(visit: Visit, write: Write, results: Results) -> Outcome:
    """Record what became of each entry of a request, and return what is next."""
    judgements = [write.judge(number, result) for number, result in enumerate(results)]
    happenings = [happening for happening, _ in judgements]
    transitions = [
        happens(transition.after, happening)
        for transition, happening in zip(write.ahead, happenings, strict=True)
    ]
    doubtful = unknown(results)
    try:
        with visit.recording() as connection:
            visit.save(connection, transitions)
            write.record(visit, connection, happenings)
    except NeighbourUnavailable as error:
        if doubtful:
            # Exchange may still be working on these entries, and the quiet time cannot be written
            # down either: they wait for the end of the lease.
            raise error from OutcomeUnknown("entries in doubt that could not be recorded")
        raise
    refusals = sum(isinstance(happening, Refused) for happening in happenings)
    visit.count("refused", refusals)
    visit.count(
        write.counted_as,
        sum(
            isinstance(happening, Created | Shown)
            or happening in {Plain.DELETED, Plain.HANDED_BACK}
            for happening in happenings
        ),
    )
    if doubtful:
        text = f"{len(doubtful)} entries in doubt ({doubtful[0].code})"
        return Outcome(Next.IN_DOUBT, OutcomeUnknown(text))
    visit.conflicts |= {
        transition.after.sync_key
        for transition, (_, following) in zip(write.ahead, judgements, strict=True)
        if transition.after is not None and following is Next.PLAN_AGAIN
    }
    worst = max((following for _, following in judgements), default=Next.GO_ON)
    if worst is Next.COME_LATER:
        errors = [
            result
            for result, (_, following) in zip(results, judgements, strict=True)
            if isinstance(result, ItemError) and following is Next.COME_LATER
        ]
        text = f"an entry was not taken ({errors[-1].code})"
        asked = [error.retry_after for error in errors if error.retry_after is not None]
        return Outcome(worst, TransientError(text, retry_after=max(asked, default=None)))
    return Outcome(worst)


def unknown(results: Results) -> list[ItemError]:
    """Return those that may or may not have been written."""
    return [r for r in results if isinstance(r, ItemError) and r.outcome is ItemOutcome.UNKNOWN]


def parts(sequence: Sequence[T], size: int) -> list[Sequence[T]]:
    """Split into pieces of at most so many."""
    return [sequence[start : start + size] for start in range(0, len(sequence), size)]
