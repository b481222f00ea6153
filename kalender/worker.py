"""Claim what is due, do it, finish, retry or park it; until stopped.

A parent that has imported everything forks the processes and starts anew those that die. In each
process every connection is a thread with a claim of its own; the process' first thread keeps
house: heartbeats, what time alone makes due, and TP's list of changes.
"""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import structlog
from sqlalchemy import Connection

from kalender import __version__
from kalender.domain import backoff
from kalender.domain.work import Kind, Lane, Mark
from kalender.errors import (
    ClaimLost,
    KalenderError,
    MailboxMissing,
    NeighbourError,
    NeighbourRefused,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.reconcile import reconcile
from kalender.refresh import Sources, refresh_course, refresh_person
from kalender.store import bulk, dirty, neighbours, people, teaching
from kalender.store.database import Database
from kalender.store.dirty import Claim
from kalender.visit import Means

log = structlog.get_logger()
AT_ONCE = 4  # calendars claimed together
OLDEST_EACH = 8  # every eighth claim goes to the oldest work of all
IDLE_SECONDS = 0.25
UNTIL_IDLE_WITHIN = timedelta(seconds=30)
BEAT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What one worker process needs."""

    database: Database
    sources: Sources
    means: Means
    connections: int
    lease: timedelta
    verify_every: timedelta
    poll_every: timedelta | None

    @property
    def neighbours(self) -> Mapping[Kind, Sequence[str]]:
        """Which neighbours each kind of work needs."""
        return {
            Kind.COURSE: ("tp",),
            Kind.PERSON: ("fs",),
            Kind.CALENDAR: tuple(f"exchange.{name}" for name in self.means.exchanges),
        }


def supervise(
    make: Callable[[], Crew], stop: threading.Event, *, processes: int, until_idle: bool = False
) -> None:
    """Fork worker processes and start anew those that die, until stopped or all are idle.

    `make` builds what a process needs; it is called after the fork, in the child.
    """
    context = get_context("fork")

    def start() -> BaseProcess:
        child = context.Process(target=_child, args=(make, os.getpid(), until_idle))
        child.start()
        return child

    children = [start() for _ in range(processes)]
    told = False
    while children:
        wait([child.sentinel for child in children], timeout=0.5)
        if stop.is_set() and not told:
            told = True
            for child in children:
                child.terminate()
        for child in [each for each in children if not each.is_alive()]:
            children.remove(child)
            child.join()
            if child.exitcode != 0 and not stop.is_set():
                log.error("worker_died", exit_code=child.exitcode)
                stop.wait(1.0)
                children.append(start())


def _child(make: Callable[[], Crew], parent: int, until_idle: bool) -> None:  # noqa: FBT001
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(make(), stop, until_idle=until_idle, orphaned=lambda: os.getppid() != parent)


def run(
    crew: Crew,
    stop: threading.Event,
    *,
    until_idle: bool = False,
    orphaned: Callable[[], bool] = lambda: False,
) -> None:
    """Work in this process until stopped, or until nothing is due soon."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    hands = [
        threading.Thread(target=_Hand(crew, f"{name}:{n}", stop).work, name=f"hand-{n}")
        for n in range(crew.connections)
    ]
    for hand in hands:
        hand.start()
    try:
        _keep_house(crew, name, stop, until_idle=until_idle, orphaned=orphaned)
    finally:
        stop.set()
        for hand in hands:
            hand.join()
        with crew.database.write() as connection:
            neighbours.stopped(connection, name)


# -- keeping house ---------------------------------------------------------------------------------


def _keep_house(
    crew: Crew,
    name: str,
    stop: threading.Event,
    *,
    until_idle: bool,
    orphaned: Callable[[], bool],
) -> None:
    beaten = float("-inf")
    while not (stop.is_set() or orphaned()):
        try:
            if time.monotonic() - beaten > BEAT_SECONDS:
                _beat(crew, name)
                beaten = time.monotonic()
            _mark_by_time(crew, verifies=not until_idle)
            if until_idle and not _waits(crew):
                return
        except KalenderError as error:
            log.warning("house_not_kept", error=str(error))
        stop.wait(IDLE_SECONDS if until_idle else 1.0)


def _beat(crew: Crew, name: str) -> None:
    with crew.database.write() as connection:
        neighbours.beat(
            connection, name, kind="worker", version=__version__, connections=crew.connections
        )


def _waits(crew: Crew) -> bool:
    with crew.database.read() as connection:
        return dirty.waits(connection, within=UNTIL_IDLE_WITHIN)


def _mark_by_time(crew: Crew, *, verifies: bool) -> None:
    """Mark what became due by the clock alone."""
    with crew.database.write() as connection:
        dirty.mark_what_is_due(connection)
        moved = bulk.changing_by_time(connection, crew.means.clock())
        people.mark_calendars(connection, moved, reason="time has come", lane=Lane.LIVE)
        if verifies:
            seconds = crew.verify_every.total_seconds()
            looked = bulk.to_verify(connection, older_than=seconds, most=50)
            people.mark_calendars(connection, looked, reason="verify", lane=Lane.VERIFY)
    if crew.poll_every is not None:
        poll(crew, crew.poll_every)


def poll(crew: Crew, every: timedelta) -> None:
    """Ask TP which courses changed, where no other worker did so lately."""
    with crew.database.write() as connection:
        now = teaching.database_time(connection)
        last = teaching.was_read(connection, "lastchanged", "")
        if last is not None and now - last < every:
            return
        teaching.record_reading(connection, "lastchanged", "", now)
    if last is None:
        return
    shift = crew.means.clock() - now  # TP's list is on the domain's clock
    try:
        changed = crew.sources.timetables.changed_since(last + shift - every)
    except (NeighbourError, TransientError, PermanentError):
        with crew.database.write() as connection:
            teaching.record_reading(connection, "lastchanged", "", last)
        raise
    with crew.database.write() as connection:
        marks = [Mark(kind=Kind.COURSE, key=str(key), reason="tp lastchanged") for key in changed]
        dirty.mark(connection, marks)


# -- one connection --------------------------------------------------------------------------------


class _Hand:
    """One thread that claims and does."""

    def __init__(self, crew: Crew, name: str, stop: threading.Event) -> None:
        self.crew = crew
        self.name = name
        self.stop = stop
        self.turn = random.randrange(OLDEST_EACH)  # noqa: S311
        self.ailing: set[str] = set()
        self.failed: set[str] = set()  # while doing what was claimed together

    def work(self) -> None:
        """Claim and do until stopped."""
        while not self.stop.is_set():
            try:
                claims = self._claim()
            except NeighbourError as error:
                log.warning("neighbour_away", neighbour=error.neighbour, error=str(error))
                self.stop.wait(random.uniform(1, 3))  # noqa: S311
                continue
            if claims:
                self._do_all(claims)
            else:
                self.stop.wait(random.uniform(0.5, 1) * IDLE_SECONDS)  # noqa: S311

    def _claim(self) -> list[Claim]:
        self.turn = (self.turn + 1) % OLDEST_EACH
        with self.crew.database.write() as connection:
            every = [name for names in self.crew.neighbours.values() for name in names]
            self.ailing, shut = neighbours.ailing(connection, every)
            kinds = [k for k, names in self.crew.neighbours.items() if set(names) - shut]
            claims = dirty.claim(
                connection,
                kinds,
                worker=self.name,
                lease=self.crew.lease,
                limit=AT_ONCE,
                oldest=self.turn == 0,
            )
            asked = {name for claim in claims for name in self._needs(claim)}
            neighbours.no_probe(connection, self.ailing - shut - asked)
            return claims

    def _do_all(self, claims: Sequence[Claim]) -> None:
        """Do what can be begun within a third of the lease; give the rest back.

        What needs a neighbour that failed just now is given back as well: nobody knocks twice.
        """
        begun = time.monotonic()
        self.failed.clear()
        for claim in claims:
            late = time.monotonic() - begun > self.crew.lease.total_seconds() / 3
            if late or self.stop.is_set() or self.failed.issuperset(self._needs(claim)):
                self._settle(claim, lambda c, claim=claim: dirty.release(c, claim))
            else:
                self._do(claim)

    def _needs(self, claim: Claim) -> Sequence[str]:
        return self.crew.neighbours[claim.kind]

    def _do(self, claim: Claim) -> None:
        try:
            self._job(claim)
        except ClaimLost:
            log.warning("claim_lost", kind=claim.kind.value, key=_shown(claim))
        except NeighbourError as error:
            self._neighbour_failed(claim, error)
        except OutcomeUnknown as error:
            self._unknown(claim, error)
        except MailboxMissing as error:
            self._retry(claim, str(error), backoff.missing(claim.attempts))
        except TransientError as error:
            self._retry(claim, str(error), self._delay(claim, error))
        except PermanentError as error:
            self._park(claim, str(error))
        except Exception as error:  # noqa: BLE001  # a bug must not stop all others
            log.warning("unexpected", kind=claim.kind.value, key=_shown(claim), error=_where(error))
            self._retry(claim, f"unexpected {type(error).__name__}", self._delay(claim, None))

    def _job(self, claim: Claim) -> None:
        match claim.kind:
            case Kind.COURSE:
                refresh_course(self.crew.sources, claim)
                self._answered("tp")
            case Kind.PERSON:
                refresh_person(self.crew.sources, claim)
                self._answered("fs")
            case Kind.CALENDAR:
                asked = reconcile(self.crew.means, claim)
                if asked is not None:
                    self._answered(f"exchange.{asked}")

    def _answered(self, name: str) -> None:
        """Lift a pause, where there is one."""
        if name in self.ailing:
            with self.crew.database.write() as connection:
                neighbours.answered(connection, name)

    def _unknown(self, claim: Claim, error: OutcomeUnknown) -> None:
        """The calendar is left alone for a while; where Exchange looks away, it is counted."""
        quiet = max(each.server_seconds for each in self.crew.means.exchanges.values())
        after = max(error.retry_after or timedelta(), timedelta(seconds=quiet))
        if error.neighbour is None:
            self._retry(claim, str(error), max(after, self._delay(claim, error)))
        else:
            self._give_back(claim, error.neighbour, error, after)

    def _delay(self, claim: Claim, error: TransientError | None) -> timedelta:
        asked = error.retry_after if error is not None else None
        return backoff.next_try(claim.attempts, retry_after=asked, jitter=random.random())  # noqa: S311

    def _neighbour_failed(self, claim: Claim, error: NeighbourError) -> None:
        if error.neighbour == "database":
            log.warning("neighbour_away", neighbour=error.neighbour, error=str(error))
            return self._database_failed(claim, str(error))
        after = error.retry_after or timedelta(seconds=random.uniform(2, 5))  # noqa: S311
        self._give_back(claim, error.neighbour, error, min(after, timedelta(minutes=1)))
        return None

    def _database_failed(self, claim: Claim, error: str) -> None:
        """It may only have ended one of two transactions that stood in each other's way.

        A calendar waits for its lease to run out: something may have been sent.
        """
        if claim.kind is not Kind.CALENDAR:
            after = timedelta(seconds=random.uniform(1, 3))  # noqa: S311
            self._settle(claim, lambda c: dirty.postpone(c, claim, after=after, why=error))

    def _give_back(
        self, claim: Claim, name: str, error: NeighbourError | OutcomeUnknown, after: timedelta
    ) -> None:
        """Nobody's fault here: no attempt is counted, but the neighbour's failure is."""
        log.warning("neighbour_away", neighbour=name, error=str(error))
        self.failed.add(name)

        def give_back(connection: Connection) -> None:
            neighbours.failed(
                connection,
                name,
                key=claim.key,
                error=str(error),
                retry_after=error.retry_after,
                refused=isinstance(error, NeighbourRefused),
            )
            dirty.postpone(connection, claim, after=after, why=str(error))

        self._settle(claim, give_back)

    def _retry(self, claim: Claim, error: str, after: timedelta) -> None:
        log.warning(
            "retried",
            kind=claim.kind.value,
            key=_shown(claim),
            attempts=claim.attempts + 1,
            seconds=round(after.total_seconds()),
            error=error,
        )
        self._settle(claim, lambda c: dirty.retry(c, claim, after=after, error=error))

    def _park(self, claim: Claim, error: str) -> None:
        log.warning("parked", kind=claim.kind.value, key=_shown(claim), error=error)
        after = self._delay(claim, None)
        self._settle(claim, lambda c: dirty.park(c, claim, error=error, after=after))

    def _settle(self, claim: Claim, write: Callable[..., None]) -> None:
        """Record what becomes of a claim; where that fails, its lease runs out."""
        try:
            with self.crew.database.write() as connection:
                write(connection)
        except (ClaimLost, NeighbourError) as error:
            log.warning("not_recorded", kind=claim.kind.value, error=type(error).__name__)


def _shown(claim: Claim) -> str:
    """Return a key fit for a log: usernames are not."""
    return claim.key if not claim.key.startswith("username ") else "username"


def _where(error: BaseException) -> str:
    """Return an error's class and innermost place: never its text, which may quote anything."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} in {place}"
