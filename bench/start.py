"""How fast the commands start: the help and five commands, each beside the libraries that it imports.

Processor time with all children, on SQLite, each command a process of its own from nothing.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Figure, children_cpu, paired
from kalender.app import App, clock_from
from kalender.config import load
from kalender.store import mailboxes, migrations

RUNS = 7
HELP_RATIO = 3.0
# A machine's speed changes over a day by a third; 0.45 s were this often the bare imports.
COMMAND_RATIO = 1.8
LIBRARIES = "typer, sqlalchemy.dialects.sqlite, pydantic, structlog"
ADDRESS = "somebody@uni.example"
SETTINGS = """\
[institution]
number = 185
name = "University"
mail_domains = ["uni.example"]
[database]
url = "sqlite:///{file}"
[fs]
base_url = "http://127.0.0.1:1"
api_key = "none"
[tp]
base_url = "http://127.0.0.1:1"
api_key = "none"
[exchange.main]
endpoint = "http://127.0.0.1:1/EWS/Exchange.asmx"
username = "kalender"
password = "kalender"
"""
KALENDER = (sys.executable, "-m", "kalender")
COMMANDS = (
    ("status",),
    ("show", ADDRESS),
    ("why", ADDRESS, "IN1000"),
    ("retry", ADDRESS),
    ("verify", ADDRESS),
)


def seconds(*command: str) -> float:
    """Run a command to its end; return the processor time that it took, in seconds."""
    before = children_cpu()
    subprocess.run(command, check=True, capture_output=True)
    return children_cpu() - before


def run(*, quick: bool) -> Iterator[Figure]:
    """Measure the help of all commands, and those that are typed most."""
    runs = 3 if quick else RUNS
    yield paired(
        "kalender --help, beside `import typer, rich` (CPU s)",
        lambda: seconds(*KALENDER, "--help"),
        lambda: seconds(sys.executable, "-c", "import typer, rich"),
        at_most=HELP_RATIO,
        pairs=runs,
    )
    with TemporaryDirectory() as directory:
        settings = Path(directory) / "config.toml"
        settings.write_text(SETTINGS.format(file=Path(directory) / "kalender.db"), "utf-8")
        wired = App(load(settings, {}), clock_from(None))
        database = wired.database()
        migrations.upgrade(database)
        with database.write() as connection:
            mailboxes.make_for_mailbox(connection, ADDRESS, wired.people())
        database.close()
        for command in COMMANDS:
            words = (*KALENDER, "--config", str(settings), *command)
            yield paired(
                f"kalender {command[0]} on SQLite, beside its libraries' import (CPU s)",
                lambda words=words: seconds(*words),  # type: ignore[misc]
                lambda: seconds(sys.executable, "-c", f"import {LIBRARIES}"),
                at_most=COMMAND_RATIO,
                pairs=runs,
            )
