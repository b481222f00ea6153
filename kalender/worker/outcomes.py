"""What becomes of a claim that did not end well: later, laid aside, or as if never claimed.

    error                   this piece of work                        attempt   everybody else
    ClaimLost               another has it; nothing is recorded
    NeighbourShut           given back as it was                      no
    NeighbourUnauthorised   in up to a second                         no        the limiter counts
    NeighbourError          after Retry-After, else in some seconds   no        counted as a failure
    (of the database)       in some seconds                           no
    OutcomeUnknown          after the quiet time, or Retry-After      yes (1)   counted (1)
    MailboxMissing          10 minutes, doubled up to 12 hours        yes
    MailboxDenied           15 minutes, doubled up to 4 hours         yes (2)   counted (2)
    TransientError          doubled up to an hour, or Retry-After     yes
    BadSourceData           as TransientError                         yes       counted, if it is news
    PermanentError          parked                                    yes
    anything else           as TransientError                         yes

(1) Where the error names the neighbour as away, it is counted as the neighbour's failure instead.
(2) Where the mailbox opened before, it is counted as the neighbour's failure as well; once the
    neighbour is paused for that, the work waits a minute, and no attempt is counted.

A neighbour is paused for all after failures with three different keys, for a minute at most, or for
as long as FS or TP asked for (15 minutes at most). What an Exchange asks for concerns the one
calendar that it was said of: of another mailbox it says nothing. Where it asks that of the
application, all wait for exactly so long (15 minutes at most), and that is no failure.
"""

import random
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from kalender.domain import backoff
from kalender.domain.neighbour import DATABASE
from kalender.domain.work import USERNAME, Kind
from kalender.errors import (
    BadSourceData,
    ClaimLost,
    MailboxDenied,
    MailboxMissing,
    NeighbourError,
    NeighbourRefused,
    NeighbourShut,
    NeighbourUnauthorised,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.logs import database_error
from kalender.neighbours import breaker
from kalender.store import queue
from kalender.store.queue import Claim
from kalender.worker.context import WorkerContext

log = structlog.get_logger()
UNREADABLE_LONGEST = timedelta(minutes=10)  # between two tries: the source may be well at any time
REFUSED = timedelta(minutes=1)  # how long work waits that a neighbour refused as a whole
NO_NEWS_AFTER = 5  # unreadable answers of the same piece of work


class Outcomes:
    """Gives claims back."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context

    def handle_failure(self, claim: Claim, error: Exception) -> str | None:
        """Give the work back as its error asks for; return the neighbour that failed it."""
        if isinstance(error, BadSourceData):
            return self._unreadable(claim, error)
        self._end_claim(claim, error)
        if isinstance(error, NeighbourError | OutcomeUnknown | MailboxDenied):
            return error.neighbour
        return None

    def _end_claim(self, claim: Claim, error: Exception) -> None:
        match error:
            case ClaimLost():
                log.warning("claim_lost", kind=claim.kind.value, key=_loggable_key(claim))
            case NeighbourShut():
                self.release(claim)
            case NeighbourError():
                self._neighbour_failed(claim, error)
            case OutcomeUnknown():
                self._unknown(claim, error)
            case MailboxMissing():
                self._retry(claim, str(error), backoff.missing(claim.attempts))
            case MailboxDenied():
                self._denied(claim, error)
            case TransientError():
                self._retry(claim, str(error), self._delay(claim, error))
            case PermanentError():
                text, after = str(error), self._delay(claim, None)
                key = _loggable_key(claim)
                log.warning("parked", kind=claim.kind.value, key=key, error=text)
                self._record_outcome(claim, lambda c: queue.park(c, claim, error=text, after=after))
            case _:
                key = _loggable_key(claim)
                log.warning("unexpected", kind=claim.kind.value, key=key, error=where(error))
                self._retry(claim, f"unexpected {type(error).__name__}", self._delay(claim, None))

    def _unknown(self, claim: Claim, error: OutcomeUnknown) -> None:
        """The calendar is left alone for a while; where Exchange looks away, it is counted."""
        quiet = max(
            exchange.server_seconds
            for exchange in self.context.reconcile_context.exchanges.values()
        )
        after = max(error.retry_after or timedelta(), timedelta(seconds=quiet))
        if error.neighbour is None:
            self._retry(claim, str(error), max(after, self._delay(claim, error)))
        else:
            self._blame_neighbour(claim, error.neighbour, str(error), after)

    def _denied(self, claim: Claim, error: MailboxDenied) -> None:
        """Ask again slowly; where several refuse that opened before, all is the neighbour's."""
        slowly, name = backoff.denied(claim.attempts), error.neighbour
        if name is None:
            self._retry(claim, str(error), slowly)
            return
        why = (
            f"{name}: mailboxes that opened before do not open any more: check the credentials, the "
            "role and the scope of our application"
        )
        log.warning("mailbox_denied", neighbour=name, key=_loggable_key(claim), error=str(error))

        def write(connection: Connection) -> None:
            if breaker.failed(connection, name, key=claim.key, error=why):
                queue.postpone(connection, claim, after=REFUSED, why=why)
            else:
                queue.retry(connection, claim, after=slowly, error=str(error))

        self._record_outcome(claim, write)
        self.context.limiters[name].invalidate()

    def _unreadable(self, claim: Claim, error: BadSourceData) -> str | None:
        """Ask again, and count it as the neighbour's failure; return who failed, if that is news.

        Of what was never answered readably in many tries it is none: the others get on.
        """
        after = min(self._delay(claim, error), UNREADABLE_LONGEST)
        self._retry(claim, str(error), after)
        if claim.attempts >= NO_NEWS_AFTER or error.neighbour not in self.context.limiters.names:
            return None
        name = error.neighbour
        self.record(
            lambda connection: breaker.failed(connection, name, key=claim.key, error=str(error)),
            neighbour=name,
        )
        self.context.limiters[name].invalidate()
        return name

    def _delay(self, claim: Claim, error: TransientError | None) -> timedelta:
        retry_after = error.retry_after if error is not None else None
        return backoff.next_try(claim.attempts, retry_after=retry_after, jitter=random.random())  # noqa: S311

    def _neighbour_failed(self, claim: Claim, error: NeighbourError) -> None:
        log.warning("neighbour_away", neighbour=error.neighbour, error=str(error))
        if error.neighbour == DATABASE:
            self._database_failed(claim, error)
        elif isinstance(error, NeighbourUnauthorised):  # the limiter counts these
            after = timedelta(seconds=random.uniform(0.2, 1))  # noqa: S311
            self._record_outcome(
                claim, lambda c: queue.postpone(c, claim, after=after, why=str(error))
            )
        else:
            self._blame_neighbour(
                claim, error.neighbour, str(error), _wait_of_work(claim, error), error
            )

    def _database_failed(self, claim: Claim, error: NeighbourError) -> None:
        """It may only have ended one of two transactions that stood in each other's way.

        A calendar whose last request may still be worked on waits for its lease to run out.
        """
        self.context.limiters.invalidate()
        if not _is_in_doubt(error):
            after = timedelta(seconds=random.uniform(1, 3))  # noqa: S311
            self._record_outcome(
                claim, lambda c: queue.postpone(c, claim, after=after, why=str(error))
            )

    def _blame_neighbour(
        self,
        claim: Claim,
        name: str,
        why: str,
        after: timedelta,
        error: NeighbourError | None = None,
    ) -> None:
        """Give it back without counting an attempt; what is counted is the neighbour's failure.

        What an Exchange says of when to come again concerns the one calendar, unless it says so of
        all that we ask.
        """
        asked = error.retry_after if error is not None else None
        for_all = asked if claim.kind is not Kind.CALENDAR else None

        def write(connection: Connection) -> None:
            if asked is not None and error is not None and error.concerns_all:
                breaker.asked_to_wait(connection, name, wait=asked, error=why)
            else:
                breaker.failed(connection, name, key=claim.key, error=why, retry_after=for_all)
            queue.postpone(connection, claim, after=after, why=why)

        self._record_outcome(claim, write)
        self.context.limiters[name].invalidate()

    def release(self, claim: Claim) -> None:
        """Give the work back as it was."""
        self._record_outcome(claim, lambda connection: queue.release(connection, claim))

    def _retry(self, claim: Claim, error: str, after: timedelta) -> None:
        log.warning(
            "retried",
            kind=claim.kind.value,
            key=_loggable_key(claim),
            attempts=claim.attempts + 1,
            seconds=round(after.total_seconds()),
            error=error,
        )
        self._record_outcome(claim, lambda c: queue.retry(c, claim, after=after, error=error))

    def _record_outcome(self, claim: Claim, write: Callable[[Connection], None]) -> None:
        """Record what becomes of a claim; where that fails, its lease runs out."""
        self.record(write, kind=claim.kind.value)

    def record(self, write: Callable[[Connection], object], **labels: str) -> None:
        """Write, where the database is there."""
        try:
            with self.context.database.write() as connection:
                write(connection)
        except (ClaimLost, NeighbourError) as error:
            log.warning("not_recorded", error=type(error).__name__, **labels)


def _wait_of_work(claim: Claim, error: NeighbourError) -> timedelta:
    """Return how long a piece of work waits whose neighbour failed it."""
    if error.retry_after is not None:
        longest = backoff.LONGEST if claim.kind is Kind.CALENDAR else breaker.LONGEST_PAUSE
        return min(error.retry_after, longest)
    if isinstance(error, NeighbourRefused):  # it may be this piece of work alone
        return REFUSED
    return timedelta(seconds=random.uniform(2, 5))  # noqa: S311


def _is_in_doubt(error: BaseException | None) -> bool:
    """Whether this came while the unknown outcome of a request was to be recorded."""
    if error is None or isinstance(error, OutcomeUnknown):
        return error is not None
    return _is_in_doubt(error.__cause__) or _is_in_doubt(error.__context__)


def _loggable_key(claim: Claim) -> str:
    """Return a key fit for a log: usernames are not."""
    return claim.key if claim.work.username is None else USERNAME


def where(error: BaseException) -> str:
    """Return an error's class and innermost place: never its text, which may quote anything.

    Of a database's error also SQLSTATE and table.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "?"
    text = "".join(f" {name} {word}" for name, word in database_error(error).items())
    return f"{type(error).__name__}{text} in {place}"
