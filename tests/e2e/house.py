"""An installation driven from outside: the real commands as processes, servers all around."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import requests

from kalender.sandbox.server import Running
from tests import commands, schemas
from tests.oracle import Expected, calendars

Json = dict[str, Any]
SHOW_AS = {"Busy": "busy", "Free": "free"}

SOON_OVER = {  # for `recover`, after which nobody writes within a lease
    "KALENDER_WORKER__LEASE_SECONDS": "3",
    "KALENDER_WORKER__SEND_SECONDS": "1",
    "KALENDER_EXCHANGE__MAIN__TIMEOUT": "1",
    "KALENDER_EXCHANGE__MAIN__SERVER_SECONDS": "1",
}

CONFIG = """
[institution]
number = 185
name = "Universitetet"
mail_domains = ["uio.example"]

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
settle_seconds = 0.1
{broker}
"""


def cut(university: Path, out: Path, *, students: int | Collection[int]) -> Path:
    """Keep the first so many students, or these; and of the rest of the university all there is."""
    (out / "fs").mkdir(parents=True)
    (out / "tp").mkdir()
    for path in (university / "tp").iterdir():
        (out / "tp" / path.name).write_bytes(path.read_bytes())
    (out / "university.json").write_bytes((university / "university.json").read_bytes())
    first = range(100_001, 100_001 + students) if isinstance(students, int) else students
    kept = set(first)
    for path in (university / "fs").iterdir():
        lines = [line for line in path.read_text("utf-8").splitlines() if _stays(line, kept)]
        (out / "fs" / path.name).write_text("\n".join(lines) + "\n", "utf-8")
    return out


def _stays(line: str, students: set[int]) -> bool:
    item = json.loads(line)
    inner = item.get("id") or item
    number = (inner.get("person") or inner).get("personlopenummer")
    return number is None or number in students or not 100_000 < number < 500_000


@dataclass
class House:
    """One installation on one sandbox."""

    directory: Path
    university: Path
    sandbox: Running
    database: str
    now: str
    mailbox: str = "{username}@uio.example"
    broker: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ends = self.sandbox.endpoints
        self.control = ends.control
        self.config = self.directory / "config.toml"
        self.config.write_text(
            CONFIG.format(
                database=self.database,
                fs=ends.fs,
                tp=ends.tp,
                exchange=ends.exchange,
                mailbox=self.mailbox,
                broker=self.broker,
            )
        )

    # -- commands -----------------------------------------------------------------------------

    def command(self, *words: str, now: str | None = None) -> list[str]:
        """Return the command line."""
        before = ["--config", str(self.config), "--now", now or self.now]
        return [sys.executable, "-m", "kalender", *before, *words]

    def words(self, *words: str, now: str | None = None) -> list[str]:
        """Return what follows the command's name."""
        return self.command(*words, now=now)[3:]

    def done(
        self, *words: str, now: str | None = None, env: Mapping[str, str] | None = None
    ) -> commands.Done:
        """Run a command to its end, whatever that is; `env` beside our environment."""
        return commands.run(
            self.words(*words, now=now), env={**os.environ, **(env or {})}, timeout=1200
        )

    def run(
        self,
        *words: str,
        now: str | None = None,
        env: Mapping[str, str] | None = None,
        expect: int = 0,
    ) -> str:
        """Run a command to its end; return what it printed, JSON as its schema has it."""
        done = self.done(*words, now=now, env=env)
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stderr[-3000:]}"
        self._log(words[0], done.stderr)
        if {"--json", "--export"} & {*words}:
            schemas.hold(words, done.stdout)
        return done.stdout

    def _log(self, name: str, text: str) -> None:
        with (self.directory / f"{name}.log").open("a") as log:
            log.write(text)

    @contextmanager
    def running(self, *words: str, stdin: bool = False) -> Iterator[subprocess.Popen[str]]:
        """Run a command while the block lasts; end it by SIGTERM."""
        with (self.directory / f"{words[0]}.log").open("a") as log:
            process = subprocess.Popen(
                self.command(*words),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                bufsize=1,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )
            try:
                yield process
            finally:
                if process.stdin is not None:
                    process.stdin.close()  # the end of its input is its end
                else:
                    process.send_signal(signal.SIGTERM)
                code = self._ended(process, words[0])
        assert code == 0

    def _ended(self, process: subprocess.Popen[str], name: str) -> int:
        """Return the code of a process that was told to end; fail with all stacks where it goes on."""
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for number in (*map(int, children), process.pid):
                os.kill(number, signal.SIGABRT)
            process.wait(60)
            said = (self.directory / f"{name}.log").read_text()[-20_000:]
            raise AssertionError(f"{name} does not end:\n{said}") from None

    # -- the sandbox --------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """Look through the control API."""
        answer = requests.get(f"{self.control}/{path}", timeout=120)
        answer.raise_for_status()
        return answer.json()

    def send(self, method: str, path: str, body: object = None) -> Any:
        """Change the university, or meddle."""
        answer = requests.request(method, f"{self.control}/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def requests_to_exchange(self) -> int:
        """How many there were since the log was last emptied."""
        return int(self.get("counters").get("exchange", 0))

    def held(self) -> dict[str, list[Expected]]:
        """What the sandbox's calendars hold of ours; doubles stand twice."""
        return {
            mailbox: found
            for mailbox, items in self.get("exchange/all").items()
            if (found := sorted(_own(items)))
        }

    # -- comparing ----------------------------------------------------------------------------

    def wanted(self, now: str | None = None) -> dict[str, list[Expected]]:
        """What the calendars should hold that is to come, as the oracle reads the files."""
        moment = datetime.fromisoformat(now or self.now)
        return calendars(self.university, moment, mailbox=self.mailbox)

    def differences(self, now: str | None = None) -> list[str]:
        """Compare every calendar with the oracle; history is left out on both sides."""
        moment = datetime.fromisoformat(now or self.now)
        wanted = self.wanted(now)
        held = {m: [e for e in found if e.end > moment] for m, found in self.held().items()}
        lines = []
        for mailbox in sorted(wanted.keys() | held.keys()):
            lines += _differ(mailbox, wanted.get(mailbox, []), held.get(mailbox, []))
        return lines

    def assert_logs_are_clean(self) -> None:
        """No name, title, address, username or secret of the university is in any log."""
        for log in self.directory.glob("*.log"):
            text = log.read_text()
            for word in (
                "@uio.example",
                "@uni.example",
                "st0000",
                "te0000",
                "Student",
                "Forelesning",
                "Auditorium",
            ):
                assert word not in text, f"{word} in {log.name}"
            assert "api_key" not in text

    def wait_until_right(self, seconds: float = 60.0, *, mailbox: str = "") -> None:
        """Wait until every calendar, or that one, is as it should be, or fail with what differs."""
        pause, end = threading.Event(), monotonic() + seconds
        while (found := self._differ(mailbox)) and monotonic() < end:
            pause.wait(0.5)
        assert found == []

    def _differ(self, mailbox: str) -> list[str]:
        return [line for line in self.differences() if line.startswith(mailbox)]

    # -- the university, in the sandbox and in its files ----------------------------------------

    def change_course(self, course: str, change: Callable[[Json], None]) -> None:
        """Change a course's answer in TP, and in our copy of the files."""
        answer = self.get(f"tp/{course}")
        change(answer)
        self.send("PUT", f"tp/{course}", answer)
        path = self.university / "tp" / f"{course}.json"
        path.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")

    def put(self, collection: str, item: Json) -> None:
        """Add an item to FS, and to our copy of the files."""
        self.send("PUT", f"fs/{collection}", item)
        with (self.university / "fs" / f"{collection}.ndjson").open("a") as lines:
            lines.write(json.dumps(item, ensure_ascii=False) + "\n")

    def drop(self, collection: str, item: Json) -> None:
        """Take an item out of FS, and out of our copy of the files."""
        self.send("DELETE", f"fs/{collection}", item)
        path = self.university / "fs" / f"{collection}.ndjson"
        lines = path.read_text("utf-8").splitlines()
        path.write_text("\n".join(li for li in lines if json.loads(li) != item) + "\n", "utf-8")


def _own(items: Sequence[Json]) -> Iterator[Expected]:
    for item in items:
        if item["sync_key"] is not None and item["folder"] == "calendar":
            start, end = (datetime.fromisoformat(item[k]).astimezone(UTC) for k in ("start", "end"))
            show_as = SHOW_AS.get(str(item["show_as"]), str(item["show_as"]))
            yield Expected(start, end, item["subject"], item["location"], show_as)


def _differ(mailbox: str, wanted: list[Expected], held: list[Expected]) -> list[str]:
    rest = list(held)
    missing = []
    for each in wanted:
        if each in rest:
            rest.remove(each)
        else:
            missing.append(each)
    return [f"{mailbox} lacks {each}" for each in missing] + [
        f"{mailbox} has {each}" for each in rest
    ]


def environment(**extra: str) -> dict[str, str]:
    """This environment without anybody's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KALENDER_")}
    return {**kept, **extra}


def fails(house: House, *words: str, now: str | None = None) -> tuple[int, str]:
    """Run what goes wrong; return its code and the one line it says."""
    done = commands.run(house.words(*words, now=now), env=environment(), timeout=60)
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert "Traceback" not in done.stderr
    assert "sandbox" not in done.stderr + done.stdout  # every secret of the sandbox
    return done.returncode, "\n".join(said)
