"""Tries the settings and each connection as the service would; whatever fails, the rest is tried.

Everything goes the way that production goes: the same adapters and, where there are tables, the
same limiters, so that trying never locks a service account out. Queues are looked at, not declared.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from kalender.app import App
from kalender.broker import by_hand
from kalender.config.backends import ApplicationSettings, EwsSettings
from kalender.config.sections import BrokerSettings
from kalender.domain import neighbour
from kalender.domain.model import Semester
from kalender.errors import KalenderError
from kalender.neighbours.limiter import Limiters
from kalender.operate.check import application, certificates, database, own_entry, sources
from kalender.operate.check.names import Named
from kalender.operate.check.trial import (
    Trial,
    TrialOutcome,
    TrialResult,
    Trials,
    TrialState,
    failed,
    not_tried,
    ok,
    warned,
)
from kalender.ports import AroundRequest, Calendars, unlimited
from kalender.sources import configured
from kalender.store.database import Database, may_write

__all__ = ["ExchangeTrials", "TrialResult", "TrialState", "check"]

AS_THE_SERVICE = "run check as the service does (docs/operations.md, By hand)"
UNKNOWABLE = (
    "type and dead-lettering cannot be seen by AMQP:"
    " rabbitmqctl list_queues name type arguments policy"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTrials:
    """What may be tried in Exchange: a mailbox to open, whether to write into it, one to be refused.

    `probe` is a mailbox for a probe's questions, which are asked alone then; who they may invite is
    `attendee`.
    """

    mailbox: str | None = None
    write: bool = False
    must_fail: str | None = None
    probe: str | None = None
    attendee: str | None = None


def check(
    wired: App,
    exchange_trials: ExchangeTrials,
    *,
    lacking: str | None = None,
    open_to_others: Collection[str] = (),
) -> Iterator[TrialResult]:
    """Try everything, and give each result at once; the tables need not be there.

    `lacking` says which secret is not given. Then, or where our role of the database only reads, no
    neighbour is asked, since a refusal could not be counted. `open_to_others` are the files of
    secrets that others on this machine may read.
    """
    trials, opened_database = Trials(), wired.database()
    try:
        yield from trials.run([*_database(wired, opened_database)])
        has_tables = trials.states["migration"] in (TrialState.OK, TrialState.WARNED)
        reads_only = False
        if has_tables:
            with opened_database.read() as connection:
                reads_only = not may_write(connection, "neighbour")
        yield from trials.run([*_secrets(lacking, open_to_others, reads_only=reads_only)])
        if has_tables:
            yield from trials.run([*database.pauses(opened_database)])
        if lacking is not None or reads_only:
            yield from trials.run([*_totals(wired, opened_database)])
            return
        limiters = wired.limiters(opened_database) if has_tables else None
        yield from trials.run([*_broker(wired), *_sources(wired, limiters)])
        for name in wired.config.exchange.backends:
            yield from trials.run(
                [*_exchange(wired, name, limiters, exchange_trials, trials, opened_database)]
            )
        yield from trials.run([*_totals(wired, opened_database)])
        if limiters is not None:
            # Where this fails, our leases run out by themselves.
            with suppress(KalenderError), opened_database.write() as connection:
                limiters.give_up(connection)
    finally:
        opened_database.close()


# -- settings and database ----------------------------------------------------------------------------


def _database(wired: App, opened_database: Database) -> Iterator[Trial]:
    yield Trial(name="settings", run=lambda: ok(f"roll-out {wired.config.rollout.mode}"), remedy="")
    mend, upgrade = (
        "look at database.url, and whether the server runs and lets us in",
        "run kalender db upgrade",
    )
    for name, run, remedy, needs in (
        ("database", partial(database.answers, opened_database), mend, ()),
        ("migration", partial(database.migration, opened_database), mend, ("database",)),
        (
            "unreadable items",
            partial(database.unreadable_items, opened_database),
            upgrade,
            ("migration",),
        ),
        ("usernames", partial(database.usernames, opened_database), upgrade, ("migration",)),
        ("clocks", partial(database.clocks, wired, opened_database), mend, ("database",)),
    ):
        yield Trial(name=name, run=run, remedy=remedy, needs=needs)


def _secrets(
    lacking: str | None, open_to_others: Collection[str], *, reads_only: bool
) -> Iterator[Trial]:
    """Say of the secrets who may read them, and what cannot be tried by whom we run as."""
    if lacking is not None and not reads_only:
        yield Trial(name="secrets", run=lambda: failed(lacking, AS_THE_SERVICE), remedy="")
    elif open_to_others:
        names = ", ".join(open_to_others)
        warning = warned(
            f"others on this machine may read {names}",
            f"chmod o-r {names}, and change what was in it",
        )
        yield Trial(name="secrets", run=lambda: warning, remedy="")
    if reads_only:
        outcome = not_tried(f"our role of the database only reads: {AS_THE_SERVICE}")
        yield Trial(name="neighbours", run=lambda: outcome, remedy="")


# -- broker -------------------------------------------------------------------------------------------


def _broker(wired: App) -> Iterator[Trial]:
    settings = wired.config.broker
    if settings is None:
        outcome = not_tried("not configured: only kalender listener --stdin can be used")
        yield Trial(name="broker", run=lambda: outcome, remedy="")
        return
    mend = "look at [broker] url and ca_file"

    def connects() -> TrialOutcome:
        counts = by_hand.waiting(settings).values()
        return ok(f"connected; {len(counts)} queues, {sum(filter(None, counts))} messages wait")

    yield Trial(name="broker", run=connects, remedy=mend)
    for name in settings.queues:
        run = partial(_queue, settings, name)
        yield Trial(name=f"queue {name}", run=run, remedy=mend, needs=["broker"])


def _queue(settings: BrokerSettings, name: str) -> TrialOutcome:
    """Look at a queue without declaring it; None of `look_at` also means that it is not for us."""
    queue = by_hand.look_at(settings, name)
    if queue is None:
        return failed(
            "it is not there, or not for us", "have it made, bound and granted; or broker.queues"
        )
    return ok(f"{queue.messages} waiting, {queue.consumers} consumers; {UNKNOWABLE}")


# -- sources and Exchange -----------------------------------------------------------------------------


def _limiter(limiters: Limiters | None, name: str) -> AroundRequest:
    return unlimited if limiters is None else limiters[name]


def _sources(wired: App, limiters: Limiters | None) -> Iterator[Trial]:
    config, semester = wired.config, Semester.of(wired.clock().astimezone(wired.zone).date())
    fs = configured.fs(config, _limiter(limiters, neighbour.FS))
    tp = wired.tp(_limiter(limiters, neighbour.TP))
    hour_ago, is_polled = wired.clock() - timedelta(hours=1), config.tp.poll_seconds > 0
    mend = "look at base_url, paths and credentials of [{}], and ask its people"
    for name, needs, run in (
        ("fs", (), partial(sources.fs_forms, fs, semester)),
        ("fs offers", ("fs",), partial(sources.offer_statuses, fs, semester, config.fs)),
        ("tp", (), partial(sources.tp_courses, tp, semester)),
        ("tp changes", ("tp",), partial(sources.tp_changes, tp, hour_ago, polled=is_polled)),
    ):
        yield Trial(name=name, run=run, remedy=mend.format(name[:2]), needs=needs)


def _exchange(
    wired: App,
    backend: str,
    limiters: Limiters | None,
    exchange_trials: ExchangeTrials,
    trials: Trials,
    opened_database: Database,
) -> Iterator[Trial]:
    """Nothing more is tried where the mailbox does not open: it would prove nothing."""
    backends = wired.config.exchange.backends
    settings, name = backends[backend], neighbour.exchange(backend)
    mailbox, limiter = exchange_trials.mailbox, _limiter(limiters, name)
    named = Named(wired, backend, opened_database if limiters is not None else None)
    calendars = wired.exchange(backend, limiter, user_of=named.user_of)
    mend = f"look at [{name}], and at what docs/exchange.md asks to be granted"
    needs: list[str] = []
    if isinstance(settings, ApplicationSettings):
        yield from _application(wired, name, settings, calendars, limiter)
        needs = [f"{name} token"]
    if mailbox is None:
        outcome = not_tried("give --mailbox ADDRESS")
        yield Trial(name=name, run=lambda: outcome, remedy=mend)
        return
    others = [neighbour.exchange(other) for other in backends if other != backend]

    def may_be_elsewhere(what: str = "") -> bool:
        """Whether another Exchange has what this one lacks, or is still to be asked for it."""
        return bool({trials.states.get(other + what) for other in others} & {None, TrialState.OK})

    elsewhere = may_be_elsewhere()
    opens = partial(own_entry.opens, calendars, mailbox, elsewhere=elsewhere, is_known=named.knows)
    yield Trial(name=name, run=opens, remedy=mend, needs=needs)
    if exchange_trials.write:
        run = partial(own_entry.writes, calendars, mailbox, wired.clock(), elsewhere=elsewhere)
        yield Trial(name=f"{name} write", run=run, remedy=mend, needs=[name])
    must_fail = exchange_trials.must_fail
    impersonate = not isinstance(settings, EwsSettings) or settings.impersonate
    if must_fail is not None:
        run = partial(
            own_entry.is_refused,
            calendars,
            must_fail,
            impersonate=impersonate,
            elsewhere=may_be_elsewhere(" scope"),
        )
        yield Trial(name=f"{name} scope", run=run, remedy=mend, needs=[name])


def _application(
    wired: App,
    name: str,
    settings: ApplicationSettings,
    calendars: Calendars,
    limiter: AroundRequest,
) -> Iterator[Trial]:
    """Try how a backend knows us, before it is asked for any mailbox."""
    tokens = getattr(calendars, "tokens")  # noqa: B009 - what every adapter of an application has
    now = wired.machine_now()
    for kind, run in (
        ("token", partial(application.token, tokens, limiter)),
        ("clock", partial(application.clock, tokens)),
        ("credential", partial(application.credential, settings, wired.zone, now)),
    ):
        mend = f"look at tenant, client_id and the credential of [{name}], and ask Entra's people"
        yield Trial(name=f"{name} {kind}", run=run, remedy=mend)


# -- sums and days ------------------------------------------------------------------------------------


def _totals(wired: App, opened_database: Database) -> Iterator[Trial]:
    yield Trial(
        name="connections",
        run=partial(database.connections, wired, opened_database),
        remedy="look at the database",
        needs=["migration"],
    )
    for name, endpoint in certificates.endpoints(wired.config):
        run = partial(certificates.lasts, endpoint, wired.machine_now())
        mend = "look at its URL and ca_file"
        yield Trial(name=f"certificate {name}", run=run, remedy=mend)
