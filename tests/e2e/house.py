"""An installation driven from outside: the real commands as processes, servers all around."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from kalender.sandbox.installation import Installation, missing_and_surplus
from kalender.sandbox.oracle import Expected
from tests import commands, schemas

COMPARED_ANYWAY = 2.0  # seconds
COURSE = re.compile(r'/\d+,([^,"]+),[^,"]*,\d{4},')  # in a reference of FS to what is taught

SOON_OVER = {  # for `recover`, after which nobody writes within a lease
    "KALENDER_WORKER__LEASE_SECONDS": "3",
    "KALENDER_WORKER__SEND_SECONDS": "1",
    "KALENDER_EXCHANGE__MAIN__TIMEOUT": "1",
    "KALENDER_EXCHANGE__MAIN__SERVER_SECONDS": "1",
}


def cut(
    university: Path,
    out: Path,
    *,
    students: int | Collection[int],
    only_their_courses: bool = False,
) -> Path:
    """Keep the first so many students, or these; and of the rest of the university all there is.

    With `only_their_courses` no other course is kept, though everybody who teaches is.
    """
    (out / "fs").mkdir(parents=True)
    (out / "tp").mkdir()
    (out / "university.json").write_bytes((university / "university.json").read_bytes())
    first = range(100_001, 100_001 + students) if isinstance(students, int) else students
    kept = set(first)
    for path in (university / "fs").iterdir():
        lines = [line for line in path.read_text("utf-8").splitlines() if _stays(line, kept)]
        (out / "fs" / path.name).write_text("\n".join(lines) + "\n", "utf-8")
    for path in (university / "tp").iterdir():
        (out / "tp" / path.name).write_bytes(path.read_bytes())
    if only_their_courses:
        _leave_other_courses_out(out)
    return out


def _leave_other_courses_out(university: Path) -> None:
    """Take out of FS and TP the courses that no student takes."""
    registrations = (university / "fs" / "studentundervisning.ndjson").read_text("utf-8")
    taken = set(COURSE.findall(registrations))
    for path in (university / "fs").iterdir():
        lines = path.read_text("utf-8").splitlines()
        kept = [line for line in lines if taken.issuperset(COURSE.findall(line))]
        path.write_text("\n".join(kept) + "\n", "utf-8")
    for path in (university / "tp").iterdir():
        if path.stem.partition("-")[0] not in taken:
            path.unlink()


def _stays(line: str, students: set[int]) -> bool:
    item = json.loads(line)
    inner = item.get("id") or item
    number = (inner.get("person") or inner).get("personlopenummer")
    return number is None or number in students or not 100_000 < number < 500_000


@dataclass
class House(Installation):
    """One installation on one sandbox, of which every output and log is held to its rules."""

    mailbox: str = "{username}@uio.example"
    domain: str = "uio.example"
    settle_seconds: float = 0.1
    forked: bool = True  # how what runs on is started; else from nothing, to be measured

    # -- commands -----------------------------------------------------------------------------

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
        with (self.directory / f"{words[0]}.log").open("a") as log:
            log.write(done.stderr)
        if {"--json", "--export"} & {*words}:
            schemas.hold(words, done.stdout)
        return done.stdout

    def start(self, *words: str, log: str, stdin: bool = False) -> commands.Process:
        """Run a command in the background; what it prints goes to that log."""
        whole = {**os.environ, "PYTHONFAULTHANDLER": "1"}
        path = self.directory / log
        if self.forked:
            return commands.start(self.words(*words), env=whole, log=path, stdin=stdin)
        return commands.start_from_nothing(self.command(*words), whole, path, stdin=stdin)

    @contextmanager
    def running(self, *words: str, stdin: bool = False) -> Iterator[commands.Process]:
        """Run a command while the block lasts; end it by SIGTERM."""
        process = self.start(*words, log=f"{words[0]}.log", stdin=stdin)

        def end() -> int:
            if process.stdin is not None:
                process.stdin.close()  # the end of its input is its end
            else:
                process.send_signal(signal.SIGTERM)
            return self._ended(process, words[0])

        try:
            yield process
        except BaseException:  # what failed first is what is told
            with suppress(AssertionError):
                end()
            raise
        assert end() == 0

    def _ended(self, process: commands.Process, name: str) -> int:
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

    def requests_to_exchange(self) -> int:
        """How many there were since the log was last emptied."""
        return self.requests_to_backends()

    # -- comparing ----------------------------------------------------------------------------

    def differences(self, now: str | None = None) -> list[str]:
        """Compare every calendar with the oracle; history is left out on both sides."""
        return self._differing(self.wanted(now), now)

    def _differing(self, wanted: dict[str, list[Expected]], now: str | None = None) -> list[str]:
        moment = datetime.fromisoformat(now or self.now)
        held = {m: [e for e in found if e.end > moment] for m, found in self.held().items()}
        lines = []
        for mailbox in sorted(wanted.keys() | held.keys()):
            missing, surplus = missing_and_surplus(wanted.get(mailbox, []), held.get(mailbox, []))
            lines += [f"{mailbox} lacks {entry}" for entry in missing]
            lines += [f"{mailbox} has {entry}" for entry in surplus]
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
        """Wait until every calendar, or that one, is as it should be, or fail with what differs.

        They are compared, which takes long, whenever requests to Exchange have come and ended.
        """
        wanted, end = self.wanted(), monotonic() + seconds
        asked = self.requests_to_exchange()
        while lines := [li for li in self._differing(wanted) if li.startswith(mailbox)]:
            assert monotonic() < end, lines
            asked = self._asked_again(asked, min(monotonic() + COMPARED_ANYWAY, end))

    def _asked_again(self, compared: int, end: float) -> int:
        """Wait, at most until then, for more requests to Exchange and for a pause in them."""
        pause, before = threading.Event(), compared
        while monotonic() < end:
            pause.wait(0.1)
            asked = self.requests_to_exchange()
            if compared != asked == before:
                break
            before = asked
        return before


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
