"""The questions operators ask, answered as plain rows."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from kalender.domain.work import Kind, WorkKey
from kalender.neighbours.breaker import KEYS_IN_A_ROW, LONGEST_PAUSE
from kalender.store import people
from kalender.store.brakes import Held, held_by_scope
from kalender.store.heartbeats import lives
from kalender.store.people import PROTECT
from kalender.store.tables import (
    brake,
    calendar,
    course_run,
    db_now,
    dirty,
    entry,
    heartbeat,
    identity,
    look_up,
    neighbour,
    preference,
    rejected_notification,
    username_claim,
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


def parked(connection: Connection, *, reveal: bool = False) -> Rows:
    """Parked work with the reason, the latest first; of protected persons that it is parked."""
    rows = _rows(
        connection,
        select(dirty.c.kind, dirty.c.key, dirty.c.parked_at, dirty.c.attempts, dirty.c.last_error)
        .where(dirty.c.parked_at.is_not(None))
        .order_by(dirty.c.parked_at.desc()),
    )
    hidden = {} if reveal else protected_work(connection)
    return [
        {**dict.fromkeys(row), "kind": row["kind"], "key": f"protected {hidden[named]}"}
        if (named := (row["kind"], row["key"])) in hidden
        else row
        for row in rows
    ]


def with_names(connection: Connection, rows: Rows) -> Rows:
    """Return parked work with the FS number and username of whose it is, unless protected."""
    persons = {
        row["key"]: people.look_up(connection, f"{row['kind']} {row['key']}")
        for row in rows
        if row["kind"] != Kind.COURSE and not row["key"].startswith("protected ")
    }
    known = {each for each in persons.values() if each is not None}
    names = people.names_of(connection, known)
    return [
        {
            "kind": row["kind"],
            "key": row["key"],
            **asdict(names.get(persons.get(row["key"]) or 0, people.Names())),
            **row,
        }
        for row in rows
    ]


def protected_work(connection: Connection) -> Mapping[tuple[str, str], int]:
    """Return (kind, key) of all work that is, or could be, of protected persons -> the person."""
    protects = preference.c.wish == PROTECT
    names = select(identity).join(preference, preference.c.person_id == identity.c.person_id)
    mine = select(calendar).join(preference, preference.c.person_id == calendar.c.person_id)
    found: dict[tuple[str, str], int] = {
        WorkKey.of_identity(row.kind, row.value): row.person_id
        for row in connection.execute(names.where(protects))
    }
    for row in connection.execute(mine.where(protects)):
        found[WorkKey.of_calendar(row.calendar_id)] = row.person_id
    return found


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


def neighbours(connection: Connection) -> Rows:
    """Neighbours with their pauses and failures, and about since when they are as they are.

    `refused`: how often within half an hour, and not authorised since; a pause by hand counts
    while it lasts.
    """
    query = select(neighbour, db_now().label("db_time")).order_by(neighbour.c.name)
    return [_neighbour(row) for row in _rows(connection, query)]


def _neighbour(row: Mapping[str, Any]) -> Mapping[str, Any]:
    told = [datetime.fromisoformat(at) for _, at in json.loads(row["refused"] or "[]")]
    refusals = [at for at in told if row["authorised_at"] is None or at > row["authorised_at"]]
    held = row["held_until"] is not None and row["held_until"] > row["db_time"]
    since = row["changed_at"]
    if refusals and not held:
        since = refusals[0]
    elif row["paused_until"] is not None and not held:
        since = _failing_since(row)
    shown = ("name", "failures", "paused_until", "last_error")
    by_hand = ("held_until", "held_reason", "held_by")
    return {
        **{name: row[name] for name in shown},
        "refused": len(refusals),
        **{name: row[name] if held else None for name in by_hand},
        "since": since,
    }


def _failing_since(row: Mapping[str, Any]) -> datetime:
    """About: each pause was twice the one before, up to a minute."""
    pauses = [
        min(2**n, LONGEST_PAUSE.total_seconds()) for n in range(KEYS_IN_A_ROW, row["failures"])
    ]
    first: datetime = row["changed_at"] - timedelta(seconds=sum(pauses))
    return max(first, row["authorised_at"] or first)


def heartbeats(connection: Connection) -> Rows:
    """Processes seen within the hour."""
    return _rows(
        connection,
        select(
            heartbeat.c.worker,
            heartbeat.c.kind,
            heartbeat.c.version,
            heartbeat.c.started_at,
            heartbeat.c.seen_at,
            heartbeat.c.stopped_at,
        )
        .where(heartbeat.c.seen_at > db_now(-3600.0))
        .order_by(heartbeat.c.worker),
    )


def alive(connection: Connection) -> Rows:
    """Processes seen within a minute that did not stop."""
    return _rows(connection, select(heartbeat.c.kind, heartbeat.c.version).where(lives()))


def brakes(connection: Connection, moment: datetime | None = None) -> Rows:
    """Every brake that is set, and what it holds of how many persons: entries, or a course's events.

    Of a course what has not ended by `moment`, on the domain's clock, where it is given.
    """
    found = held_by_scope(connection, moment)
    rows = _rows(connection, select(brake).order_by(brake.c.scope))
    return [{**row, **asdict(found.get(row["scope"], Held()))} for row in rows]


def preferences(connection: Connection) -> Rows:
    """Who wished to be left alone, and what they are called; protected persons are not among them."""
    rows = _rows(connection, select(preference).order_by(preference.c.set_at))
    protected = {row["person_id"] for row in rows if row["wish"] == PROTECT}
    names = people.names_of(connection, {row["person_id"] for row in rows})
    return [
        {"person_id": row["person_id"], **asdict(names[row["person_id"]]), **row}
        for row in rows
        if row["person_id"] not in protected
    ]


def protected(connection: Connection, *, reveal: bool = False) -> Rows:
    """Protected persons by number, and how many entries are still to be taken back."""
    rows = _rows(
        connection,
        select(
            preference.c.person_id.label("person"),
            func.count(entry.c.sync_key).label("entries"),
            preference.c.source.label("kind"),
            preference.c.set_at.label("since"),
        )
        .outerjoin_from(preference, calendar, calendar.c.person_id == preference.c.person_id)
        .outerjoin(entry, entry.c.calendar_id == calendar.c.calendar_id)
        .where(preference.c.wish == PROTECT)
        .group_by(preference.c.person_id, preference.c.source, preference.c.set_at)
        .order_by(preference.c.person_id),
    )
    if not reveal:
        return [{"person": row["person"], "entries": row["entries"]} for row in rows]
    return [{**row, "names": _names(connection, row["person"])} for row in rows]


def _names(connection: Connection, person_id: int) -> str:
    return ", ".join(row["value"] for row in identities(connection, person_id))


def looked_up(connection: Connection, persons: Collection[int], command: str, *, who: str) -> None:
    """Remember who looked at whom."""
    rows = [{"who": who, "command": command, "person_id": each} for each in sorted(persons)]
    if rows:
        connection.execute(insert(look_up).values(at=db_now()), rows)


def counts(connection: Connection) -> Mapping[str, int]:
    """What should be looked at when it grows."""
    rejected = select(func.count()).where(rejected_notification.c.received_at > db_now(-86_400.0))
    hidden = select(func.count()).where(course_run.c.published.is_(False))
    bad = select(func.coalesce(func.sum(course_run.c.bad_events), 0))
    return {
        "rejected_last_day": connection.execute(rejected).scalar_one(),
        "unpublished_courses": connection.execute(hidden).scalar_one(),
        "unreadable_events": connection.execute(bad).scalar_one(),
        "username_clashes": connection.execute(
            select(func.count()).select_from(username_claim)
        ).scalar_one(),
        "unmatched_staff": connection.execute(
            text("SELECT count(DISTINCT username) FROM unmatched_staff")
        ).scalar_one(),
        "protected": connection.execute(
            select(func.count()).where(preference.c.wish == PROTECT)
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
