"""A `Status`, its verdict and the counters as families of metrics for Prometheus.

All of it comes from the database. Every endpoint therefore tells the same of the whole installation,
and one that is away takes nothing with it: ask for `max without (instance)`, never for a sum. Only
what a listener says of its broker and queues is its own.

No label names a person, a mailbox or a course.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kalender import __version__
from kalender.app import App
from kalender.domain.takeover import Fate
from kalender.domain.work import Kind, Lane
from kalender.errors import KalenderError
from kalender.operate.queries import read_status
from kalender.operate.status import Expectations, Status
from kalender.operate.verdict import STATES, Verdict, assess
from kalender.store import counters, takeovers
from kalender.store.database import Database, Key

FRESH_SECONDS = 10.0  # for so long one reading of the database serves everybody who asks
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
    """All families of metrics, read anew where the last reading is older than ten seconds."""

    def __init__(self, database: Database, expectations: Expectations) -> None:
        self._database, self._expectations = database, expectations
        self._lock = threading.Lock()
        self._refreshed_at, self._families = float("-inf"), list[Metric]()
        self.verdict: Verdict | None = None  # None before the first reading, and after a failed one
        self.error: str | None = None

    @classmethod
    def of(cls, app: App) -> "Metrics":
        """Return the metrics of an installation; call it in the process that serves them."""
        return cls(app.database(), Expectations.of(app))

    def registry(self, *collectors: Collector) -> CollectorRegistry:
        """Return these metrics and those of other collectors as a registry of their own."""
        registry = CollectorRegistry()
        for collector in (self, *collectors):
            registry.register(collector)
        return registry

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give the families; where the database is away, only that it is."""
        self.refresh()
        yield gauge("kalender_database_up", "Whether the database answers.", self.error is None)
        yield from self._families

    def refresh(self) -> None:
        """Read the database, unless somebody just did. An error is kept and not raised."""
        with self._lock:
            if monotonic() - self._refreshed_at < FRESH_SECONDS:
                return
            self._refreshed_at = monotonic()
            try:
                with self._database.read() as connection:
                    status = read_status(connection, self._expectations)
                    totals = counters.totals(connection)
            except KalenderError as error:
                self._families, self.verdict, self.error = [], None, str(error)
                return
            verdict = assess(status, self._expectations)
            families = (*counter_families(totals), *histograms(totals))
            self._families = [*families, *gauges_of(status, verdict, self._expectations)]
            self.verdict, self.error = verdict, None

    @property
    def verdict_lines(self) -> list[str]:
        """What the last reading found wrong, one line for each condition."""
        conditions = self.verdict.conditions if self.verdict is not None else ()
        return [condition.said(self._expectations.zone) for condition in conditions]


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
    """Give what only grows; of a label of several words the last value holds the rest."""
    for name, (counter, labels, text) in COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=labels)
        for (counter_name, label), value in sorted(totals.items()):
            if counter_name == counter:
                family.add_metric(label.split(" ", len(labels) - 1), value)
        yield family
    retries: Counter[str] = Counter()
    for (counter_name, label), value in totals.items():
        kind, _, outcome = label.partition(" ")
        if counter_name == "work":
            retries[kind] += 0 if outcome in ENDED_WELL else round(value)
    family = CounterMetricFamily(
        "kalender_workqueue_retries", "Work that failed, and is tried again.", labels=("kind",)
    )
    for kind, count in sorted(retries.items()):
        family.add_metric((kind,), count)
    yield family


def histograms(totals: Totals) -> Iterator[HistogramMetricFamily]:
    """Give durations, in seconds."""
    for name, (counter, label_name, text) in HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=(label_name,))
        buckets: defaultdict[str, dict[float, float]] = defaultdict(dict)
        for (counter_name, label), value in totals.items():
            if counter_name == f"{counter}_bucket":
                label_value, _, upper_bound = label.rpartition(" ")
                buckets[label_value][float(upper_bound)] = value
        for label_value, counts in sorted(buckets.items()):
            bounds = [
                ("+Inf" if upper_bound == float("inf") else str(upper_bound), counts[upper_bound])
                for upper_bound in sorted(counts)
            ]
            seconds = totals.get((f"{counter}_seconds", label_value), 0.0)
            family.add_metric((label_value,), bounds, seconds)
        yield family


def gauges_of(
    status: Status, verdict: Verdict, expectations: Expectations
) -> Iterator[GaugeMetricFamily]:
    """Give all that a status and its verdict say."""
    yield from work_families(status)
    yield from neighbour_families(status)
    yield from brake_families(status)
    calendars_of = {change.what: change.calendars for change in status.settings_waiting}
    yield gauges(
        "kalender_settings_waiting",
        "Calendars that changed settings wait to rewrite, move or let go.",
        ("what",),
        [((change,), calendars_of.get(change, 0)) for change in ("rewrite", "move", "leave")],
    )
    yield from calendar_families(status)
    yield from move_families(status)
    yield from takeover_families(status)
    processes = Counter(
        (process.kind, process.version) for process in status.processes if process.state == "lives"
    )
    yield gauges(
        "kalender_processes",
        "Processes seen within a minute.",
        ("kind", "version"),
        sorted(processes.items()) or [(("worker", __version__), 0)],
    )
    silence = status.silence_seconds
    yield gauges(
        "kalender_source_silence_seconds",
        "Since a configured queue gave its last message, or was first listened to.",
        ("queue",),
        (((queue,), silence[queue]) for queue in expectations.queues if queue in silence),
    )
    yield from verdict_families(verdict)


def work_families(status: Status) -> Iterator[GaugeMetricFamily]:
    """Give what waits, by the names of Kubernetes' work queues."""
    depth = {(kind.value, lane.name.lower()): 0.0 for kind in Kind for lane in Lane}
    due_seconds = dict(depth)
    for work in status.work:
        depth[work.kind.value, work.lane.name.lower()] = work.waiting
        if work.due_since is not None:
            age = (status.moment - work.due_since).total_seconds()
            due_seconds[work.kind.value, work.lane.name.lower()] = max(age, 0.0)
    labels = ("kind", "lane")
    yield gauges("kalender_workqueue_depth", "Work that waits.", labels, depth.items())
    yield gauges(
        "kalender_workqueue_oldest_age_seconds",
        "For how long the oldest due work has been due.",
        labels,
        due_seconds.items(),
    )
    yield gauges(
        "kalender_workqueue_unfinished_work_seconds",
        "Sum over work in hand: since it was claimed, or its claim renewed.",
        ("kind",),
        [((kind.value,), seconds) for kind, seconds in status.unfinished_seconds.items()],
    )
    parked = {parked.kind: parked.count for parked in status.parked}
    yield gauges(
        "kalender_parked",
        "Work laid aside until somebody looks.",
        ("kind",),
        [((kind.value,), parked.get(kind, 0)) for kind in Kind],
    )


def neighbour_families(status: Status) -> Iterator[GaugeMetricFamily]:
    """Give who is not asked, and why."""
    neighbours = status.neighbours
    for name, text, values in (
        (
            "paused",
            "Nobody asks it before a probe succeeds.",
            [bool(neighbour.paused_until) for neighbour in neighbours],
        ),
        (
            "held",
            "An operator paused it.",
            [bool(neighbour.held_until) for neighbour in neighbours],
        ),
        (
            "refusals",
            "It refused our credentials so often.",
            [neighbour.refused for neighbour in neighbours],
        ),
    ):
        labels = [(neighbour.name,) for neighbour in neighbours]
        rows = zip(labels, values, strict=True)
        yield gauges(f"kalender_neighbour_{name}", text, ("neighbour",), rows)


def brake_families(status: Status) -> Iterator[GaugeMetricFamily]:
    """Give what brakes hold, by kind of scope."""
    holding: Counter[str] = Counter()
    entries: Counter[str] = Counter()
    for brake in status.brakes:
        kind = brake.scope.partition(" ")[0]
        holding[kind] += brake.state == "holding"
        entries[kind] += brake.held
    for name, text, counts in (
        ("kalender_brake_holding", "Brakes that hold.", holding),
        ("kalender_brake_held_entries", "Entries they keep.", entries),
    ):
        rows = [((kind,), count) for kind, count in sorted(counts.items())]
        yield gauges(name, text, ("scope",), rows)


def calendar_families(status: Status) -> Iterator[GaugeMetricFamily]:
    """Give how many calendars there are, how many are known right, and what else is counted."""
    labels = ("audience", "state")
    counts = [((count.audience, count.state), count) for count in status.calendars]
    yield gauges(
        "kalender_calendars",
        "Calendars, all there are.",
        labels,
        [(values, count.calendars) for values, count in counts],
    )
    yield gauges(
        "kalender_calendars_known_right",
        "Calendars that are as they should be, as far as we know.",
        labels,
        [(values, count.known_right) for values, count in counts],
    )
    for name, number in asdict(status.counts).items():
        yield gauge(f"kalender_{name}", "See kalender status.", number)


def move_families(status: Status) -> Iterator[GaugeMetricFamily]:
    """Give how many calendars live at each Exchange, and how their moves go."""
    yield gauges(
        "kalender_calendars_living",
        "Calendars by the Exchange that serves them.",
        ("exchange",),
        [((name,), count) for name, count in status.moves.living.items()],
    )
    states = ("announced", "followed", "waiting")
    yield gauges(
        "kalender_moves",
        "Mailboxes announced to move, found elsewhere and not looked up yet, or showing too little.",
        ("state",),
        [((state,), getattr(status.moves, state)) for state in states],
    )
    yield gauge("kalender_moved_last_day", "Calendars that moved within a day.", status.moves.moved)


def takeover_families(status: Status) -> Iterator[GaugeMetricFamily]:
    """Give how takeovers from a predecessor go, and what became of its entries."""
    calendars, found = status.takeovers.calendars, status.takeovers.entries
    yield gauges(
        "kalender_takeover_calendars",
        "Calendars that are taken over from a predecessor, by state.",
        ("state",),
        [((state,), calendars.get(state, 0)) for state in takeovers.STATES],
    )
    yield gauges(
        "kalender_takeover_entries",
        "Entries of a predecessor, by what became of them.",
        ("fate",),
        [((fate.value,), found.get(fate.value, 0)) for fate in Fate],
    )


def verdict_families(verdict: Verdict) -> Iterator[GaugeMetricFamily]:
    """Give the verdict's state, and how much of each condition there is."""
    yield gauges(
        "kalender_verdict",
        "1 for what kalender status opens with.",
        ("state",),
        (((state,), state == verdict.worst.state) for state in STATES),
    )
    for name, text, conditions in (
        (
            "kalender_condition",
            "How much is not as it should be, and nobody acknowledged.",
            [condition for condition in verdict.conditions if condition.count],
        ),
        (
            "kalender_condition_acknowledged",
            "How much is not as it should be, and somebody knows.",
            [acknowledged.condition for acknowledged in verdict.acknowledged],
        ),
    ):
        rows = [((condition.condition,), condition.count) for condition in conditions]
        yield gauges(name, text, ("condition",), rows)
