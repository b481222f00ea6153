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
from kalender.neighbours import breaker, credentials
from kalender.store import acts
from kalender.store.database import now

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
    """Ask nothing of a neighbour, or do no bulk work, until then, or until `resume`.

    What is under way is finished. Bulk work is fills, resyncs and looks into calendars; moves are
    calendars that are followed to another Exchange.
    """
    wired = application(context, asks=False)
    _check(wired, name)
    database = opened(wired)
    with database.write() as connection:
        end = _end(context, wired, connection, until, lasting)
        breaker.hold(connection, name, until=end, reason=reason, by=operator())
        acts.record(connection, "pause", who=operator(), scope=name, reason=reason)
    duration = "until resumed" if end == breaker.FOR_EVER else f"until {said(end, wired.zone)}"
    typer.echo(f"{name} is paused within seconds, {duration}; marks go on")


@app.command()
def resume(context: typer.Context, name: Name) -> None:
    """End a pause made by `pause`, or let one request try at once what failed or refused us.

    Each `resume` of a refused account is one more trial of its password: refused again, nobody asks
    until half an hour after the first of the last three refusals, or the next `resume`.
    """
    wired = application(context, asks=False)
    _check(wired, name)
    with opened(wired).write() as connection:
        row = breaker.lock(connection, name)
        by_hand = breaker.let_go(connection, name)
        was_refused = credentials.try_once_more(connection, row)
        had_failed = breaker.probe_now(connection, name)
        if by_hand or was_refused or had_failed:
            acts.record(connection, "resume", who=operator(), scope=name)
    if not (by_hand or was_refused or had_failed):
        raise ConfigError(f"{name} is not paused by hand, and neither failed nor refused us lately")
    if by_hand:
        typer.echo(f"{name} is resumed within seconds")
    if was_refused:
        typer.echo(
            f"{name}: one request tries the credentials within a minute; refused again, it is left "
            "alone for up to 30 minutes, or until the next resume"
        )
    elif had_failed:
        typer.echo(f"{name}: one request tries it within seconds")


def _check(wired: App, name: str) -> None:
    names = sorted(wired.config.neighbours)
    names += [breaker.BULK, breaker.MOVES]
    if name not in names:
        raise ConfigError(f"nothing of that name: {', '.join(names)}")


def _end(
    context: typer.Context,
    wired: App,
    connection: Connection,
    until: str | None,
    lasting: str | None,
) -> datetime:
    """Return the end on the database's clock."""
    if until and lasting:
        raise ConfigError("give --until or --for, not both")
    moment = now(connection)
    if lasting:
        match = re.fullmatch(r"([1-9]\d{0,3})([mhd])", lasting)
        if match is None:
            raise ConfigError("--for wants a duration such as 30m, 2h or 1d")
        return moment + timedelta(**{UNITS[match[2]]: int(match[1])})
    instant_given = instant(until, "--until")
    if instant_given is None:
        return breaker.FOR_EVER
    end = instant_given - (wired.clock() - moment) if context.obj.now is not None else instant_given
    if end <= moment:
        raise ConfigError("--until wants an instant that is to come")
    return end
