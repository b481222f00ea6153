"""An installation on the university of the sandbox, driven from outside.

It has settings of its own, runs the real commands as processes, changes what the university answers,
and compares every calendar with the oracle. It imports nothing of the service, which is started as
its users start it. The demonstration, the drills, the benchmarks and the tests stand on it.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import requests

from kalender.sandbox.oracle import Expected, calendars
from kalender.sandbox.world import Endpoints

Json = dict[str, Any]
SHOW_AS = {"Busy": "busy", "Free": "free"}
SETTINGS = """
[institution]
number = 185
name = "Universitetet"
mail_domains = ["{domain}"]

[database]
url = "{database}"

[fs]
base_url = "{fs}"
api_key = "sandbox"

[tp]
base_url = "{tp}"
api_key = "sandbox"

[identity]
mailbox = "{mailbox}"

[exchange.main]
endpoint = "{exchange}"
username = "kalender"
password = "kalender"

[rollout]
mode = "all"

[worker]
processes = 2
connections = 3
settle_seconds = {settle_seconds}
{broker}
"""
ON_EWS = """\
endpoint = "{exchange}"
username = "kalender"
password = "kalender"
"""
ON_GRAPH = """\
kind = "graph"
tenant = "sandbox"
client_id = "kalender"
client_secret = "kalender"
base_url = "{graph}"
login_url = "{login}"
ca_file = "{login_ca}"
"""
BESIDE = f"""
[exchange.cloud]
{ON_GRAPH}
[exchange]
default = "main"
"""


class InstallationError(Exception):
    """A command of the installation failed."""


class Sandbox(Protocol):
    """What serves the university, in whatever process."""

    @property
    def endpoints(self) -> Endpoints:
        """Where FS, TP, Exchange and the control API answer."""
        ...


@dataclass
class Installation:
    """One installation on one sandbox; `now` is the instant that its commands take as the present.

    `university` holds the files that the sandbox was started on, which are kept up with every
    change. `graph` says who has the mailbox on Microsoft Graph, as the sandbox was told. `broker` is
    the section of the settings of that name, as TOML. `environment` is that of the commands; by
    default this process' own.
    """

    directory: Path
    university: Path
    sandbox: Sandbox
    database: str
    now: str
    mailbox: str = "{username}@uni.example"
    broker: str = ""
    domain: str = "uni.example"
    settle_seconds: float = 0.05
    graph: Literal["none", "half", "all"] = "none"
    environment: Mapping[str, str] | None = None
    _http: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        """Write the settings."""
        ends = self.sandbox.endpoints
        self._http.trust_env = False  # no proxy between us and loopback
        self.control = ends.control
        self.config = self.directory / "config.toml"
        settings = _settings(self.graph).format(
            **asdict(ends),
            domain=self.domain,
            database=self.database,
            mailbox=self.mailbox,
            broker=self.broker,
            settle_seconds=self.settle_seconds,
        )
        self.config.write_text(settings, "utf-8")

    # -- commands -----------------------------------------------------------------------------

    def command(self, *words: str, now: str | None = None) -> list[str]:
        """Return the command line."""
        before = ["--config", str(self.config), "--now", now or self.now]
        return [sys.executable, "-m", "kalender", *before, *words]

    def run_command(self, *words: str) -> str:
        """Run a command to its end and return what it printed; InstallationError where it fails."""
        with self._log(words[0]).open("a") as log:
            done = subprocess.run(  # noqa: S603 - our own module, no shell
                self.command(*words),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
                env=self.environment,
            )
        if done.returncode:
            raise InstallationError(f"kalender {words[0]} ended with {done.returncode}")
        return done.stdout

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Leave a command running; it is ended by SIGTERM, and its input is closed."""
        with self._log(words[0]).open("a") as log:
            process = subprocess.Popen(  # noqa: S603 - our own module, no shell
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

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def log_ends(self, lines: int) -> str:
        """Return the last lines of every log."""
        ends = []
        for path in sorted(self.directory.glob("*.log")):
            last_lines = path.read_text("utf-8", "replace").splitlines()[-lines:]
            ends += [f"{path.name}:", *(f"  {line}" for line in last_lines)]
        return "\n".join(ends)

    # -- the sandbox --------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """Look through the control API."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: object = None) -> Any:
        """Change the university, or meddle as a user would."""
        answer = self._http.request(method, f"{self.control}/{path}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def requests_to(self, neighbour: str) -> int:
        """Return how many requests a neighbour got since the counters were last emptied."""
        return int(self.get("counters").get(neighbour, 0))

    def requests_to_backends(self) -> int:
        """Return how many requests all calendar backends got since then."""
        counters = self.get("counters")
        return int(counters.get("exchange", 0)) + int(counters.get("graph", 0))

    def items(self, address: str) -> list[Json]:
        """Return all items of a mailbox, private ones too."""
        items: list[Json] = self.get(f"exchange/items?mailbox={address}")
        return items

    def all_items(self) -> dict[str, list[Json]]:
        """Return all items of all mailboxes by address."""
        items: dict[str, list[Json]] = self.get("exchange/all")
        return items

    # -- comparing ----------------------------------------------------------------------------

    def wanted(self, now: str | None = None) -> dict[str, list[Expected]]:
        """Return what the calendars should hold that is to come, as the oracle reads the files."""
        moment = datetime.fromisoformat(now or self.now)
        return calendars(self.university, moment, mailbox=self.mailbox)

    def held(self) -> dict[str, list[Expected]]:
        """Return what the sandbox's calendars hold of ours; doubles stand twice."""
        return {
            address: entries
            for address, items in self.all_items().items()
            if (entries := own_entries(items))
        }

    # -- the university, in the sandbox and in its files ----------------------------------------

    def course(self, name: str) -> Json:
        """Return TP's answer for a course; `name` is its code, with a dash and a later semester."""
        answer: Json = json.loads(self._course_file(name).read_text("utf-8"))
        return answer

    def put_course(self, name: str, answer: Json) -> None:
        """Let TP answer so for a course."""
        course, _, semester = name.partition("-")
        query = f"?sem={semester}" if semester else ""
        self.send("PUT", f"tp/{course}{query}", answer)
        self._course_file(name).write_text(json.dumps(answer, ensure_ascii=False), "utf-8")

    def change_course(self, name: str, change: Callable[[Json], None]) -> None:
        """Change TP's answer for a course."""
        answer = self.get(f"tp/{name}")
        change(answer)
        self.put_course(name, answer)

    def collection(self, name: str) -> list[Json]:
        """Return all that FS holds of a collection."""
        lines = self._collection_file(name).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def put(self, collection: str, item: Json) -> None:
        """Add an item to FS."""
        self.send("PUT", f"fs/{collection}", item)
        with self._collection_file(collection).open("a") as lines:
            lines.write(json.dumps(item, ensure_ascii=False) + "\n")

    def drop(self, collection: str, item: Json) -> None:
        """Take an item out of FS."""
        self.send("DELETE", f"fs/{collection}", item)
        path = self._collection_file(collection)
        lines = path.read_text("utf-8").splitlines()
        kept_lines = [line for line in lines if json.loads(line) != item]
        path.write_text("\n".join(kept_lines) + "\n", "utf-8")

    def _course_file(self, name: str) -> Path:
        return self.university / "tp" / f"{name}.json"

    def _collection_file(self, name: str) -> Path:
        return self.university / "fs" / f"{name}.ndjson"


def _settings(graph: str) -> str:
    """Return the form of the settings, by who has the mailbox on Microsoft Graph."""
    match graph:
        case "all":
            return SETTINGS.replace(ON_EWS, ON_GRAPH)
        case "half":
            return SETTINGS + BESIDE
        case _:
            return SETTINGS


def own_entries(items: Sequence[Json]) -> list[Expected]:
    """Return our entries among the items of a calendar, in time's order; doubles stand twice."""
    return sorted(
        Expected(
            start=datetime.fromisoformat(item["start"]).astimezone(UTC),
            end=datetime.fromisoformat(item["end"]).astimezone(UTC),
            subject=item["subject"],
            location=item["location"],
            show_as=SHOW_AS.get(str(item["show_as"]), str(item["show_as"])),
        )
        for item in items
        if item["sync_key"] is not None and item["folder"] == "calendar"
    )


def missing_and_surplus(
    wanted: Sequence[Expected], held: Sequence[Expected]
) -> tuple[list[Expected], list[Expected]]:
    """Return what a calendar lacks, and what it should not hold; a wrong entry is in both."""
    should, does = Counter(wanted), Counter(held)
    return sorted((should - does).elements()), sorted((does - should).elements())
