"""`kalender language`: in which language a person's entries are written."""

from dataclasses import asdict
from typing import Annotated

import typer

from kalender.cli.base import (
    DryRun,
    Json,
    app,
    application,
    lines_of,
    listing,
    opened,
    operator,
    persons_of,
    require_known,
)
from kalender.config.calendar import LANGUAGES
from kalender.domain.work import Cause, Lane
from kalender.errors import ConfigError
from kalender.operate import disclosure
from kalender.store import acts, languages, people
from kalender.store.languages import COMMAND

language = typer.Typer(
    help="Choose the language of a person's entries; list who has one of their own.",
    no_args_is_help=True,
)
app.add_typer(language, name="language")
DEFAULT = "default"


@language.command("set")
def set_(
    context: typer.Context,
    word: Annotated[str, typer.Argument(metavar="LANGUAGE", help="nb, nn, en, or default.")],
    person: Annotated[list[str] | None, typer.Argument(help="FS numbers, usernames, mail.")] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", help="One person a line, in UTF-8; - standard input."),
    ] = None,
    source: Annotated[str, typer.Option(help="Who said so; kept with each person.")] = "operator",
    dry_run: DryRun = False,  # noqa: FBT002
) -> None:
    """Write persons' entries in a language of their own; `default` takes their word back.

    Only the coming entries of these persons are rewritten. The word of a person comes before that
    of a file. Who is not known is said by the place in the list; the others are done, and the code
    is 1.
    """
    if word not in (*LANGUAGES, DEFAULT):
        raise ConfigError(f"language set wants {', '.join(LANGUAGES)} or {DEFAULT}, then persons")
    database = opened(application(context, asks=False))
    names = [*(person or []), *(lines_of(file.read()) if file else ())]
    if not names:
        raise ConfigError("language set wants persons, or --file")
    persons, unknown = persons_of(database, names)
    told = dict.fromkeys(persons, None if word == DEFAULT else word)
    if dry_run:
        with database.read() as connection:
            changed = languages.changed_by(connection, told, COMMAND)
            calendars = people.calendars_of(connection, changed)
        typer.echo(f"{len(calendars)} calendars of {len(changed)} persons would be written anew")
        require_known(unknown)
        return
    with database.write() as connection:
        changed = languages.tell(connection, told, told_by=COMMAND, source=source)
        calendars = people.calendars_of(connection, changed)
        # who is named one by one waits for it; a list takes its time
        lane = Lane.RESYNC if file else Lane.ASKED
        people.mark_calendars(
            connection, calendars, reason="another language", cause=Cause.WISH, lane=lane
        )
        why = f"{word}, {source}"
        acts.record(connection, "language set", who=operator(), persons=told, reason=why)
    typer.echo(f"{len(calendars)} calendars of {len(changed)} persons are written anew")
    require_known(unknown)


@language.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who has a language of their own, since when, and who said so."""
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        rows = disclosure.personal_languages(connection)
    listing(
        [asdict(row) for row in rows],
        as_json=as_json,
        empty=f"all entries are written in {wired.config.institution.language}",
        zone=wired.zone,
    )
