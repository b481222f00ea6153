"""One step of the scripted day after another, as text.

Work of equal age is claimed in no fixed order. Within one step, requests and log events are
therefore written by subject (a mailbox, a path; a course, a calendar); those of one subject stay in
the order in which they were made.
"""

import json
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from time import monotonic

import requests

from kalender.sandbox.installation import Json
from tests import commands
from tests.day.masks import Mask, masked
from tests.e2e.house import House, environment

OF_A_REQUEST = (
    "neighbour",
    "operation",
    "path",
    "mailbox",
    "restricted",
    "items",
    "status",
    "code",
)
OF_AN_ITEM = ("folder", "start", "end", "subject", "location", "show_as", "categories", "body_type")
SECONDS = 120.0
STILL_SECONDS = 30.0  # what a worker did is counted every ten seconds, and told ten later


class Recorder:
    """Runs commands of one installation and keeps what each printed, logged, asked and wrote."""

    def __init__(self, house: House, rules: Sequence[Mask]) -> None:
        self.house = house
        self._rules = rules
        self._parts: list[str] = []
        self._calendars: dict[str, Json] = {}
        self._environment = environment(COLUMNS="100", KALENDER_OPERATOR="operator", TZ="UTC")

    def text(self) -> str:
        """Return the whole record, masked."""
        return masked("\n".join(self._parts) + "\n", self._rules)

    def run(
        self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> commands.Done:
        """Run a command to its end, whatever its exit code, and record the step."""
        self.house.send("DELETE", "requests")
        done = commands.run(
            self.house.words(*words),
            env={**self._environment, **(env or {})},
            text=stdin,
            timeout=300,
        )
        self._add(f"=== kalender {' '.join(words)}", f"exit code {done.returncode}")
        self._block("stdout", done.stdout)
        self._block("stderr", "\n".join(sorted(done.stderr.splitlines(), key=_subject_of_event)))
        self._sandbox()
        return done

    def note(self, text: str) -> None:
        """Record what the script itself does to the university or to a calendar."""
        self._add(f"=== {text}")

    def metrics(self) -> None:
        """Record what the endpoint of a running worker says, as Prometheus would read it."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.house.send("DELETE", "requests")
        os.environ["KALENDER_METRICS__PORT"] = str(port)
        with self.house.running("worker"):
            del os.environ["KALENDER_METRICS__PORT"]
            self._add("=== /metrics of a worker")
            self._block("text", self._settled(f"http://127.0.0.1:{port}/metrics"))
        self._sandbox()

    def _settled(self, address: str) -> str:
        """Return the text once it has stayed the same, but for what is masked, for some seconds."""
        pause, end = threading.Event(), monotonic() + SECONDS
        text, since = _answer(address), monotonic()
        while monotonic() < min(end, since + STILL_SECONDS):
            pause.wait(1)
            now = _answer(address)
            if masked(now, self._rules) != masked(text, self._rules):
                since = monotonic()
            text = now
        return text

    def _sandbox(self) -> None:
        for request in sorted(self.house.get("requests"), key=_subject_of_request):
            fields = {name: request[name] for name in OF_A_REQUEST if request[name]}
            counts = {"ids": len(request["ids"]), "keys": len(request["keys"])}
            self._add("request " + json.dumps(fields | counts, ensure_ascii=False))
        calendars = {
            f"{mailbox} {item['id']}": item
            for mailbox, items in self.house.get("exchange/all").items()
            for item in items
        }
        lines = [
            *(_change("gone", k, v) for k, v in self._calendars.items() if k not in calendars),
            *(_change("new", k, v) for k, v in calendars.items() if k not in self._calendars),
            *(
                _change("changed", k, v)
                for k, v in calendars.items()
                if k in self._calendars and _fields(v) != _fields(self._calendars[k])
            ),
        ]
        self._calendars = calendars
        self._add(*sorted(lines))

    def _block(self, name: str, text: str) -> None:
        if text:
            self._add(f"--- {name}", *text.rstrip("\n").splitlines(), "---")

    def _add(self, *lines: str) -> None:
        self._parts += lines


def _subject_of_request(request: Json) -> str:
    """Return what a request is about: of Exchange a mailbox, of FS and TP a path."""
    return str(request["mailbox"] or request["path"])


def _subject_of_event(line: str) -> str:
    """Return what a line of the log is about, as JSON; "" where it names no subject."""
    if not line.startswith("{"):
        return ""
    event = json.loads(line)
    subjects = (event.get(name) for name in ("course", "calendar", "key"))
    return next((str(subject) for subject in subjects if subject is not None), "")


def _fields(item: Json) -> Json:
    return {name: item[name] for name in (*OF_AN_ITEM, "body", "reminder_is_set", "private")}


def _change(change: str, key: str, item: Json) -> str:
    ours = {"ours": bool(item["sync_key"])}
    return f"item {change} {key.split(maxsplit=1)[0]} " + json.dumps(
        _fields(item) | ours, ensure_ascii=False
    )


def _answer(address: str) -> str:
    pause, end = threading.Event(), monotonic() + SECONDS
    while monotonic() < end:
        try:
            answer = requests.get(address, timeout=30)
        except requests.ConnectionError:
            pause.wait(0.2)
        else:
            return answer.text
    raise AssertionError(f"{address} never answers")
