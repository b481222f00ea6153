"""What was written to calendars: a page of the change log, and how much of it in each hour."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from kalender.domain.timetable import midnight
from kalender.domain.work import Cause
from kalender.store import acts, counters, courses
from kalender.store.acts import Filter
from kalender.store.database import database_time
from kalender.store.tables import entry

HOUR = timedelta(hours=1)
GONE = ("delete", "remove", "release")
"""The operations that take an entry out of a calendar, or leave it to its user."""
MADE = ("create", "adopt")
"""The operations after which an entry is there that was not."""
FOUND = ("gone",)
"""What was found, and not done: its user deleted an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write to a calendar. `starts_at` None: the event is not known any more."""

    change_id: int
    at: datetime
    operation: str
    person_id: int
    calendar_id: int
    course: str
    event_id: str
    reason: str
    cause: Cause
    noticed_at: datetime | None  # when what led to it was first told of
    starts_at: datetime | None
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A page of changes, the latest first; `before` begins the next page, None where none is."""

    changes: tuple[Change, ...]
    before: tuple[datetime, int] | None


def changes(connection: Connection, filters: Filter) -> Changes:
    """Return a page of the change log; protected persons are not in it."""
    more = replace(filters, limit=filters.limit + 1, with_protected=False)
    rows = acts.writes_of(connection, more)
    page = rows[: filters.limit]
    told = courses.told_of(connection, {row.event_id for row in page})
    lacking = {row.sync_key for row in page if row.event_id not in told}
    query = select(entry.c.sync_key, entry.c.starts_at, entry.c.course)
    records = {
        row.sync_key: row
        for row in connection.execute(query.where(entry.c.sync_key.in_(sorted(lacking))))
    }
    result = []
    for row in page:
        event, record = told.get(row.event_id), records.get(row.sync_key)
        course = event.activity.course if event is not None else record.course if record else ""
        starts_at = event.starts_at if event is not None else record.starts_at if record else None
        result.append(
            Change(
                change_id=row.change_id,
                at=row.at,
                operation=row.operation,
                person_id=row.person_id,
                calendar_id=row.calendar_id,
                course=row.course or course,
                event_id=row.event_id,
                reason=row.reason,
                cause=Cause.of(row.cause),
                noticed_at=row.noticed_at,
                starts_at=starts_at,
                title=event.title if event is not None else "",
            )
        )
    is_last = len(rows) <= filters.limit
    before = None if is_last else (page[-1].at, page[-1].change_id)
    return Changes(changes=tuple(result), before=before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What was made, changed and taken away in the hour that began then.

    `found` counts entries that their users had deleted.
    """

    at: datetime
    creates: int = 0
    updates: int = 0
    deletes: int = 0
    found: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfChanges:
    """A local day in hours, and what a source had not announced in it.

    `hours` None: they are not kept that long, and no course or cause bounds them.
    """

    day: date
    hours: tuple[Hour, ...] | None
    unannounced: Mapping[str, int]  # source -> changes that no notification had told of


def day_of_changes(
    connection: Connection, day: date, zone: ZoneInfo, filters: Filter
) -> DayOfChanges:
    """Return how much was written in each hour of a day, of what the filters let through.

    The counters tell it, which are kept for eight days; of a course the change log is counted.
    """
    since, until = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    totals: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    unannounced: defaultdict[str, int] = defaultdict(int)
    for (_, source), value in counters.by_hour(connection, "unannounced", since, until).items():
        unannounced[source] += round(value)
    if filters.course is not None:
        bounded = replace(filters, since=since, until=until, with_protected=False)
        for hour in acts.writes_by_hour(connection, bounded):
            totals[hour.at][_kind(hour.operation)] += hour.writes
    elif since < database_time(connection) - counters.KEPT_LONGER:
        return DayOfChanges(day=day, hours=None, unannounced=unannounced)
    else:
        labels = {Cause.of(cause).label for cause in filters.causes}
        for (at, label), value in counters.by_hour(connection, "entries", since, until).items():
            operation, _, cause = label.partition(" ")
            if filters.what in {None, operation} and (not labels or cause in labels):
                totals[at][_kind(operation)] += round(value)
    count = round((until - since) / HOUR)
    hours = [since + n * HOUR for n in range(count)]
    return DayOfChanges(
        day=day,
        hours=tuple(Hour(at=at, **totals.get(at, {})) for at in hours),
        unannounced=unannounced,
    )


def _kind(operation: str) -> str:
    if operation in GONE:
        return "deletes"
    if operation in FOUND:
        return "found"
    return "creates" if operation in MADE else "updates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """One resync of everything: who asked for it, when it ended, and its counts in words."""

    at: datetime
    who: str
    changed_persons: int | None
    result: str


def resyncs(connection: Connection, since: datetime, until: datetime) -> list[Resync]:
    """Return the resyncs of everything that ended within these instants, the latest first."""
    rows = acts.acts(connection, Filter(what="resync --all", since=since, until=until, limit=20))
    return [
        Resync(
            at=row.at,
            who=row.who,
            changed_persons=row.count,
            result=row.reason or "",
        )
        for row in rows
    ]
