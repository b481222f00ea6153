"""Counts of what happened, over all processes and machines: added up in the database.

A process counts in memory and gives what it has every few seconds; what dies with it is what it had
not given yet. Counts stand by the hour for two days, those of entries and of what was unannounced
for eight, then they are folded into one row, so that a total never shrinks. A label is its values
joined by spaces; what they mean the name says:

==========================  =============================================================
requests                    neighbour, outcome (`ok`, or the error's class)
request_seconds             neighbour
request_bucket              neighbour, upper bound in seconds (cumulative, as Prometheus' are)
work                        kind, outcome (`done`, `unchanged`, or the error's class)
work_seconds, work_bucket   kind; kind, upper bound
adds                        kind: marks, those of work that waits already too
entries                     operation, cause
latency_seconds, _bucket    source: from a notification to a calendar
left_out                    source, field or collection: what could not be read, the rest taken
messages, rejected          queue
unannounced                 source: what a resync found changed that no notification had told
==========================  =============================================================
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from kalender.store.database import Database, Key, database_time
from kalender.store.sql import db_now, upsert
from kalender.store.tables import queue_seen, tally

KEPT_BY_HOUR = timedelta(hours=48)
WRITTEN = ("entries", "unannounced")  # which are looked at hour by hour, and kept longer
KEPT_LONGER = timedelta(days=8)
FOLDED = datetime(1970, 1, 1, tzinfo=UTC)


def give(database: Database) -> None:
    """Add what this process counted to the database; where that is away, it is kept."""
    values = database.counts.take()
    if not values:
        return
    try:
        with database.write() as connection:
            add(connection, values)
    except BaseException:
        database.counts.merge(values)
        raise


def add(connection: Connection, counts: Mapping[Key, float]) -> None:
    """Add counts to those of this hour."""
    if not counts:
        return
    saw(connection, sorted(label for name, label in counts if name == "messages"))
    hour = database_time(connection).replace(minute=0, second=0, microsecond=0)
    rows = [
        {"name": name, "label": label, "hour": hour, "value": value}
        for (name, label), value in sorted(counts.items())  # no two writers deadlock
    ]
    _add(connection, rows)


def saw(connection: Connection, queues: Sequence[str], *, first: bool = False) -> None:
    """Remember that a queue gave a message just now; `first`: that we began to listen to it."""
    for queue in queues:
        new = upsert(connection.dialect.name, queue_seen).values(queue=queue, seen_at=db_now())
        values = {"seen_at": new.excluded.seen_at}
        connection.execute(
            new.on_conflict_do_nothing()
            if first
            else new.on_conflict_do_update(index_elements=["queue"], set_=values)
        )


def silence(connection: Connection) -> dict[str, float]:
    """Return how many seconds ago each queue gave its last message."""
    moment = database_time(connection)
    return {
        queue: max((moment - seen_at).total_seconds(), 0.0)
        for queue, seen_at in connection.execute(select(queue_seen.c.queue, queue_seen.c.seen_at))
    }


def _add(connection: Connection, rows: list[dict[str, object]]) -> None:
    new = upsert(connection.dialect.name, tally)
    values = {"value": tally.c.value + new.excluded.value}
    connection.execute(
        new.on_conflict_do_update(index_elements=["name", "label", "hour"], set_=values), rows
    )


def fold(connection: Connection) -> None:
    """Fold the hours of more than two days ago, or eight, into one row each."""
    moment = database_time(connection)
    is_kept = tally.c.name.in_(WRITTEN) & (tally.c.hour >= moment - KEPT_LONGER)
    is_old = (tally.c.hour < moment - KEPT_BY_HOUR) & (tally.c.hour > FOLDED) & ~is_kept
    summed = func.sum(tally.c.value).label("value")
    query = select(tally.c.name, tally.c.label, summed).where(is_old)
    rows = connection.execute(query.group_by(tally.c.name, tally.c.label)).mappings().all()
    if rows:
        _add(connection, [{**row, "hour": FOLDED} for row in rows])
        connection.execute(delete(tally).where(is_old))


def totals(connection: Connection, *, within: timedelta | None = None) -> dict[Key, float]:
    """Return the sums by name and label: of all time, or of the hours that began so lately."""
    summed = func.sum(tally.c.value)
    query = select(tally.c.name, tally.c.label, summed).group_by(tally.c.name, tally.c.label)
    if within is not None:
        query = query.where(tally.c.hour > database_time(connection) - within)
    return {(name, label): value for name, label, value in connection.execute(query)}


def by_hour(
    connection: Connection, name: str, since: datetime, until: datetime
) -> dict[tuple[datetime, str], float]:
    """Return one counter's values by the hour that began within these instants, and by label."""
    query = select(tally.c.hour, tally.c.label, tally.c.value).where(
        tally.c.name == name, tally.c.hour >= since, tally.c.hour < until
    )
    return {(hour, label): value for hour, label, value in connection.execute(query)}
