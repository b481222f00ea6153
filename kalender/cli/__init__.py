"""The commands. Results go to stdout, logs to stderr; 0 ok, 1 work failed, 2 usage or settings."""

import sys
from collections.abc import Sequence

from typer import Context
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from kalender.cli import (  # noqa: F401  # they register
    brake,
    check,
    log,
    operate,
    pause,
    protect,
    rejected,
    serve,
    setup,
    show,
    status,
    term,
    why,
    wishes,
)
from kalender.cli.base import app
from kalender.errors import ConfigError, KalenderError

OWN_NUMBERS = {"calendar", "person"}
TAKE_PERSONS = {
    "log",
    "optout",
    "plan",
    "protect",
    "remove",
    "resync",
    "retry",
    "show",
    "verify",
    "why",
}


def main() -> None:
    """Run a command; what is wrong is one line."""
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


PATHS = ("--config", "--file", "--university")


def whole() -> TyperGroup:
    """Return all commands; in their help a switch shows no type, as it takes no value."""
    commands = get_command(app)
    if not isinstance(commands, TyperGroup):  # more than one command makes a group
        raise TypeError
    _show_no_types_of_switches(commands, None)
    return commands


def _show_no_types_of_switches(command: TyperCommand | TyperGroup, above: Context | None) -> None:
    context = Context(command, parent=above, **command.context_settings)
    for option in command.get_params(context):
        if isinstance(option, TyperOption) and option.is_flag:
            option.metavar = ""
    for each in command.commands.values() if isinstance(command, TyperGroup) else ():
        if isinstance(each, TyperCommand | TyperGroup):
            _show_no_types_of_switches(each, context)


def hoisted(words: Sequence[str]) -> list[str]:
    """Put the options that all commands share before the command, wherever they were given."""
    shared, rest = [], list(words)
    for name, takes in (("--config", True), ("--now", True), ("--by", True), ("--verbose", False)):
        while found := [w for w in rest if w == name or (takes and w.startswith(f"{name}="))]:
            at = rest.index(found[0])
            many = 2 if takes and found[0] == name else 1
            shared += rest[at : at + many]
            del rest[at : at + many]
    return shared + rest


def joined(words: Sequence[str]) -> list[str]:
    """Take `calendar 20` and `person 7` as one name, as listings print it, where persons are given."""
    takes_persons = "rollout" not in words and not TAKE_PERSONS.isdisjoint(words)
    made: list[str] = []
    for word in words:
        if made and word.isdecimal() and made[-1] in OWN_NUMBERS and takes_persons:
            made[-1] += f" {word}"
        else:
            made.append(word)
    return made


def _fail(error: KalenderError, code: int) -> None:
    sys.stderr.write(f"kalender: {error}\n")
    sys.exit(code)
