"""One connection: claim what is due, do it, finish, retry or park it; until stopped."""

import random
import threading
import time
from collections.abc import Collection, Sequence
from functools import partial

import structlog

from kalender.domain.neighbour import backend_of
from kalender.domain.work import Kind
from kalender.errors import KalenderError, NeighbourError, StateInDoubt
from kalender.mirror.course import refresh_course
from kalender.mirror.person import refresh_person
from kalender.neighbours import breaker
from kalender.reconcile.desired import CalendarState
from kalender.reconcile.reconcile import finish_unchanged, reconcile
from kalender.store import queue
from kalender.store.queue import Claim
from kalender.worker.context import WorkerContext
from kalender.worker.outcomes import Outcomes, where

log = structlog.get_logger()
# A claim takes as much work as is done in 0.4 seconds, since what is more urgent waits for the first
# thread that is free, and at most 4 pieces; up to 1,000 where most turn out to be calendars that are
# as they should be.
CLAIM_SECONDS = 0.4
CLAIMED_TOGETHER = 4
CLAIMED_AT_MOST = 1000
# Every eighth claim goes to the oldest work of all. Bulk work makes no room for urgent work in such a
# claim, nor in that of a thread which found nothing for `queue.ROOM_AFTER` seconds. So urgent work
# without end slows a fill down, and does not stop it.
OLDEST_EACH = 8
IDLE_SECONDS = 0.25


class WorkerThread:
    """One thread that claims and does."""

    def __init__(self, context: WorkerContext, name: str, stop: threading.Event) -> None:
        self.context = context
        self.name = name
        self.stop = stop
        self.turn = random.randrange(OLDEST_EACH)  # noqa: S311
        self.claimed_at = time.monotonic()  # when it last found work, or began
        self.probing: frozenset[str] = (
            frozenset()
        )  # neighbours that failed lately, and are asked first
        self.outcomes = Outcomes(context)
        self.failed: set[str] = set()  # while doing what was claimed together
        self.at_once = CLAIMED_TOGETHER
        self.takes = 0.0  # seconds for a piece of work, of late
        self.calendar_states: dict[str, CalendarState] = {}  # of the calendars claimed together

    def work(self) -> None:
        """Claim and do until stopped."""
        idle = False
        while not self.stop.is_set():
            self.context.liveness.work()
            try:
                if idle:  # to ask costs less than half of trying to claim
                    with self.context.database.read() as connection:
                        idle = not queue.is_due(connection, list(self.context.neighbours))
                claims = [] if idle else self._claim_work()
            except Exception as error:  # noqa: BLE001  # a bug must not leave a process without threads
                if isinstance(error, NeighbourError):
                    log.warning("neighbour_away", neighbour=error.neighbour, error=str(error))
                else:
                    log.warning("unexpected", doing="claim", error=where(error))
                self.stop.wait(random.uniform(1, 3))  # noqa: S311
                continue
            idle = not claims
            if claims:
                self._do_all(self._without_unchanged(claims))
            else:
                self.stop.wait(random.uniform(0.5, 1) * IDLE_SECONDS)  # noqa: S311

    # -- claims -----------------------------------------------------------------------------------

    def _claim_work(self) -> list[Claim]:
        """Claim what may be asked for, with a slot at each neighbour that it needs."""
        limiters = self.context.limiters
        has_made_room = time.monotonic() - self.claimed_at > queue.ROOM_AFTER
        claims: list[Claim] = []
        try:
            with self.context.database.write() as connection:
                failed_lately, shut = limiters.look(connection)
                reserved = {name for name in limiters.names - shut if limiters[name].reserve()}
                other_backends = [backend_of(name) for name in limiters.names - reserved]
                neighbours = self.context.neighbours.items()
                claims = queue.claim(
                    connection,
                    [kind for kind, names in neighbours if reserved.intersection(names)],
                    worker=self.name,
                    lease=self.context.lease,
                    limit=self.at_once,
                    oldest=self.turn == 0,
                    not_of=[name for name in other_backends if name is not None],
                    not_bulk=limiters.bulk_is_held,
                    makes_room=self.turn != 0 and not has_made_room,
                )
                to_ask = {name for claim in claims for name in self._needs(claim)}
                self.probing = failed_lately & reserved & to_ask
                not_asked = failed_lately - shut - self.probing
        except Exception:
            claims = []
            limiters.invalidate()
            raise
        finally:
            self._free(but={name for claim in claims for name in self._needs(claim)})
        self._asked_nothing(not_asked)
        if claims:
            self.turn = (self.turn + 1) % OLDEST_EACH
            self.claimed_at = time.monotonic()
        return claims

    def _without_unchanged(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Finish what needs no request, all of it together; give back more than a few others.

        The more of it there is, the more is claimed the next time.
        """
        calendars = [claim for claim in claims if claim.kind is Kind.CALENDAR]
        self.calendar_states = {}
        try:
            self.calendar_states = finish_unchanged(self.context.reconcile_context, calendars)
        except KalenderError:
            return claims
        changed_claims = [
            claim
            for claim in claims
            if claim.kind is not Kind.CALENDAR or claim.key in self.calendar_states
        ]
        unchanged = len(claims) - len(changed_claims)
        self.context.database.counts.add("work", Kind.CALENDAR.value, "unchanged", value=unchanged)
        # how much to do before the next claim: the slower it is, the less
        limit = max(1, min(CLAIMED_TOGETHER, int(CLAIM_SECONDS / max(self.takes, 0.001))))
        self.at_once = min(max(2 * unchanged, limit), CLAIMED_AT_MOST)
        if to_release := changed_claims[limit:]:
            self.outcomes.record(lambda connection: queue.release_all(connection, to_release))
        return changed_claims[:limit]

    def _free(self, *, but: Collection[str] = ()) -> None:
        for name in self.context.limiters.names.difference(but):
            self.context.limiters[name].free()

    def _do_all(self, claims: Sequence[Claim]) -> None:
        """Do what can be begun within a third of the lease; give the rest back.

        What needs a neighbour that failed just now is given back as well: nobody knocks twice.
        """
        begun_at = time.monotonic()
        self.failed.clear()
        for claim in claims:
            late = time.monotonic() - begun_at > self.context.lease.total_seconds() / 3
            if late or self.stop.is_set() or self.failed.issuperset(self._needs(claim)):
                self.outcomes.release(claim)
            else:
                self._do(claim)
                self.context.liveness.work()
        self._free()
        self._asked_nothing(self.probing - self.failed)

    def _asked_nothing(self, names: Collection[str]) -> None:
        """Let others be the probe of these; with no lock held: they are locked in order of name."""
        if names:
            self.outcomes.record(lambda connection: breaker.no_probe(connection, names))

    def _needs(self, claim: Claim) -> Sequence[str]:
        return self.context.neighbours[claim.kind]

    def _do(self, claim: Claim) -> None:
        limiters = [self.context.limiters[name] for name in self._needs(claim)]
        for limiter in limiters:
            limiter.begin()
        begun_at = time.monotonic()
        try:
            self._job(claim)
        except StateInDoubt:
            self.stop.set()  # the process ends; its memory knows why
            return
        except Exception as error:  # noqa: BLE001  # a bug must not stop all others
            self.context.database.counts.add("work", claim.kind.value, type(error).__name__)
            neighbour = self.outcomes.handle_failure(claim, error)
            self.failed |= {neighbour} if neighbour else set()
            return
        took = time.monotonic() - begun_at
        self.takes = (3 * self.takes + took) / 4
        self.context.database.counts.add("work", claim.kind.value, "done")
        self.context.database.counts.time("work", claim.kind.value, seconds=took)
        self._answered([limiter.name for limiter in limiters if limiter.heard])

    def _job(self, claim: Claim) -> None:
        match claim.kind:
            case Kind.COURSE:
                refresh_course(self.context.refresh_context, claim)
            case Kind.PERSON:
                refresh_person(self.context.refresh_context, claim)
            case Kind.CALENDAR:
                reconcile(
                    self.context.reconcile_context, claim, self.calendar_states.pop(claim.key, None)
                )

    def _answered(self, names: Collection[str]) -> None:
        """Lift a pause, where there is one and something was asked."""
        for name in self.probing.intersection(names):
            self.outcomes.record(partial(breaker.answered, name=name))
            self.context.limiters[name].invalidate()
        self.probing = self.probing.difference(names)
