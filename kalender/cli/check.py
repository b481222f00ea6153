"""The command that tries the settings and each connection, one line each, with the remedy."""

import os
from collections.abc import Callable
from contextlib import closing
from typing import Annotated

import typer

from kalender.app import App
from kalender.cli.base import Json, Options, app, application, lines, opened, say_json, wrapped
from kalender.config import place
from kalender.config.reading import open_to_others
from kalender.errors import ConfigError
from kalender.operate.check import ExchangeTrials, TrialResult, TrialState
from kalender.operate.check import check as try_all


@app.command()
def check(  # noqa: PLR0913, PLR0917 - its options
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
    probe: Annotated[
        str | None,
        typer.Option(
            help="Ask Exchange Online, in this mailbox for tests, what its documentation leaves"
            " open, and nothing else; no event is left behind."
        ),
    ] = None,
    attendee: Annotated[
        str | None, typer.Option(help="Whom --probe may invite to meetings: they get mail.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Try the settings and each connection; one line each, with the remedy."""
    trials = ExchangeTrials(
        mailbox=mailbox, write=write, must_fail=must_fail, probe=probe, attendee=attendee
    )
    writes, lacking = write or probe is not None, None
    try:
        wired = application(context, writes=writes)
    except ConfigError as error:  # also where we have no secret but the database's
        if probe is not None:
            raise
        lacking = str(error)
        wired = application(context, writes=writes, asks=False)
    _refuse_contradictions(trials, wired)
    shown: list[TrialResult] = []

    def show(line: TrialResult) -> None:
        shown.append(line)
        if not as_json:
            _print(line, is_answer=probe is not None)

    if probe is not None:
        _ask(wired, probe, trials, show)
    else:
        options: Options = context.obj
        readable = open_to_others(place(options.config, os.environ), os.environ)
        for line in try_all(wired, trials, lacking=lacking, open_to_others=readable):
            show(line)
    if as_json:
        say_json(
            [
                {
                    "what": line.name,
                    "state": line.outcome.state,
                    "ok": line.outcome.state is not TrialState.FAILED,
                    "ms": line.milliseconds,
                    "said": line.outcome.text,
                    "remedy": line.outcome.remedy,
                }
                for line in shown
            ]
        )
    if any(line.outcome.state is TrialState.FAILED for line in shown):
        raise typer.Exit(1)


def _refuse_contradictions(trials: ExchangeTrials, wired: App) -> None:
    mailbox, probe = trials.mailbox, trials.probe
    if mailbox is None and probe is None and (trials.write or trials.must_fail is not None):
        raise ConfigError("--write and --must-fail want --mailbox ADDRESS as well")
    if trials.attendee is not None and probe is None:
        raise ConfigError("--attendee wants --probe MAILBOX as well")
    if trials.write and probe is not None:
        raise ConfigError("--write and --probe are two checks: give one of them")
    for option, address in (("--write", mailbox if trials.write else None), ("--probe", probe)):
        if address is not None and not wired.config.mailboxes.allows(address.lower()):
            raise ConfigError(f"{option} wants a mailbox in one of institution.mail_domains")


def _ask(
    wired: App, mailbox: str, trials: ExchangeTrials, show: Callable[[TrialResult], None]
) -> None:
    """Ask all questions of a probe; what it made is taken away also after an error or Ctrl-C."""
    # it loads the adapter of Exchange Online
    from kalender.operate.check.probe import opened_probe  # noqa: PLC0415

    with (
        closing(opened(wired)) as database,
        opened_probe(wired, database, mailbox, trials) as probe,
    ):
        try:
            for line in probe.run():
                show(line)
        finally:
            show(probe.clean())


def _print(line: TrialResult, *, is_answer: bool) -> None:
    """Print what was tried and what came of it, or a question of a probe and its answer."""
    outcome, milliseconds = line.outcome, f"{line.milliseconds:6} ms"
    name = f"{line.name:56}" if is_answer else f"{line.name:22} {milliseconds}"
    lines(wrapped(f"{outcome.state:9}  {name}  {outcome.text}"))
    lines(wrapped(f"    -> {outcome.remedy}") if outcome.remedy else [])
