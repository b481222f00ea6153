"""Ways to die or to be lied to: at a commit, before or after a request, or by a late server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from kalender.errors import NeighbourUnavailable, OutcomeUnknown, TransientError
from kalender.store.database import Database


class Crash(BaseException):
    """The process dies here: nothing after this line happens."""


@dataclass
class Points:
    """Numbers the moments of a run, and dies at one of them."""

    die_at: int | None = None
    passed: int = 0
    names: list[str] = field(default_factory=list)

    def reach(self, name: str) -> None:
        """Pass a moment, or die at it."""
        self.passed += 1
        self.names.append(name)
        if self.die_at is not None and self.passed == self.die_at:
            self.die_at = None
            raise Crash(name)

    def arm(self, number: int) -> None:
        """Die at the so-manieth moment from now."""
        self.die_at = self.passed + number

    def disarm(self) -> None:
        """Live."""
        self.die_at = None


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
    delayed: list[Callable[[], object]] = field(default_factory=list)

    def before(self, operation: str, _mailbox: str) -> None:
        """Before a request is carried out."""
        self.points.reach(f"before {operation}")
        if self.kind == "refused connection":
            self.kind = None
            raise NeighbourUnavailable("exchange.main", "ConnectionRefused")
        if self.kind == "busy":
            self.kind = None
            raise TransientError("ErrorServerBusy")
        if self.kind == "lost before" and operation in ("create", "update", "delete"):
            self.kind = None
            raise OutcomeUnknown("ReadTimeout")

    def after(self, operation: str, _mailbox: str) -> None:
        """After it was carried out, before its answer arrives."""
        self.points.reach(f"after {operation}")
        if self.kind == "lost after" and operation in ("create", "update", "delete"):
            self.kind = None
            raise OutcomeUnknown("ReadTimeout")
