"""`kalender db`: the tables, and which release they are of."""

import typer

from kalender.app import App
from kalender.cli.base import Json, Yes, app, application, say_json
from kalender.store import bulk, migrations
from kalender.store.database import Database

db = typer.Typer(help="The tables.", no_args_is_help=True)
app.add_typer(db, name="db")


@db.command()
def upgrade(
    context: typer.Context,
    yes: Yes = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Bring the tables to this release; says how many calendars it will rewrite."""
    wired = application(context, writes=False, asks=False)
    database = wired.database()
    before = migrations.current(database)
    stale, all_ = _to_rewrite(wired, database) if before else (0, 0)
    if stale:
        _warn(wired, stale, all_, ask=not yes and before != migrations.newest())
    recorded = migrations.upgrade(database)
    after = migrations.current(database)
    if as_json:
        found = {"before": before, "after": after, "rewritten": stale, "calendars": all_}
        say_json({**found, "recorded": recorded})
        return
    typer.echo(f"already at {after}" if before == after else f"{before or 'empty'} -> {after}")
    if recorded:
        typer.echo("this database is recorded as the one of this installation")
    if recorded and before:
        typer.echo(
            "is it a restored backup: kalender recover --since TIME (when it was made) before a "
            "worker starts"
        )


def _to_rewrite(wired: App, database: Database) -> tuple[int, int]:
    with database.read() as connection:
        stale, all_ = bulk.under_other_settings(connection, wired.settings().digest)
    return len(stale), all_


def _warn(wired: App, stale: int, all_: int, *, ask: bool) -> None:
    many = stale > wired.config.safety.max_updated_share * all_
    how = "kalender resync --all --yes rewrites them" if many else "the next resync rewrites them"
    said = f"{stale} of {all_} calendars were written in other words or under other settings: {how}"
    typer.echo(said, err=True)
    if many and ask:
        typer.confirm("Go on?", abort=True, err=True)


@db.command()
def current(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say which revision the tables have, and what to do."""
    found = migrations.current(application(context, writes=False, asks=False).database())
    newest, remedy = migrations.newest(), migrations.remedy(found)
    if as_json:
        say_json({"current": found, "newest": newest, "remedy": remedy})
    else:
        typer.echo(f"at {found or 'no tables'}, newest {newest}: {remedy}")
