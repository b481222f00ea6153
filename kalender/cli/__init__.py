"""The commands. Results go to stdout, logs to stderr; 0 ok, 1 work failed, 2 usage or settings."""

import sys

from kalender.cli import look, operate, serve, setup  # noqa: F401  # they register their commands
from kalender.cli.base import app
from kalender.errors import ConfigError, KalenderError


def main() -> None:
    """Run a command; what is wrong is one line."""
    try:
        app()
    except ConfigError as error:
        _fail(error, 2)
    except KalenderError as error:
        _fail(error, 1)


def _fail(error: KalenderError, code: int) -> None:
    sys.stderr.write(f"kalender: {error}\n")
    sys.exit(code)
