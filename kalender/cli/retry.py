"""`kalender retry`: parked or waiting work is due now."""

from collections.abc import Collection
from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.cli.base import app, application, opened, operator, person_of
from kalender.domain.work import Cause, Kind, Lane, Mark
from kalender.errors import ConfigError
from kalender.operate import disclosure
from kalender.store import acts, backlog, moves, queue


@app.command()
def retry(
    context: typer.Context,
    person: Annotated[
        list[str] | None, typer.Argument(help="Whose; FS number, username, mail.")
    ] = None,
    everything: Annotated[  # noqa: FBT002
        bool, typer.Option("--all", help="All that is parked or put off.")
    ] = False,
) -> None:
    """Try parked or waiting work again now.

    A person's calendar that moved is looked at now as well; with --all each waits for its turn.
    """
    if not person and not everything:
        raise ConfigError("retry wants persons, or --all")
    database = opened(application(context, asks=False))
    keys = [person_of(database, name) for name in person or []]
    with database.write() as connection:
        if everything:
            count = _retry(connection, backlog.waiting(connection))
        else:
            work = {name for key in keys for name in disclosure.work_of(connection, key)}
            count = _retry(connection, work)
            moves.hurry(connection, [int(key) for kind, key in work if kind == Kind.CALENDAR])
        scope = "all" if everything else ""
        acts.record(connection, "retry", who=operator(), scope=scope, persons=keys, count=count)
    typer.echo(f"{count} marked")


def _retry(connection: Connection, work: Collection[tuple[str, str]]) -> int:
    """Mark these calendars, and of the rest what waits; all of it is due now."""
    keys = {each for each in work if each[0] == Kind.CALENDAR} | backlog.known(connection, work)
    marks = [
        Mark(kind=Kind(k), key=key, reason="retry", cause=Cause.OPERATOR, lane=Lane.ASKED)
        for k, key in keys
    ]
    queue.mark(connection, marks)
    for each in marks:
        queue.hurry(connection, each.kind, each.key)
    return len(marks)
