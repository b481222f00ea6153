"""`kalender recover`: vouch for the database again after a restore, or after an outage."""

from datetime import timedelta
from typing import Annotated

import typer

from kalender import __version__
from kalender.cli.base import Yes, app, application, instant, opened, operator
from kalender.cli.progress import Wait
from kalender.cli.verify import MendDoubles, follow_doubles
from kalender.errors import ConfigError
from kalender.store import acts, doubles, recovery
from kalender.store.database import database_time


@app.command()
def recover(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(help="When the restored backup was made; `now` after a mere outage.")
    ],
    mend_doubles: MendDoubles = False,  # noqa: FBT002
    wait: Wait = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Vouch for the database again; from a backup, look every calendar up before writing to it."""
    wired = application(context, asks=False)
    database, lease = opened(wired), timedelta(seconds=wired.config.worker.lease_seconds)
    moment = None if since == "now" else instant(since, "--since")
    with database.read() as connection:
        now = database_time(connection)
        after_an_outage = moment is None or moment >= now
        count = recovery.to_look_up(connection)
    if after_an_outage and mend_doubles:
        raise ConfigError(
            "--mend-doubles wants --since the time of the backup; later it is "
            "kalender verify --all --mend-doubles"
        )
    if not (yes or after_an_outage):
        typer.confirm(f"{count} calendars are looked up in Exchange. Go on?", abort=True)
    act = "recover --since now" if after_an_outage else "recover"
    with database.write() as connection:
        if not after_an_outage:
            count = recovery.recover(connection, lease=lease)
            if mend_doubles:
                doubles.wish(connection, None, mend=True)
        acts.record(
            connection,
            act,
            who=operator(),
            scope="" if after_an_outage else f"since {since}",
            count=None if after_an_outage else count,
        )
        recovery.attest(connection, __version__)
    if after_an_outage:
        typer.echo("noted; nothing is looked up, workers may start")
        return
    typer.echo(
        f"{count} calendars, and all persons and courses, are marked; start the workers, "
        "then run kalender resync --all for who is new since the backup; nothing is written for "
        f"{lease.total_seconds():g} s, as what was under way before may still arrive"
    )
    if wait:
        follow_doubles(database, now, None)
