"""One run: a filled installation, a day's changes, somebody killed at one point, and the judgement."""

import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Lock
from time import monotonic
from typing import Literal

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from kalender.app import App
from kalender.domain.work import Kind, Mark
from kalender.store import queue
from tests import databases
from tests.chaos.director import GO, Director, Hold
from tests.chaos.grounds import FAULTS, Loop
from tests.chaos.installation import (
    LEASE,
    SECRET,
    TOKEN,
    VISIBLE,
    Command,
    environment,
    signalled,
    through,
)
from tests.chaos.judge import WAITING, Found, judge, leaks, secrets_of
from tests.chaos.moves import Migration, Operator
from tests.chaos.points import is_batch
from tests.chaos.process import POINTS, SABOTAGE
from tests.chaos.queue import Queue
from tests.chaos.sabotage import SERVER_SECONDS, Backend
from tests.chaos.template import Template, copy_university, house_on, looking_engine, opened
from tests.chaos.university import DAYS, Added, Campus, additions, meetings, taken_away
from tests.fakes.proxy import Proxy

Death = Literal["none", "kill", "kill-all"]
Mishap = Literal["none", "stop", "cut", "restore"]
# Longer than a trial of credentials holds whose process was killed (60 seconds).
PATIENCE = 90.0
MOVES = "moves"  # the day on which mailboxes move at once
PAUSE = 0.2  # seconds between two looks at what a run waits for: each asks the database twice
LATE = (0.05, 0.3, 0.6)  # seconds that Exchange works on a request whose client is gone
LATEST = 0.95  # less than what its settings say
DEAD = ("chain", "chain-lost")  # what happens to a batch of Graph's, beside coming late, where
# nobody waits for its answer
ASKED = """
    SELECT (SELECT count(*) FROM course_run WHERE asked_at > :since AND course IN ({courses}))
         + (SELECT count(*) FROM person p JOIN identity i USING (person_id)
            WHERE i.kind = 'fs' AND i.value IN ({persons}) AND p.fs_asked_at > :since)
"""
UNREST = {
    "waits": "SELECT kind, key, reason, attempts, due_at, not_before, claimed_until, last_error,"
    " CURRENT_TIMESTAMP FROM dirty WHERE parked_at IS NULL",
    "course": "SELECT course, semester, asked_at FROM course_run",
    "calendar": "SELECT calendar_id, quiet_until, look_again_at FROM calendar"
    " WHERE look_again_at IS NOT NULL",
    "neighbour": "SELECT * FROM neighbour",
    "move": "SELECT * FROM move WHERE done_at IS NULL",
}
LAST_LINES = 30  # of each log, where a run does not come to rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What happens in a run: a death at one point, and maybe a mishap besides at another.

    `moves` is the script by which mailboxes move, from the moment when somebody is at the point on.
    """

    day: str
    kind: str = "postgresql"
    backend: Backend = "ews"
    death: Death = "none"
    point: str | None = None
    mishap: Mishap = "none"
    besides: str | None = None
    moves: str = ""
    seed: int = 1
    sabotage: str | None = None

    @property
    def on_graph(self) -> bool:
        """Whether everybody's mailbox is on Graph."""
        return self.backend != "ews"

    def __str__(self) -> str:
        """The words that replay it, fit for any shell."""
        points = (self.death, self.point or "", self.mishap, self.besides or "", self.moves)
        return ",".join((self.day, self.kind, self.backend, *points)).replace(" ", "~")


@dataclass
class Outcome:
    """How a run ended."""

    case: Case
    found: Found = field(default_factory=Found)
    seen: list[str] = field(default_factory=list)
    reached: bool = False
    moved: int = 0  # mailboxes
    decided: bool = False  # by an operator, of what moved
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
        self.engine: Engine = looking_engine(self.url)
        stack.callback(self.engine.dispose)
        university = copy_university(template, directory)
        self.grounds = stack.enter_context(
            opened(
                loop, university, template.exchange, on_graph=case.on_graph, both=bool(case.moves)
            )
        )
        self.migration: Migration | None = None
        self.moving: Future[None] | None = None
        if case.moves:  # on their own day always the same ones, else whoever is at the point too
            point = "" if case.day == MOVES else self._chosen[0]
            named = point.removeprefix("calendar ").partition(" ")[0]
            self.migration = Migration(self.grounds, case.moves, f"{case.seed} {point}", named)
        if self.grounds.world.cloud is not None:
            settings = self.grounds.world.cloud.settings
            settings.transaction_ids = case.backend != "graph-ignoring-ids"
            settings.visible_after = VISIBLE
        self.environment = environment(on_graph=case.on_graph, both=bool(case.moves))
        points = [point for point in (case.point, case.besides) if point is not None]
        self.director = Director(directory / "points", points, template.names)
        stack.callback(self.director.close)
        self.grounds.director = self.director
        self.proxies: list[Proxy] = []
        self.queue = Queue(broker, stack)
        seen = self._through(broker) if case.mishap == "cut" else broker
        named = f'[broker]\nurl = "{seen}"\nqueues = ["{self.queue.name}"]\n'
        database = self.url
        if case.mishap == "cut" and case.kind == "postgresql":
            database = self._through(self.url)
        self.house = house_on(
            directory,
            self.grounds,
            university,
            database,
            named,
            on_graph=case.on_graph,
            both=bool(case.moves),
        )
        self.operator = Operator(self.house, self.engine, self.environment)
        self.commands: dict[str, Command] = {}
        self.reviving, self.over = Lock(), Event()
        self.backup, self.backed_up_at = directory / "backup", App.machine_now()
        if case.mishap == "restore":
            databases.dump(self.url, self.backup)

    def _through(self, url: str) -> str:
        led, proxy = self.stack.enter_context(through(url))
        self.proxies.append(proxy)
        return led

    @property
    def _chosen(self) -> list[str]:
        """The point that this run is about, if it is about one."""
        return [point for point in (self.case.point or self.case.besides,) if point is not None]

    # -- the story ------------------------------------------------------------------------------

    def play(self, outcome: Outcome) -> None:
        """Change the university, do what is to be done at the point, and judge at rest."""
        before, self.meetings = additions(self.grounds), meetings(self.grounds)
        for name in ("listener", "worker"):
            self._start(name)
            self.stack.callback(self._end, name)
        if self.case.day == MOVES:
            self._move()
        announced = self._change()
        besides = self.stack.enter_context(ThreadPoolExecutor(1)).submit(self._besides, announced)
        self.stack.callback(self.over.set)
        self._at_the_point(announced, besides)
        if self.moving is not None:
            self.moving.result(PATIENCE)
        rested = self._rests(announced, PATIENCE)
        self.over.set()
        besides.result(PATIENCE)
        rested = rested and self._rests(announced, PATIENCE)
        self.director.listening = False
        outcome.seen = list(self.director.seen)
        outcome.reached = all(self.director.holds[point].reached.is_set() for point in self._chosen)
        if self.migration is not None and self.moving is not None:
            outcome.moved = len(self.migration.addresses)
            for _ in range(2):  # what arrived late after the one is found by the other
                self.operator.look_everywhere()
                rested = rested and self._rests(announced, PATIENCE)
            outcome.decided = self.operator.decided
        for name in ("listener", "worker"):
            self._end(name)
        self._wait(lambda: self.grounds.late == 0, PATIENCE)
        self.grounds.rest()
        self._judge(outcome.found, before, rested=rested)

    def _start(self, name: str) -> None:
        broken = self.case.sabotage or ""
        own = {POINTS: str(self.director.address), SABOTAGE: broken}
        if broken in SERVER_SECONDS:
            own["KALENDER_EXCHANGE__MAIN__SERVER_SECONDS"] = SERVER_SECONDS[broken]
        own["KALENDER_WORKER__STATE_DIR"] = str(self.directory / "state")
        if self.case.mishap == "stop":  # nobody else in the process that is woken
            own["KALENDER_WORKER__CONNECTIONS"] = "1"
        words = [name, "--processes", "2"] if name == "worker" else [name]
        self.commands[name] = Command(self.house, words, {**self.environment, **own})

    def _end(self, name: str) -> None:
        command = self.commands[name]
        if command.alive():
            signalled(command.pid, signal.SIGTERM)
            if not command.wait(10):
                command.kill()
                command.wait(5)

    def _change(self) -> list[str]:
        self.told = told = DAYS[self.case.day](Campus(self.house, self.case.seed))
        with self.engine.connect() as connection:
            self.since = connection.execute(text("SELECT CURRENT_TIMESTAMP")).scalar_one()
        for routing_key, subject in told:
            self.queue.publish(routing_key, subject)
        return [subject for _, subject in told]

    def _move(self) -> None:
        """Let mailboxes move if they are to: at once to the first phase, and then by themselves."""
        if self.migration is not None:
            self.migration.begin()
            self.moving = self.stack.enter_context(ThreadPoolExecutor(1)).submit(self._go_on)

    def _go_on(self) -> None:
        """Look for all that moved as soon as nobody is held, and move on meanwhile."""
        assert self.migration is not None
        self.operator.look_everywhere()
        self.migration.go_on()

    # -- rest -----------------------------------------------------------------------------------

    def _rests(self, announced: list[str], seconds: float) -> bool:
        """Wait until all that was announced has been asked for, and nothing waits any more."""
        subjects = {subject.partition("/")[::2] for subject in announced}
        courses = {name.partition(",")[0] for kind, name in subjects if kind == "course"}
        persons = {name for kind, name in subjects if kind == "personer"}
        asked = ASKED.format(courses=_quoted(courses), persons=_quoted(persons))

        def rests() -> bool:
            self._revive()
            try:
                if self.migration is not None and self.migration.is_over.is_set():
                    self.operator.decide()
                with self.engine.connect() as connection:
                    known = connection.execute(text(asked), {"since": self.since}).scalar_one()
                    waiting = connection.execute(text(WAITING)).scalar_one()
            except DBAPIError:  # it is being restored
                return False
            return known >= len(courses) + len(persons) and not waiting

        return self._wait(rests, seconds)

    def _revive(self) -> None:
        """Start anew whatever command died."""
        with self.reviving:
            for name, command in self.commands.items():
                if not command.alive():
                    self._start(name)

    def _wait(self, until: Callable[[], bool], seconds: float) -> bool:
        end = monotonic() + seconds
        while not until():
            if monotonic() > end:
                return False
            self.pause.wait(PAUSE)
        return True

    # -- what happens at the points ---------------------------------------------------------------

    def _at_the_point(self, announced: list[str], besides: Future[None]) -> None:
        """Wait for somebody, or for rest without anybody; kill who is there.

        A mishap that is under way besides may bring more work: there is no rest before it is over.
        """
        if self.case.point is None:
            return
        hold, begun = self.director.holds[self.case.point], monotonic()
        while not hold.reached.wait(PAUSE):
            long = monotonic() - begun
            began = self.case.besides and self.director.holds[self.case.besides].reached.is_set()
            is_calm = besides.done() or not began
            if long > PATIENCE or (long > 1 and is_calm and self._rests(announced, 0.0)):
                hold.release()  # whoever comes later is not held
                return
        if self.case.day != MOVES:
            self._move()
        signalled(hold.pid, signal.SIGKILL)
        if self.case.death == "kill-all":
            for command in self.commands.values():
                command.kill()
        hold.release(self._meanwhile(self.case.point, "late", "drop", DEAD))

    def _besides(self, announced: list[str]) -> None:
        """Let the mishap happen, where anybody comes by."""
        if self.case.besides is None:
            return
        hold = self.director.holds[self.case.besides]
        while not hold.reached.wait(PAUSE):
            if self.over.is_set():
                return
        if self.case.mishap == "stop":
            self._stop(hold, self.case.besides, announced)
        elif self.case.mishap == "restore":
            self._restore(hold, self.case.besides)
        else:
            self._cut(hold, self.case.besides)

    def _cut(self, hold: Hold, point: str) -> None:
        """Cut the request's connection, or those of the database and the broker."""
        order = self._meanwhile(point, "late", "drop", tuple(FAULTS))
        if order == GO:
            for proxy in self.proxies:
                proxy.cut()
        hold.release(order)

    def _restore(self, hold: Hold, point: str) -> None:
        """Put the backup of the beginning back under running workers; the operator comes later.

        Whoever restores knows it; with the memory taken away it is seen what follows where nobody
        does. Half of the runs restore in place, the others into a new database of the same name.
        """
        hold.release(self._meanwhile(point, "late", "drop"))
        self.pause.wait(0.5)
        in_place = sum(point.encode()) % 2 == 0
        restore = databases.restore_in_place if in_place else databases.restore_anew
        restore(self.url, self.backup)
        for routing_key, subject in self.told:
            self.queue.publish(routing_key, subject)
        refused = self._wait(lambda: not self.commands["worker"].alive(), LEASE)
        if refused or not self.case.sabotage:
            since = self.backed_up_at.isoformat()
            self.house.run("recover", "--since", since, "--yes", env=self.environment)

    def _stop(self, hold: Hold, point: str, announced: list[str]) -> None:
        """Stop it beyond its lease, till others did its work; wake it when there is more to do."""
        signalled(hold.pid, signal.SIGSTOP)
        if point.endswith("after send"):
            hold.release(self._meanwhile(point, "slow", GO))
        self.pause.wait(LEASE)
        self._rests(announced, LEASE)
        others = [pid for pid in self.commands["worker"].children() if pid != hold.pid]
        for pid in others:
            signalled(pid, signal.SIGSTOP)
        self._mark_all()
        hold.release()
        signalled(hold.pid, signal.SIGCONT)
        self.pause.wait(0.8)
        for pid in others:
            signalled(pid, signal.SIGCONT)

    def _meanwhile(
        self, point: str, unanswered: str, answered: str, faults: Sequence[str] = ()
    ) -> str:
        """Return what becomes of the request that is held at a point, if it is one.

        `faults` may happen to a batch of Graph's as well.
        """
        if point.endswith("after send"):
            number = sum(point.encode())
            fault = number % (len(faults) + 1)  # 0: none of them
            if fault and is_batch(point) and not self.case.sabotage:
                return f"fault {faults[fault - 1]}"
            late = LATEST if self.case.sabotage else LATE[number % len(LATE)]
            return f"{unanswered} {late}"
        return answered if point.endswith("after processing") else GO

    def _mark_all(self) -> None:
        """Mark every calendar, as any notification may; not where the stopped one has a lock."""
        if self.case.kind == "sqlite":
            return
        marks = [Mark(kind=Kind.CALENDAR, key=key, reason="test") for key in self.template.names]
        with suppress(OperationalError), self.engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = 300"))
            queue.mark(connection, marks)

    # -- the judgement ------------------------------------------------------------------------------

    def _restless(self) -> list[str]:
        """Say what still waited when patience ended, and which neighbours were paused."""
        with self.engine.connect() as connection:
            return [
                "never at rest",
                *(
                    f"{name}: {tuple(row)}"
                    for name, query in UNREST.items()
                    for row in connection.execute(text(query))
                ),
                *(
                    line
                    for path in sorted(self.directory.glob("*.log"))
                    for line in path.read_text().splitlines()[-LAST_LINES:]
                ),
            ]

    def _judge(self, found: Found, before: set[Added], *, rested: bool) -> None:
        result = judge(self.house, self.grounds, self.engine, self.template.created, self.migration)
        found.doubled, found.foreign = result.doubled, result.foreign
        taken = taken_away(self.grounds, before)
        found.lost = result.lost + [f"{box}: what its owner added" for box, _, _ in sorted(taken)]
        on_graph_alone = self.case.on_graph and not self.case.moves  # EWS may write to meetings
        if on_graph_alone and meetings(self.grounds) != self.meetings:
            found.foreign.append("a meeting is not as its user left it")
        found.other = result.other if rested else [*self._restless(), *result.other]
        words = secrets_of(self.house.university) | {SECRET, TOKEN}
        found.other += leaks(self.directory.glob("*.log"), words)


def _quoted(words: set[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words)) or "NULL"
