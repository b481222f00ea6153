"""How far the marked work is: a bar on a terminal, plain lines otherwise."""

import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from typing import Annotated

import typer

from kalender.store import backlog, queue, recovery
from kalender.store.database import Database

Wait = Annotated[bool, typer.Option("--wait", help="Wait until no work is due.")]
LOOK_EVERY = 0.5
SAY_EVERY = 5.0


def follow(database: Database, *, since: datetime) -> int:
    """Follow the work until none is left but what is parked, or put off as by a missing mailbox.

    Returns how much was parked since then, by the database's clock: that work failed.
    """
    if sys.stderr.isatty():
        _bar(database)
    else:
        _plain(database)
    with database.read() as connection:
        waits = sum(backlog.depth(connection).values())
        parked, lately = backlog.parked(connection), backlog.parked(connection, since=since)
    counts = {"put off": waits, "parked": parked}
    remainders = [f"{count} {name}" for name, count in counts.items() if count]
    parked_lately = f" ({lately} of it just now: kalender parked says why)" if lately else ""
    typer.echo("; ".join(["done", *remainders]) + parked_lately, err=True)
    return lately


def _left(database: Database) -> Iterator[int]:
    """How much is left, again and again until nothing is."""
    pause = threading.Event()
    while True:
        with database.read() as connection:
            count = queue.under_way(connection, within=recovery.horizon(connection))
        yield count
        if not count:
            return
        pause.wait(LOOK_EVERY)


def _bar(database: Database) -> None:
    # only a terminal has a bar
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("working"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("work", total=None)
        total = 0
        for count in _left(database):
            total = max(total, count)
            progress.update(task, total=total, completed=total - count)


def _plain(database: Database) -> None:
    last_line_at, first = float("-inf"), None
    for count in _left(database):
        now = monotonic()
        first = first or (now, count)
        if now - last_line_at >= SAY_EVERY:
            last_line_at = now
            progress, seconds = first[1] - count, now - first[0]
            rate = progress / seconds if seconds and progress > 0 else 0.0
            estimate = f", about {count / rate:.0f} s to go" if rate else ""
            typer.echo(f"{count} left{estimate}", err=True)
