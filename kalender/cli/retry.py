"""`kalender retry`: parked or waiting work is due now."""

from typing import Annotated

import typer

from kalender.cli.base import app, application, opened, operator, person_of
from kalender.errors import ConfigError
from kalender.operate import wishes


@app.command()
def retry(
    context: typer.Context,
    person: Annotated[
        list[str] | None, typer.Argument(help="FS numbers, usernames, mail addresses.")
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
        count = wishes.retry(connection, None if everything else keys, who=operator())
    typer.echo(f"{count} marked")
