"""`kalender optout`: who is left alone. A worker takes back what was written to them."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.cli.base import (
    Json,
    app,
    application,
    lines_of,
    listing,
    opened,
    operator,
    person_of,
    persons_of,
    require_known,
)
from kalender.domain.work import Cause, Lane
from kalender.errors import ConfigError
from kalender.operate import disclosure
from kalender.store import acts, people
from kalender.store.people import OPT_OUT

optout = typer.Typer(help="Who is left alone.", no_args_is_help=True)
app.add_typer(optout, name="optout")


@optout.command()
def add(
    context: typer.Context,
    person: Annotated[list[str] | None, typer.Argument(help="FS numbers, usernames, mail.")] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", help="One person a line, in UTF-8; - standard input."),
    ] = None,
    source: Annotated[str, typer.Option(help="Who said so.")] = "operator",
) -> None:
    """Leave persons alone, and take back what was written.

    Who is not known is said by the place in the list; the others are done, and the code is 1.
    """
    database = opened(application(context, asks=False))
    names = [*(person or []), *(lines_of(file.read()) if file else ())]
    if not names:
        raise ConfigError("optout add wants persons, or --file")
    persons, unknown = persons_of(database, names)
    with database.write() as connection:
        for person_id in persons:
            wish(connection, person_id, {OPT_OUT}, source)
        acts.record(connection, "optout add", who=operator(), persons=persons, reason=source)
    typer.echo(f"{len(persons)} opted out; what was written is taken back")
    require_known(unknown)


@optout.command()
def remove(context: typer.Context, person: list[str]) -> None:
    """Forget that persons wished to be left alone, or that their entries be removed."""
    database = opened(application(context, asks=False))
    persons = [person_of(database, name) for name in person]
    with database.write() as connection:
        for person_id in persons:
            calendars = people.take_wish_back(connection, person_id)
            people.mark_calendars(
                connection, calendars, reason="opted in", cause=Cause.WISH, lane=Lane.ASKED
            )
        acts.record(connection, "optout remove", who=operator(), persons=persons)
    typer.echo(f"{len(persons)} are served again")


@optout.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who is left alone, since when, and who said so."""
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        rows = disclosure.preferences(connection)
    listing(rows, as_json=as_json, empty="nobody opted out", zone=wired.zone)


def wish(connection: Connection, person_id: int, wishes: set[str], source: str) -> None:
    """Record that a person wishes these, and mark the calendars that it concerns."""
    calendars = people.wish(connection, person_id, wishes, source)
    people.mark_calendars(
        connection, calendars, reason=min(wishes), cause=Cause.WISH, lane=Lane.ASKED
    )
