"""One connection: claim what is due, do it, finish, retry or park it; until stopped."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from kalender.domain import backoff
from kalender.domain.work import Kind
from kalender.errors import (
    ClaimLost,
    MailboxMissing,
    NeighbourError,
    NeighbourRefused,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.reconcile import reconcile
from kalender.refresh import refresh_course, refresh_person
from kalender.store import dirty, neighbours
from kalender.store.dirty import Claim
from kalender.worker.crew import Crew

log = structlog.get_logger()
AT_ONCE = 4  # calendars claimed together
OLDEST_EACH = 8  # every eighth claim goes to the oldest work of all
IDLE_SECONDS = 0.25


class Hand:
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
