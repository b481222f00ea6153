"""`kalender remove`: take back all that we wrote to a person, and erase what we hold on them."""

from typing import Annotated

import typer

from kalender.app import App
from kalender.cli.base import NotKnown, Person, Yes, app, application, opened, operator, person_of
from kalender.cli.progress import Wait, follow
from kalender.operate import disclosure, erasure
from kalender.operate.wishes import leave_alone, recorded_entries
from kalender.store import acts, mailboxes
from kalender.store.database import Database, database_time
from kalender.store.people import REMOVE, SEARCH


@app.command("remove")
def take_back(
    context: typer.Context,
    person: Person,
    search: Annotated[  # noqa: FBT002
        bool, typer.Option("--search", help="Look for all that carries our property, copies too.")
    ] = False,
    erase: Annotated[  # noqa: FBT002
        bool, typer.Option("--forget", help="Then erase what we hold on them.")
    ] = False,
    yes: Yes = False,  # noqa: FBT002
    wait: Wait = False,  # noqa: FBT002
) -> None:
    """Take back all that we wrote to a person; they are left alone until `optout remove`."""
    wired = application(context, asks=search)
    database = opened(wired)
    person_id = _known_or_new(wired, database, person) if search else person_of(database, person)
    if erase and not _stands(database, person_id):
        _forget(database, person_id, yes=yes)
        return
    if erase:
        with database.read() as connection:
            erasure.require_leaving(connection, person_id)
    _confirm(wired, database, person_id, search=search, yes=yes)
    with database.write() as connection:
        since = database_time(connection)
        wishes = {REMOVE, SEARCH} if search else {REMOVE}
        leave_alone(connection, person_id, wishes, "operator")
        command = "remove --search" if search else "remove"
        acts.record(connection, command, who=operator(), persons=[person_id])
    typer.echo("wished; a worker takes it back")
    parked = follow(database, since=since) if wait else 0
    if erase and (not wait or _stands(database, person_id)):
        typer.echo("not erased yet: the same command again, once it is taken back")
    elif erase:
        _forget(database, person_id, yes=True)
    if parked:
        raise typer.Exit(1)


def _stands(database: Database, person_id: int) -> bool:
    with database.read() as connection:
        return erasure.stands(connection, person_id)


def _forget(database: Database, person_id: int, *, yes: bool) -> None:
    if not yes:
        typer.confirm(f"All that is held on person {person_id} is erased. Go on?", abort=True)
    with database.write() as connection:
        stays = erasure.forget(connection, person_id)
        acts.record(connection, "remove --forget", who=operator(), scope="somebody erased")
    typer.echo(
        "erased" + ("; number, usernames and the wish to be left alone stay" if stays else "")
    )


def _known_or_new(wired: App, database: Database, text: str) -> int:
    """Return the person; for a mailbox that no state knows any more, one is made for it."""
    try:
        return person_of(database, text)
    except NotKnown:
        if not wired.config.mailboxes.allows(text.lower()):
            raise
    with database.write() as connection:
        return mailboxes.make_for_mailbox(connection, text.lower(), wired.people())


def _confirm(wired: App, database: Database, person_id: int, *, search: bool, yes: bool) -> None:
    with database.read() as connection:
        rows = disclosure.calendars_of(connection, person_id)
        entries = recorded_entries(connection, person_id)
    if not search:
        question = f"{entries} entries are recorded and will be removed. Go on?"
    else:
        exchanges = wired.reconcile_context(database).exchanges
        carriers = sum(
            len(exchanges[row.backend].calendars.find(row.address, None)) for row in rows
        )
        question = (
            f"{carriers} entries carry our property, {entries} of ours are recorded. All of them "
            "are removed, copies that the person made too. Go on?"
        )
    if yes:
        typer.echo(question.removesuffix(" Go on?"))
    else:
        typer.confirm(question, abort=True)
