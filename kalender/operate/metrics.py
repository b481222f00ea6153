"""How it goes, for Prometheus: what all processes did and what waits, from the database.

Every endpoint therefore tells the same of the whole installation, and one that is away takes
nothing with it: ask for `max without (instance)`, never for a sum. Only what a listener says of
its broker and queues is its own.

No label names a person, a mailbox or a course.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from kalender import __version__
from kalender.app import App
from kalender.domain.work import Kind, Lane
from kalender.errors import KalenderError
from kalender.operate import look, numbers
from kalender.operate.verdict import STATES, Expected, HealthState, assess
from kalender.store import counters, scope
from kalender.store.counts import Key
from kalender.store.database import Database

FRESH_SECONDS = 10.0  # so long one look at the database does for everybody who asks
Labelled = Iterable[tuple[tuple[str, ...], float]]
Totals = Mapping[Key, float]

COUNTERS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "kalender_workqueue_adds": ("adds", ("kind",), "Marks, also those of what waits already."),
    "kalender_work": ("work", ("kind", "outcome"), "Pieces of work that ended, by outcome."),
    "kalender_requests": ("requests", ("neighbour", "outcome"), "Requests to neighbours."),
    "kalender_entries": ("entries", ("operation", "cause"), "Entries written, by what led to it."),
    "kalender_messages": ("messages", ("queue",), "Notifications taken from a queue."),
    "kalender_rejected_messages": ("rejected", ("queue",), "Notifications nobody could read."),
    "kalender_unannounced_changes": (
        "unannounced",
        ("source",),
        "Changes a resync found that no notification had announced.",
    ),
    "kalender_left_out": (
        "left_out",
        ("source", "field"),
        "Parts of answers that could not be read, each time that they came.",
    ),
}
HISTOGRAMS: Mapping[str, tuple[str, str, str]] = {
    "kalender_workqueue_work_duration_seconds": ("work", "kind", "From a claim to its end."),
    "kalender_request_duration_seconds": ("request", "neighbour", "One request's answer."),
    "kalender_notification_to_calendar_seconds": (
        "latency",
        "source",
        "From a notification to the calendar that it led to.",
    ),
}
ENDED_WELL = ("done", "unchanged")


class Metrics(Collector):
    """All families, gathered anew when the last look is older than ten seconds."""

    def __init__(
        self,
        database: Database,
        *,
        queues: Collection[str],
        lease: timedelta,
        expected: Expected,
    ) -> None:
        self._database, self._queues, self._lease = database, queues, lease
        self._expected = expected
        self._lock = threading.Lock()
        self._looked, self._families = float("-inf"), list[Metric]()
        self.verdict: HealthState | None = None
        self.error: str | None = None

    @classmethod
    def of(cls, app: App) -> "Metrics":
        """Return the metrics of an installation; call it in the process that serves them."""
        config = app.config
        return cls(
            app.database(),
            queues=config.broker.queues if config.broker else (),
            lease=timedelta(seconds=config.worker.lease_seconds),
            expected=Expected.of(app),
        )

    def registry(self, *more: Collector) -> CollectorRegistry:
        """Return this and others as a registry of their own."""
        made = CollectorRegistry()
        for each in (self, *more):
            made.register(each)
        return made

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give the families; where the database is away, that it is."""
        self.look()
        yield gauge("kalender_database_up", "Whether the database answers.", self.error is None)
        yield from self._families

    def look(self) -> None:
        """Look, unless somebody just did."""
        with self._lock:
            if monotonic() - self._looked < FRESH_SECONDS:
                return
            self._looked = monotonic()
            try:
                with self._database.read() as connection:
                    verdict = assess(connection, self._expected)
                    self._families = list(self._gather(connection, verdict))
                self.verdict = verdict
                self.error = None
            except KalenderError as error:
                self._families, self.verdict, self.error = [], None, str(error)

    @property
    def verdicts_told(self) -> list[str]:
        """What the last look found, a line each."""
        found = self.verdict.conditions if self.verdict is not None else ()
        return [each.said(self._expected.zone) for each in found]

    def _gather(self, connection: Connection, verdict: HealthState) -> Iterator[Metric]:
        totals = counters.totals(connection)
        yield from counter_families(totals)
        yield from histograms(totals)
        yield from work(connection, self._lease)
        yield from neighbours(connection)
        yield from brakes(connection)
        yield from settings(connection)
        yield from calendars(connection)
        yield from processes(connection)
        silence = counters.silence(connection)
        yield gauges(
            "kalender_source_silence_seconds",
            "Since a configured queue gave its last message, or was first listened to.",
            ("queue",),
            (((queue,), silence[queue]) for queue in self._queues if queue in silence),
        )
        worst = verdict.worst.state
        yield gauges(
            "kalender_verdict",
            "1 for what kalender status opens with.",
            ("state",),
            (((state,), state == worst) for state in STATES),
        )
        for name, text, conditions in (
            (
                "kalender_condition",
                "How much is not as it should be, and nobody acknowledged.",
                [each for each in verdict.conditions if each.count],
            ),
            (
                "kalender_condition_acknowledged",
                "How much is not as it should be, and somebody knows.",
                [each.condition for each in verdict.known],
            ),
        ):
            rows = [((each.condition,), each.count) for each in conditions]
            yield gauges(name, text, ("condition",), rows)


# -- families -----------------------------------------------------------------------------------------


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, text, value=float(value))


def gauges(name: str, text: str, labels: tuple[str, ...], rows: Labelled) -> GaugeMetricFamily:
    """Return a gauge with labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, float(value))
    return family


def counter_families(totals: Totals) -> Iterator[CounterMetricFamily]:
    """Give what only grows; of a label of several words the last holds the rest."""
    for name, (counted, labels, text) in COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=labels)
        for (each, label), value in sorted(totals.items()):
            if each == counted:
                family.add_metric(label.split(" ", len(labels) - 1), value)
        yield family
    yield _retries(totals)


def _retries(totals: Totals) -> CounterMetricFamily:
    counts: Counter[str] = Counter()
    for (name, label), value in totals.items():
        kind, _, outcome = label.partition(" ")
        if name == "work":
            counts[kind] += 0 if outcome in ENDED_WELL else round(value)
    family = CounterMetricFamily(
        "kalender_workqueue_retries", "Work that failed, and is tried again.", labels=("kind",)
    )
    for kind, count in sorted(counts.items()):
        family.add_metric((kind,), count)
    return family


def histograms(totals: Totals) -> Iterator[HistogramMetricFamily]:
    """Give durations."""
    for name, (timed, label, text) in HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=(label,))
        buckets: defaultdict[str, dict[float, float]] = defaultdict(dict)
        for (each, told), value in totals.items():
            if each == f"{timed}_bucket":
                of, _, bound = told.rpartition(" ")
                buckets[of][float(bound)] = value
        for of, counted in sorted(buckets.items()):
            bounds = [
                ("+Inf" if bound == float("inf") else str(bound), counted[bound])
                for bound in sorted(counted)
            ]
            family.add_metric((of,), bounds, totals.get((f"{timed}_seconds", of), 0.0))
        yield family


def work(connection: Connection, lease: timedelta) -> Iterator[GaugeMetricFamily]:
    """Give what waits, by the names of Kubernetes' work queues."""
    none = {(kind.value, lane.name.lower()): 0.0 for kind in Kind for lane in Lane}
    waiting = none | {_lane(row): row["waiting"] for row in look.work(connection)}
    due = none | {_lane(row): row["due_seconds"] for row in numbers.due_seconds(connection)}
    labels = ("kind", "lane")
    yield gauges("kalender_workqueue_depth", "Work that waits.", labels, waiting.items())
    yield gauges(
        "kalender_workqueue_oldest_age_seconds",
        "For how long the oldest due work has been due.",
        labels,
        due.items(),
    )
    yield gauges(
        "kalender_workqueue_unfinished_work_seconds",
        "Sum over work in hand: since it was claimed, or its claim renewed.",
        ("kind",),
        [((kind,), each) for kind, each in numbers.unfinished(connection, lease).items()],
    )
    parked = Counter(row["kind"] for row in look.parked(connection, reveal=True))
    yield gauges(
        "kalender_parked",
        "Work laid aside until somebody looks.",
        ("kind",),
        [((kind.value,), parked[kind.value]) for kind in Kind],
    )


def _lane(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["kind"], Lane(row["lane"]).name.lower()


def neighbours(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Give who is not asked, and why."""
    rows = look.neighbours(connection)
    told: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], float]]] = {
        "paused": (
            "Nobody asks it before a probe succeeds.",
            lambda row: bool(row["paused_until"]),
        ),
        "held": ("An operator paused it.", lambda row: bool(row["held_until"])),
        "refusals": ("It refused our credentials so often.", lambda row: row["refused"]),
    }
    for name, (text, value) in told.items():
        each = [((row["name"],), value(row)) for row in rows]
        yield gauges(f"kalender_neighbour_{name}", text, ("neighbour",), each)


def brakes(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Give what brakes hold, by kind of scope."""
    holding: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for row in look.brakes(connection):
        kind = row["scope"].partition(" ")[0]
        holding[kind] += row["state"] == "holding"
        held[kind] += row["held"]
    rows = [((kind,), count) for kind, count in sorted(holding.items())]
    yield gauges("kalender_brake_holding", "Brakes that hold.", ("scope",), rows)
    rows = [((kind,), count) for kind, count in sorted(held.items())]
    yield gauges("kalender_brake_held_entries", "Entries they keep.", ("scope",), rows)


def settings(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Give what changed settings ask for and nobody agreed to yet."""
    waits = {each.what: each.calendars for each in scope.settings_waiting_for(connection)}
    rows = [((what,), waits.get(what, 0)) for what in ("rewrite", "move", "leave")]
    text = "Calendars that changed settings wait to rewrite, move or let go."
    yield gauges("kalender_settings_waiting", text, ("what",), rows)


def calendars(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Give how many calendars there are, and how many are known right."""
    rows = look.calendars(connection)
    of = ("audience", "state")
    for name, text in (
        ("calendars", "Calendars, all there are."),
        ("known_right", "Calendars that are as they should be, as far as we know."),
    ):
        each = [((row["audience"], row["state"]), row[name]) for row in rows]
        metric = "kalender_calendars" if name == "calendars" else "kalender_calendars_known_right"
        yield gauges(metric, text, of, each)
    for name, count in look.counts(connection).items():
        yield gauge(f"kalender_{name}", "See kalender status.", count)


def processes(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Give who lives, by kind and version."""
    counts = Counter((row["kind"], row["version"]) for row in look.alive(connection))
    yield gauges(
        "kalender_processes",
        "Processes seen within a minute.",
        ("kind", "version"),
        sorted(counts.items()) or [(("worker", __version__), 0)],
    )
