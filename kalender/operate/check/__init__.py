"""Tries the settings and each connection as the service would; whatever fails, the rest is tried.

Everything goes the way that production goes: the same adapters and, where there are tables, the
same gates, so that trying never locks a service account out. Queues are looked at, not declared.
"""

from collections.abc import Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from kalender.app import App
from kalender.broker import by_hand
from kalender.config.sections import Broker
from kalender.domain.model import Semester
from kalender.errors import KalenderError
from kalender.neighbours.limiter import Limiters
from kalender.operate import queries
from kalender.operate.check import certificates, own_entry, sources
from kalender.operate.check.trial import (
    Line,
    Said,
    State,
    Trial,
    Trials,
    failed,
    not_tried,
    ok,
    warned,
)
from kalender.sources.http import Limiter
from kalender.store import heartbeats, migrations, people, unreadable
from kalender.store.database import Database, may_write
from kalender.store.database import now as database_now

__all__ = ["Asked", "Line", "State", "check"]

CLOCKS_APART = timedelta(seconds=5)
AS_THE_SERVICE = "run check as the service does (docs/operations.md, By hand)"
MOST = 10  # clashes that are named
UNKNOWABLE = (
    "type and dead-lettering cannot be seen by AMQP:"
    " rabbitmqctl list_queues name type arguments policy"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What may be tried in Exchange: a mailbox to open, to write into, and one to be refused."""

    mailbox: str | None = None
    write: bool = False
    must_fail: str | None = None


def check(
    wired: App,
    asked: Asked,
    *,
    lacking: str | None = None,
    open_to_others: Collection[str] = (),
) -> Iterator[Line]:
    """Try everything, and tell each end at once; the tables must not be there.

    `lacking`: which secret is not given; then, or where our role only reads, no neighbour is asked:
    a refusal could not be counted. `open_to_others`: the files of secrets that others may read.
    """
    trials, database = Trials(), wired.database()
    try:
        yield from trials.run([*_database(wired, database)])
        tables = trials.states["migration"] in (State.OK, State.WARNED)
        reads_only = tables and not _may_count(database)
        yield from trials.run([*_secrets(lacking, open_to_others, reads_only=reads_only)])
        if tables:
            yield from trials.run([*_pauses(database)])
        if lacking is not None or reads_only:
            yield from trials.run([*_totals(wired, database)])
            return
        gates = wired.gates(database) if tables else None
        yield from trials.run([*_broker(wired), *_sources(wired, gates)])
        for name in wired.config.exchange.backends:
            yield from trials.run([*_exchange(wired, name, gates, asked, trials)])
        yield from trials.run([*_totals(wired, database)])
        if gates is not None:
            _give_up(database, gates)
    finally:
        database.close()


def _give_up(database: Database, gates: Limiters) -> None:
    try:
        with database.write() as connection:
            gates.give_up(connection)
    except KalenderError:
        return  # our turns run out by themselves


# -- settings and database ----------------------------------------------------------------------------


def _database(wired: App, database: Database) -> Iterator[Trial]:
    yield Trial(what="settings", run=lambda: ok(f"roll-out {wired.config.rollout.mode}"), remedy="")
    mend = "look at database.url, and whether the server runs and lets us in"
    yield Trial(what="database", run=lambda: _answers(database), remedy=mend)
    yield Trial(what="migration", run=lambda: _migration(database), remedy=mend, needs=["database"])
    yield Trial(
        what="unreadable items",
        run=lambda: _unreadable(database),
        remedy="run kalender db upgrade",
        needs=["migration"],
    )
    yield Trial(
        what="usernames",
        run=lambda: _usernames(database),
        remedy="run kalender db upgrade",
        needs=["migration"],
    )
    yield Trial(
        what="clocks", run=lambda: _clocks(wired, database), remedy=mend, needs=["database"]
    )


def _may_count(database: Database) -> bool:
    with database.read() as connection:
        return may_write(connection, "neighbour")


def _secrets(
    lacking: str | None, open_to_others: Collection[str], *, reads_only: bool
) -> Iterator[Trial]:
    """Say of the secrets who may read them, and what cannot be tried by whom we run as."""
    if lacking is not None and not reads_only:
        yield Trial(what="secrets", run=lambda: failed(lacking, AS_THE_SERVICE), remedy="")
    elif open_to_others:
        named = ", ".join(open_to_others)
        said = warned(
            f"others on this machine may read {named}",
            f"chmod o-r {named}, and change what was in it",
        )
        yield Trial(what="secrets", run=lambda: said, remedy="")
    if reads_only:
        partly = not_tried(f"our role of the database only reads: {AS_THE_SERVICE}")
        yield Trial(what="neighbours", run=lambda: partly, remedy="")


def _pauses(database: Database) -> Iterator[Trial]:
    """Say of each neighbour, and of bulk work, that is left alone why; of the others nothing."""
    with database.read() as connection:
        now, neighbours = database_now(connection), queries.neighbours(connection)
    for neighbour in neighbours:
        name, error = neighbour.name, neighbour.last_error
        if neighbour.held_until is not None:
            said = f"paused by hand by {neighbour.held_by} ({neighbour.held_reason})"
            remedy = f"kalender resume {name} ends it"
        elif neighbour.refused:
            said = f"refused our credentials {neighbour.refused} times in half an hour ({error})"
            remedy = f"mend the account or its secret; kalender resume {name} lets one request try"
        elif neighbour.paused_until is not None and neighbour.paused_until > now:
            said = f"left alone for a moment after {neighbour.failures} failures ({error})"
            remedy = f"it is tried again by itself; kalender resume {name} does so at once"
        else:
            continue
        yield Trial(what=f"{name} paused", run=partial(warned, said, remedy), remedy="")


def _answers(database: Database) -> Said:
    database.now()
    return ok(database.engine.name)


def _migration(database: Database) -> Said:
    found, newest = migrations.current(database), migrations.newest()
    remedy = migrations.remedy(found)
    if found == newest:
        return ok(f"current, at {found}")
    state = "behind" if found is None or found in migrations.revisions() else "ahead"
    text = f"{state}: at {found or 'no tables'}, this release knows {newest}"
    return warned(text, remedy) if migrations.is_workable(found) else failed(text, remedy)


def _unreadable(database: Database) -> Said:
    """Say how many items could not be read when they came last, and which of them the oldest are."""
    with database.read() as connection:
        counts = unreadable.counts(connection)
        oldest = [
            unreadable.items(connection, source=each.source, collection=each.collection, limit=3)
            for each in counts
        ]
    if not counts:
        return ok("none")
    told = [
        f"{each.source} {each.collection} {each.count} ({'; '.join(map(str, items))})"
        for each, items in zip(counts, oldest, strict=True)
    ]
    remedy = "have them mended there; kalender show PERSON or --course CODE tells why"
    return warned(", ".join(told), remedy)


def _usernames(database: Database) -> Said:
    """Say of whom FS tells one username: one has it, the other waits."""
    with database.read() as connection:
        clashes = people.clashes(connection)
    if not clashes:
        return ok("each is one person's")
    told = [f"{_number(each.holder)} has that of {_number(each.claimant)}" for each in clashes]
    remedy = "correct one of the two in FS: whoever had it first keeps it until then"
    return warned(f"FS tells one username of two persons: {', '.join(told[:MOST])}", remedy)


def _number(fs_number: int | None) -> str:
    return "a protected person" if fs_number is None else f"FS number {fs_number}"


def _clocks(wired: App, database: Database) -> Said:
    before = wired.machine_now()
    there = database.now()
    middle = before + (wired.machine_now() - before) / 2
    text = f"the database's is {(there - middle).total_seconds():+.1f} s from ours"
    remedy = "synchronise both with the same source of time (NTP)"
    return ok(text) if abs(there - middle) <= CLOCKS_APART else failed(text, remedy)


# -- broker -------------------------------------------------------------------------------------------


def _broker(wired: App) -> Iterator[Trial]:
    settings = wired.config.broker
    if settings is None:
        without = not_tried("not configured: only kalender listener --stdin can be used")
        yield Trial(what="broker", run=lambda: without, remedy="")
        return
    mend = "look at [broker] url and ca_file"
    yield Trial(what="broker", run=lambda: _connects(settings), remedy=mend)
    for name in settings.queues:
        look = partial(_queue, settings, name)
        yield Trial(what=f"queue {name}", run=look, remedy=mend, needs=["broker"])


def _connects(settings: Broker) -> Said:
    counts = by_hand.waiting(settings).values()
    return ok(f"connected; {len(counts)} queues, {sum(filter(None, counts))} messages wait")


def _queue(settings: Broker, name: str) -> Said:
    found = by_hand.look_at(settings, name)
    if found is None:
        return failed(
            "it is not there, or not for us", "have it made, bound and granted; or broker.queues"
        )
    return ok(f"{found.messages} waiting, {found.consumers} consumers; {UNKNOWABLE}")


# -- sources ------------------------------------------------------------------------------------------


def _gate(gates: Limiters | None, name: str) -> Limiter:
    return nullcontext if gates is None else gates[name]


def _sources(wired: App, gates: Limiters | None) -> Iterator[Trial]:
    config, semester = wired.config, Semester.of(wired.clock().date())
    fs, tp = wired.fs(_gate(gates, "fs")), wired.tp(_gate(gates, "tp"))
    hour_ago, polled = wired.clock() - timedelta(hours=1), config.tp.poll_seconds > 0
    mend = "look at base_url, paths and credentials of [{}], and ask its people"
    for what, needs, run in (
        ("fs", (), partial(sources.fs_forms, fs, semester)),
        ("fs offers", ("fs",), partial(sources.offer_statuses, fs, semester, config.fs)),
        ("tp", (), partial(sources.tp_courses, tp, semester)),
        ("tp changes", ("tp",), partial(sources.tp_changes, tp, hour_ago, polled=polled)),
    ):
        yield Trial(what=what, run=run, remedy=mend.format(what[:2]), needs=needs)


# -- Exchange -----------------------------------------------------------------------------------------


def _exchange(
    wired: App, name: str, gates: Limiters | None, asked: Asked, trials: Trials
) -> Iterator[Trial]:
    """Nothing more is tried where the mailbox does not open: it would prove nothing."""
    backends = wired.config.exchange.backends
    what, mailbox = f"exchange.{name}", asked.mailbox
    calendars = wired.exchange(name, _gate(gates, what))
    mend = f"look at [{what}], and at what docs/exchange.md asks to be granted"
    if mailbox is None:
        without = not_tried("give --mailbox ADDRESS")
        yield Trial(what=what, run=lambda: without, remedy=mend)
        return
    others = {trials.states.get(f"exchange.{each}") for each in backends if each != name}
    opens = partial(own_entry.opens, calendars, mailbox, elsewhere=bool(others & {None, State.OK}))
    yield Trial(what=what, run=opens, remedy=mend)
    if asked.write:
        run = partial(own_entry.writes, calendars, mailbox, wired.clock())
        yield Trial(what=f"{what} write", run=run, remedy=mend, needs=[what])
    if asked.must_fail is not None:
        impersonate = backends[name].impersonate
        run = partial(own_entry.is_refused, calendars, asked.must_fail, impersonate=impersonate)
        yield Trial(what=f"{what} scope", run=run, remedy=mend, needs=[what])


# -- sums and days ------------------------------------------------------------------------------------


def _totals(wired: App, database: Database) -> Iterator[Trial]:
    yield Trial(
        what="connections",
        run=lambda: _connections(wired, database),
        remedy="look at the database",
        needs=["migration"],
    )
    for name, endpoint in certificates.endpoints(wired.config):
        run = partial(certificates.lasts, endpoint, wired.machine_now())
        mend = "look at its URL and ca_file"
        yield Trial(what=f"certificate {name}", run=run, remedy=mend)


def _connections(wired: App, database: Database) -> Said:
    """Sum what all workers may open, those alive and those that this machine would start."""
    config, own = wired.config, wired.config.worker.processes * wired.config.worker.connections
    with database.read() as connection:
        processes, live = heartbeats.alive(connection)
    doors = [gate.door for gate in wired.gates(database).by_name.values()]
    at_once = ", ".join(f"{door.name} {door.most}" for door in doors)
    rates = ", ".join(f"{door.name} {door.per_second:g}" for door in doors if door.per_second)
    text = (
        f"{live} of {processes} live worker processes, {own} configured here; at once at most"
        f" {at_once}"
    ) + (f"; in a second at most {rates}" if rates else "")
    if max(live, own) > min(each.max_connections for each in config.exchange.backends.values()):
        return failed(
            text, "run fewer workers or lower worker.connections, or raise max_connections"
        )
    return ok(text)
