"""What one worker process works with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from kalender.config.sections import Retention
from kalender.domain.work import Kind
from kalender.liveness import Liveness
from kalender.mirror.context import RefreshContext
from kalender.neighbours.limiter import Limiters
from kalender.reconcile.protocol import ReconcileContext
from kalender.store.database import Database
from kalender.store.heartbeats import Heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What one worker process needs."""

    database: Database
    refresh_context: RefreshContext
    reconcile_context: ReconcileContext
    limiters: Limiters
    connections: int
    lease: timedelta
    verify_every: timedelta
    poll_every: timedelta | None
    retention: Retention | None = None  # nothing is forgotten
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    liveness: Liveness = field(default_factory=Liveness)

    @property
    def neighbours(self) -> Mapping[Kind, Sequence[str]]:
        """Which neighbours each kind of work needs."""
        limits = [limiter.limits for limiter in self.limiters.by_name.values()]
        return {
            kind: tuple(limit.name for limit in limits if limit.needed_by is kind) for kind in Kind
        }
