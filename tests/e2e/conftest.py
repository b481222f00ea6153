"""A small installation on a sandbox of a few people."""

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
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
from tests.fewer_events import generate_with_fewer_events
from tests.served import start, start_forked
from tests.takeover.predecessor import Predecessor

NOW = "2025-08-18T08:00+02:00"
pause = threading.Event().wait


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of a few people."""
    _generate(tmp_path / "served")
    with start(tmp_path / "served") as running:
        yield running


@pytest.fixture
def small_sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of five students and their teachers, with a third of the events."""
    _generate_small(tmp_path / "served")
    with start(tmp_path / "served") as running:
        yield running


def _generate(university: Path) -> None:
    generate(university, students=20)


def _generate_small(university: Path) -> None:
    generate_with_fewer_events(university, students=5, keep=1, of=3)


@pytest.fixture
def house(tmp_path: Path, sandbox: Running) -> Iterator[House]:
    """An installation without tables, of the sandbox's domain; its logs name nobody."""
    made = _installed(tmp_path, sandbox)
    yield made
    made.assert_logs_are_clean()


@dataclass(frozen=True)
class Template:
    """An installation whose calendars are right, to be copied: its database and its Exchange.

    The files of its university are beside the database.
    """

    database: Path
    exchange: bytes


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A university of a few people, filled once by the real commands."""
    return _made_once(tmp_path_factory, "filled", _fill, _generate)


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The same with five students and their teachers, and a third of the events."""
    return _made_once(tmp_path_factory, "small", _fill, _generate_small)


@pytest.fixture(scope="session")
def preceded(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The same before anybody is switched on: a predecessor wrote all that they should hold."""
    return _made_once(tmp_path_factory, "preceded", _precede, _generate)


def _fill(house: House) -> None:
    house.run("resync", "--all", "--by", "nightly")
    house.run("worker", "--until-idle")
    assert house.differences() == []


def _precede(house: House) -> None:
    switch_nobody_on(house)
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    Predecessor(house).write_term()


def switch_nobody_on(house: House) -> None:
    """Let the settings switch on who is on the list, which is empty at first."""
    text = house.config.read_text().replace('mode = "all"', 'mode = "listed"')
    house.config.write_text(text)


def _made_once(
    factory: pytest.TempPathFactory,
    name: str,
    fill: Callable[[House], None],
    make: Callable[[Path], None],
) -> Template:
    """Return a template that one worker of pytest-xdist makes, and all others copy."""
    place = factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    made = place / f"template-{name}"
    with (place / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed, or we die
        if not made.exists():
            directory = factory.mktemp(name)
            make(directory / "served")
            exchange = _exchange_filled(directory, fill)
            (directory / "exchange").write_bytes(exchange)
            settings = directory / "config.toml"
            settings.write_text(settings.read_text().replace(f"{directory}/", f"{made}/"))
            directory.rename(made)
    return Template(made / "k.db", (made / "exchange").read_bytes())


def _exchange_filled(directory: Path, fill: Callable[[House], None]) -> bytes:
    """Fill an installation in that directory; return its Exchange, and leave its database."""
    with start_forked(directory / "served") as sandbox:
        house = _installed(directory, sandbox)
        house.run("db", "upgrade")
        fill(house)
        house.assert_logs_are_clean()
        exchange = sandbox.frozen()
    with closing(Database(house.database)) as database, database.write() as connection:
        connection.execute(delete(database_identity))
    return exchange


@contextmanager
def filled_house(directory: Path, template: Template, *, graph: str = "none") -> Iterator[House]:
    """A copy of that installation; nothing was asked of anybody yet.

    Unless `graph` is `none` its sandbox serves Graph too, where nobody has a mailbox yet.
    """
    shutil.copytree(template.database.with_name("served"), directory / "served")
    with start_forked(directory / "served", template.exchange, graph=graph) as sandbox:
        copy_database(template.database, directory / "k.db")
        made = _installed(directory, sandbox)
        yield made
        made.assert_logs_are_clean()


def copy_database(file: Path, to: Path) -> None:
    """Copy an SQLite database in which it is not recorded which one it is; the copy is a new one."""
    shutil.copy(file, to)
    with closing(Database(f"sqlite:///{to}")) as database, database.write() as connection:
        own_database.record_first(connection)


@pytest.fixture
def filled(tmp_path: Path, template: Template) -> Iterator[House]:
    """An installation whose calendars are right; nothing was asked of anybody yet."""
    with filled_house(tmp_path, template) as made:
        yield made


@pytest.fixture
def small_filled(tmp_path: Path, small_template: Template) -> Iterator[House]:
    """The same with five students and a third of the events, which is enough for most laws."""
    with filled_house(tmp_path, small_template) as made:
        yield made


def _installed(directory: Path, sandbox: Running) -> House:
    database = f"sqlite:///{directory}/k.db"
    made = House(directory, directory / "served", sandbox, database, NOW, "epost:INSTITUSJON")
    text = made.config.read_text().replace("uio.example", "uni.example")
    text = text.replace("processes = 2", "processes = 1")  # of three threads: enough for twenty
    made.config.write_text(text)
    return made
