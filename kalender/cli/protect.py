"""Persons of whom nothing may stand in a calendar and nothing is listed: threatened, closed, dead."""

from dataclasses import asdict
from typing import Annotated

import typer

from kalender.cli.base import Json, NotKnown, app, application, listing, opened, operator, person_of
from kalender.domain.neighbour import backend_of
from kalender.domain.work import Cause, Kind, Lane
from kalender.errors import ConfigError
from kalender.operate import disclosure, queries
from kalender.store import acts, people, queue
from kalender.store.people import PROTECT

protect = typer.Typer(
    help="Protect persons under threat or deceased, and closed accounts; list them.",
    no_args_is_help=True,
)
app.add_typer(protect, name="protect")
KINDS = ("threat", "closed", "deceased")
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show who is protected; it is logged that you looked.")
]


@protect.command()
def add(
    context: typer.Context,
    person: list[str],
    kind: Annotated[
        str, typer.Option("--reason-kind", help="threat, closed or deceased.")
    ] = "operator",
) -> None:
    """Take back all that was written to persons, before all other work, and list them no more."""
    if kind not in (*KINDS, "operator"):
        raise ConfigError(f"--reason-kind wants {', '.join(KINDS)}")
    database = opened(application(context, asks=False))
    persons = [person_of(database, name) for name in person]
    with database.write() as connection:
        for person_id in persons:
            calendars = people.wish(connection, person_id, {PROTECT}, kind)
            people.mark_calendars(
                connection, calendars, reason=PROTECT, cause=Cause.WISH, lane=Lane.PROTECT
            )
            for calendar_id in calendars:
                queue.hurry(connection, Kind.CALENDAR, str(calendar_id))
        acts.record(connection, "protect add", who=operator(), persons=persons, reason=kind)
        paused_backends = [
            neighbour.name
            for neighbour in queries.neighbours(connection)
            if backend_of(neighbour.name) is not None and neighbour.is_shut
        ]
    typer.echo(f"{len(persons)} protected; what was written is taken back at once")
    if paused_backends:
        typer.echo(f"but not while it is paused: {', '.join(paused_backends)}")


@protect.command()
def remove(context: typer.Context, person: list[str]) -> None:
    """Protect persons no more; whoever did not opt out is served again."""
    database = opened(application(context, asks=False))
    persons = [person_of(database, name) for name in person]
    with database.write() as connection:
        for person_id in persons:
            if PROTECT not in people.wishes_of(connection, person_id):
                raise NotKnown(f"person {person_id} is not protected")
            calendars = people.take_wish_back(connection, person_id, protection=True)
            people.mark_calendars(
                connection, calendars, reason="opted in", cause=Cause.WISH, lane=Lane.ASKED
            )
        acts.record(connection, "protect remove", who=operator(), persons=persons)
    typer.echo(f"{len(persons)} protected no more")


@protect.command("list")
def list_(
    context: typer.Context,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List protected persons by our number, and how many entries are still to be taken back."""
    wired = application(context, writes=reveal, asks=False)
    database = opened(wired)
    with database.write() if reveal else database.read() as connection:
        rows = disclosure.protected_persons(connection, reveal=reveal)
        if reveal:
            persons = {row.person for row in rows}
            disclosure.log_access(connection, persons, "protect list --reveal", operator=operator())
    listing(
        [asdict(row) for row in rows], as_json=as_json, empty="nobody is protected", zone=wired.zone
    )
