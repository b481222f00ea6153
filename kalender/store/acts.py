"""Who did what: operators' acts and the brakes' own, kept as long as the change log.

An act is recorded in the transaction of what it did, so there is never the one without the other.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    cast,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)

from kalender.domain.work import Cause
from kalender.store.people import PROTECTED_PERSONS
from kalender.store.sql import calendar_key, columns_of, db_now
from kalender.store.tables import (
    calendar,
    change_log,
    entry,
    look_up,
    operator_act,
    teaching_event,
)

SERVICE = "service"  # who it was where no person did it
LONGEST_NAME = 120


def record(  # noqa: PLR0913
    connection: Connection,
    command: str,
    *,
    who: str,
    scope: str = "",
    persons: Collection[int] = (),
    reason: str = "",
    count: int | None = None,
) -> None:
    """Record one act, of several persons one for each.

    `command`: its words, such as "brake release". `scope`: what it was about where that is no
    person, such as "course IN1000 25h". `count`: how many calendars, entries or rows it concerned.
    """
    act = {"who": who[:LONGEST_NAME], "command": command, "scope": scope, "reason": reason}
    person_ids: list[int | None] = [*sorted(persons)] or [None]
    rows = [act | {"count": count, "person_id": person_id} for person_id in person_ids]
    connection.execute(insert(operator_act).values(at=db_now()), rows)


def latest(
    connection: Connection,
    command: str,
    *,
    who: str,
    scope: str = "",
    person_id: int | None = None,
) -> int:
    """Return the number of somebody's latest act of that command about a scope or a person."""
    columns = operator_act.c
    query = select(func.max(columns.act_id)).where(
        columns.who == who[:LONGEST_NAME],
        columns.command == command,
        columns.person_id == person_id if person_id is not None else columns.scope == scope,
    )
    return int(connection.execute(query).scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act as it was recorded; `person_id` None: it was about no person, or they were erased."""

    at: datetime
    who: str
    command: str
    scope: str
    person_id: int | None
    reason: str
    count: int | None


def read(connection: Connection, act_id: int, *, who: str) -> Act | None:
    """Return an act by its number; None where it is not that person's."""
    columns = operator_act.c
    names = (columns.at, columns.who, columns.command, columns.scope)
    query = select(*names, columns.person_id, columns.reason, columns.count).where(
        columns.act_id == act_id, columns.who == who[:LONGEST_NAME]
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Act(**row)


def forget(connection: Connection, person_id: int) -> None:
    """Take a person out of what was done about them; that somebody did it, or looked, stays."""
    is_of_person = operator_act.c.person_id == person_id
    erased_person = {"person_id": None, "reason": "", "scope": "somebody erased"}
    connection.execute(update(operator_act).where(is_of_person).values(erased_person))
    is_look = look_up.c.person_id == person_id
    connection.execute(update(look_up).where(is_look).values(reason=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of the log is asked for; None and "" ask for all.

    `before` is the (at, change id) of the last write of the page before, of `writes_of` alone, as
    `causes` and `with_protected` are.
    """

    person_id: int | None = None
    course: str | None = None  # as it is mirrored
    what: str | None = None  # an operation, or the first words of a command
    causes: Collection[str] = ()  # of `Cause`; none: all
    since: datetime | None = None  # on the database's clock
    until: datetime | None = None
    before: tuple[datetime, int] | None = None
    with_protected: bool = True
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One act, write or look-up as the log tells it; None is what it has not, or what is not told.

    `kind`: act, write or look. `protected`: it was about somebody protected, whom it does not name.
    """

    at: datetime
    kind: str
    who: str
    what: str
    protected: bool
    person: int | None
    calendar: int | None = None
    event: str | None = None
    course: str | None = None
    cause: str | None = None
    scope: str | None = None
    count: int | None = None
    reason: str | None


def acts(connection: Connection, filters: Filter, *, reveal: bool = False) -> list[LogRow]:
    """Return acts, the latest first; who is or was protected is not told without `reveal`.

    Of a person these are the acts about them, and about their calendars.
    """
    columns = operator_act.c
    query = select(operator_act).where(_within(columns.at, filters))
    if filters.person_id is not None:
        name = literal("calendar ").concat(calendar_key(calendar.c.calendar_id))
        theirs = select(name).where(calendar.c.person_id == filters.person_id)
        query = query.where(or_(columns.person_id == filters.person_id, columns.scope.in_(theirs)))
    if filters.course is not None:
        of = f"course {filters.course}"
        query = query.where(or_(columns.scope == of, columns.scope.startswith(f"{of} ")))
    if filters.what is not None:
        query = query.where(columns.command.startswith(filters.what, autoescape=True))
    query = query.order_by(columns.at.desc(), columns.act_id.desc()).limit(filters.limit)
    protected_persons = frozenset() if reveal else protected(connection)
    return [
        LogRow(
            at=row["at"],
            kind="act",
            who=row["who"],
            what=row["command"],
            protected=secret,
            person=None if secret else row["person_id"],
            scope=None if secret else row["scope"] or None,
            count=row["count"],
            reason=None if secret else row["reason"] or None,
        )
        for row in connection.execute(query).mappings()
        for secret in [
            not reveal
            and (row["person_id"] in protected_persons or row["command"].startswith("protect"))
        ]
    ]


def writes(connection: Connection, filters: Filter, *, reveal: bool = False) -> list[LogRow]:
    """Return what was written to calendars, the latest first; of the protected only that it was."""
    protected_persons = frozenset() if reveal else protected(connection)
    return [
        LogRow(
            at=change.at,
            kind="write",
            who=SERVICE,
            what=change.operation,
            protected=secret,
            person=None if secret else change.person_id,
            calendar=None if secret else change.calendar_id,
            event=None if secret else change.event_id,
            course=None if secret else change.course or None,
            cause=None if secret else change.cause,
            reason=None if secret else change.reason or None,
        )
        for change in writes_of(connection, filters)
        for secret in [change.person_id in protected_persons]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """A row of the change log: one write to a calendar; `cause` is the text of a `Cause`.

    Releases before the columns came wrote no `cause`, `course` or `lane`.
    """

    change_id: int
    at: datetime
    calendar_id: int
    person_id: int
    operation: str
    event_id: str
    sync_key: str
    reason: str
    noticed_at: datetime | None
    cause: str | None
    course: str | None
    lane: int | None


def writes_of(connection: Connection, filters: Filter) -> list[ChangeRecord]:
    """Return rows of the change log, the latest first."""
    columns = change_log.c
    query = select(*columns_of(change_log, ChangeRecord)).where(_matching(connection, filters))
    if filters.before is not None:
        at, change_id = filters.before
        before = tuple_(literal(at, columns.at.type), literal(change_id))
        query = query.where(tuple_(columns.at, columns.change_id) < before)
    query = query.order_by(columns.at.desc(), columns.change_id.desc()).limit(filters.limit)
    return [ChangeRecord(**row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class WritesInHour:
    """How much was written in the hour that began then, in calendars of how many persons."""

    at: datetime
    operation: str
    cause: Cause
    writes: int
    persons: int


def writes_by_hour(connection: Connection, filters: Filter) -> list[WritesInHour]:
    """Count writes by hour, operation and cause, the latest hour first.

    Every row that matches is read: bound it by a course or a person.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        began: ColumnElement[Any] = func.date_trunc("hour", func.timezone("UTC", change_log.c.at))
    else:
        began = func.substr(cast(change_log.c.at, String), 1, 13)
    # person by person first: to count distinct ones at once, PostgreSQL would sort every row
    by = (began.label("hour"), change_log.c.operation, change_log.c.cause, change_log.c.person_id)
    matching = select(*by, func.count().label("writes")).where(_matching(connection, filters))
    of_person = matching.group_by(*by).subquery().c
    hour = func.to_char(of_person.hour, "YYYY-MM-DD HH24") if is_postgresql else of_person.hour
    kind = (of_person.hour, of_person.operation, of_person.cause)
    query = select(hour, *kind[1:], func.sum(of_person.writes), func.count())
    return [
        WritesInHour(
            at=datetime.strptime(at, "%Y-%m-%d %H").replace(tzinfo=UTC),
            operation=operation,
            cause=Cause.of(cause),
            writes=int(writes),
            persons=persons,
        )
        for at, operation, cause, writes, persons in connection.execute(
            query.group_by(*kind).order_by(kind[0].desc(), *kind[1:])
        )
    ]


def _matching(connection: Connection, filters: Filter) -> ColumnElement[bool]:
    """The condition on the change log; a write of what courses share is of each of them."""
    columns = change_log.c
    conditions = [_within(columns.at, filters)]
    if filters.person_id is not None:
        # by their calendars, which have an index
        theirs = select(calendar.c.calendar_id).where(calendar.c.person_id == filters.person_id)
        conditions += [
            columns.calendar_id.in_(theirs),
            columns.person_id == filters.person_id,
        ]
    if filters.course is not None:
        conditions.append(_of_course(connection, filters.course))
    if filters.what is not None:
        conditions.append(columns.operation == filters.what)
    if filters.causes:
        conditions.append(columns.cause.in_(sorted(filters.causes)))
    if not filters.with_protected:
        conditions.append(columns.person_id.not_in(PROTECTED_PERSONS))
    return and_(*conditions)


def _of_course(connection: Connection, code: str) -> ColumnElement[bool]:
    columns = change_log.c
    is_shown = exists().where(entry.c.sync_key == columns.sync_key, entry.c.course == code)
    is_taught = exists().where(
        teaching_event.c.event_id == columns.event_id, teaching_event.c.course == code
    )
    # of which release of ours it was not told, the mirror tells as far as it still can
    by_mirror = and_(columns.course.is_(None), or_(is_shown, is_taught))
    events = teaching_event.alias("of_course")
    sharing = (
        select(teaching_event.c.course)
        .join(events, events.c.event_id == teaching_event.c.event_id)
        .where(events.c.course == code, teaching_event.c.course != code)
        .distinct()
    )
    others = sorted(connection.execute(sharing).scalars())
    shared = and_(columns.course.in_(others), is_taught) if others else false()
    return or_(columns.course == code, shared, by_mirror)


def looks(connection: Connection, filters: Filter, *, reveal: bool = False) -> list[LogRow]:
    """Return who looked whom up and why, the latest first; who is or was protected is not told.

    `refused`: the person was protected, and nobody was shown. Rows go by person and time alone.
    """
    columns = look_up.c
    query = select(look_up).where(_within(columns.at, filters))
    if filters.person_id is not None:
        query = query.where(columns.person_id == filters.person_id)
    query = query.order_by(columns.at.desc(), columns.look_up_id.desc()).limit(filters.limit)
    protected_persons = frozenset() if reveal else protected(connection)
    return [
        LogRow(
            at=row["at"],
            kind="look",
            who=row["who"],
            what=f"{row['command']} (refused)" if row["refused"] else row["command"],
            protected=secret,
            person=None if secret else row["person_id"],
            reason=None if secret else row["reason"] or None,
        )
        for row in connection.execute(query).mappings()
        for secret in [not reveal and (row["refused"] or row["person_id"] in protected_persons)]
    ]


def _within(at: Any, filters: Filter) -> Any:
    begins = at >= filters.since if filters.since is not None else true()
    ends = at < filters.until if filters.until is not None else true()
    return begins & ends


def protected(connection: Connection) -> frozenset[int]:
    """Return the protected persons."""
    return frozenset(connection.execute(PROTECTED_PERSONS).scalars())
