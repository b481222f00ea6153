"""A process' own port: /metrics, /healthz (does it still turn?), /readyz (can it do its work?).

Stuck is not idle: a loop turns whether there is work or not, and says so (`Liveness`). Only a process
that has stopped turning fails /healthz, since only that is mended by a new one; a neighbour that is
away is nobody's stuckness. /readyz also says how the whole installation goes, without failing.
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
from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from kalender.broker import Broker
from kalender.config.sections import Metrics as Settings
from kalender.errors import ConfigError, KalenderError
from kalender.liveness import Liveness
from kalender.operate.metrics import Metrics, gauge, gauges
from kalender.store import counters, observations
from kalender.store.counters import TALLY
from kalender.store.database import Database
from kalender.store.heartbeats import Heartbeat

log = structlog.get_logger(__name__)
STUCK_SECONDS = 180.0  # the first loop turns every second, or once a try where something is away
LEAST_WORK_SECONDS = 900.0  # a calendar of 1,500 entries on a slow Exchange
BEAT_SECONDS = 10.0
Probe = Callable[[], Sequence[str]]
Start = Callable[..., Any]


class Server(ThreadingMixIn, WSGIServer):
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
        self, metrics: Metrics, more: Iterable[Collector], *, alive: Probe, ready: Probe
    ) -> None:
        """Answer until this process' parent is gone."""
        parent = os.getppid()
        self.set_app(_application(metrics.registry(*more), metrics, alive, ready))
        while os.getppid() == parent:
            self.handle_request()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked went away."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing of each request."""


def _application(
    registry: CollectorRegistry, metrics: Metrics, alive: Probe, ready: Probe
) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    tells = make_wsgi_app(registry)

    def readiness() -> tuple[Sequence[str], Sequence[str]]:
        metrics.refresh()
        return [*ready(), *([metrics.error] if metrics.error else [])], metrics.verdict_lines

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            found: Iterable[bytes] = tells(environ, start)
            return found
        if path == "/healthz":
            return _say(start, alive(), ())
        if path == "/readyz":
            return _say(start, *readiness())
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics /healthz /readyz\n"]

    return answer


def _say(start: Start, complaints: Sequence[str], more: Sequence[str]) -> Iterable[bytes]:
    status = "503 Service Unavailable" if complaints else "200 OK"
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return ["\n".join([*(complaints or ["ok"]), *more, ""]).encode()]


# -- probes -------------------------------------------------------------------------------------------


def workers_alive(ticks: Sequence[Liveness], lease: timedelta) -> Probe:
    """Complain of each worker process whose loops do not turn."""
    longest = max(LEAST_WORK_SECONDS, 4 * lease.total_seconds())

    def probe() -> Sequence[str]:
        return [
            f"stuck: worker process {number} {what} for {seconds:.0f} seconds"
            for number, each in enumerate(ticks, 1)
            for what, seconds, most in (
                ("keeps no house", each.silent()[0], STUCK_SECONDS),
                ("does nothing", each.silent()[1], longest),
            )
            if seconds > most
        ]

    return probe


def workers_ready(ticks: Sequence[Liveness]) -> Probe:
    """Complain of each worker process that has not begun."""
    return lambda: [
        f"worker process {number} has not begun"
        for number, each in enumerate(ticks, 1)
        if not each.begun
    ]


class Queues(Collector):
    """What a listener knows of its broker, as metrics and as probes."""

    def __init__(self, broker: Broker, queues: Collection[str]) -> None:
        self._broker, self._queues = broker, queues

    def alive(self) -> Sequence[str]:
        """Complain where the listener does not turn."""
        seconds, _ = self._broker.ticks.silent()
        return [f"stuck: the listener does nothing for {seconds:.0f} seconds"] * (
            seconds > STUCK_SECONDS
        )

    def ready(self) -> Sequence[str]:
        """Complain of a broker that is away, and of each queue that is not there."""
        if not self._broker.connected:
            return ["the broker is away"]
        return [f"queue {each} is missing, or not for us" for each in sorted(self._broker.missing)]

    def collect(self) -> Iterable[Metric]:
        """Give both."""
        connected, missing = self._broker.connected, self._broker.missing
        yield gauge("kalender_broker_connected", "Whether this listener is connected.", connected)
        yield gauges(
            "kalender_queue_missing",
            "Whether a configured queue is not there, or not for us.",
            ("queue",),
            (((each,), connected and each in missing) for each in self._queues),
        )


# -- a listener's sign of life ----------------------------------------------------------------------------


def _saw(connection: Connection, broker: Broker, worker: str, *, first: bool) -> None:
    if first:
        counters.saw(connection, broker.queues, first=True)
    observations.saw_broker(
        connection,
        worker,
        connected=broker.connected,
        missing=broker.missing,
        queues=broker.queues,
    )


def give_signs(database: Database, broker: Broker | None, stop: threading.Event) -> None:
    """Beat, and tell of the broker, where there is one, and of what was counted, until stopped.

    A database that is away is waited for.
    """
    begun = False
    while True:
        pulse = Heartbeat(kind="listener", worker=f"listener {Heartbeat().worker}")
        try:
            pulse.beat(database)
            TALLY.give(database)
            with database.write() as connection:
                if broker is not None:
                    _saw(connection, broker, pulse.worker, first=not begun)
                if stop.is_set():
                    pulse.stop(connection)
            begun = True
        except KalenderError as error:
            log.warning("no_sign_given", error=str(error))
        except Exception as error:  # noqa: BLE001  # the next sign may be given again
            log.warning("no_sign_given", error=type(error).__name__)
        if stop.is_set():
            return
        stop.wait(BEAT_SECONDS)
