"""The commands. Results go to stdout, logs to stderr; 0 ok, 1 work failed, 2 usage or settings."""

import sys
from collections.abc import Sequence

from kalender.cli import (  # noqa: F401  # they register
    check,
    guard,
    hold,
    log,
    operate,
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


def main() -> None:
    """Run a command; what is wrong is one line."""
    try:
        app(args=hoisted(sys.argv[1:]))
    except ConfigError as error:
        _fail(error, 2)
    except KalenderError as error:
        _fail(error, 1)


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


def _fail(error: KalenderError, code: int) -> None:
    sys.stderr.write(f"kalender: {error}\n")
    sys.exit(code)
