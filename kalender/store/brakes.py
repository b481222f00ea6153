"""The brake: rows that hold deletes back, and the count that sets the institution's.

An hour's and a day's deletes are counted, as written ahead by all workers. A release forgives
what was counted before it and lets through what was held; an announcement lets so many through
within its hours, and those never count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    true,
    update,
)

from kalender.config.sections import Safety
from kalender.domain.entry import FORMER
from kalender.domain.model import CourseKey
from kalender.store import acts, optouts
from kalender.store.database import database_time
from kalender.store.sql import db_now
from kalender.store.tables import brake, calendar, change_log, entry, identity, let_through, person
from kalender.store.tables import teaching_event as event

HAND, INSTITUTION, COURSE = "hand", "institution", "course "
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ACTS = {"holding": "brake set", "released": "brake release", "expected": "brake expect"}
ENDED = "brake end"


def judge_deletes(connection: Connection, deletes: int, coming: int, safety: Safety) -> str | None:
    """Return the scope of the brake that holds so many more deletes; None: they may go.

    Where they are too many, the institution's brake is set here.

    `coming` is the number of live entries that have not ended. One transaction at a time counts.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(4711)"))
    scope = scope_in_force(connection)
    if scope is not None:
        return scope
    share = safety.max_deleted_share * coming
    for window, least in ((HOUR, safety.min_deletes), (DAY, safety.min_deletes_day)):
        count, limit = _counted(connection, window, deletes), max(share, least)
        if count > limit:
            hours = window // HOUR
            why = f"{count} deletes within {hours} h, more than the {limit:.0f} that may go"
            put(connection, INSTITUTION, "holding", why)
            return INSTITUTION
    return None


def scope_in_force(connection: Connection) -> str | None:
    """Return the scope of the brake over everything that holds now, however many deletes there are."""
    query = select(brake.c.scope).where(
        brake.c.scope.in_([HAND, INSTITUTION]), brake.c.state == "holding"
    )
    return connection.execute(query.order_by(brake.c.scope).limit(1)).scalar()


def state(connection: Connection, scope: str) -> str | None:
    """Return a brake's state: holding, released, expected, or None."""
    return connection.execute(select(brake.c.state).where(brake.c.scope == scope)).scalar()


def why_held(connection: Connection, scope: str) -> str | None:
    """Return why a brake holds; None where it does not."""
    is_holding = and_(brake.c.scope == scope, brake.c.state == "holding")
    return connection.execute(select(brake.c.reason).where(is_holding)).scalar()


def hold_creates(connection: Connection, calendar_id: int, why: str | None) -> bool:
    """Hold what is new in one calendar for that reason (None: no more); whether it is held.

    A release lets it through until the reason is gone.
    """
    scope = f"calendar {calendar_id}"
    if why is None:
        lift(connection, scope)
        return False
    standing_ = state(connection, scope)
    if standing_ is None:
        put(connection, scope, "holding", why)
    return standing_ != "released"


# -- counting --------------------------------------------------------------------------------------


def _counted(connection: Connection, window: timedelta, deletes: int) -> int:
    """How many deletes count, with so many more: without those let through or announced."""
    now = database_time(connection)
    since = now - window
    columns = ("scope", "from_at", "until_at", "up_to")
    announced = select(*(brake.c[name] for name in columns), brake.c.state)
    agreed = select(*(let_through.c[name] for name in columns), literal("agreed"))
    rows = connection.execute(announced.where(brake.c.up_to.is_not(None)).union_all(agreed))
    allowed = [row for row in rows if row.from_at <= now and row.until_at > since]
    released_at = [row.from_at for row in allowed if row.state == "released"]
    since = max([since, *released_at])
    count = _deleted(connection, since, now) + deletes
    for row in allowed:  # what somebody had agreed to
        number = _deleted(connection, max(row.from_at, since), min(row.until_at, now))
        count -= min(row.up_to, number + (deletes if row.until_at > now else 0))
    return count


def _deleted(connection: Connection, since: datetime, until: datetime) -> int:
    return connection.execute(
        select(func.count()).where(
            change_log.c.operation == "delete",
            change_log.c.at > since,
            change_log.c.at <= until,
        )
    ).scalar_one()


# -- set, released, announced ----------------------------------------------------------------------


def put(
    connection: Connection,
    scope: str,
    state_: str,
    reason: str,
    *,
    who: str = acts.SERVICE,
    count: int | None = None,
    **window: object,
) -> None:
    """Set a brake's state, and record who did so and how many entries it concerned.

    The row tells how the brake is now; the acts tell what it was before, also after it ended.
    """
    acts.record(connection, ACTS[state_], who=who, scope=scope, reason=reason, count=count)
    blank = {"from_at": None, "until_at": None, "up_to": None}
    values = {**blank, "state": state_, "reason": reason, "set_at": db_now(), **window}
    if not connection.execute(update(brake).where(brake.c.scope == scope).values(values)).rowcount:
        connection.execute(insert(brake).values(scope=scope, **values))


def hold(connection: Connection, scope: str, reason: str) -> None:
    """Set a brake to holding; where it holds already, since when stays."""
    holds = and_(brake.c.scope == scope, brake.c.state == "holding")
    if not connection.execute(update(brake).where(holds).values(reason=reason)).rowcount:
        put(connection, scope, "holding", reason)


def expect(
    connection: Connection,
    *,
    from_at: datetime,
    until_at: datetime,
    up_to: int,
    reason: str,
    who: str = acts.SERVICE,
) -> None:
    """Announce so many deletes within these hours of the database's clock."""
    scope = f"expected {from_at:%Y-%m-%dT%H:%M}"
    hours = {"from_at": from_at, "until_at": until_at, "up_to": up_to}
    put(connection, scope, "expected", reason, who=who, count=up_to, **hours)


def release(
    connection: Connection, scope: str, reason: str, *, who: str = acts.SERVICE
) -> list[int]:
    """Let go what a brake over everything holds; return the calendars to be marked.

    Deletes made until now count no more; what was held, and as much, passes within a day.
    """
    query = select(entry.c.calendar_id).where(entry.c.held_by == scope).distinct()
    calendars = list(connection.execute(query.order_by(entry.c.calendar_id)).scalars())
    count = connection.execute(select(func.count()).where(entry.c.held_by == scope)).scalar_one()
    if scope == INSTITUTION:
        day = {"from_at": db_now(), "until_at": db_now(DAY.total_seconds()), "up_to": count}
        put(connection, scope, "released", reason, who=who, count=count, **day)
    else:
        end_held(connection, scope, reason, who=who, count=count)
    return calendars


def end_held(connection: Connection, scope: str, reason: str, *, who: str, count: int) -> None:
    """Record that somebody released a brake that held so many, and drop it."""
    acts.record(connection, ACTS["released"], who=who, scope=scope, reason=reason, count=count)
    connection.execute(delete(brake).where(brake.c.scope == scope))


def spelled(connection: Connection, scope: str) -> str | None:
    """Return the brake that holds under this name, whatever the case of its letters; else None."""
    is_named = func.lower(brake.c.scope) == scope.lower()
    return connection.execute(
        select(brake.c.scope).where(is_named, brake.c.state == "holding")
    ).scalar()


def release_course(
    connection: Connection, scope: str, reason: str, now: datetime, *, who: str = acts.SERVICE
) -> None:
    """Believe the next answer of a held course.

    What then goes was agreed to: within a day it does not count towards the institution's brake.
    `now` is the domain's.
    """
    count = would_go(connection, scope, now).held
    connection.execute(delete(let_through).where(let_through.c.until_at < db_now()))
    day = {"from_at": db_now(), "until_at": db_now(DAY.total_seconds()), "up_to": count}
    connection.execute(insert(let_through).values(scope=scope, **day))
    put(connection, scope, "released", reason, who=who, count=count)


def course_scope(key: CourseKey) -> str:
    """Return the scope of a course's brake, `course IN1000 25h`."""
    return f"{COURSE}{key}"


def lift(connection: Connection, scope: str) -> None:
    """Drop a brake: what it held is right again."""
    _end(connection, brake.c.scope == scope)


def _end(connection: Connection, over: ColumnElement[bool]) -> None:
    scopes = connection.execute(delete(brake).where(over).returning(brake.c.scope)).scalars().all()
    for scope in scopes:
        acts.record(
            connection, ENDED, who=acts.SERVICE, scope=scope, reason="nothing is held any more"
        )


# -- what is held ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCount:
    """What a brake holds: events of a course, or entries in calendars; and of how many persons."""

    held: int = 0
    people: int = 0


def would_go(connection: Connection, scope: str, now: datetime) -> HeldCount:
    """Return how many deletes a release lets go, and of how many persons; `now` is the domain's.

    Of a course these are the entries that show its missing events, not the events.
    """
    if not scope.startswith(COURSE):
        return held_by_scope(connection, now).get(scope, HeldCount())
    shown = _shown_of_course(scope, now).subquery()
    persons = func.count(shown.c.person_id.distinct())
    deletes, count = connection.execute(select(func.count(), persons).select_from(shown)).one()
    return HeldCount(held=deletes, people=count)


def held_by_scope(connection: Connection, now: datetime | None = None) -> Mapping[str, HeldCount]:
    """Return what each brake holds that holds anything.

    Of courses only what has not ended by `now` (on the domain's clock), where it is given. A
    course's brake holds events that its mirror marks missing, a list's the entries of those whom it
    names newly; the others hold entries.
    """
    rows = connection.execute(
        select(
            entry.c.held_by,
            func.count().label("held"),
            func.count(calendar.c.person_id.distinct()).label("people"),
        )
        .join(calendar, calendar.c.calendar_id == entry.c.calendar_id)
        .where(entry.c.held_by.is_not(None))
        .group_by(entry.c.held_by)
    )
    found = {str(row.held_by): HeldCount(held=row.held, people=row.people) for row in rows}
    of_lists = select(brake.c.scope).where(
        brake.c.scope.startswith(optouts.SCOPE), brake.c.state == "holding"
    )
    for scope in connection.execute(of_lists).scalars():
        changes = optouts.held_by(connection, scope)
        found[scope] = HeldCount(held=changes.entries, people=changes.people + changes.returning)
    courses = select(brake.c.scope).where(
        brake.c.scope.startswith(COURSE), brake.c.state == "holding"
    )
    for scope in connection.execute(courses).scalars():
        missing, shown = _missing(scope, now).subquery(), _shown_of_course(scope, now).subquery()
        events = select(func.count()).select_from(missing)
        people = select(func.count(shown.c.person_id.distinct()))
        found[scope] = HeldCount(
            held=connection.execute(events).scalar_one(),
            people=connection.execute(people).scalar_one(),
        )
    return found


def _missing(scope: str, now: datetime | None) -> Select[str]:
    course, _, semester = scope.removeprefix(COURSE).rpartition(" ")
    return select(event.c.event_id).where(
        event.c.course == course,
        event.c.semester == semester,
        event.c.missing_since.is_not(None),
        event.c.ends_at > now if now is not None else true(),
    )


def _shown_of_course(scope: str, now: datetime | None) -> Select[str, int]:
    """Return (sync key, person) of the coming entries that show what a course's brake holds."""
    return (
        select(entry.c.sync_key, calendar.c.person_id)
        .join(calendar, calendar.c.calendar_id == entry.c.calendar_id)
        .where(
            entry.c.event_id.in_(_missing(scope, now)),
            entry.c.status.not_in(FORMER),
            entry.c.ends_at > now if now is not None else true(),
        )
    )


def events_held(connection: Connection, scope: str, now: datetime) -> Sequence[Row[Any]]:
    """Return the events whose entries a release lets go, by their start.

    Rows of event_id, course, starts_at, and people: how many have an entry of it. `now` is the
    domain's.
    """
    held = entry.c.held_by == scope
    if scope.startswith(COURSE):
        held = entry.c.sync_key.in_(select(_shown_of_course(scope, now).subquery().c.sync_key))
    starts_at = func.min(entry.c.starts_at)
    query = (
        select(
            entry.c.event_id,
            func.min(entry.c.course).label("course"),
            starts_at.label("starts_at"),
            func.count(calendar.c.person_id.distinct()).label("people"),
        )
        .join(calendar, calendar.c.calendar_id == entry.c.calendar_id)
        .where(held)
        .group_by(entry.c.event_id)
        .order_by(starts_at, entry.c.event_id)
    )
    return connection.execute(query).all()


def let_ended_go(connection: Connection, now: datetime) -> Sequence[int]:
    """Free what ended while it was held (`now` on the domain's clock), and end what holds nothing.

    Returns the calendars to be marked. A brake set by hand stays.
    """
    calendars = sorted(set(connection.execute(_LET_ENDED_GO, {"now": now}).scalars()))
    end_if_nothing_is_held(connection)
    return calendars


_LET_ENDED_GO = (
    update(entry)
    .where(entry.c.held_by.is_not(None), entry.c.ends_at <= bindparam("now"))
    .values(held_by=None)
    .returning(entry.c.calendar_id)
)


def end_if_nothing_is_held(connection: Connection) -> None:
    """The institution's hold is over when all that it held is desired again, or has ended."""
    _end(connection, _HOLDS_NOTHING)


_HOLDS_NOTHING = and_(
    brake.c.scope == INSTITUTION,
    brake.c.state == "holding",
    ~exists().where(entry.c.held_by == INSTITUTION),
)


def waiting_persons(connection: Connection) -> Iterable[tuple[str, datetime]]:
    """Return (FS number, since when) of those whom FS emptied, until the second look."""
    of = and_(identity.c.person_id == person.c.person_id, identity.c.kind == "fs")
    rows = connection.execute(
        select(identity.c.value, person.c.emptied_at)
        .join(person, of)
        .where(person.c.emptied_at.is_not(None))
    )
    return [(value, at) for value, at in rows]
