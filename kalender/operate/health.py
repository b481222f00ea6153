"""A process' own port: /metrics, /healthz (do its loops turn?) and /readyz (can it do its work?).

A stuck process is not an idle one: a loop turns whether there is work or not, and notes it
(`Liveness`). Only a process whose loops have stopped fails /healthz, since only that is mended by a
new process; a neighbour that is away fails no probe. /readyz also shows the verdict on the whole
installation, without failing for it.
"""

import os
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import Metric, make_wsgi_app
from prometheus_client.registry import Collector

from kalender.broker import Broker
from kalender.config.sections import MetricsSettings as Settings
from kalender.errors import ConfigError, KalenderError
from kalender.liveness import Liveness
from kalender.operate.metrics import Metrics, gauge, gauges
from kalender.store import counters, observations
from kalender.store.database import Database
from kalender.store.heartbeats import Heartbeat

log = structlog.get_logger(__name__)
STUCK_SECONDS = 180.0  # the first loop turns every second, or once a try where something is away
LEAST_WORK_SECONDS = 900.0  # a calendar of 1,500 entries on a slow Exchange
BEAT_SECONDS = 10.0
Probe = Callable[[], Sequence[str]]
Start = Callable[..., Any]


class MetricsServer(ThreadingMixIn, WSGIServer):
    """A bound port; `serve` answers. Bind before a fork, serve after it."""

    daemon_threads = True

    def __init__(self, settings: Settings) -> None:
        """Raise ConfigError where the port cannot be had."""
        self.address_family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        try:
            super().__init__((settings.address, settings.port or 0), _Quiet)
        except OSError as error:
            message = (
                f"metrics: cannot listen on {settings.address} port {settings.port}"
                f" ({error.strerror}); another process of this machine may have it:"
                " give this one another by KALENDER_METRICS__PORT"
            )
            raise ConfigError(message) from None
        self.timeout = 0.5

    def serve(
        self, metrics: Metrics, collectors: Iterable[Collector], *, alive: Probe, ready: Probe
    ) -> None:
        """Answer until this process' parent is gone."""
        parent = os.getppid()
        metrics_application = make_wsgi_app(metrics.registry(*collectors))

        def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path == "/metrics":
                body: Iterable[bytes] = metrics_application(environ, start)
                return body
            if path == "/healthz":
                return _answer_probe(start, alive(), ())
            if path == "/readyz":
                metrics.refresh()
                errors = [metrics.error] if metrics.error else []
                return _answer_probe(start, [*ready(), *errors], metrics.verdict_lines)
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics /healthz /readyz\n"]

        self.set_app(answer)
        while os.getppid() == parent:
            self.handle_request()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked went away."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing of each request."""


def _answer_probe(
    start: Start, complaints: Sequence[str], verdict_lines: Sequence[str]
) -> Iterable[bytes]:
    """Fail the probe where anything is complained of; the verdict is only shown."""
    status = "503 Service Unavailable" if complaints else "200 OK"
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return ["\n".join([*(complaints or ["ok"]), *verdict_lines, ""]).encode()]


# -- probes -------------------------------------------------------------------------------------------


def workers_alive(processes: Sequence[Liveness], lease: timedelta) -> Probe:
    """Return a probe that complains of each worker process whose loops do not turn."""
    longest_work = max(LEAST_WORK_SECONDS, 4 * lease.total_seconds())

    def probe() -> Sequence[str]:
        return [
            f"stuck: worker process {number} {complaint} for {seconds:.0f} seconds"
            for number, process in enumerate(processes, 1)
            for complaint, seconds, longest in (
                ("keeps no house", process.silent()[0], STUCK_SECONDS),
                ("does nothing", process.silent()[1], longest_work),
            )
            if seconds > longest
        ]

    return probe


def workers_ready(processes: Sequence[Liveness]) -> Probe:
    """Return a probe that complains of each worker process that has not begun."""
    return lambda: [
        f"worker process {number} has not begun"
        for number, process in enumerate(processes, 1)
        if not process.begun
    ]


class Queues(Collector):
    """What a listener knows of its broker, as metrics and as probes."""

    def __init__(self, broker: Broker, queues: Collection[str]) -> None:
        self._broker, self._queues = broker, queues

    def alive(self) -> Sequence[str]:
        """Complain where the listener does not turn."""
        seconds, _ = self._broker.liveness.silent()
        return [f"stuck: the listener does nothing for {seconds:.0f} seconds"] * (
            seconds > STUCK_SECONDS
        )

    def ready(self) -> Sequence[str]:
        """Complain of a broker that is away, and of each queue that is not there."""
        if not self._broker.connected:
            return ["the broker is away"]
        queues = sorted(self._broker.missing)
        return [f"queue {queue} is missing, or not for us" for queue in queues]

    def collect(self) -> Iterable[Metric]:
        """Give whether the broker is connected, and which queues are missing."""
        connected, missing = self._broker.connected, self._broker.missing
        yield gauge("kalender_broker_connected", "Whether this listener is connected.", connected)
        yield gauges(
            "kalender_queue_missing",
            "Whether a configured queue is not there, or not for us.",
            ("queue",),
            (((queue,), connected and queue in missing) for queue in self._queues),
        )


# -- a listener's sign of life ----------------------------------------------------------------------------


def give_signs(database: Database, broker: Broker | None, stop: threading.Event) -> None:
    """Record every ten seconds that a listener lives, what it counted and how it finds its broker.

    Returns when `stop` is set, after having recorded a clean end. Nothing is raised where the
    database is away: the next round records what this one could not.
    """
    is_first = True
    while True:
        heartbeat = Heartbeat(kind="listener", worker=f"listener {Heartbeat().worker}")
        try:
            heartbeat.beat(database)
            counters.give(database)
            with database.write() as connection:
                if broker is not None:
                    if is_first:
                        counters.saw(connection, broker.queues, first=True)
                    observations.saw_broker(
                        connection,
                        heartbeat.worker,
                        connected=broker.connected,
                        missing=broker.missing,
                        queues=broker.queues,
                    )
                if stop.is_set():
                    heartbeat.stop(connection)
            is_first = False
        except KalenderError as error:
            log.warning("no_sign_given", error=str(error))
        except Exception as error:  # noqa: BLE001  # the next sign may be given again
            log.warning("no_sign_given", error=type(error).__name__)
        if stop.is_set():
            return
        stop.wait(BEAT_SECONDS)
