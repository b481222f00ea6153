"""Leave a neighbour, or bulk work, alone for a while. Marks go on; nothing is lost."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import app, application, instant, opened, operator
from kalender.domain.moment import said
from kalender.errors import ConfigError
from kalender.operate import pauses
from kalender.store.database import database_time

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
Name = Annotated[
    str, typer.Argument(help="exchange.NAME, fs, tp, bulk or moves", show_default=False)
]


@app.command()
def pause(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; kept, and shown by `status`.")],
    until: Annotated[str | None, typer.Option(help="An instant with its offset.")] = None,
    lasting: Annotated[str | None, typer.Option("--for", help="Such as 30m, 2h, 1d.")] = None,
) -> None:
    """Ask nothing of a neighbour, or do no bulk work, until a given time or until `resume`.

    What is under way is finished. Bulk work is fills, resyncs and looks into calendars; moves are
    calendars that are followed to another Exchange.
    """
    wired = application(context, asks=False)
    _check(wired, name)
    database = opened(wired)
    with database.write() as connection:
        end = _end(context, wired, connection, until, lasting)
        pauses.pause(connection, name, until=end, who=operator(), reason=reason)
    duration = "until resumed" if end is None else f"until {said(end, wired.zone)}"
    typer.echo(f"{name} is paused within seconds, {duration}; marks go on")


@app.command()
def resume(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; kept in the log.")] = "",
) -> None:
    """End a pause made by `pause`, or let one request try at once what failed or refused us.

    Each `resume` of a refused account is one more trial of its password: refused again, nobody asks
    until half an hour after the first of the last three refusals, or the next `resume`.
    """
    wired = application(context, asks=False)
    _check(wired, name)
    with opened(wired).write() as connection:
        resumed = pauses.resume(connection, name, who=operator(), reason=reason)
    if resumed.by_hand:
        typer.echo(f"{name} is resumed within seconds")
    if resumed.was_refused:
        typer.echo(
            f"{name}: one request tries the credentials within a minute; refused again, it is left "
            "alone for up to 30 minutes, or until the next resume"
        )
    elif resumed.had_failed:
        # where all that waits for it is in doubt, its quiet time goes by first
        typer.echo(f"{name}: one request tries it within a minute")


def _check(wired: App, name: str) -> None:
    names = pauses.names(wired.config)
    if name not in names:
        raise ConfigError(f"nothing of that name: {', '.join(names)}")


def _end(
    context: typer.Context,
    wired: App,
    connection: Connection,
    until: str | None,
    lasting: str | None,
) -> datetime | None:
    """Return the end on the database's clock; None: until resumed."""
    if until and lasting:
        raise ConfigError("give --until or --for, not both")
    moment = database_time(connection)
    if lasting:
        match = re.fullmatch(r"([1-9]\d{0,3})([mhd])", lasting)
        if match is None:
            raise ConfigError("--for wants a duration such as 30m, 2h or 1d")
        return moment + timedelta(**{UNITS[match[2]]: int(match[1])})
    end = instant(until, "--until")
    if end is None or context.obj.now is None:
        return end
    return end - (wired.clock() - moment)
