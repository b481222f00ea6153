"""One claimed visit to one calendar: what it knows, and the two ends of every request."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from kalender.config.calendar import AudienceCalendar
from kalender.config.sections import Safety
from kalender.domain.mailbox import MailboxRule
from kalender.domain.model import Audience
from kalender.domain.work import Lane
from kalender.errors import KalenderError, NeighbourUnavailable, OutcomeUnknown, TransientError
from kalender.ports import Calendars, ItemError, ItemOutcome, ItemRef
from kalender.reconcile.desired import CalendarSettings, CalendarState
from kalender.reconcile.memory import Memory
from kalender.store import brakes, entries, queue, rollouts
from kalender.store.database import Database
from kalender.store.entries import CalendarRow
from kalender.store.queue import Claim
from kalender.store.semesters import BEGINNING

READS = 100
COUNT_AGAIN_SECONDS = 60
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One configured Exchange: how to write to it, and how long it may work on a lost request."""

    calendars: Calendars
    server_seconds: float


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
    memory: Memory = field(default_factory=Memory)  # of the database, so that an older one is known
    mailboxes: MailboxRule | None = None  # the mail domains that may be written to; None: all
    audiences: Mapping[Audience, AudienceCalendar] = field(
        default_factory=lambda: dict.fromkeys(Audience, AudienceCalendar())
    )

    def allowed(self, connection: Connection, row: CalendarRow) -> bool:
        """Whether this calendar may be written to at all."""
        return bool(self.all_allowed(connection, [row]))

    def all_allowed(self, connection: Connection, rows: Sequence[CalendarRow]) -> list[CalendarRow]:
        """Return those of these calendars that may be written to."""
        ids = [row.calendar_id for row in rows]
        inside = rollouts.switched_on_of(connection, ids, self.rollout_mode)
        return [
            row
            for row in rows
            if row.state != "closed"
            and (row.taking_back or row.calendar_id in inside)
            and (self.mailboxes is None or self.mailboxes.allows(row.address))
        ]


class PlanAgain(Exception):
    """Something was not as recorded; what is known now is written down."""


@dataclass(slots=True, kw_only=True)
class Visit:
    """A calendar under our claim. Counts what was done; `later` asks for another visit."""

    means: ReconcileContext
    claim: Claim
    view: CalendarState
    exchange: Exchange
    now: datetime
    renewed_at: datetime = BEGINNING  # by the database's clock
    verified: bool = False
    searched: bool = False  # for doubles of ours
    held: bool = False  # what is new, as it is too much
    later: TransientError | None = None
    ended: bool = False
    edited: dict[str, str] = field(default_factory=dict)  # sync key -> what we had written
    taken: set[str] = field(default_factory=set)  # events whose entry its user took away
    conflicts: set[str] = field(default_factory=set)  # sync keys that somebody else wrote to
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def row(self) -> CalendarRow:
        """The calendar."""
        return self.view.row

    @property
    def database(self) -> Database:
        """Where all is recorded."""
        return self.means.database

    @property
    def calendars(self) -> Calendars:
        """The calendar's Exchange."""
        return self.exchange.calendars

    def count(self, what: str, number: int) -> None:
        """Add to what was done."""
        if number:
            self.counts[what] = self.counts.get(what, 0) + number

    def log(self, connection: Connection, operation: str, keys: Collection[str]) -> None:
        """Remember what was written to the entries of these keys."""
        told = (self.claim.reason, self.claim.since, self.renewed_at)
        entries.log(connection, self.row, operation, keys, *told, live=self.claim.lane <= Lane.LIVE)

    def renew(self, connection: Connection) -> None:
        """Prolong the claim in full; ClaimLost where it is not ours any more."""
        self.renewed_at = queue.renew(connection, self.claim, self.means.lease)

    @contextmanager
    def recording_answers(self, results: Sequence[ItemRef | ItemError]) -> Iterator[None]:
        """Where what is known cannot be recorded, whatever is in doubt waits for the lease's end.

        Exchange may still be working on it, and the quiet time cannot be written down either.
        """
        try:
            yield
        except NeighbourUnavailable as error:
            if unknown(results):
                raise error from OutcomeUnknown("entries in doubt that could not be recorded")
            raise

    @contextmanager
    def recording(self) -> Iterator[Connection]:
        """One transaction for what is known now; ClaimLost where somebody else knows better."""
        with self.database.write() as connection:
            self.renew(connection)
            yield connection

    def end(self, connection: Connection) -> None:
        """Finish, and record the digest where nothing was marked meanwhile."""
        if queue.finish(connection, self.claim):
            entries.synced(
                connection,
                self.row.calendar_id,
                digest=None if self.row.taking_back or self.held else self.view.digest,
                settings=self.means.settings.digest,
                changes_at=self.view.changes_at,
                verified=self.verified,
                searched=self.searched,
            )

    def record(self, record: Callable[[Connection], T], *, ends: Callable[[T], bool]) -> T:
        """Record a request's answer, and end with it where that leaves nothing to do.

        Where the transaction fails, as by a deadlock at its end, what was answered is recorded
        alone, and the visit ends afterwards. So `record` may be called twice.
        """
        try:
            with self.recording() as connection:
                found = record(connection)
                over = ends(found) and self.later is None
                if over:
                    self.end(connection)
        except NeighbourUnavailable:
            with self.recording() as connection:
                return record(connection)
        self.ended = over
        return found

    def write_ahead(self, write: Callable[[Connection], T]) -> tuple[T, float]:
        """Write down what may be about to happen; return when the request must be on its way.

        Stops where the claim is not ours any more, the person opted out or left the roll-out, or
        the mailbox passed to somebody else or to another Exchange.
        """
        started = time.monotonic()
        with self.means.memory.writing(self.database) as connection:
            self.renew(connection)
            if not self.means.allowed(connection, self.row):
                raise TransientError("the calendar left the roll-out meanwhile")
            standing = entries.forget_digest(connection, self.row)
            if (standing.leaves or self.row.taking_back) is not self.view.leaving:
                raise TransientError("the person's wishes changed meanwhile")
            row = self.row
            if standing[1:] != (row.owner, row.address, row.backend, row.state):
                raise TransientError("the calendar's mailbox changed meanwhile")
            written = write(connection)
        return written, started + self.means.send_seconds

    def send(
        self,
        request: Callable[[], Sequence[ItemRef | ItemError]],
        *,
        undo: Callable[[Connection], None],
    ) -> Sequence[ItemRef | ItemError]:
        """Send; where it was certainly not carried out, take the write-ahead back.

        Of an error that no adapter raises on purpose that is not certain.
        """
        try:
            return request()
        except OutcomeUnknown:
            raise
        except KalenderError:
            with self.recording() as connection:
                undo(connection)
            raise
        except Exception as error:
            raise OutcomeUnknown(f"an unexpected {type(error).__name__}") from error

    def braked(self, connection: Connection, deletes: int) -> str | None:
        """Return the brake that holds so many more deletes; a wish to leave is exempt."""
        if self.view.leaving:
            return None
        live = self.means.live.read(connection, self.now)
        return brakes.holding(connection, deletes, live, self.means.safety)

    def comes_later(self, error: ItemError) -> bool:
        """Whether this item was certainly not written; remembers to try again."""
        if error.verdict is ItemOutcome.UNKNOWN:
            return False
        text = f"an entry was not taken ({error.code})"
        self.later = TransientError(text, retry_after=error.retry_after)
        return True


def stop_if_unknown(results: Sequence[ItemRef | ItemError]) -> None:
    """Raise OutcomeUnknown where any item may or may not have been written."""
    if doubtful := unknown(results):
        raise OutcomeUnknown(f"{len(doubtful)} entries in doubt ({doubtful[0].code})")


def unknown(results: Sequence[ItemRef | ItemError]) -> list[ItemError]:
    """Return those that may or may not have been written."""
    return [r for r in results if isinstance(r, ItemError) and r.verdict is ItemOutcome.UNKNOWN]


def parts(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """Split into pieces of at most so many."""
    return [items[start : start + most] for start in range(0, len(items), most)]
