"""A small installation on a sandbox of a few people."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.e2e.house import House
from tests.served import start

NOW = "2025-08-18T08:00+02:00"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of a few people."""
    directory = tmp_path / "served"
    generate(directory, students=20)
    with start(directory) as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, sandbox: Running) -> Iterator[House]:
    """An installation without tables, of the sandbox's domain; its logs name nobody."""
    made = _installed(tmp_path, sandbox)
    yield made
    made.assert_logs_are_clean()


@contextmanager
def filled_house(directory: Path) -> Iterator[House]:
    """An installation of its own whose calendars are right, for tests that share one."""
    generate(directory / "served", students=20)
    with start(directory / "served") as running:
        made = _installed(directory, running)
        made.run("db", "upgrade")
        made.run("resync", "--all")
        made.run("worker", "--until-idle")
        yield made
        made.assert_logs_are_clean()


def _installed(directory: Path, sandbox: Running) -> House:
    database = f"sqlite:///{directory}/k.db"
    made = House(directory, directory, sandbox, database, NOW, "epost:INSTITUSJON")
    text = made.config.read_text().replace("uio.example", "uni.example")
    made.config.write_text(text)
    return made
