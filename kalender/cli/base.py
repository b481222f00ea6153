"""What all commands share: the options before them, and the app they make."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kalender import logs
from kalender.app import App, clock_from, refuse_another_day
from kalender.config import load
from kalender.errors import ConfigError
from kalender.store import migrations
from kalender.store.database import Database

app = typer.Typer(
    name="kalender",
    help="Keeps Exchange calendars equal to a university's teaching.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options given before the command."""

    config: Path | None
    now: datetime | None
    verbose: bool


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The settings; else KALENDER_CONFIG.", show_default=False)
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(help="Rehearse another day, e.g. 2025-08-18T08:00+02:00; loopback only."),
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Log more.")] = False,  # noqa: FBT002
) -> None:
    """Keep the options for the command."""
    logs.configure(verbose=verbose, json=not os.isatty(2))
    context.obj = Options(config=config, now=_instant(now), verbose=verbose)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        message = "--now wants an instant such as 2025-08-18T08:00+02:00"
        raise ConfigError(message) from error
    if instant.tzinfo is None:
        message = "--now wants an offset as well, such as 2025-08-18T08:00+02:00"
        raise ConfigError(message)
    return instant


def application(context: typer.Context, *, writes: bool = True) -> App:
    """Return the wired application; `--now` is refused for what writes beyond loopback."""
    given: Options = context.obj
    config = load(given.config, os.environ)
    if given.now is not None and writes:
        refuse_another_day(config)
    return App(config, clock_from(given.now))


def opened(wired: App) -> Database:
    """Return the database; ConfigError where its tables are not this release's."""
    database = wired.database()
    migrations.require_current(database)
    return database


def say_json(value: object) -> None:
    """Print one JSON value on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))
