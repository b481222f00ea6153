"""`kalender optout`: who is left alone. A worker takes back what was written to them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kalender.cli.base import (
    DryRun,
    Json,
    NotKnown,
    Yes,
    app,
    application,
    ask_first,
    lines_of,
    listing,
    opened,
    operator,
    person_of,
    persons_of,
    require_known,
    say_json,
)
from kalender.config import Config
from kalender.config.lists import OptOutList, is_list_name
from kalender.domain.lists import LANGUAGES, ListReading
from kalender.errors import ConfigError
from kalender.mirror.lists import ListChange, ReadLists, drop, keep_in_step
from kalender.operate import disclosure, wishes
from kalender.sources import lists
from kalender.store import optouts

optout = typer.Typer(
    help="Leave persons alone, by name or by lists; list who is.", no_args_is_help=True
)
app.add_typer(optout, name="optout")


@optout.command()
def add(
    context: typer.Context,
    person: Annotated[list[str] | None, typer.Argument(help="FS numbers, usernames, mail.")] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", help="One person a line, in UTF-8; - standard input."),
    ] = None,
    source: Annotated[str, typer.Option(help="Who said so; kept with each person.")] = "operator",
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
        wishes.opt_out(connection, persons, who=operator(), reason=source)
    typer.echo(f"{len(persons)} opted out; what was written is taken back")
    require_known(unknown)


@optout.command()
def remove(context: typer.Context, person: list[str]) -> None:
    """Forget that persons wished to be left alone, or that their entries be removed.

    It counts before every list that names them, until that list lets go of them and names them anew.
    """
    database = opened(application(context, asks=False))
    persons = [person_of(database, name) for name in person]
    with database.write() as connection:
        overruled = wishes.opt_in(connection, persons, who=operator())
    typer.echo(f"{len(persons)} are served again")
    if overruled:
        typer.echo(f"though listed still: {', '.join(overruled)}")


@optout.command()
def sync(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="One list; else all that the settings name.")
    ] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", help="The whole list, instead of the settings' file; - stdin."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of a CSV file that names the persons.")
    ] = None,
    closed: Annotated[  # noqa: FBT002
        bool, typer.Option("--closed", help="The list names closed accounts or addresses.")
    ] = False,
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Read lists of persons: whom they name is left alone, whom they let go is served again.

    A list that is missing, empty or cannot be read changes nothing, and the code is 1. Too many at
    once are held until `brake release optout NAME`.
    """
    wired = application(context, asks=False)
    readings = _readings(wired.config, name, file, column, closed=closed)
    database = opened(wired)
    changes: list[ListChange] = []
    with suppress(_OnlyCounted), database.write() as connection:
        read = ReadLists(readings=readings, safety=wired.config.safety, who=operator())
        changes += keep_in_step(connection, read)
        if dry_run:
            raise _OnlyCounted
    if as_json:
        say_json([asdict(change) for change in changes])
    waits = say_lists(changes, silent=as_json)
    if dry_run and not as_json:
        typer.echo("only counted: nothing is changed")
    if waits:
        raise typer.Exit(1)


class _OnlyCounted(Exception):
    """Rolls the transaction back: nothing was to be written."""


def _readings(
    config: Config,
    name: str | None,
    file: typer.FileBinaryRead | None,
    column: str | None,
    *,
    closed: bool,
) -> Sequence[ListReading]:
    """Return what the lists tell that are meant; ConfigError where none is."""
    if name is None:
        if file or column or closed:
            raise ConfigError("--file, --column and --closed want the name of a list as well")
        readings = lists.read_all(config.optout, config.preferences)
        if not readings:
            raise ConfigError(
                "the settings name no list: add [optout.NAME] with its file, or give NAME and --file"
            )
        return readings
    if name == LANGUAGES and not file:
        only_languages = lists.read_all({}, config.preferences)
        if only_languages:
            return only_languages
    settings = config.optout.get(name)
    if settings is None and (file is None or not is_list_name(name)):
        raise ConfigError(f"the settings name no list {name}: add [optout.{name}], or give --file")
    if settings is None:
        settings = OptOutList(file=Path("-"), column=column, closed=closed)
    elif column or closed:
        changes = {"column": column or settings.column, "closed": closed or settings.closed}
        settings = settings.model_copy(update=changes)
    return [lists.read(name, settings, file.read() if file else None)]


def say_lists(changes: Sequence[ListChange], *, err: bool = False, silent: bool = False) -> bool:
    """Say what lists changed, a line each; whether one could not be read, or waits for a yes."""
    waits = False
    for change in changes:
        waits = waits or bool(change.problem or change.held)
        if not silent:
            typer.echo(_line_of(change), err=err)
    return waits


def _line_of(change: ListChange) -> str:
    if change.problem is not None:
        return f"list {change.name} could not be read, and changes nothing: {change.problem}"
    unknown = f", {change.unknown} of nobody known here" if change.unknown else ""
    if change.kind == LANGUAGES:
        effect = f"{change.added} persons' entries in another language"
    else:
        effect = f"{change.added} persons left alone, {change.removed} served again"
    held = ""
    if change.held:
        held = f"; {change.held} are held: kalender brake release optout {change.name}"
    return f"list {change.name}: {change.names} names{unknown}; {effect}{held}"


@optout.command("drop")
def drop_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The list that is given no more.")],
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Give a list up: whom it alone leaves alone is served again."""
    wired = application(context, asks=False)
    database = opened(wired)
    with database.read() as connection:
        if name not in {each.name for each in optouts.lists(connection)}:
            raise NotKnown(f"no list {name} was ever read: kalender status names them")
        persons = optouts.in_force(connection, name)
        many = len(optouts.left_alone_by(connection, name, persons))
    if dry_run:
        typer.echo(f"{many} persons would be served again")
        return
    if many and not yes:
        ask_first(f"{many} persons are served again. Go on?")
    with database.write() as connection:
        served = drop(connection, name, who=operator())
    typer.echo(f"{served} persons are served again")


@optout.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who is left alone, since when, and who said so."""
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        rows = disclosure.preferences(connection)
    listing(
        [asdict(row) for row in rows], as_json=as_json, empty="nobody opted out", zone=wired.zone
    )
