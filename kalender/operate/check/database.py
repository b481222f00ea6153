"""Tries the database: its answer, its tables and clock, and what it holds of other trials' kind."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from kalender.app import App
from kalender.operate import queries
from kalender.operate.check.trial import Trial, TrialOutcome, failed, ok, warned
from kalender.store import heartbeats, migrations, people, unreadable
from kalender.store.database import Database, database_time

CLOCKS_APART = timedelta(seconds=5)
MOST = 10  # clashes that are named


def answers(database: Database) -> TrialOutcome:
    """Ask for the time, and say which kind of database it is."""
    database.now()
    return ok(database.engine.name)


def migration(database: Database) -> TrialOutcome:
    """Compare the tables with those of this release; others may be worked with and are warned of."""
    current, newest = migrations.current(database), migrations.newest()
    if current == newest:
        return ok(f"current, at {current}")
    is_behind = current is None or current in migrations.revisions()
    text = (
        f"{'behind' if is_behind else 'ahead'}: at {current or 'no tables'}, "
        f"this release knows {newest}"
    )
    remedy = migrations.remedy(current)
    return warned(text, remedy) if migrations.is_workable(current) else failed(text, remedy)


def unreadable_items(database: Database) -> TrialOutcome:
    """Say how many items could not be read when they came last, and which of them the oldest are."""
    with database.read() as connection:
        counts = unreadable.counts(connection)
        oldest = [
            unreadable.items(connection, source=count.source, collection=count.collection, limit=3)
            for count in counts
        ]
    if not counts:
        return ok("none")
    collections = [
        f"{count.source} {count.collection} {count.count} ({'; '.join(map(str, examples))})"
        for count, examples in zip(counts, oldest, strict=True)
    ]
    remedy = "have them mended there; kalender show PERSON or --course CODE tells why"
    return warned(", ".join(collections), remedy)


def usernames(database: Database) -> TrialOutcome:
    """Say of whom FS tells one username: one person has it, and the other waits."""

    def name(fs_number: int | None) -> str:
        return "a protected person" if fs_number is None else f"FS number {fs_number}"

    with database.read() as connection:
        clashes = people.clashes(connection)
    if not clashes:
        return ok("each is one person's")
    pairs = [f"{name(clash.holder)} has that of {name(clash.claimant)}" for clash in clashes]
    remedy = "correct one of the two in FS: whoever had it first keeps it until then"
    return warned(f"FS tells one username of two persons: {', '.join(pairs[:MOST])}", remedy)


def clocks(wired: App, database: Database) -> TrialOutcome:
    """Compare the database's clock with this machine's, halfway through the question."""
    before = wired.machine_now()
    there = database.now()
    middle = before + (wired.machine_now() - before) / 2
    text = f"the database's is {(there - middle).total_seconds():+.1f} s from ours"
    remedy = "synchronise both with the same source of time (NTP)"
    return ok(text) if abs(there - middle) <= CLOCKS_APART else failed(text, remedy)


def pauses(database: Database) -> Iterator[Trial]:
    """Say of each neighbour, and of bulk work, that is left alone why; nothing of the others."""
    with database.read() as connection:
        now, neighbours = database_time(connection), queries.neighbours(connection)
    for neighbour in neighbours:
        name, error = neighbour.name, neighbour.last_error
        if neighbour.held_until is not None:
            text = f"paused by hand by {neighbour.held_by} ({neighbour.held_reason})"
            remedy = f"kalender resume {name} ends it"
        elif neighbour.refused:
            text = f"refused our credentials {neighbour.refused} times in half an hour ({error})"
            remedy = f"mend the account or its secret; kalender resume {name} lets one request try"
        elif neighbour.paused_until is not None and neighbour.paused_until > now:
            text = f"left alone for a moment after {neighbour.failures} failures ({error})"
            remedy = f"it is tried again by itself; kalender resume {name} does so at once"
        else:
            continue
        yield Trial(name=f"{name} paused", run=partial(warned, text, remedy), remedy="")


def connections(wired: App, database: Database) -> TrialOutcome:
    """Sum what all workers may open: those alive, and those that this machine would start."""
    config, here = wired.config, wired.config.worker.processes * wired.config.worker.connections
    with database.read() as connection:
        processes, live = heartbeats.alive(connection)
    limits = [limiter.limits for limiter in wired.limiters(database).by_name.values()]
    at_once = ", ".join(f"{limit.name} {limit.most}" for limit in limits)
    rates = ", ".join(f"{limit.name} {limit.per_second:g}" for limit in limits if limit.per_second)
    text = (
        f"{live} of {processes} live worker processes, {here} configured here; at once at most"
        f" {at_once}"
    ) + (f"; in a second at most {rates}" if rates else "")
    backends = config.exchange.backends.values()
    if max(live, here) > min(backend.max_connections for backend in backends):
        remedy = "run fewer workers or lower worker.connections, or raise max_connections"
        return failed(text, remedy)
    return ok(text)
