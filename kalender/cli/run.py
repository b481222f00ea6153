"""The commands that run the service: listener and worker until they are stopped, poll once."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from kalender.app import App
from kalender.broker import Broker
from kalender.cli.base import app, application, opened
from kalender.config import with_workers
from kalender.listener import lines_of
from kalender.liveness import Liveness, Vital, require_none_died, stop_on_signals
from kalender.operate import health
from kalender.operate.metrics import Metrics
from kalender.store import counters, recovery
from kalender.store.database import Database
from kalender.worker import periodic
from kalender.worker import supervisor as workers

OVERLAP = timedelta(minutes=1)  # of what one poll asks for with the one before


@app.command()
def listener(
    context: typer.Context,
    stdin: Annotated[  # noqa: FBT002
        bool, typer.Option("--stdin", help="Read standard input instead, one JSON object a line.")
    ] = False,
) -> None:
    """Turn notifications into marks, until stopped."""
    wired = application(context)
    opened(wired).close()
    stop = stop_on_signals()
    workers.collect_seldom()
    if stdin:
        database = wired.database()
        with _signs(database, None, stop):
            wired.listener(database).listen_stdin(lines_of(sys.stdin.fileno(), stop), stop)
    else:
        broker, settings = Broker(wired.broker()), wired.config.metrics
        server = health.MetricsServer(settings) if settings.port else None
        about = health.Queues(broker, broker.queues)
        beside = list[Vital]()
        if server is not None:
            answers = partial(
                server.serve, Metrics.of(wired), [about], alive=about.alive, ready=about.ready
            )
            beside.append(Vital(answers, stop, name="metrics", daemon=True))
        database = wired.database()
        with _signs(database, broker, stop, *beside):
            wired.listener(database, broker.liveness).listen(broker, stop)


@contextmanager
def _signs(
    database: Database, broker: Broker | None, stop: threading.Event, *beside: Vital
) -> Iterator[None]:
    """Give signs of life while the block lasts; its end is the process' end.

    Raises ThreadDied afterwards, where the thread for them, or one `beside`, ended by a bug.
    """
    life = Vital(partial(health.give_signs, database, broker, stop), stop, name="signs")
    threads = [*beside, life]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        life.join()
    require_none_died(threads)


@app.command()
def worker(
    context: typer.Context,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many processes; else as configured.")
    ] = None,
    connections: Annotated[
        int | None, typer.Option(min=1, help="How many connections of each process.")
    ] = None,
    until_idle: Annotated[  # noqa: FBT002
        bool, typer.Option("--until-idle", help="End when nothing is due.")
    ] = False,
) -> None:
    """Make what is dirty right, until stopped."""
    with TemporaryDirectory(prefix="kalender-") as directory:
        wired = application(context)
        config = with_workers(
            wired.config, processes=processes, connections=connections, state_dir=Path(directory)
        )
        wired = App(config, wired.clock)
        memory, database = wired.memory(), opened(wired)
        memory.prepare()
        with database.read() as connection:
            recovery.require_sure(connection)
        memory.verify(database)
        database.close()
        stop = stop_on_signals()
        workers.supervise(
            wired.worker_context,
            stop,
            processes=config.worker.processes,
            until_idle=until_idle,
            beside=_serve_metrics(wired) if config.metrics.port and not until_idle else None,
        )


def _serve_metrics(wired: App) -> workers.Beside:
    """Return what tells how it goes; the port is taken at once."""
    server, lease = health.MetricsServer(wired.config.metrics), wired.config.worker.lease_seconds

    def serve(liveness: Sequence[Liveness]) -> None:
        alive = health.workers_alive(liveness, timedelta(seconds=lease))
        server.serve(Metrics.of(wired), [], alive=alive, ready=health.workers_ready(liveness))

    return serve


@app.command()
def poll(context: typer.Context) -> None:
    """Ask TP once what changed since it was last asked; a worker does so by `tp.poll_seconds`."""
    wired = application(context)
    opened(wired).close()
    worker_context = wired.worker_context()
    polled = periodic.poll(worker_context, OVERLAP)
    counters.give(worker_context.database)
    with worker_context.database.write() as connection:
        worker_context.limiters.give_up(connection)
    if isinstance(polled, int):
        typer.echo(f"TP names {polled} courses that changed; those of ours are read again")
    else:
        typer.echo(f"TP was not asked: {polled}")
