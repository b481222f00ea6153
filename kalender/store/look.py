"""The questions operators ask, answered as plain rows."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from kalender.store.tables import (
    brake,
    calendar,
    course_run,
    db_now,
    dirty,
    entry,
    heartbeat,
    identity,
    neighbour,
    preference,
    rejected_notification,
)

Rows = Sequence[Mapping[str, Any]]


def _rows(connection: Connection, query: Any) -> Rows:
    return [dict(row) for row in connection.execute(query).mappings()]


def work(connection: Connection) -> Rows:
    """Work by kind and lane: how much waits, is claimed, is tried again, and since when."""
    return _rows(
        connection,
        select(
            dirty.c.kind,
            dirty.c.priority.label("lane"),
            func.count().label("waiting"),
            func.count(dirty.c.claimed_until).label("claimed"),
            func.sum(dirty.c.attempts).label("attempts"),
            func.min(dirty.c.first_marked_at).label("oldest"),
        )
        .where(dirty.c.parked_at.is_(None))
        .group_by(dirty.c.kind, dirty.c.priority)
        .order_by(dirty.c.priority, dirty.c.kind),
    )


def parked(connection: Connection) -> Rows:
    """Parked work with the reason, the latest first."""
    return _rows(
        connection,
        select(dirty.c.kind, dirty.c.key, dirty.c.parked_at, dirty.c.attempts, dirty.c.last_error)
        .where(dirty.c.parked_at.is_not(None))
        .order_by(dirty.c.parked_at.desc()),
    )


def calendars(connection: Connection) -> Rows:
    """Calendars by audience and state: how many there are, and how many are known right."""
    return _rows(
        connection,
        select(
            calendar.c.audience,
            calendar.c.state,
            func.count().label("calendars"),
            func.count(calendar.c.synced_digest).label("known_right"),
        )
        .group_by(calendar.c.audience, calendar.c.state)
        .order_by(calendar.c.audience, calendar.c.state),
    )


def entries(connection: Connection) -> Rows:
    """Entries by status, and how many a brake holds."""
    return _rows(
        connection,
        select(
            entry.c.status,
            func.count().label("entries"),
            func.count(entry.c.held_by).label("held"),
        )
        .group_by(entry.c.status)
        .order_by(entry.c.status),
    )


def neighbours(connection: Connection) -> Rows:
    """Neighbours with their pauses and failures; `refused`: how often within half an hour."""
    columns = (neighbour.c.name, neighbour.c.failures, neighbour.c.paused_until)
    more = (neighbour.c.last_error, neighbour.c.refused)
    rows = _rows(connection, select(*columns, *more).order_by(neighbour.c.name))
    return [{**row, "refused": len(json.loads(row["refused"] or "[]"))} for row in rows]


def heartbeats(connection: Connection) -> Rows:
    """Processes seen within the hour."""
    return _rows(
        connection,
        select(
            heartbeat.c.worker,
            heartbeat.c.kind,
            heartbeat.c.version,
            heartbeat.c.seen_at,
            heartbeat.c.stopped_at,
        )
        .where(heartbeat.c.seen_at > db_now(-3600.0))
        .order_by(heartbeat.c.worker),
    )


def brakes(connection: Connection) -> Rows:
    """Every brake that is set."""
    return _rows(connection, select(brake).order_by(brake.c.scope))


def preferences(connection: Connection) -> Rows:
    """Who wished to be left alone."""
    return _rows(connection, select(preference).order_by(preference.c.set_at))


def counts(connection: Connection) -> Mapping[str, int]:
    """What should be looked at when it grows."""
    rejected = select(func.count()).where(rejected_notification.c.received_at > db_now(-86_400.0))
    hidden = select(func.count()).where(course_run.c.published.is_(False))
    bad = select(func.coalesce(func.sum(course_run.c.bad_events), 0))
    return {
        "rejected_last_day": connection.execute(rejected).scalar_one(),
        "unpublished_courses": connection.execute(hidden).scalar_one(),
        "unreadable_events": connection.execute(bad).scalar_one(),
        "unmatched_staff": connection.execute(
            text("SELECT count(DISTINCT username) FROM unmatched_staff")
        ).scalar_one(),
    }


def identities(connection: Connection, person_id: int) -> Rows:
    """All that names a person."""
    return _rows(
        connection,
        select(identity.c.kind, identity.c.value, identity.c.detail)
        .where(identity.c.person_id == person_id)
        .order_by(identity.c.kind, identity.c.position),
    )


def calendars_of(connection: Connection, person_id: int) -> Rows:
    """A person's calendars, with what waits for each and what went wrong last."""
    rows = _rows(connection, select(calendar).where(calendar.c.person_id == person_id))
    return [{**row, **_waiting(connection, "calendar", str(row["calendar_id"]))} for row in rows]


def _waiting(connection: Connection, kind: str, key: str) -> Mapping[str, Any]:
    row = (
        connection.execute(select(dirty).where(dirty.c.kind == kind, dirty.c.key == key))
        .mappings()
        .one_or_none()
    )
    names = ("reason", "due_at", "not_before", "attempts", "parked_at", "last_error")
    return {f"work_{name}": row[name] if row is not None else None for name in names}


def entries_of(connection: Connection, calendar_id: int, *, after: datetime | None = None) -> Rows:
    """A calendar's records, in time's order."""
    query = select(entry).where(entry.c.calendar_id == calendar_id)
    if after is not None:
        query = query.where(entry.c.ends_at > after)
    return _rows(connection, query.order_by(entry.c.starts_at, entry.c.sync_key))
