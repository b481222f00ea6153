"""The stage: a sandbox university, and the real commands as processes around one SQLite file.

No installation is looked at or written to: the processes get settings of their own and nothing
of an installation's environment, and a broker is used through an exchange and a queue of ours.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import requests
from pika.exceptions import AMQPError

from kalender.config.reading import PREFIX
from kalender.domain import block
from kalender.errors import KalenderError
from kalender.sandbox.demonstration.truth import Json, Line, Truth
from kalender.sandbox.generate import generate
from kalender.sandbox.server import start
from kalender.store import queue
from kalender.store.database import Database

NOW = "2025-08-18T08:00+02:00"
DOMAIN, INSTITUTION = "uni.example", "Universitetet"
SHOW_AS = {"Busy": "busy", "Free": "free"}
PATIENCE, LITTLE_PATIENCE = 60.0, 5.0
LAST_LINES = 8
HOUR = 3_600_000  # in milliseconds: a queue that a killed demonstration left goes by itself
SETTINGS = """
[institution]
number = 185
name = "{institution}"
mail_domains = ["{domain}"]
[database]
url = "sqlite:///{directory}/kalender.db"
[fs]
base_url = "{fs}"
api_key = "sandbox"
[tp]
base_url = "{tp}"
api_key = "sandbox"
[identity]
mailbox = "{{username}}@{domain}"
[exchange.sandbox]
endpoint = "{exchange}"
username = "kalender"
password = "kalender"
[rollout]
mode = "all"
[worker]
processes = 2
connections = 2
settle_seconds = 0.05
{broker}
"""


class StageError(KalenderError):
    """A command of the demonstration failed."""


class Stage:
    """A university in a temporary directory, with listener and workers running on it."""

    def __init__(self, directory: Path, people: int) -> None:
        self.directory, self.patience = directory, PATIENCE
        self._pause = threading.Event()
        self._processes: list[subprocess.Popen[str]] = []
        self.environment = {k: v for k, v in os.environ.items() if not k.upper().startswith(PREFIX)}
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy between us and loopback
        university = directory / "university"
        generate(university, students=people)
        self.truth = Truth(university, INSTITUTION, DOMAIN)
        with ExitStack() as stack:  # nothing is left running where something fails to start
            self._stack = stack
            self.ends = self._stack.enter_context(start(university)).endpoints
            self.broker, settings = self._broker()
            self.config = self._settings(settings)
            self.run("db", "upgrade")
            self._database = Database(f"sqlite:///{directory}/kalender.db")
            self._stack.callback(self._database.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Return the stage."""
        return self

    def __exit__(self, *_: object) -> None:
        """End every process."""
        self._stack.close()

    def _settings(self, broker: str) -> Path:
        path = self.directory / "config.toml"
        text = SETTINGS.format(
            institution=INSTITUTION,
            domain=DOMAIN,
            directory=self.directory,
            fs=self.ends.fs,
            tp=self.ends.tp,
            exchange=self.ends.exchange,
            broker=broker,
        )
        path.write_text(text, "utf-8")
        return path

    # -- the broker ---------------------------------------------------------------------------

    def _broker(self) -> tuple[str, str]:
        """Return where the broker answers that KALENDER_DEMO_BROKER names, and its settings.

        Nothing where none is named, or it does not answer: whatever else listens on this machine,
        or is named for others (AMQP_URL), is left alone.
        """
        url = os.environ.get("KALENDER_DEMO_BROKER", "")
        if not url:
            return "", ""
        try:
            where = urlsplit(url)
            host, port = where.hostname or "localhost", where.port or 5672
            socket.create_connection((host, port), 1).close()
            parameters = pika.URLParameters(url)
            parameters.heartbeat = 0  # nobody answers for us while the calendars are filled
            connection = pika.BlockingConnection(parameters)
        except (AMQPError, OSError, ValueError):
            return "", ""
        self._stack.callback(_quietly(connection.close))
        try:
            self._name = self._declare(connection)
        except AMQPError:
            return "", ""
        return f"{host}:{port}", f'[broker]\nurl = "{url}"\nqueues = ["{self._name}"]\n'

    def _declare(self, connection: pika.BlockingConnection) -> str:
        """Make an exchange and a queue for this demonstration alone: nobody else gets its messages."""
        name = f"kalender-demo-{uuid4().hex[:8]}"
        self._channel = connection.channel()
        self._channel.exchange_declare(name, "topic", auto_delete=True)
        self._channel.queue_declare(name, durable=True, arguments={"x-expires": HOUR})
        self._stack.callback(_quietly(self._channel.queue_delete), name)
        self._channel.queue_bind(name, name, "#")
        return name

    def notify(self, routing_key: str, body: Mapping[str, str]) -> None:
        """Send a notification as the real system would."""
        if self.broker:
            self._channel.basic_publish(self._name, routing_key, json.dumps(body).encode())
        elif self._listener.stdin is not None:
            line = {"routing_key": routing_key, "body": json.dumps(body)}
            self._listener.stdin.write(json.dumps(line) + "\n")
            self._listener.stdin.flush()

    # -- commands -----------------------------------------------------------------------------

    def command(self, *words: str) -> list[str]:
        """Return a command line of this installation."""
        settings = ("--config", str(self.config), "--now", NOW)
        return [sys.executable, "-m", "kalender", *settings, *words]

    def run(self, *words: str) -> str:
        """Run a command to its end; StageError where it fails."""
        with (self.directory / "commands.log").open("a") as log:
            done = subprocess.run(  # noqa: S603
                self.command(*words),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
                env=self.environment,
            )
        if done.returncode:
            raise StageError(f"kalender {words[0]} ended with {done.returncode}")
        return done.stdout

    def fill(self, said: Callable[[], None]) -> None:
        """Let workers work until nothing is left; `said` is called again and again meanwhile."""
        with self._running("worker", "--until-idle") as worker:
            while worker.poll() is None:
                said()
                self._pause.wait(0.2)
        if worker.returncode:
            raise StageError(f"kalender worker --until-idle ended with {worker.returncode}")

    def open(self) -> None:
        """Start listener and worker."""
        stdin = () if self.broker else ("--stdin",)
        self._listener = self._stack.enter_context(self._running("listener", *stdin))
        worker = self._stack.enter_context(self._running("worker"))
        self._processes = [self._listener, worker]

    @contextmanager
    def _running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        with (self.directory / f"{words[0]}.log").open("a") as log:
            process = subprocess.Popen(  # noqa: S603
                self.command(*words),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                env=self.environment,
            )
            try:
                yield process
            finally:
                process.terminate()
                if process.stdin is not None:
                    with suppress(OSError):
                        process.stdin.close()
                process.wait(30)

    def last_words(self) -> str:
        """Return the last lines of every log."""
        found = []
        for path in sorted(self.directory.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]
            found += [f"{path.name}:", *(f"  {line}" for line in lines)]
        return "\n".join(found)

    # -- the sandbox --------------------------------------------------------------------------

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask or change the sandbox."""
        answer = self._http.request(method, f"{self.ends.control}/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def requests(self, neighbour: str) -> int:
        """Return how many requests a neighbour was sent so far."""
        return int(self.control("GET", "counters")[neighbour])

    def items(self, address: str) -> Sequence[Json]:
        """Return all items of a mailbox."""
        found: Sequence[Json] = self.control("GET", f"exchange/items?mailbox={address}")
        return found

    def change_course(self, name: str) -> None:
        """Let TP answer as the truth has it now."""
        course, _, semester = name.partition("-")
        query = f"?sem={semester}" if semester else ""
        self.control("PUT", f"tp/{course}{query}", self.truth.courses[name])

    def until_right(self, addresses: Sequence[str], wanted: Mapping[str, Counter[Line]]) -> bool:
        """Wait until each of these calendars is as wanted; False where one never became so."""

        def right(address: str) -> bool:
            return own(self.items(address)) == wanted.get(address, Counter())

        return all(self.until(partial(right, address)) for address in addresses)

    def until_idle(self) -> bool:
        """Wait until no work is left; False where some always is."""
        return self.until(self._is_idle)

    def _is_idle(self) -> bool:
        with self._database.read() as connection:
            return not queue.depth(connection)

    def until(self, holds: Callable[[], bool]) -> bool:
        """Wait until something holds; False where it never does, or a process of ours has ended."""
        end = monotonic() + self.patience
        while not holds():
            if monotonic() > end or any(each.poll() is not None for each in self._processes):
                self.patience = LITTLE_PATIENCE  # it is lost already: do not keep people waiting
                return False
            self._pause.wait(0.01)
        return True


def _quietly(act: Callable[..., object]) -> Callable[..., None]:
    """Let what tidies up at the end not hide why it came to that."""

    def tidy(*given: object) -> None:
        with suppress(AMQPError, OSError):
            act(*given)

    return tidy


def own(items: Sequence[Json]) -> Counter[Line]:
    """Return our live entries among items; doubles count twice."""
    return Counter(
        Line(
            datetime.fromisoformat(item["start"]),
            datetime.fromisoformat(item["end"]),
            item["subject"],
            item["location"],
            SHOW_AS.get(str(item["show_as"]), str(item["show_as"])),
            _text(item["body"]),
        )
        for item in items
        if item["sync_key"] is not None and item["folder"] == "calendar"
    )


@lru_cache(maxsize=10_000)
def _text(body: str) -> str | None:
    """Return what our part of a body says; most bodies stand in many calendars."""
    return block.extract(body)
