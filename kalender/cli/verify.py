"""`kalender verify`: compare records with the calendars themselves; doubles of our own making."""

from datetime import datetime
from typing import Annotated

import typer

from kalender.cli.base import app, application, opened, operator, person_of
from kalender.cli.progress import Wait, follow
from kalender.errors import ConfigError
from kalender.operate import wishes
from kalender.store import doubles
from kalender.store.database import Database, database_time
from kalender.store.doubles import StrayState

MendDoubles = Annotated[
    bool,
    typer.Option("--mend-doubles", help="Take away doubles of our making that nobody added to."),
]


@app.command()
def verify(
    context: typer.Context,
    person: Annotated[
        list[str] | None, typer.Argument(help="FS numbers, usernames, mail addresses.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were written.")] = False,  # noqa: FBT002
    mend_doubles: MendDoubles = False,  # noqa: FBT002
    wait: Wait = False,  # noqa: FBT002
) -> None:
    """Compare what we recorded with the calendars themselves, now; put back what differs.

    Counts doubles of our making as well: another key of ours for an event that is already shown.
    """
    if not person and not everything:
        raise ConfigError("verify wants persons, or --all")
    database = opened(application(context, asks=False))
    persons = [person_of(database, name) for name in person or []]
    with database.write() as connection:
        since = database_time(connection)
        wished = wishes.verify(
            connection,
            None if everything else persons,
            who=operator(),
            mend_doubles=mend_doubles,
        )
    typer.echo(f"{len(wished)} calendars marked")
    if wait:
        follow_doubles(database, since, None if everything else wished)


def follow_doubles(database: Database, since: datetime, calendars: list[int] | None) -> None:
    """Follow the work, say what was found, and end with 1 where work was parked since then."""
    parked = follow(database, since=since)
    with database.read() as connection:
        counts = doubles.counts(connection, calendars)
        kept_doubles = doubles.kept(connection, calendars)
        calendars_not_searched = doubles.not_searched(connection, calendars)
    count = counts[StrayState.DOUBLE]
    remedy = ": kalender verify --all --mend-doubles takes them away" if count else ""
    typer.echo(f"{count} doubles of ours{remedy}")
    for double in kept_doubles:
        typer.echo(
            f"person {double.person_id}: event {double.event_id} stands twice in calendar "
            f"{double.calendar_id}, and its user added to both; one of them is theirs to delete"
        )
    if counts[StrayState.UNKNOWN]:
        typer.echo(
            f"{counts[StrayState.UNKNOWN]} keys of ours for events that nobody knows; they stay"
        )
    if calendars_not_searched:
        typer.echo(f"{calendars_not_searched} calendars were not looked through yet")
    if parked:
        raise typer.Exit(1)
