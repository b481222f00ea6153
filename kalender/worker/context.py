"""What one worker process works with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from kalender.domain.work import Kind
from kalender.liveness import Ticks
from kalender.mirror.refresh import Sources
from kalender.neighbours.limiter import Gates
from kalender.reconcile.protocol import Means
from kalender.store.database import Database
from kalender.store.heartbeats import Pulse
from kalender.store.prune import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What one worker process needs."""

    database: Database
    sources: Sources
    means: Means
    gates: Gates
    connections: int
    lease: timedelta
    verify_every: timedelta
    poll_every: timedelta | None
    retention: Retention | None = None  # nothing is forgotten
    pulse: Pulse = field(default_factory=Pulse)
    ticks: Ticks = field(default_factory=Ticks)

    @property
    def neighbours(self) -> Mapping[Kind, Sequence[str]]:
        """Which neighbours each kind of work needs."""
        return {
            Kind.COURSE: ("tp",),
            Kind.PERSON: ("fs",),
            Kind.CALENDAR: tuple(f"exchange.{name}" for name in self.means.exchanges),
        }
