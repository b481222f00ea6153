"""An installation for one run: a database cloned from a filled one, and real processes."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from kalender.store import own_database
from kalender.store.database import Database
from tests.chaos import process
from tests.commands import FORKS
from tests.e2e.house import House
from tests.fakes.proxy import Proxy, proxied

SECRET = "passord-som-ingen-ser"
SEND, TIMEOUT, SERVER = 0.7, 1.0, 1.0  # seconds
LEASE = 2.8
ENVIRONMENT = {
    "KALENDER_WORKER__LEASE_SECONDS": str(LEASE),
    "KALENDER_WORKER__SEND_SECONDS": str(SEND),
    "KALENDER_WORKER__CONNECTIONS": "2",
    "KALENDER_WORKER__SETTLE_SECONDS": "0.05",
    "KALENDER_MOVES__PER_MINUTE": "6000",
    "KALENDER_FS__API_KEY": SECRET,
    "KALENDER_TP__API_KEY": SECRET,
}
# A search over Graph sees a new event so late, and what is given up is looked for again later.
VISIBLE, SECOND_LOOK = 2.5, 6.0
OF_ALL = {"TIMEOUT": str(TIMEOUT), "SERVER_SECONDS": str(SERVER)}
OF_BACKEND = {
    False: {"PASSWORD": SECRET},
    True: {"CLIENT_SECRET": SECRET, "SECOND_LOOK_HOURS": str(SECOND_LOOK / 3600)},
}  # by whether it is Graph
BESIDE = {False: "CLOUD", True: "PREMISES"}  # the other backend, by whether the one is Graph
TOKEN = "eyJ."  # what every access token of the sandbox begins with
_starting = threading.Lock()
_started: "list[Command]" = []


def environment(*, on_graph: bool, both: bool = False) -> dict[str, str]:
    """Return the environment of commands: short times, and secrets that no log holds by accident."""
    backends = {"MAIN": on_graph} | ({BESIDE[on_graph]: not on_graph} if both else {})
    return ENVIRONMENT | {
        f"KALENDER_EXCHANGE__{name}__{key}": value
        for name, is_graph in backends.items()
        for key, value in (OF_ALL | OF_BACKEND[is_graph]).items()
    }


class Command:
    """A running command, with the processes that it forked, in a group of their own."""

    def __init__(self, house: House, words: Sequence[str], environment: dict[str, str]) -> None:
        log = house.directory / f"{words[0]}.log"
        line = house.command(*words)[3:]  # without python -m kalender
        with _starting:
            self.process = FORKS.Process(target=process.run, args=(line, environment, log))
            self.process.start()
        self.pid = self.process.pid or 0
        _started.append(self)

    def children(self) -> list[int]:
        """Return the processes that it forked."""
        try:
            told = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in told.split()]

    def alive(self) -> bool:
        """Whether it still runs."""
        with _starting:
            return self.process.is_alive()

    def kill(self) -> None:
        """Kill it and all it forked."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False where it did not come."""
        pause = threading.Event()
        for _ in range(int(seconds / 0.02)):
            if not self.alive():
                return True
            pause.wait(0.02)
        return False


def end_all() -> None:
    """Kill whatever still runs of all that was started here."""
    for command in _started:
        if command.alive():
            command.kill()
            command.wait(5)


def signalled(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if there still is one."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


# -- databases ----------------------------------------------------------------------------------------


class Databases:
    """Makes databases, each from nothing or from another."""

    def __init__(self, kind: str, server: str, directory: Path) -> None:
        self.kind, self.server, self.directory = kind, server, directory

    def make(self, template: str | None = None) -> str:
        """Return the URL of a new database."""
        name = f"chaos{uuid4().hex}"
        if self.kind == "sqlite":
            path = self.directory / f"{name}.db"
            if template is not None:
                shutil.copy(str(make_url(template).database), path)
            return self._ours(f"sqlite:///{path}", template)
        origin = make_url(template).database if template is not None else "template0"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{origin}" STRATEGY FILE_COPY')
        given = make_url(self.server).set(database=name, password=SECRET)
        return self._ours(given.render_as_string(hide_password=False), template)

    @staticmethod
    def _ours(url: str, template: str | None) -> str:
        """Let a copy be a database of its own."""
        if template is not None:
            database = Database(url)
            with database.write() as connection:
                own_database.record_anew(connection)
            database.close()
        return url

    def drop(self, url: str) -> None:
        """Drop a database, whoever uses it."""
        if self.kind == "sqlite":
            for path in self.directory.glob(f"{Path(str(make_url(url).database)).name}*"):
                path.unlink()
        else:
            self._run(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        engine = create_engine(self.server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def through(url: str) -> Iterator[tuple[str, Proxy]]:
    """Lead a URL through a proxy that can be cut."""
    parts = urlsplit(url)
    with proxied(int(parts.port or 0)) as proxy:
        yield url.replace(f":{parts.port}", f":{proxy.port}", 1), proxy
