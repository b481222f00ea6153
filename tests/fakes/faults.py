"""Ways to die, to stall or to be let down: at a commit, before or after a request."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from kalender.errors import (
    BadSourceData,
    KalenderError,
    NeighbourRefused,
    NeighbourUnavailable,
    NotSent,
    OutcomeUnknown,
    TransientError,
)
from kalender.store.database import Database
from tests.fakes.calendars import FakeCalendars

WRITES = ("create", "update", "delete")
SEND_SECONDS = 20.0
"""What a worker has until a request leaves: so much that a machine that is busy is not too late."""
CANNOT_STALL = frozenset({"before commit", *(f"before {each}" for each in WRITES)})
"""In a transaction nobody else gets on; right before a write is right after its write-ahead."""


class Crash(BaseException):
    """The process dies here: nothing after this line happens."""


@dataclass
class Points:
    """Numbers the moments of a run, and dies at one of them, or stalls from one of them on.

    While it is stalled, `meanwhile` happens; at `resumed` (monotonic seconds) it went on.
    """

    die_at: int | None = None
    stall_from: int | None = None
    meanwhile: Callable[[], object] = lambda: None
    resumed: float = 0.0
    passed: int = 0
    names: list[str] = field(default_factory=list)

    def reach(self, name: str) -> None:
        """Pass a moment, die at it, or stall there."""
        self.passed += 1
        self.names.append(name)
        if self.die_at is not None and self.passed == self.die_at:
            self.die_at = None
            raise Crash(name)
        if self.stall_from is not None and self.passed >= self.stall_from:
            self._stall(name)

    def _stall(self, name: str) -> None:
        if name not in CANNOT_STALL:
            self.stall_from = None
            self.meanwhile()
            self.resumed = time.monotonic()

    def arm(self, number: int) -> None:
        """Die at the so-manieth moment from now."""
        self.die_at = self.passed + number

    def disarm(self) -> None:
        """Live, without a break."""
        self.die_at = self.stall_from = None


class MortalDatabase(Database):
    """A database in whose transactions one can die: before the commit, or right after it."""

    points: Points

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction."""
        with super().write() as connection:
            yield connection
            self.points.reach("before commit")
        self.points.reach("after commit")


@dataclass
class Trouble:
    """What Exchange does to the next changing requests."""

    points: Points
    kind: str | None = None

    def before(self, operation: str, _mailbox: str) -> None:
        """Before a request is carried out."""
        self.points.reach(f"before {operation}")
        if self.kind == "refused connection":
            self.kind = None
            raise NeighbourUnavailable("exchange.main", "ConnectionRefused")
        if self.kind == "busy":
            self.kind = None
            raise TransientError("ErrorServerBusy")
        if self.kind == "lost before" and operation in WRITES:
            self.kind = None
            raise OutcomeUnknown("ReadTimeout")

    def after(self, operation: str, _mailbox: str) -> None:
        """After it was carried out, before its answer arrives."""
        self.points.reach(f"after {operation}")
        if self.kind == "lost after" and operation in WRITES:
            self.kind = None
            raise OutcomeUnknown("ReadTimeout")


@dataclass
class SlowCalendars(FakeCalendars):
    """An Exchange in memory whose callers stall: what was due to be sent before comes too late."""

    points: Points = field(default_factory=Points)
    send_seconds: float = SEND_SECONDS

    def _begin(self, operation: str, mailbox: str, number: int, send_by: float | None) -> None:
        if send_by is not None and send_by < self.points.resumed + self.send_seconds:
            raise NotSent("too late")
        super()._begin(operation, mailbox, number, send_by)


@dataclass
class Outage:
    """FS or TP answers a few requests more, and then none until `kind` is None again."""

    points: Points
    name: str
    kind: str | None = None
    spared: int = 0

    def before(self) -> None:
        """Before a request is answered."""
        self.points.reach(f"before {self.name}")
        if self.kind is None:
            return
        if self.spared == 0:
            raise self._error(self.kind)
        self.spared -= 1

    def after(self) -> None:
        """Before the answer is read: it may be old by then."""
        self.points.reach(f"after {self.name}")

    def _error(self, kind: str) -> KalenderError:
        errors: dict[str, KalenderError] = {
            "away": NeighbourUnavailable(self.name, "ConnectionRefused"),
            "refuses": NeighbourRefused(self.name, "403"),
            "busy": TransientError("429"),
            "unreadable": BadSourceData("not JSON"),
        }
        return errors[kind]
