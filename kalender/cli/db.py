"""`kalender db`: the tables, and which release they are of."""

import typer
from sqlalchemy import inspect

from kalender.cli.base import Json, Yes, app, application, say_json
from kalender.store import bulk, languages, migrations
from kalender.store.tables import personal_language

db = typer.Typer(
    help="Bring the database's tables to this release, or say which they are.", no_args_is_help=True
)
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
    stale = total = 0
    if before:
        with database.read() as connection:
            # an older release's tables do not have them
            has_languages = inspect(connection).has_table(personal_language.name)
            calendars, total = bulk.under_other_settings(
                connection,
                wired.settings().digests,
                languages.by_person(connection) if has_languages else {},
            )
        stale = len(calendars)
    if stale:
        many = stale > wired.config.safety.max_updated_share * total
        how = (
            "kalender resync --all --yes rewrites them" if many else "the next resync rewrites them"
        )
        typer.echo(
            f"{stale} of {total} calendars were written in other words or under other settings: "
            f"{how}",
            err=True,
        )
        if many and not yes and before != migrations.newest():
            typer.confirm("Go on?", abort=True, err=True)
    is_recorded = migrations.upgrade(database)
    after = migrations.current(database)
    if as_json:
        values = {"before": before, "after": after, "rewritten": stale, "calendars": total}
        say_json({**values, "recorded": is_recorded})
        return
    typer.echo(f"already at {after}" if before == after else f"{before or 'empty'} -> {after}")
    if is_recorded:
        typer.echo("this database is recorded as the one of this installation")
    if is_recorded and before:
        typer.echo(
            "is it a restored backup: kalender recover --since TIME (when it was made) before a "
            "worker starts"
        )


@db.command()
def current(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say which revision the tables have, and what to do."""
    revision = migrations.current(application(context, writes=False, asks=False).database())
    newest, remedy = migrations.newest(), migrations.remedy(revision)
    if as_json:
        say_json({"current": revision, "newest": newest, "remedy": remedy})
    else:
        typer.echo(f"at {revision or 'no tables'}, newest {newest}: {remedy}")
