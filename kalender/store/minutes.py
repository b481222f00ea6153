"""How each minute went: one row for each of three kinds of work, kept for eight days.

The kinds are `live` (what somebody waits for: protection, changes, what a person asked for), `fill`
and `resync` (with verification). A worker records a minute once it is over and what began in it is
counted; of several workers one does. A minute in which no worker lived has no row, and nothing is
made up for it later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from sqlalchemy import Connection, Float, func, literal_column, select

from kalender.domain.work import Lane
from kalender.store.database import Database, database_time
from kalender.store.sql import upsert
from kalender.store.tables import change_log, minute, tally
from kalender.store.views import dirty_now, is_due, ready_at

WorkGroup = Literal["live", "fill", "resync"]
GROUPS: Final[tuple[WorkGroup, ...]] = get_args(WorkGroup)
KEPT = timedelta(days=8)
MINUTE = timedelta(minutes=1)
# Processes give what they counted every ten seconds, and a transaction that began within the minute
# may end after it.
SETTLED = timedelta(seconds=12)
WRITES = ("create", "update", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """How a minute went for one kind of work; `at` is when it began.

    `notifications` came in, whatever they led to: counted under `live`, and None where the minute
    before was not recorded. `written` counts calendars. `oldest_seconds`: for how long the oldest
    due work had been due just after the minute. `p50` and `p95` are seconds from what led to a
    write to the write, None where nothing was written.
    """

    at: datetime
    lane: WorkGroup
    notifications: int | None
    written: int
    oldest_seconds: float
    p50: float | None
    p95: float | None


def group_of(lane: Lane) -> WorkGroup:
    """Return the kind of work under which a lane is counted."""
    if lane < Lane.FILL:
        return "live"
    return "fill" if lane is Lane.FILL else "resync"


def record(database: Database) -> bool:
    """Record the last minute that is over, where nobody did; return whether this call did."""
    with database.read() as connection:
        # the last minute that is over and settled
        at = (database_time(connection) - SETTLED).replace(second=0, microsecond=0) - MINUTE
        recorded = select(minute.c.at).where(minute.c.at == at).limit(1)
        if connection.execute(recorded).first() is not None:
            return False
    with database.write() as connection:
        rows = _rows(connection, at)
        new = upsert(connection.dialect.name, minute).values(rows)
        inserted = new.on_conflict_do_nothing(index_elements=["at", "lane"])
        return connection.execute(inserted.returning(minute.c.lane)).first() is not None


def between(connection: Connection, since: datetime, until: datetime) -> list[Minute]:
    """Return the minutes that began within this time, in their order."""
    columns = [column for column in minute.c if column.name != "messages"]
    query = select(*columns).where(minute.c.at >= since, minute.c.at < until)
    rows = connection.execute(query.order_by(minute.c.at, minute.c.lane))
    return [Minute(**row) for row in rows.mappings()]


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile of numbers in their order, of which there are some."""
    return round(ordered[-(-(len(ordered) - 1) * percent // 100)], 1)


def _rows(connection: Connection, at: datetime) -> list[dict[str, object]]:
    messages = round(connection.execute(_MESSAGES).scalar_one())
    before = select(minute.c.messages).where(minute.c.at == at - MINUTE).limit(1)
    messages_before = connection.execute(before).scalar_one_or_none()
    notifications = None if messages_before is None else max(messages - messages_before, 0)
    moment = database_time(connection)
    oldest = dict.fromkeys(GROUPS, 0.0)
    for lane, due_since in connection.execute(_DUE):
        group = group_of(Lane(lane))
        oldest[group] = max(oldest[group], (moment - due_since).total_seconds())
    calendars: dict[WorkGroup, set[int]] = {group: set() for group in GROUPS}
    seconds: dict[WorkGroup, list[float]] = {group: [] for group in GROUPS}
    elapsed = literal_column(_ELAPSED[connection.dialect.name], Float)
    written = (
        select(change_log.c.lane, change_log.c.calendar_id, elapsed)
        .where(change_log.c.at >= at, change_log.c.at < at + MINUTE)
        .where(change_log.c.operation.in_(WRITES), change_log.c.lane.is_not(None))
    )
    for lane, calendar_id, took in connection.execute(written):
        group = group_of(Lane(lane))
        calendars[group].add(calendar_id)
        if took is not None:
            seconds[group].append(max(took, 0.0))
    return [
        {
            "at": at,
            "lane": group,
            "messages": messages,
            "notifications": notifications if group == "live" else None,
            "written": len(calendars[group]),
            "oldest_seconds": round(oldest[group], 1),
            "p50": percentile(sorted(seconds[group]), 50) if seconds[group] else None,
            "p95": percentile(sorted(seconds[group]), 95) if seconds[group] else None,
        }
        for group in GROUPS
    ]


_MESSAGES = select(func.coalesce(func.sum(tally.c.value), 0)).where(tally.c.name == "messages")
_DUE = select(dirty_now.c.priority, func.min(ready_at)).where(is_due).group_by(dirty_now.c.priority)
_ELAPSED = {
    "postgresql": "CAST(extract(epoch FROM at - noticed_at) AS double precision)",
    "sqlite": "(julianday(at) - julianday(noticed_at)) * 86400.0",
}
