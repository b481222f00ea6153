"""What is right, how fast, how much waits and until when; a question each, for all persons."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Table,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)

from kalender.domain.work import Cause, Kind, Lane
from kalender.store import counters
from kalender.store.database import now
from kalender.store.people import OPT_OUT, PROTECT
from kalender.store.sql import calendar_key
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    db_now,
    dirty,
    entry,
    person,
    placement,
    preference,
    registration,
    teaching_activity,
)

Rows = list[dict[str, Any]]
MOST = 100_000  # rows that the time from notification to calendar is taken from
LATELY = timedelta(minutes=10)  # what a rate is taken from
GONE = ("missing", "lost")
ALIKE = 3  # pieces of work: fewer say nothing of all
WRITES = ("create", "update", "delete")
HOUR, DAY = -3600.0, -86_400.0
ready_at = case((dirty.c.not_before > dirty.c.due_at, dirty.c.not_before), else_=dirty.c.due_at)


# -- what is right -----------------------------------------------------------------------------------


def right_calendars(connection: Connection) -> set[int]:
    """Return the calendars as they should be: written so, and nothing but a look waits for them."""
    same = calendar_key(calendar.c.calendar_id) == dirty.c.key
    waits = exists().where(same, dirty.c.kind == "calendar", dirty.c.priority < int(Lane.VERIFY))
    known = calendar.c.synced_digest.is_not(None) & ~waits
    return set(connection.execute(select(calendar.c.calendar_id).where(known)).scalars())


def right(connection: Connection, inside: Collection[int]) -> Rows:
    """By audience: the calendars inside the roll-out and outside, and how many inside are right.

    Whoever wished to be left alone, or is protected, is outside.
    """
    counts: Counter[tuple[str, str]] = Counter()
    alone = select(preference.c.person_id).where(preference.c.wish.in_((OPT_OUT, PROTECT)))
    theirs = select(calendar.c.calendar_id).where(calendar.c.person_id.in_(alone))
    chosen = frozenset(inside).difference(connection.execute(theirs).scalars())
    known = chosen & right_calendars(connection)
    query = select(calendar.c.calendar_id, calendar.c.audience)
    for calendar_id, audience in connection.execute(query.where(calendar.c.state != "closed")):
        counts[audience, "inside" if calendar_id in chosen else "outside"] += 1
        counts[audience, "right"] += calendar_id in known
    return [
        {"audience": each, **{name: counts[each, name] for name in ("inside", "outside", "right")}}
        for each in sorted({audience for audience, _ in counts})
    ]


# -- from notification to calendar --------------------------------------------------------------------


def latencies(connection: Connection) -> Rows:
    """By source: seconds from a notification to what it led to, of the last day's writes.

    What TP's list of changes told counts from when that was read.
    """
    sources = {cause.value: cause.source for cause in Cause if cause.source is not None}
    query = (
        select(change_log.c.cause, _took(connection))
        .where(change_log.c.at > db_now(DAY), change_log.c.noticed_at.is_not(None))
        .where(change_log.c.operation.in_(WRITES), change_log.c.cause.in_(sources))
        .order_by(change_log.c.at.desc())
        .limit(MOST)
    )
    took: defaultdict[str, list[float]] = defaultdict(list)
    for cause, seconds in connection.execute(query):
        took[sources[cause]].append(max(seconds, 0.0))
    return [{"source": name, **_percentiles(sorted(took[name]))} for name in sorted(took)]


def _took(connection: Connection) -> ColumnElement[float]:
    if connection.dialect.name == "postgresql":
        seconds = "CAST(extract(epoch FROM at - noticed_at) AS double precision)"
    else:
        seconds = "(julianday(at) - julianday(noticed_at)) * 86400.0"
    return literal_column(seconds, Float)


def _percentiles(ordered: Sequence[float]) -> dict[str, float]:
    last = len(ordered) - 1
    at = {"p50": last // 2, "p95": -(-last * 95 // 100), "max": last}
    rounded = {name: round(ordered[place], 1) for name, place in at.items()}
    return {"writes": len(ordered), **rounded}


# -- what waits ----------------------------------------------------------------------------------------


def due(connection: Connection) -> Rows:
    """By kind and lane: due work, since when it is, and when it will be done at the present rate.

    `ends_at` is None where nothing of the kind was finished lately.
    """
    query = (
        select(dirty.c.kind, dirty.c.priority, func.count(), func.min(ready_at))
        .where(dirty.c.parked_at.is_(None), ready_at <= db_now())
        .group_by(dirty.c.kind, dirty.c.priority)
        .order_by(dirty.c.priority, dirty.c.kind)
    )
    moment, rate = now(connection), rates(connection)
    ahead: Counter[str] = Counter()
    found = []
    for kind, lane, count, since in connection.execute(query):
        ahead[kind] += count  # stronger lanes are done first
        ends_at = moment + timedelta(seconds=ahead[kind] / rate[kind]) if rate[kind] else None
        row = {"kind": kind, "lane": lane, "due": count, "due_since": since}
        found.append({**row, "ends_at": ends_at})
    return found


def due_seconds(connection: Connection) -> Rows:
    """By kind and lane: for how many seconds the oldest due work has been due."""
    moment = now(connection)
    query = select(dirty.c.kind, dirty.c.priority.label("lane"), func.min(ready_at).label("since"))
    is_due = (dirty.c.parked_at.is_(None), ready_at <= db_now())
    rows = connection.execute(query.where(*is_due).group_by(dirty.c.kind, dirty.c.priority))
    return [
        {"kind": kind, "lane": lane, "due_seconds": max((moment - since).total_seconds(), 0.0)}
        for kind, lane, since in rows
    ]


def unfinished(connection: Connection, lease: timedelta) -> dict[str, float]:
    """By kind: seconds since each claim was made or last renewed, summed."""
    moment = now(connection)
    found = dict.fromkeys((kind.value for kind in Kind), 0.0)
    claims = select(dirty.c.kind, dirty.c.claimed_until).where(dirty.c.claimed_until > db_now())
    for kind, until in connection.execute(claims):
        found[kind] += max((moment - (until - lease)).total_seconds(), 0.0)
    return found


def rates(connection: Connection) -> dict[str, float]:
    """Return how much of each kind was done a second, within the last minutes."""
    return {
        Kind.CALENDAR.value: _rate(connection, calendar.c.synced_at),
        Kind.COURSE.value: _rate(connection, course_run.c.asked_at),
        Kind.PERSON.value: _rate(connection, person.c.fs_asked_at),
    }


def creates(connection: Connection) -> float:
    """Return how many entries were made a second, within the last minutes."""
    return _rate(connection, change_log.c.at, change_log.c.operation == "create")


def _rate(connection: Connection, when: Column[Any], *which: ColumnElement[bool]) -> float:
    moment = now(connection)
    lately = select(func.count(), func.min(when)).where(when > moment - LATELY, *which)
    count, first = connection.execute(lately).one()
    return count / max((moment - first).total_seconds(), 10.0) if count else 0.0


def failing_alike(connection: Connection) -> tuple[int, str, datetime] | None:
    """Return (how much, error, since when) where all that has waited for a minute failed alike.

    Mailboxes that are missing are known to be, and do not count.
    """
    same = calendar_key(calendar.c.calendar_id) == dirty.c.key
    gone = exists().where(same, dirty.c.kind == "calendar", calendar.c.state.in_(GONE))
    waits = or_(dirty.c.last_error.is_not(None), dirty.c.due_at < db_now(-60.0))
    rows = connection.execute(
        select(dirty.c.last_error, func.count(), func.min(dirty.c.first_marked_at))
        .where(dirty.c.parked_at.is_(None), dirty.c.due_at <= db_now(), waits, ~gone)
        .group_by(dirty.c.last_error)
        .limit(2)
    ).all()
    if len(rows) != 1 or rows[0][0] is None or rows[0][1] < ALIKE:
        return None
    return rows[0][1], rows[0][0], rows[0][2]


# -- what was written and asked -------------------------------------------------------------------------


def writes(connection: Connection) -> Rows:
    """By operation and cause: what was written within the last hour and the last day."""
    lately = func.count(case((change_log.c.at > db_now(HOUR), 1)))
    rows = connection.execute(
        select(change_log.c.operation, change_log.c.cause, lately, func.count())
        .where(change_log.c.at > db_now(DAY))
        .group_by(change_log.c.operation, change_log.c.cause)
    )
    hour: Counter[tuple[str, str]] = Counter()
    day: Counter[tuple[str, str]] = Counter()
    for operation, cause, of_hour, of_day in rows:
        hour[operation, Cause.of(cause).label] += of_hour
        day[operation, Cause.of(cause).label] += of_day
    return [
        {"operation": each, "cause": why, "hour": hour[each, why], "day": day[each, why]}
        for each, why in sorted(day)
    ]


def requests(connection: Connection) -> dict[str, dict[str, Any]]:
    """By neighbour: requests of this hour and the one before by outcome, and how long they took.

    `p50` and `p95` are upper bounds in seconds; None: longer than any that is counted.
    """
    found: defaultdict[str, dict[str, Any]] = defaultdict(lambda: {"requests": {}})
    within: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for (name, label), value in counters.totals(connection, within=timedelta(hours=2)).items():
        neighbour, _, more = label.partition(" ")
        if name == "requests":
            found[neighbour]["requests"][more] = int(value)
        elif name == "request_bucket":
            within[neighbour][float(more)] = value
    for neighbour, buckets in within.items():
        found[neighbour] |= {f"p{share}": _bound(buckets, share) for share in (50, 95)}
    return dict(found)


def _bound(buckets: Mapping[float, float], share: int) -> float | None:
    """Return the smallest bound that so many of a hundred requests are within."""
    bounds = sorted(buckets)
    counts = list(accumulate((buckets[each] for each in bounds), max))
    bound = bounds[bisect_left(counts, counts[-1] * share / 100)]
    return bound if bound != float("inf") else None


# -- courses and semesters ------------------------------------------------------------------------------


def courses_without_placements(connection: Connection) -> int:
    """How many courses have a group with nobody placed on it, and somebody registered."""
    unit = ("course", "version", "semester", "term_number")
    ours = [registration.c[name] == teaching_activity.c[name] for name in unit]
    placed = [placement.c[name] == teaching_activity.c[name] for name in (*unit, "actid")]
    lacking = (
        select(teaching_activity.c.course, teaching_activity.c.semester)
        .where(teaching_activity.c.has_group, exists().where(*ours), ~exists().where(*placed))
        .distinct()
    )
    return connection.execute(select(func.count()).select_from(lacking.subquery())).scalar_one()


def told(connection: Connection) -> dict[str, dict[str, int]]:
    """By semester: what TP and FS told last."""
    asked: Mapping[str, tuple[Table, ColumnElement[bool]]] = {
        "courses": (course_run, true()),
        "published": (course_run, course_run.c.published),
        "registrations": (registration, true()),
        "placements": (placement, true()),
    }
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(asked, 0))
    for name, (table, which) in asked.items():
        query = select(table.c.semester, func.count()).where(which).group_by(table.c.semester)
        for each, count in connection.execute(query):
            found[each][name] = count
    return dict(found)


def coming_of(connection: Connection, calendars: Collection[int], after: datetime) -> Rows:
    """By semester and calendar: entries to come, as written, and as they are while all is right.

    Also those count as right that Exchange never takes, or that were put back too often.
    """
    chosen = frozenset(calendars)
    kept = entry.c.status.in_(("live", "refused", "declined")) & entry.c.held_by.is_(None)
    live, stays = (func.count(case((each, 1))) for each in (entry.c.status == "live", kept))
    of = (entry.c.semester, entry.c.calendar_id)
    query = select(*of, live, stays).where(entry.c.ends_at > after).group_by(*of)
    names = ("semester", "calendar_id", "written", "kept")
    rows = [row for row in connection.execute(query) if row.calendar_id in chosen]
    return [dict(zip(names, row, strict=True)) for row in rows]
