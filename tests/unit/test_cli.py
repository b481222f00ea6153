"""The options that all commands share may stand anywhere; a command loads what it needs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_group

from kalender.cli import COMMANDS, hoisted, load_all
from kalender.cli.base import app


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["status", "--config", "c.toml"], ["--config", "c.toml", "status"]),
        (
            ["--verbose", "worker", "--now=2025-08-18T08:00+02:00", "--until-idle"],
            ["--now=2025-08-18T08:00+02:00", "--verbose", "worker", "--until-idle"],
        ),
        (["resync", "--all"], ["resync", "--all"]),
    ],
)
def test_shared_options_come_first_wherever_they_were_given(
    given: list[str], meant: list[str]
) -> None:
    assert hoisted(given) == meant


def test_the_words_in_the_help_of_all_commands_are_those_of_each_command() -> None:
    helps = {name: command.help or "" for name, command in load_all().items()}
    paragraphs = {name: " ".join(text.split("\n\n")[0].split()) for name, text in helps.items()}
    assert paragraphs == {name: words for name, (_, words) in COMMANDS.items()}


def test_no_help_names_a_section_in_brackets_which_would_be_left_out_as_markup() -> None:
    def commands(command: Any) -> Iterator[Any]:
        yield command
        for inner in getattr(command, "commands", {}).values():
            yield from commands(inner)

    texts = [
        text
        for top in load_all().values()
        for command in commands(top)
        for text in (command.help, *(getattr(each, "help", None) for each in command.params))
    ]
    assert [text for text in texts if re.search(r"\[[a-z_.]+\]", text or "")] == []


def test_every_module_of_commands_is_named_in_the_table() -> None:
    load_all()
    registered = get_group(app).commands
    assert set(registered) == set(COMMANDS)


HEAVY = {"exchangelib", "requests", "pika", "prometheus_client", "alembic", "aiohttp", "lxml"}


@pytest.mark.parametrize("command", ["status", "show", "why", "retry", "verify", "brake", "term"])
def test_a_command_that_asks_no_neighbour_loads_no_client_of_one(command: str) -> None:
    program = (
        f"import sys; from kalender.cli import loaded; loaded({command!r}); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())


def test_the_help_of_all_commands_loads_none_of_them() -> None:
    program = (
        "import sys; from kalender.cli import whole\n"
        "whole()(args=['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = done.stdout.splitlines()[-1].split()
    assert [each for each in modules if each.startswith("kalender")] == [
        "kalender",
        "kalender.errors",
        "kalender.cli",
    ]
    assert not {"sqlalchemy", "pydantic", "structlog"} & set(modules)
