"""The commands that run the service: listener, worker, resync."""

import sys
import threading
from dataclasses import asdict
from typing import Annotated

import typer

from kalender import worker as workers
from kalender.app import stop_on_signals
from kalender.cli.base import app, application, opened, say_json
from kalender.cli.progress import Progress
from kalender.config import with_workers
from kalender.app import App
from kalender.resync import resync as resync_all

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def listener(
    context: typer.Context,
    stdin: Annotated[bool, typer.Option(help="Read one JSON object a line.")] = False,  # noqa: FBT002
) -> None:
    """Turn notifications into marks, until stopped."""
    wired = application(context)
    opened(wired).close()
    stop = threading.Event()
    stop_on_signals(stop)
    if stdin:
        wired.listener().listen_stdin(sys.stdin, stop)
    else:
        wired.listener().listen(wired.broker(), stop)


@app.command()
def worker(
    context: typer.Context,
    processes: Annotated[int | None, typer.Option(min=1)] = None,
    connections: Annotated[int | None, typer.Option(min=1)] = None,
    until_idle: Annotated[bool, typer.Option(help="End when nothing is due.")] = False,  # noqa: FBT002
) -> None:
    """Make what is dirty right, until stopped."""
    wired = application(context)
    wired = App(
        with_workers(wired.config, processes=processes, connections=connections), wired.clock
    )
    opened(wired).close()
    stop = threading.Event()
    stop_on_signals(stop)
    workers.supervise(
        wired.crew, stop, processes=wired.config.worker.processes, until_idle=until_idle
    )
