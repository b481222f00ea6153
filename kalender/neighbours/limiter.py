"""The way to every neighbour, as one process goes it: who may ask, and how many at once.

Nothing is asked of the database for a request: what it said a moment ago holds, and the claims of
a worker ask it anyway. Only who tries credentials, or waits for its slot, asks each time.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Self

import structlog
from sqlalchemy import Connection

from kalender.config.sections import NeighbourSettings
from kalender.domain.work import Kind
from kalender.errors import (
    NeighbourError,
    NeighbourShut,
    NeighbourUnauthorised,
    PermanentError,
)
from kalender.neighbours import breaker, credentials
from kalender.neighbours.row import NeighbourRow
from kalender.store.database import Database

log = structlog.get_logger()
FRESH_SECONDS = 1.0  # what a request may go by
LOOK_SECONDS = 0.2  # what a claim may go by
RENEW_SECONDS = breaker.LEASE.total_seconds() / 3
TOUCH_SECONDS = 300.0  # how often it is recorded that credentials go on being good
PATIENCE = timedelta(seconds=30)  # of who has no slot: a command, not a worker's hand
SLOT_WAIT = timedelta(milliseconds=200)


class _Mine(threading.local):
    """What one thread holds."""

    reserved = False
    heard = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourLimits:
    """One neighbour: its name, what tells our credentials apart, and how much may be asked.

    `needed_by` is the kind of work that cannot be done without it, and `credentials` a digest.
    """

    name: str
    needed_by: Kind
    credentials: str
    most: int
    slots: int = 1  # of `most`, that one request takes at most
    per_second: float | None = None  # requests of all workers that may begin; None: any number

    @classmethod
    def of(cls, name: str, settings: NeighbourSettings, send_seconds: float) -> Self:
        """Return the limits of a neighbour from its section of the settings."""
        return cls(
            name=name,
            needed_by=settings.needed_by,
            credentials=credentials.digest(settings.address, *settings.credentials),
            most=settings.most_within(send_seconds),
            slots=settings.slots,
            per_second=settings.rate,
        )


class _RateLimiter:
    """The permits that this process holds, of those that all workers share in a second.

    A request may begin with a permit. As many as half a second yields are acquired at once, so that
    the database is asked twice a second at most; permits that are not used in their time expire.
    """

    def __init__(self, database: Database, name: str, per_second: float) -> None:
        self._database, self._name, self._per_second = database, name, per_second
        self._at_once = max(1, int(per_second / 2))
        self._lock = threading.Lock()
        self._next = self._expire = float("-inf")  # by the monotonic clock

    def wait(self, requests: int) -> None:
        """Wait until this may begin, which counts as so many requests.

        Raises NeighbourUnavailable without a database.
        """
        with self._lock:
            beyond_first = (requests - 1) / self._per_second
            if max(self._next, monotonic()) + beyond_first >= self._expire:
                number = max(self._at_once, requests)
                # The permits count from the answer on, but expire as if it had come at once: so none
                # is used in the time of the next ones, which may be another process'.
                started = monotonic()
                with self._database.write() as connection:
                    pause = breaker.acquire_permits(
                        connection, self._name, number=number, per_second=self._per_second
                    ).total_seconds()
                self._next = monotonic() + pause
                self._expire = started + pause + number / self._per_second
            now = monotonic()
            begins = max(self._next, now)
            self._next = begins + requests / self._per_second
        threading.Event().wait(begins - now)


class Limiter:
    """The way to one neighbour; called around each request. Usable from several threads.

    Raises NeighbourShut where nobody may ask now; whoever has reserved a slot does not wait.
    """

    def __init__(
        self, database: Database, limits: NeighbourLimits, *, holder: str, wants: int
    ) -> None:
        self.database = database
        self.name = limits.name
        self.limits = limits
        self.holder = holder
        self.wants = max(wants, limits.slots)
        self._lock = threading.Lock()
        self._mine = _Mine()
        self._busy = 0
        self._share = breaker.Share(0, 0)
        self._renewed = self._known = self._touched = float("-inf")
        self._limiter = (
            _RateLimiter(database, limits.name, limits.per_second) if limits.per_second else None
        )

    # -- slots ------------------------------------------------------------------------------------

    def reserve(self) -> bool:
        """Take a slot for this thread, where one is free: so many ask at once, not more."""
        with self._lock:
            if not self._is_leased(breaker.LEASE.total_seconds()):
                return False
            if self._busy >= self._share.limit:
                return False
            self._busy += 1
        self._mine.reserved = True
        return True

    def free(self) -> None:
        """Give this thread's slot back, where it has one."""
        if self._mine.reserved:
            self._mine.reserved = False
            with self._lock:
                self._busy -= 1

    def _take_more(self, number: int) -> int:
        """Take so many slots besides, where all of them are free now, else none.

        To wait for them, while others that have one wait for more as well, would have no end.
        """
        with self._lock:
            is_free = self._is_leased(breaker.LEASE.total_seconds()) and (
                self._busy + number <= self._share.limit
            )
            taken = number if is_free else 0
            self._busy += taken
        return taken

    def _has_slot(self) -> bool:
        """Whether this thread has one that is still ours, or gets one."""
        if self._mine.reserved:
            return self._busy <= self._share.granted
        return self.reserve()

    def _is_leased(self, within: float) -> bool:
        return monotonic() - self._renewed < within

    def renew_lease(self, connection: Connection, row: NeighbourRow) -> NeighbourRow:
        """Prolong what this process may use, where it is time to; return the row as it is now.

        The row is locked before our own lock, as everywhere.
        """
        yields = breaker.holds_too_much(row, self.holder, self.limits.most)
        if self._is_leased(RENEW_SECONDS) and not yields:
            return row
        started, row = monotonic(), breaker.lock(connection, self.name)
        with self._lock:
            self._share = breaker.lease(
                connection,
                row,
                self.holder,
                wants=self.wants,
                busy=self._busy,
                most=self.limits.most,
            )
            self._renewed = started
        return row

    # -- what is known ----------------------------------------------------------------------------

    def is_known(self, within: float) -> bool:
        """Whether the neighbour was open to us so lately, and our slots are ours."""
        return monotonic() - self._known < within and self._is_leased(RENEW_SECONDS)

    def invalidate(self, *, slots: bool = False) -> None:
        """Look again before the next request; with `slots` also at what may be used."""
        self._known = float("-inf")
        if slots:
            self._renewed = float("-inf")

    def note(self, row: NeighbourRow) -> credentials.CredentialState:
        """Take in what the database says of our credentials."""
        state = credentials.state_of(row, self.limits.credentials)
        free = not (breaker.is_left_alone(row) or breaker.waits(row))
        self._known = monotonic() if state.known and free else float("-inf")
        return state

    @property
    def heard(self) -> bool:
        """Whether this thread got an answer since it last began."""
        return self._mine.heard

    def begin(self) -> None:
        """Begin a piece of work in this thread."""
        self._mine.heard = False

    # -- one request ------------------------------------------------------------------------------

    @contextmanager
    def __call__(self, *, slots: int = 1, requests: int = 1) -> Iterator[int]:
        """Let one request through, and learn from its end."""
        reserved, more = self._mine.reserved, 0
        try:
            tries = self._enter(timedelta() if reserved else PATIENCE)
            more = self._take_more(slots - 1)
            if self._limiter is not None:
                self._limiter.wait(requests)
            yield from self._ask(1 + more, tries=tries)
        finally:
            with self._lock:
                self._busy -= more
            if not reserved:
                self.free()

    def _ask(self, slots: int, *, tries: bool) -> Iterator[int]:
        started = monotonic()
        try:
            yield slots
        except NeighbourUnauthorised as error:
            self._count(type(error).__name__, started)
            self._refused(error, took=timedelta(seconds=monotonic() - started))
            raise
        except Exception as error:
            self._count(type(error).__name__, started)
            if isinstance(error, PermanentError):
                self._answered(tries=tries)
            elif tries:
                self._record(
                    lambda connection: credentials.set_trial(connection, self.name, under_way=False)
                )
            raise
        self._count("ok", started)
        self._answered(tries=tries)

    def _count(self, outcome: str, started: float) -> None:
        self.database.counts.add("requests", self.name, outcome)
        self.database.counts.time("request", self.name, seconds=monotonic() - started)

    def _enter(self, patience: timedelta) -> bool:
        """Wait for our slot; return whether this request tries our credentials."""
        end, pause = monotonic() + patience.total_seconds(), threading.Event()
        while True:
            if self._has_slot() and self.is_known(FRESH_SECONDS):
                return False
            tries, wait = self._look()
            if wait is None:
                return tries
            if monotonic() + wait.total_seconds() > end:
                raise NeighbourShut(self.name, self._why_shut(), retry_after=wait)
            pause.wait(min(wait, SLOT_WAIT).total_seconds())

    def _why_shut(self) -> str:
        """Say why nobody, or not this process, may ask."""
        with self.database.read() as connection:
            row = breaker.read(connection, [self.name]).get(self.name)
        if row is not None and breaker.held_for(row):
            return (
                f"{self.name}: paused by hand by {row.held_by} ({row.held_reason}): "
                f"kalender resume {self.name} ends it"
            )
        if row is not None and credentials.state_of(row, self.limits.credentials).wait:
            return (
                f"{self.name}: it refuses our credentials ({row.last_error}): mend the account or "
                f"the secret, then kalender resume {self.name} lets one request try"
            )
        if row is not None and breaker.waits(row):
            return (
                f"{self.name}: it asked all to wait ({row.last_error}): it is asked again by itself"
            )
        if row is not None and breaker.is_left_alone(row):
            return (
                f"{self.name}: left alone after {row.failures} failures ({row.last_error}): it is "
                f"tried again by itself; kalender resume {self.name} lets one request try at once"
            )
        return f"{self.name}: asked by as many as may, or by one that tries our credentials"

    def _look(self) -> tuple[bool, timedelta | None]:
        """Return whether to try our credentials; or else how long to wait, None: go."""
        with self.database.read() as connection:
            row = breaker.read(connection, [self.name]).get(self.name)
        is_open = row is not None and self.note(row).known and not breaker.waits(row)
        if is_open and self._is_leased(RENEW_SECONDS) and self._has_slot():
            return False, None
        with self.database.write() as connection:
            row = self.renew_lease(connection, breaker.lock(connection, self.name))
            if not self._has_slot():
                return False, SLOT_WAIT
            state, hold = self.note(row), breaker.waits(row)
            if state.known and not hold:
                return False, None
            if hold or state.tried or state.wait:
                return False, max(hold, state.wait, SLOT_WAIT)
            credentials.set_trial(connection, self.name, under_way=True)
            return True, None

    def _answered(self, *, tries: bool) -> None:
        self._mine.heard = True
        if tries:
            self._record(
                lambda connection: credentials.authorised(
                    connection, breaker.lock(connection, self.name), self.limits.credentials
                )
            )
        elif monotonic() - self._touched > TOUCH_SECONDS:
            self._touched = monotonic()
            self._record(
                lambda connection: credentials.still_authorised(
                    connection, self.name, self.limits.credentials
                )
            )

    def _refused(self, error: NeighbourUnauthorised, *, took: timedelta) -> None:
        self.invalidate()
        self._record(
            lambda connection: credentials.refused(
                connection,
                breaker.lock(connection, self.name),
                self.limits.credentials,
                took=took,
                error=str(error),
            )
        )

    def _record(self, write: Callable[[Connection], None]) -> None:
        """Record, where the database is there: how the request ended is not to be lost over it."""
        try:
            with self.database.write() as connection:
                write(connection)
        except NeighbourError:
            log.warning("not_recorded", neighbour=self.name)


class Limiters:
    """The ways to all neighbours of one process."""

    def __init__(
        self, database: Database, limits: Collection[NeighbourLimits], *, holder: str, wants: int
    ) -> None:
        self.holder = holder
        self.by_name: Mapping[str, Limiter] = {
            neighbour.name: Limiter(database, neighbour, holder=holder, wants=wants)
            for neighbour in limits
        }
        self.names = frozenset(self.by_name)
        self.failed_lately: frozenset[str] = frozenset()
        self.bulk_is_held = False

    def __getitem__(self, name: str) -> Limiter:
        """Return the way to one neighbour."""
        return self.by_name[name]

    def look(self, connection: Connection) -> tuple[frozenset[str], frozenset[str]]:
        """Return which neighbours failed lately, and which nobody, or not we, may ask now."""
        if all(limiter.is_known(LOOK_SECONDS) for limiter in self.by_name.values()):
            return self.failed_lately, frozenset()
        rows = breaker.read(connection, [*self.by_name, breaker.BULK])
        bulk = rows.pop(breaker.BULK, None)
        self.bulk_is_held = bulk is not None and bool(breaker.held_for(bulk))
        shut = set()
        for name, limiter in sorted(self.by_name.items()):
            row = limiter.renew_lease(connection, rows.get(name) or breaker.lock(connection, name))
            state = limiter.note(row)
            waits = not state.known and (state.tried or bool(state.wait))
            if waits or breaker.is_shut(connection, row):
                shut.add(name)
        self.failed_lately = frozenset(
            name for name, row in rows.items() if row.failures or row.paused_until is not None
        )
        return self.failed_lately, frozenset(shut)

    def invalidate(self) -> None:
        """Look again before the next request: what was written may not have come to stand."""
        for limiter in self.by_name.values():
            limiter.invalidate(slots=True)

    def give_up(self, connection: Connection) -> None:
        """Let others have our slots: this process ends."""
        breaker.give_up(connection, self.by_name, self.holder)
