"""The stage: a sandbox university, and the real commands as processes around one SQLite file."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import requests
from pika.exceptions import AMQPError

from kalender.demo.truth import Json, Line, Truth
from kalender.sandbox.generate import generate
from kalender.sandbox.server import start

NOW = "2025-08-18T08:00+02:00"
DOMAIN, INSTITUTION = "uni.example", "Universitetet"
SHOW_AS = {"Busy": "busy", "Free": "free"}
PATIENCE = 60.0
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


class Stage:
    """A university in a temporary directory, with listener and workers running on it."""

    def __init__(self, directory: Path, people: int) -> None:
        self.directory = directory
        self._stack = ExitStack()
        university = directory / "university"
        generate(university, students=people)
        self.truth = Truth(university, INSTITUTION, DOMAIN)
        self.ends = self._stack.enter_context(start(university)).endpoints
        self.broker, broker = self._broker()
        self.config = directory / "config.toml"
        self.config.write_text(
            SETTINGS.format(
                institution=INSTITUTION,
                domain=DOMAIN,
                directory=directory,
                fs=self.ends.fs,
                tp=self.ends.tp,
                exchange=self.ends.exchange,
                broker=broker,
            )
        )
        self.listener: subprocess.Popen[str] | None = None
        self.run("db", "upgrade")

    def __enter__(self) -> Self:
        """Return the stage."""
        return self

    def __exit__(self, *_: object) -> None:
        """End every process."""
        self._stack.close()

    # -- the broker ---------------------------------------------------------------------------

    def _broker(self) -> tuple[str, str]:
        """Return where notifications go: a queue of our own on a broker that answers, or stdin."""
        url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2F")
        queue = f"kalender-demo-{uuid4().hex[:8]}"
        where = urlsplit(url)
        try:
            socket.create_connection((where.hostname or "localhost", where.port or 5672), 1).close()
            connection = pika.BlockingConnection(pika.URLParameters(url))
        except (AMQPError, OSError):
            return "", ""
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, "amq.topic", "#")
        self._channel = channel
        self._stack.callback(connection.close)
        self._stack.callback(channel.queue_delete, queue)
        return urlsplit(url).hostname or url, f'[broker]\nurl = "{url}"\nqueues = ["{queue}"]\n'

    def notify(self, routing_key: str, body: Mapping[str, str]) -> None:
        """Send a notification as the real system would."""
        if self.broker:
            self._channel.basic_publish("amq.topic", routing_key, json.dumps(body).encode())
        elif self.listener is not None and self.listener.stdin is not None:
            line = {"routing_key": routing_key, "body": dict(body)}
            self.listener.stdin.write(json.dumps(line) + "\n")
            self.listener.stdin.flush()

    # -- commands -----------------------------------------------------------------------------

    def command(self, *words: str) -> list[str]:
        """Return a command line of this installation."""
        return [
            sys.executable,
            "-m",
            "kalender",
            "--config",
            str(self.config),
            "--now",
            NOW,
            *words,
        ]

    def run(self, *words: str) -> str:
        """Run a command to its end."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(
                f"kalender {words[0]} ended with {done.returncode}: {done.stderr[-400:]}"
            )
        return done.stdout

    def open(self) -> None:
        """Start listener and worker."""
        stdin = () if self.broker else ("--stdin",)
        self.listener = self._stack.enter_context(self._running("listener", *stdin))
        self._stack.enter_context(self._running("worker"))

    @contextmanager
    def _running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        with (self.directory / f"{words[0]}.log").open("a") as log:
            process = subprocess.Popen(  # noqa: S603
                self.command(*words), stdin=subprocess.PIPE, stdout=log, stderr=log, text=True
            )
            try:
                yield process
            finally:
                process.terminate()
                if process.stdin is not None:
                    process.stdin.close()
                process.wait(30)

    # -- the sandbox --------------------------------------------------------------------------

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask or change the sandbox."""
        answer = requests.request(method, f"{self.ends.control}/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

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
        """Wait until these calendars are as wanted; False where they never became so."""
        pause, end = threading.Event(), monotonic() + PATIENCE
        left = list(addresses)
        while left and monotonic() < end:
            left = [a for a in left if own(self.items(a)) != wanted.get(a, Counter())]
            if left:
                pause.wait(0.02)
        return not left


def own(items: Sequence[Json]) -> Counter[Line]:
    """Return our live entries among items; doubles count twice."""
    return Counter(
        Line(
            datetime.fromisoformat(item["start"]),
            datetime.fromisoformat(item["end"]),
            item["subject"],
            item["location"],
            SHOW_AS.get(str(item["show_as"]), str(item["show_as"])),
        )
        for item in items
        if item["sync_key"] is not None and item["folder"] == "calendar"
    )
