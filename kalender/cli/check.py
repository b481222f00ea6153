"""The command that tries the settings and each connection, one line each, with the remedy."""

import os
from typing import Annotated, Any

import typer

from kalender.app import App
from kalender.cli.base import Json, Options, app, application, lines, say_json, wrapped
from kalender.config import place
from kalender.config.reading import open_to_others
from kalender.errors import ConfigError
from kalender.operate.check import ExchangeTrials, Line, State
from kalender.operate.check import check as try_all


@app.command()
def check(
    context: typer.Context,
    mailbox: Annotated[
        str | None, typer.Option(help="Look into this mailbox, for our own entries only.")
    ] = None,
    write: Annotated[  # noqa: FBT002
        bool, typer.Option("--write", help="Write one entry into it and take it back.")
    ] = False,
    must_fail: Annotated[
        str | None, typer.Option(help="A mailbox that the service account must not open.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Try the settings and each connection; one line each, with the remedy."""
    lacking = None
    try:
        wired = application(context, writes=write)
    except ConfigError as error:  # also where we have no secret but the database's
        lacking = str(error)
        wired = application(context, writes=write, asks=False)
    asked = _asked(wired, ExchangeTrials(mailbox=mailbox, write=write, must_fail=must_fail))
    ended = []
    given: Options = context.obj
    readable = open_to_others(place(given.config, os.environ), os.environ)
    for line in try_all(wired, asked, lacking=lacking, open_to_others=readable):
        ended.append(line)
        if not as_json:
            lines(_text(line))
    if as_json:
        say_json([_row(line) for line in ended])
    if any(line.outcome.state is State.FAILED for line in ended):
        raise typer.Exit(1)


def _asked(wired: App, asked: ExchangeTrials) -> ExchangeTrials:
    """Return what was asked; a mailbox is written to only where we may write at all."""
    if asked.mailbox is None and (asked.write or asked.must_fail is not None):
        raise ConfigError("--write and --must-fail want --mailbox ADDRESS as well")
    if asked.write and not wired.config.mailboxes.allows((asked.mailbox or "").lower()):
        raise ConfigError("--write wants a mailbox in one of institution.mail_domains")
    return asked


def _text(line: Line) -> list[str]:
    """Return a line of the table that fits the terminal, and the remedy beneath it."""
    said = line.outcome
    text = f"{said.state:9}  {line.name:22} {line.milliseconds:6} ms  {said.text}"
    return [*wrapped(text), *(wrapped(f"    -> {said.remedy}") if said.remedy else [])]


def _row(line: Line) -> dict[str, Any]:
    said = line.outcome
    return {
        "what": line.name,
        "state": said.state,
        "ok": said.state is not State.FAILED,
        "ms": line.milliseconds,
        "said": said.text,
        "remedy": said.remedy,
    }
