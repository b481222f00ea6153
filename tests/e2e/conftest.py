"""A small installation on a sandbox of a few people."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store import own_database
from kalender.store.database import Database
from kalender.store.tables import database_identity
from tests.e2e.house import House
from tests.served import start, start_forked

NOW = "2025-08-18T08:00+02:00"
pause = threading.Event().wait


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


@dataclass(frozen=True)
class Template:
    """An installation whose calendars are right, to be copied: its database and its Exchange."""

    database: Path
    exchange: bytes


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A university of a few people, filled once by the real commands."""
    directory = tmp_path_factory.mktemp("template")
    generate(directory / "served", students=20)
    with start_forked(directory / "served") as sandbox:
        made = _installed(directory, sandbox)
        made.run("db", "upgrade")
        made.run("resync", "--all", "--by", "nightly")
        made.run("worker", "--until-idle")
        made.assert_logs_are_clean()
        assert made.differences() == []
        exchange = sandbox.frozen()
    with closing(Database(made.database)) as database, database.write() as connection:
        connection.execute(delete(database_identity))
    return Template(directory / "k.db", exchange)


@contextmanager
def filled_house(directory: Path, template: Template, *, graph: str = "none") -> Iterator[House]:
    """A copy of that installation; nothing was asked of anybody yet.

    Unless `graph` is `none` its sandbox serves Graph too, where nobody has a mailbox yet.
    """
    generate(directory / "served", students=20)
    with start_forked(directory / "served", template.exchange, graph=graph) as sandbox:
        shutil.copy(template.database, directory / "k.db")
        made = _installed(directory, sandbox)
        with closing(Database(made.database)) as database, database.write() as connection:
            own_database.record_first(connection)
        yield made
        made.assert_logs_are_clean()


@pytest.fixture
def filled(tmp_path: Path, template: Template) -> Iterator[House]:
    """An installation whose calendars are right; nothing was asked of anybody yet."""
    with filled_house(tmp_path, template) as made:
        yield made


def _installed(directory: Path, sandbox: Running) -> House:
    database = f"sqlite:///{directory}/k.db"
    made = House(directory, directory / "served", sandbox, database, NOW, "epost:INSTITUSJON")
    text = made.config.read_text().replace("uio.example", "uni.example")
    text = text.replace("processes = 2", "processes = 1")  # of three threads: enough for twenty
    made.config.write_text(text)
    return made
