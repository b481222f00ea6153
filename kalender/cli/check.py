"""The command that tries the settings and each connection, one line each, with the remedy."""

import os
from typing import Annotated

import typer

from kalender.cli.base import Json, Options, app, application, lines, say_json, wrapped
from kalender.config import place
from kalender.config.reading import open_to_others
from kalender.errors import ConfigError
from kalender.operate.check import ExchangeTrials, State
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
    if mailbox is None and (write or must_fail is not None):
        raise ConfigError("--write and --must-fail want --mailbox ADDRESS as well")
    if write and not wired.config.mailboxes.allows((mailbox or "").lower()):
        raise ConfigError("--write wants a mailbox in one of institution.mail_domains")
    trials = ExchangeTrials(mailbox=mailbox, write=write, must_fail=must_fail)
    checks = []
    options: Options = context.obj
    readable = open_to_others(place(options.config, os.environ), os.environ)
    for line in try_all(wired, trials, lacking=lacking, open_to_others=readable):
        checks.append(line)
        if not as_json:
            outcome = line.outcome
            text = f"{outcome.state:9}  {line.name:22} {line.milliseconds:6} ms  {outcome.text}"
            lines(
                [*wrapped(text), *(wrapped(f"    -> {outcome.remedy}") if outcome.remedy else [])]
            )
    if as_json:
        say_json(
            [
                {
                    "what": line.name,
                    "state": line.outcome.state,
                    "ok": line.outcome.state is not State.FAILED,
                    "ms": line.milliseconds,
                    "said": line.outcome.text,
                    "remedy": line.outcome.remedy,
                }
                for line in checks
            ]
        )
    if any(line.outcome.state is State.FAILED for line in checks):
        raise typer.Exit(1)
