"""How far the marked work is: a bar on a terminal, plain lines otherwise."""

import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from typing import Annotated

import typer

from kalender.store import queue, recovery
from kalender.store.database import Database

Wait = Annotated[bool, typer.Option("--wait", help="Until no work is due.")]
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
        waits = sum(queue.depth(connection).values())
        parked, lately = queue.parked(connection), queue.parked(connection, since=since)
    counts = {"put off": waits, "parked": parked}
    rest = [f"{count} {name}" for name, count in counts.items() if count]
    more = f" ({lately} of it just now: kalender parked says why)" if lately else ""
    typer.echo("; ".join(["done", *rest]) + more, err=True)
    return lately


def _left(database: Database) -> Iterator[int]:
    """How much is left, again and again until nothing is."""
    pause = threading.Event()
    while True:
        with database.read() as connection:
            left = queue.under_way(connection, within=recovery.horizon(connection))
        yield left
        if not left:
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
        most = 0
        for left in _left(database):
            most = max(most, left)
            progress.update(task, total=most, completed=most - left)


def _plain(database: Database) -> None:
    said, first = float("-inf"), None
    for left in _left(database):
        now = monotonic()
        first = first or (now, left)
        if now - said >= SAY_EVERY:
            said = now
            done, seconds = first[1] - left, now - first[0]
            rate = done / seconds if seconds and done > 0 else 0.0
            rest = f", about {left / rate:.0f} s to go" if rate else ""
            typer.echo(f"{left} left{rest}", err=True)
