"""The status of the installation, asked for at most every few seconds, however many pages show it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from kalender.operate.queries import read_figures, read_status
from kalender.operate.status import Expectations, Figures, Status
from kalender.operate.verdict import Verdict, assess
from kalender.store.database import Database

FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What `kalender status` would have shown at `status.moment`."""

    status: Status
    figures: Figures
    verdict: Verdict


class Snapshots:
    """The latest snapshot. Usable from several threads, of which one at a time asks the database."""

    def __init__(
        self,
        database: Database,
        expectations: Expectations,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database, self._expectations, self._clock = database, expectations, clock
        self._lock = threading.Lock()
        self._latest: Snapshot | None = None
        self._read_at = 0.0

    def latest(self) -> Snapshot:
        """Return a snapshot of the last few seconds; NeighbourUnavailable without the database."""
        with self._lock:
            if self._latest is None or self._clock() - self._read_at > FRESH_SECONDS:
                self._latest = None  # where the database is away, nothing old is shown
                with self._database.read() as connection:
                    status = read_status(connection, self._expectations)
                    figures = read_figures(connection, self._expectations)
                verdict = assess(status, self._expectations)
                self._latest = Snapshot(status=status, figures=figures, verdict=verdict)
                self._read_at = self._clock()
            return self._latest
