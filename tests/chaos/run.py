"""One run: a filled installation, a day's changes, somebody killed at one point, and the judgement."""

import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import Literal

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from kalender.domain.work import Kind, Mark
from kalender.store import dirty
from tests.chaos.director import GO, Director
from tests.chaos.grounds import Loop
from tests.chaos.installation import ENVIRONMENT, LEASE, Command, signalled, through
from tests.chaos.judge import WAITING, Found, judge, leaks, secrets_of
from tests.chaos.process import POINTS, SABOTAGE
from tests.chaos.queue import Queue
from tests.chaos.sabotage import SERVER_SECONDS
from tests.chaos.template import Template, copy_university, looking, opened
from tests.chaos.university import DAYS, NOW, Added, Campus, additions, taken_away
from tests.e2e.house import House
from tests.fakes.proxy import Proxy

Action = Literal["none", "kill", "kill-all", "stop", "cut"]
PATIENCE = 60.0
LATE = (0.0, 0.4, 0.7)  # seconds that Exchange works on a request whose client is gone
ASKED = """
    SELECT (SELECT count(*) FROM course_run WHERE asked_at > :since AND course IN ({courses}))
         + (SELECT count(*) FROM person p JOIN identity i USING (person_id)
            WHERE i.kind = 'fs' AND i.value IN ({persons}) AND p.fs_asked_at > :since)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What happens in a run; with no point nothing does, and its points are numbered."""

    day: str
    point: str | None = None
    action: Action = "none"
    kind: str = "postgresql"
    seed: int = 1
    sabotage: str | None = None

    def __str__(self) -> str:
        """The words that replay it."""
        return "/".join((self.day, self.kind, self.action, self.point or ""))


@dataclass
class Outcome:
    """How a run ended."""

    case: Case
    found: Found = field(default_factory=Found)
    seen: list[str] = field(default_factory=list)
    reached: bool = False
    seconds: float = 0.0


def carry_out(case: Case, template: Template, loop: Loop, broker: str) -> Outcome:
    """Do one run from its copy of the database to its judgement."""
    outcome, begun = Outcome(case), monotonic()
    directory = Path(mkdtemp(prefix="kalender-chaos-"))
    try:
        with ExitStack() as stack:
            Run(case, template, loop, broker, directory, stack).play(outcome)
    finally:
        outcome.seconds = monotonic() - begun
        shutil.rmtree(directory, ignore_errors=True)
    return outcome


class Run:
    """Everything that one run has of its own."""

    def __init__(
        self,
        case: Case,
        template: Template,
        loop: Loop,
        broker: str,
        directory: Path,
        stack: ExitStack,
    ) -> None:
        self.case, self.template, self.directory, self.stack = case, template, directory, stack
        self.pause = threading.Event()
        self.url = template.databases.make(template.database)
        stack.callback(template.databases.drop, self.url)
        self.engine: Engine = looking(self.url)
        stack.callback(self.engine.dispose)
        university = copy_university(template, directory)
        self.grounds = stack.enter_context(opened(loop, university, template.exchange))
        self.director = Director(directory / "points", case.point, template.names)
        stack.callback(self.director.close)
        self.grounds.director = self.director
        self.proxies: list[Proxy] = []
        self.queue = Queue(broker, stack)
        seen = self._through(broker) if case.action == "cut" else broker
        named = f'[broker]\nurl = "{seen}"\nqueues = ["{self.queue.name}"]\n'
        database = self.url
        if case.action == "cut" and case.kind == "postgresql":
            database = self._through(self.url)
        self.house = House(directory, university, self.grounds, database, NOW, broker=named)
        self.commands: dict[str, Command] = {}

    def _through(self, url: str) -> str:
        led, proxy = self.stack.enter_context(through(url))
        self.proxies.append(proxy)
        return led

    # -- the story ------------------------------------------------------------------------------

    def play(self, outcome: Outcome) -> None:
        """Change the university, do what is to be done at the point, and judge at rest."""
        before = additions(self.grounds)
        for name in ("listener", "worker"):
            self._start(name)
            self.stack.callback(self._end, name)
        announced = self._change()
        if self.case.point is not None:
            self._at_the_point(announced)
        rested = self._rests(announced, PATIENCE)
        self.director.listening = False
        outcome.seen, outcome.reached = list(self.director.seen), self.director.reached.is_set()
        for name in ("listener", "worker"):
            self._end(name)
        self._wait(lambda: self.grounds.late == 0, PATIENCE)
        self._judge(outcome.found, before, rested=rested)

    def _start(self, name: str) -> None:
        broken = self.case.sabotage or ""
        own = {POINTS: str(self.director.address), SABOTAGE: broken}
        if broken in SERVER_SECONDS:
            own["KALENDER_EXCHANGE__MAIN__SERVER_SECONDS"] = SERVER_SECONDS[broken]
        if self.case.action == "stop":  # nobody else in the process that is woken
            own["KALENDER_WORKER__CONNECTIONS"] = "1"
        words = [name, "--processes", "2"] if name == "worker" else [name]
        self.commands[name] = Command(self.house, words, {**ENVIRONMENT, **own})

    def _end(self, name: str) -> None:
        command = self.commands[name]
        if command.alive():
            signalled(command.pid, signal.SIGTERM)
            if not command.wait(10):
                command.kill()
                command.wait(5)

    def _change(self) -> list[str]:
        told = DAYS[self.case.day](Campus(self.house, self.case.seed))
        with self.engine.connect() as connection:
            self.since = connection.execute(text("SELECT CURRENT_TIMESTAMP")).scalar_one()
        for routing_key, subject in told:
            self.queue.publish(routing_key, subject)
        return [subject for _, subject in told]

    # -- rest -----------------------------------------------------------------------------------

    def _rests(self, announced: list[str], seconds: float) -> bool:
        """Wait until all that was announced has been asked for, and nothing waits any more."""
        subjects = {subject.partition("/")[::2] for subject in announced}
        courses = {name.partition(",")[0] for kind, name in subjects if kind == "course"}
        persons = {name for kind, name in subjects if kind == "personer"}
        asked = ASKED.format(courses=_quoted(courses), persons=_quoted(persons))

        def rests() -> bool:
            self._revive()
            with self.engine.connect() as connection:
                known = connection.execute(text(asked), {"since": self.since}).scalar_one()
                waiting = connection.execute(text(WAITING)).scalar_one()
            return known >= len(courses) + len(persons) and not waiting

        return self._wait(rests, seconds)

    def _revive(self) -> None:
        """Start anew whatever command died."""
        for name, command in self.commands.items():
            if not command.alive():
                self._start(name)

    def _wait(self, until: Callable[[], bool], seconds: float) -> bool:
        end = monotonic() + seconds
        while not until():
            if monotonic() > end:
                return False
            self.pause.wait(0.05)
        return True

    # -- what happens at the point -----------------------------------------------------------------

    def _at_the_point(self, announced: list[str]) -> None:
        """Wait for it, or for rest without it; then do what is to be done there."""
        calm = monotonic()
        while not self.director.reached.wait(0.05):
            if monotonic() - calm > 1 and self._rests(announced, 0.0):
                return
            if monotonic() - calm > PATIENCE:
                return
        match self.case.action:
            case "kill" | "kill-all":
                self._kill()
            case "stop":
                self._stop(announced)
            case "cut":
                self._cut()
            case "none":
                self.director.release()

    def _kill(self) -> None:
        """Kill whoever is there, alone or with all others; Exchange may still be working."""
        signalled(self.director.pid, signal.SIGKILL)
        if self.case.action == "kill-all":
            for command in self.commands.values():
                command.kill()
        self.director.release(f"late {self._late()}" if self._is("after send") else "drop")

    def _cut(self) -> None:
        """Cut the request's connection, or those of the database and the broker."""
        if self._is("after send"):
            self.director.release(f"late {self._late()}")
        elif self._is("after processing"):
            self.director.release("drop")
        else:
            for proxy in self.proxies:
                proxy.cut()
            self.director.release()

    def _stop(self, announced: list[str]) -> None:
        """Stop it beyond its lease, till others did its work; wake it when there is more to do."""
        stopped = self.director.pid
        signalled(stopped, signal.SIGSTOP)
        if self._is("after send"):
            self.director.release(f"slow {self._late()}")
        self.pause.wait(LEASE)
        self._rests(announced, LEASE)
        others = [pid for pid in self.commands["worker"].children() if pid != stopped]
        for pid in others:
            signalled(pid, signal.SIGSTOP)
        self._mark_all()
        self.director.release(GO)
        signalled(stopped, signal.SIGCONT)
        self.pause.wait(0.8)
        for pid in others:
            signalled(pid, signal.SIGCONT)

    def _mark_all(self) -> None:
        """Mark every calendar, as any notification may; not where the stopped one has a lock."""
        if self.case.kind == "sqlite":
            return
        marks = [Mark(kind=Kind.CALENDAR, key=key, reason="test") for key in self.template.names]
        with suppress(OperationalError), self.engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = 300"))
            dirty.mark(connection, marks)

    def _is(self, when: str) -> bool:
        return (self.case.point or "").endswith(when)

    def _late(self) -> float:
        return LATE[sum((self.case.point or "").encode()) % len(LATE)] or 0.05

    # -- the judgement ------------------------------------------------------------------------------

    def _judge(self, found: Found, before: set[Added], *, rested: bool) -> None:
        result = judge(self.house, self.grounds, self.engine, self.template.created)
        found.doubled, found.foreign = result.doubled, result.foreign
        taken = taken_away(self.grounds, before)
        found.lost = result.lost + [f"{box}: what its owner added" for box, _, _ in sorted(taken)]
        found.other = result.other if rested else ["never at rest", *result.other]
        found.other += leaks(self.directory.glob("*.log"), secrets_of(self.house.university))


def _quoted(words: set[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words)) or "NULL"
