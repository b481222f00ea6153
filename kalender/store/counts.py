"""Counts that are not in the database yet: those of one process, or of one transaction.

Whatever is counted inside a transaction that writes is counted on that transaction (`counts_of`),
and `Database.write` adds it to the counts of the process (`Database.counts`) after the commit. So
what is rolled back, and perhaps tried again, was not counted. What happens outside transactions,
such as a request to a neighbour, is counted in `Database.counts` directly.

`kalender.store.counters` says which names and labels there are, and adds them to the database.
"""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # upper bounds in seconds
LATENCIES = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)  # likewise
OPTION = "counts"  # of a connection: where its transaction counts
Key = tuple[str, str]  # a counter's name, and its label: the label's values joined by spaces


class Counts:
    """Numbers by name and label that only grow until they are taken. Usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, float] = defaultdict(float)

    def add(self, name: str, *label: str, value: float = 1.0) -> None:
        """Add to one counter; zero makes no row."""
        if value:
            with self._lock:
                self._values[name, " ".join(label)] += value

    def time(
        self, name: str, *label: str, seconds: float, bounds: Sequence[float] = BUCKETS
    ) -> None:
        """Add to `NAME_seconds`, and one to each `NAME_bucket` whose upper bound it is within."""
        with self._lock:
            self._values[f"{name}_seconds", " ".join(label)] += seconds
            for upper_bound in (*bounds, float("inf")):
                if seconds <= upper_bound:
                    self._values[f"{name}_bucket", " ".join((*label, str(upper_bound)))] += 1

    def merge(self, values: Mapping[Key, float]) -> None:
        """Add what was taken elsewhere."""
        with self._lock:
            for key, value in values.items():
                self._values[key] += value

    def take(self) -> dict[Key, float]:
        """Return what was counted, and begin anew."""
        with self._lock:
            values, self._values = self._values, defaultdict(float)
        return values


def counts_of(connection: Connection) -> Counts:
    """Return where this transaction counts.

    Counts on a connection that is not from `Database.write` are dropped.
    """
    counts = connection.get_execution_options().get(OPTION)
    return counts if isinstance(counts, Counts) else Counts()
