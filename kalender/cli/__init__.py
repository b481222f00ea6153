"""The commands. Results go to stdout, logs to stderr; 0 ok, 1 work failed, 2 usage or settings.

`COMMANDS` names the module of each command. A module is imported when its command is called, and
for nothing else, so that a command loads what it needs: most of the time that a short command takes
goes into imports. `kalender --help` is written from the table alone.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Context
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command, get_group

from kalender import __version__
from kalender.errors import ConfigError, KalenderError

# Command: (its module in this package, the first paragraph of its help), in the order of the help.
# A test compares the words with the help of the commands themselves.
COMMANDS = {
    "check": ("check", "Try the settings and each connection; one line each, with the remedy."),
    "show": (
        "show",
        "Show a person (who, teaching, calendars, why each entry is there), or a course.",
    ),
    "plan": ("show", "Show what would be written for a person now; changes nothing, asks nobody."),
    "log": ("log", "Tell who did what and what the service wrote, the latest first."),
    "retry": ("retry", "Try parked or waiting work again now."),
    "pause": (
        "pause",
        "Ask nothing of a neighbour, or do no bulk work, until a given time or until `resume`.",
    ),
    "resume": (
        "pause",
        "End a pause made by `pause`, or let one request try at once what failed or refused us.",
    ),
    "listener": ("run", "Turn notifications into marks, until stopped."),
    "worker": ("run", "Make what is dirty right, until stopped."),
    "resync": ("resync", "Read sources anew and mark what changed; workers write the calendars."),
    "poll": (
        "run",
        "Ask TP once what changed since it was last asked; a worker does so by `tp.poll_seconds`.",
    ),
    "publish": ("broker", "Send one notification, and know that it arrived."),
    "tap": ("broker", "Look at waiting notifications; all are put back."),
    "web": (
        "web",
        "Serve pages for a browser: the status, and what the help desk and operators look at.",
    ),
    "sandbox": ("sandbox", "Serve a university on loopback: FS, TP and Exchange to rehearse on."),
    "demo": ("sandbox", "Show the main job on a made-up university; changes nothing outside."),
    "status": (
        "status",
        "Say whether everybody has the right calendar, and what keeps somebody from it.",
    ),
    "parked": (
        "status",
        "List what was laid aside, with the words why; of protected persons only that it is.",
    ),
    "term": (
        "term",
        "Say per semester what FS and TP told, and how many entries are planned and written.",
    ),
    "why": (
        "why",
        "Say why teaching is not in a calendar: the first line that is not so, and who can mend it.",
    ),
    "remove": (
        "remove",
        "Take back all that we wrote to a person; they are left alone until `optout remove`.",
    ),
    "verify": (
        "verify",
        "Compare what we recorded with the calendars themselves, now; put back what differs.",
    ),
    "recover": (
        "recover",
        "Vouch for the database again; from a backup, look every calendar up before writing to it.",
    ),
    "move": ("move", "Look at mailboxes that move to another Exchange; decide, announce or pause."),
    "takeover": (
        "takeover",
        "Take calendars over from a predecessor, or hand them back; or say how far that is.",
    ),
    "brake": ("brake", "Look at deletes that are held back; release, hold or announce them."),
    "protect": (
        "protect",
        "Protect persons under threat or deceased, and closed accounts; list them.",
    ),
    "rollout": ("rollout", "Say who is switched on; switch on or off, at once or by a plan."),
    "rejected": ("rejected", "List notifications that could not be read, or read them again."),
    "db": ("db", "Bring the database's tables to this release, or say which they are."),
    "optout": ("optout", "Leave persons alone, by name or by lists; list who is."),
    "language": (
        "language",
        "Choose the language of a person's entries; list who has one of their own.",
    ),
}
OWN_NUMBERS = {"calendar", "person"}
TAKE_PERSONS = {
    "language",
    "log",
    "move",
    "optout",
    "plan",
    "protect",
    "remove",
    "resync",
    "retry",
    "show",
    "takeover",
    "verify",
    "why",
}
PATHS = ("--config", "--file", "--university")


def main() -> None:
    """Run a command; what is wrong is one line."""
    gc.disable()  # until the command's module is loaded
    try:
        require_text(sys.argv[1:])
        whole()(args=joined(hoisted(sys.argv[1:])))
    except ConfigError as error:
        _fail(error, 2)
    except KalenderError as error:
        _fail(error, 1)


def require_text(words: Sequence[str]) -> None:
    """Refuse words that are no UTF-8, which neither a database nor a source takes; but for paths."""
    for at, (before, word) in enumerate(zip(("", *words), words, strict=False), 1):
        path = before in PATHS or word.startswith(tuple(f"{name}=" for name in PATHS))
        if not path and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise ConfigError(f"word {at} of the command is no UTF-8 text: type it again")


class LazyGroup(TyperGroup):
    """The commands of the table; each is loaded once it is called.

    Until then a command without parameters stands for it, which is enough for the help, for the
    completion of names and for the suggestion of a similar name.
    """

    def resolve_command(
        self,
        ctx: Any,  # typer's own Context, whose base typer keeps private
        args: list[str],
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        """Return the name of the command that is called, the command itself, and its words."""
        name, stand_in, words = super().resolve_command(ctx, args)
        if name is None or stand_in is None:
            return name, None, words
        _import_structlog_alone()
        command = loaded(name, ctx)
        # What is loaded has no garbage; a collector that looks through it again and again, and once
        # more at the end, takes a third of the processor time of a short command.
        gc.freeze()
        gc.enable()
        return name, command, words


def _import_structlog_alone() -> None:
    """Import structlog without rich, with which it would draw tracebacks; we log none.

    This saves a twelfth of the processor time of a short command.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails
    try:
        import_module("structlog")
    finally:
        del sys.modules["rich"]


def whole() -> LazyGroup:
    """Return all commands; in their help a switch shows no type, as it takes no value."""
    group = get_command(_root)
    if not isinstance(group, LazyGroup):  # the callback makes it a group
        raise TypeError
    _show_no_types_of_switches(group, None)
    for name, (_, words) in COMMANDS.items():
        group.add_command(TyperCommand(name=name, help=words))
    return group


def loaded(name: str, above: Context | None = None) -> TyperCommand | TyperGroup:
    """Import the module of a command, and return the command as typer makes it, once."""
    if name not in _made:
        import_module(f"kalender.cli.{COMMANDS[name][0]}")
        from kalender.cli.base import app  # noqa: PLC0415  # the command's module has loaded it

        command = get_group(app).commands[name]
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError
        _made[name] = command
    _show_no_types_of_switches(_made[name], above)
    return _made[name]


def load_all() -> dict[str, TyperCommand | TyperGroup]:
    """Import every command's module; return all commands by name, in the order of the help."""
    return {name: loaded(name) for name in COMMANDS}


_made: dict[str, TyperCommand | TyperGroup] = {}  # commands as typer made them, by name

_root = typer.Typer(
    name="kalender",
    help="Keeps Exchange calendars equal to a university's teaching.",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked_for: bool) -> None:  # noqa: FBT001  # typer's
    if asked_for:
        typer.echo(f"kalender {__version__}")
        raise typer.Exit


@_root.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The settings; else KALENDER_CONFIG.", show_default=False)
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(help="Rehearse another day, e.g. 2025-08-18T08:00+02:00; loopback only."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Who you are, for the log; else KALENDER_OPERATOR, sudo's or the login."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,  # noqa: FBT002
    _version: Annotated[  # noqa: FBT002
        bool,
        typer.Option(
            "--version", help="Say which release this is.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Keep the options for the command."""
    # The help of all commands is shown without this call, and starts faster without these.
    from kalender import logs  # noqa: PLC0415
    from kalender.cli.base import OPERATOR, Options, instant  # noqa: PLC0415

    if by:
        os.environ[OPERATOR] = by  # this command is a process of its own
    logs.configure(verbose=verbose, json=not os.isatty(2))
    context.obj = Options(config=config, now=instant(now, "--now"))


def _show_no_types_of_switches(command: TyperCommand | TyperGroup, above: Context | None) -> None:
    context = Context(command, parent=above, **command.context_settings)
    for option in command.get_params(context):
        if isinstance(option, TyperOption) and option.is_flag:
            option.metavar = ""
    for subcommand in command.commands.values() if isinstance(command, TyperGroup) else ():
        if isinstance(subcommand, TyperCommand | TyperGroup):
            _show_no_types_of_switches(subcommand, context)


def hoisted(words: Sequence[str]) -> list[str]:
    """Put the options that all commands share before the command, wherever they were given."""
    shared_words, other_words = [], list(words)
    for name, takes in (("--config", True), ("--now", True), ("--by", True), ("--verbose", False)):
        while matches := [
            w for w in other_words if w == name or (takes and w.startswith(f"{name}="))
        ]:
            at = other_words.index(matches[0])
            many = 2 if takes and matches[0] == name else 1
            shared_words += other_words[at : at + many]
            del other_words[at : at + many]
    return shared_words + other_words


def joined(words: Sequence[str]) -> list[str]:
    """Take `calendar 20` and `person 7` as one name, as listings print it, where persons are given."""
    takes_persons = "rollout" not in words and not TAKE_PERSONS.isdisjoint(words)
    names: list[str] = []
    for word in words:
        if names and word.isdecimal() and names[-1] in OWN_NUMBERS and takes_persons:
            names[-1] += f" {word}"
        else:
            names.append(word)
    return names


def _fail(error: KalenderError, code: int) -> None:
    sys.stderr.write(f"kalender: {error}\n")
    sys.exit(code)
