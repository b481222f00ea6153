"""Kalender wired in this process, on a served university and a real database, in any number."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

import requests
from sqlalchemy import text, update

from kalender.app import App, clock_from
from kalender.config import load
from kalender.domain.work import Kind, Mark
from kalender.mirror.resync import resync
from kalender.mirror.scope import Settings
from kalender.neighbours import breaker
from kalender.sandbox.server import Running
from kalender.store import queue
from kalender.store.database import Database
from kalender.store.tables import neighbour
from kalender.worker.supervisor import end_well
from kalender.worker.thread import WorkerThread

NOW = "2025-08-18T08:00+02:00"
CONFIG = """
[institution]
number = 185
name = "Universitetet"
mail_domains = ["uni.example", "uio.example"]
[database]
url = "{database}"
[fs]
base_url = "{fs}"
api_key = "{fs_key}"
[tp]
base_url = "{tp}"
api_key = "{tp_key}"
[identity]
mailbox = "{{username}}@uni.example"
[exchange]
default = "main"
[exchange.main]
endpoint = "{exchange}"
username = "kalender"
password = "{password}"
timeout = 2
server_seconds = 1
max_connections = {max_connections}
{more}
[rollout]
mode = "{mode}"
[worker]
connections = {connections}
settle_seconds = 0
"""

EWS = """\
endpoint = "{exchange}"
username = "kalender"
password = "{password}"
"""
GRAPH = """\
kind = "graph"
tenant = "uni.example"
client_id = "kalender"
client_secret = "{password}"
base_url = "{graph}"
login_url = "{login}"
ca_file = "{login_ca}"
"""


@lru_cache(maxsize=1)
def _asked(url: str) -> Database:
    """Return what asks a database: who waits asks by the hundred, and making it takes longest."""
    return Database(url)


@dataclass
class Installation:
    """One database, one sandbox, and settings that a test may change."""

    directory: Path
    sandbox: Running
    url: str
    mode: str = "all"
    password: str = "kalender"
    fs_key: str = "sandbox"
    tp_key: str = "sandbox"
    endpoint: str = ""
    max_connections: int = 20
    connections: int = 4
    on_graph: bool = False  # everybody has the mailbox on Microsoft Graph
    more: str = ""  # sections of settings beside those above

    def app(self) -> App:
        """Return the application under the settings as they are now."""
        ends, path = self.sandbox.endpoints, self.directory / "config.toml"
        settings = CONFIG.replace(EWS, GRAPH) if self.on_graph else CONFIG
        path.write_text(
            settings.format(
                **{**asdict(ends), "exchange": self.endpoint or ends.exchange},
                database=self.url,
                fs_key=self.fs_key,
                tp_key=self.tp_key,
                password=self.password,
                mode=self.mode,
                max_connections=self.max_connections,
                connections=self.connections,
                more=self.more,
            )
        )
        return App(load(path, {}), clock_from(datetime.fromisoformat(NOW)))

    # -- work -------------------------------------------------------------------------------------

    def resync(self) -> None:
        """Read FS and TP as the command does."""
        app, database = self.app(), Database(self.url)
        try:
            resync(
                app.refresh_context(database),
                settings=Settings(
                    digests=app.settings().digests,
                    rollout_mode=app.config.rollout.mode,
                    max_updated_share=1.0,
                ),
            )
        finally:
            database.close()

    @contextmanager
    def working(self, crews: int) -> Iterator[None]:
        """Let so many worker processes' hands work; nothing but the database is shared by crews."""
        stop, app = threading.Event(), self.app()
        made = [app.worker_context() for _ in range(crews)]
        hands = [
            threading.Thread(target=WorkerThread(worker_context, f"{c}:{n}", stop).work)
            for c, worker_context in enumerate(made)
            for n in range(worker_context.connections)
        ]
        for hand in hands:
            hand.start()
        try:
            yield
        finally:
            stop.set()
            for hand in hands:
                hand.join()
            for worker_context in made:
                end_well(worker_context)
                worker_context.database.close()

    def work(self, crews: int = 1, *, seconds: float = 600.0) -> None:
        """Work until nothing waits."""
        with self.working(crews):
            wait(lambda: not self.rows("SELECT 1 FROM dirty"), seconds, self.waiting)

    def waiting(self) -> object:
        """Return what waits and why, for who wonders."""
        query = "SELECT kind, key, attempts, not_before, claimed_by, last_error FROM dirty LIMIT 5"
        return self.rows(query), self.rows("SELECT * FROM neighbour")

    def mirror(self) -> None:
        """Mirror the university; nobody is written to, and all calendars are marked anew."""
        mode, self.mode = self.mode, "off"
        self.resync()
        self.work()
        self.mode = mode

    def mark(self, kind: Kind) -> int:
        """Mark all of a kind; return how many that is."""
        query = {
            Kind.COURSE: "SELECT DISTINCT course || ' ' || semester FROM course_run",
            Kind.PERSON: "SELECT 'fs ' || value FROM identity WHERE kind = 'fs'",
            Kind.CALENDAR: "SELECT calendar_id FROM calendar",
        }[kind]
        marks = [Mark(kind=kind, key=str(key), reason="test") for (key,) in self.rows(query)]
        self.write(lambda connection: queue.mark(connection, marks))
        return len(marks)

    def mark_one(self, calendar_id: int) -> None:
        """Mark one calendar, for now."""
        mark = Mark(kind=Kind.CALENDAR, key=str(calendar_id), reason="test")
        self.write(lambda connection: queue.mark(connection, [mark]))

    # -- looking ----------------------------------------------------------------------------------

    def rows(self, query: str) -> list[Any]:
        """Ask the database; no connection is kept, which a restore would have to end."""
        with closing(_asked(self.url)) as database, database.read() as connection:
            return list(connection.execute(text(query)))

    def write(self, change: Callable[[Any], object]) -> None:
        """Change the database."""
        with closing(Database(self.url)) as database, database.write() as connection:
            change(connection)

    def neighbour(self, name: str) -> Any:
        """Return what is known of a neighbour."""
        return self.rows(f"SELECT * FROM neighbour WHERE name = '{name}'")[0]  # noqa: S608

    def refusals(self, name: str) -> int:
        """How many refusals of our credentials are recorded."""
        return len(json.loads(self.neighbour(name).refused or "[]"))

    def age(self, name: str, seconds: float, *, refusals: int) -> None:
        """Let so much time pass since a neighbour's refusals, once so many are recorded."""
        wait(lambda: self.refusals(name) == refusals, why=lambda: self.neighbour(name))

        def change(connection: Any) -> None:
            row = breaker.lock(connection, name)
            earlier = [
                (whose, (datetime.fromisoformat(at) - timedelta(seconds=seconds)).isoformat())
                for whose, at in json.loads(row.refused or "[]")
            ]
            same = neighbour.c.name == name
            connection.execute(update(neighbour).where(same).values(refused=json.dumps(earlier)))

        self.write(change)

    def hurry(self) -> None:
        """Let all work be due now."""
        self.write(
            lambda c: [
                c.execute(text("UPDATE dirty SET not_before = NULL")),
                c.execute(text("UPDATE calendar SET quiet_until = NULL")),
            ]
        )

    # -- the sandbox ------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """Look through the control API."""
        answer = requests.get(f"{self.sandbox.endpoints.control}/{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def send(self, method: str, path: str, body: object = None) -> None:
        """Change something through the control API."""
        url = f"{self.sandbox.endpoints.control}/{path}"
        requests.request(method, url, json=body, timeout=30).raise_for_status()

    def asked(self, name: str) -> int:
        """How many requests a neighbour got since its log was emptied."""
        return int(self.get("counters").get(name, 0))

    def fault(self, **fault: object) -> None:
        """Let something go wrong."""
        self.send("POST", "faults", fault)

    def assert_right(self) -> None:
        """Every entry that is recorded is there once, and none besides; nothing waits."""
        assert self.rows("SELECT kind, key, attempts, last_error FROM dirty") == []
        recorded = [key for (key,) in self.rows("SELECT sync_key FROM entry WHERE status = 'live'")]
        shown = [
            item["sync_key"].rpartition("#")[0] + "@" + box
            for box, items in self.get("exchange/all").items()
            for item in items
            if item["sync_key"] is not None
        ]
        assert len(shown) == len(set(shown)) == len(recorded) > 0


def wait(
    is_so: Callable[[], bool],
    seconds: float = 30.0,
    why: Callable[[], object] = lambda: "never came to be",
    *,
    longest_pause: float = 0.4,
) -> None:
    """Wait until it is so, or fail; what is so for a moment only wants short pauses.

    They grow, since asking costs: on PostgreSQL a connection, which is a process, each time.
    """
    pause, end, between = threading.Event(), monotonic() + seconds, 0.05
    while not is_so():
        assert monotonic() < end, why()
        pause.wait(between)
        between = min(1.5 * between, longest_pause)
