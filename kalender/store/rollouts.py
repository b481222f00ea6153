"""Who is switched on: outside the roll-out not one request goes to Exchange."""

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from kalender.domain.roles import words_with
from kalender.store import courses as mirror
from kalender.store.instants import db_now
from kalender.store.sql import in_parts, is_one_of, upsert
from kalender.store.tables import (
    calendar,
    course_run,
    entry,
    identity,
    registration,
    rollout,
    rollout_member,
    teaching_role,
    teaching_staff,
)

KINDS = ("person", "course", "share", "audience")


def switched_on_of(connection: Connection, calendars: Collection[int], mode: str) -> set[int]:
    """Return those of these calendars that lie inside the roll-out."""
    if mode != "listed":
        return set(calendars) if mode == "all" else set()
    return _listed(connection, is_one_of(connection, calendar.c.calendar_id, calendars))


def inside(
    connection: Connection, mode: str, on_list: Iterable[tuple[str, str]] | None = None
) -> set[int]:
    """Return all calendars inside the roll-out, or inside it if these (kind, value) were its list."""
    if mode == "listed":
        return _listed(connection, true(), on_list)
    query = select(calendar.c.calendar_id) if mode == "all" else None
    return set(connection.execute(query).scalars()) if query is not None else set()


def _listed(
    connection: Connection,
    condition: ColumnElement[bool],
    on_list: Iterable[tuple[str, str]] | None = None,
) -> set[int]:
    names: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, value in listed(connection) if on_list is None else on_list:
        names[kind].add(value)
    if not any(names.values()):
        return set()
    # everybody has a place from 0 to 2**32 - 1 by their number alone: a larger share only adds people
    limit = max(map(float, names["share"]), default=0.0) * 2**32
    audiences = words_with(names["audience"])
    on_courses = _on_courses(connection, names["course"], condition) if names["course"] else set()
    rows = connection.execute(
        select(calendar.c.calendar_id, calendar.c.person_id, calendar.c.audience).where(condition)
    )
    return {
        calendar_id
        for calendar_id, person_id, audience in rows
        if str(person_id) in names["person"]
        or audience in audiences
        or int.from_bytes(blake2b(str(person_id).encode(), digest_size=4).digest()) < limit
        or person_id in on_courses
    }


def _on_courses(
    connection: Connection, courses: Collection[str], condition: ColumnElement[bool]
) -> set[int]:
    """Those who take or teach one of these courses, or once did while it was listed.

    Else what they withdrew from would stay in the calendar, and nobody would be told to leave it.
    """
    enrolled = (
        select(rollout_member.c.person_id)
        .join(calendar, calendar.c.person_id == rollout_member.c.person_id)
        .where(condition, rollout_member.c.course.in_(sorted(courses)))
    )
    now = _persons_and_courses(courses, condition).subquery()
    return set(connection.execute(select(now.c.person_id).union(enrolled)).scalars())


def _persons_and_courses(
    courses: Collection[str], condition: ColumnElement[bool]
) -> CompoundSelect[int, str]:
    """Return (person_id, course) of those who take, teach, or have entries of these courses."""
    names = sorted(courses)
    of_students, of_roles = (
        select(table.c.person_id, table.c.course)
        .join(calendar, calendar.c.person_id == table.c.person_id)
        .where(condition, table.c.course.in_(names))
        for table in (registration, teaching_role)
    )
    of_staff = (
        select(identity.c.person_id, teaching_staff.c.course)
        .join(calendar, calendar.c.person_id == identity.c.person_id)
        .join(teaching_staff, identity.c.value == teaching_staff.c.username)
        .where(condition, identity.c.kind == "username", teaching_staff.c.course.in_(names))
    )
    of_entries = (
        select(calendar.c.person_id, entry.c.course)
        .join(entry, entry.c.calendar_id == calendar.c.calendar_id)
        .where(condition, entry.c.course.in_(names))
    )
    return of_students.union(of_roles, of_staff, of_entries)


def enrol(connection: Connection, persons: Collection[int] | None = None) -> None:
    """Write down who is on a listed course now (None: of everybody): they stay inside for good.

    `remove` forgets them with the course.
    """
    courses = [value for kind, value in listed(connection) if kind == "course"]
    if not courses:
        return
    condition = true() if persons is None else is_one_of(connection, calendar.c.person_id, persons)
    pairs = {tuple(row) for row in connection.execute(_persons_and_courses(courses, condition))}
    query = select(rollout_member.c.person_id, rollout_member.c.course)
    if persons is not None:
        query = query.where(is_one_of(connection, rollout_member.c.person_id, persons))
    new = sorted(pairs - {tuple(row) for row in connection.execute(query)})
    if new:
        connection.execute(
            upsert(connection.dialect.name, rollout_member)
            .values(since=db_now())
            .on_conflict_do_nothing(),
            [{"person_id": person_id, "course": course} for person_id, course in new],
        )


def spelled(connection: Connection, course: str) -> str | None:
    """Return a mirrored course's code as TP spells it; None where there is no such course."""
    code = mirror.spelled(connection, course)
    query = select(course_run.c.course).where(course_run.c.course == code).limit(1)
    return connection.execute(query).scalar()


def listed(connection: Connection) -> Sequence[tuple[str, str]]:
    """Return what is on the list: (kind, value), sorted."""
    rows = connection.execute(
        select(rollout.c.kind, rollout.c.value).order_by(rollout.c.kind, rollout.c.value)
    )
    return [(kind, value) for kind, value in rows]


def add(connection: Connection, kind: str, values: Sequence[str]) -> None:
    """Put values on the list."""
    list_entries = set(listed(connection))
    new = [{"kind": kind, "value": value} for value in values if (kind, value) not in list_entries]
    if new:
        connection.execute(insert(rollout).values(added_at=db_now()), new)
    if kind == "course":
        enrol(connection)


def remove(connection: Connection, kind: str, values: Sequence[str]) -> None:
    """Take values off the list."""
    connection.execute(
        delete(rollout).where(rollout.c.kind == kind, rollout.c.value.in_(list(values)))
    )
    if kind == "course":
        connection.execute(delete(rollout_member).where(rollout_member.c.course.in_(list(values))))


def join(connection: Connection, calendars: Collection[int]) -> None:
    """Whatever was being taken back is wanted again."""
    for part in in_parts(calendars):
        connection.execute(
            update(calendar).where(calendar.c.calendar_id.in_(part)).values(taking_back=False)
        )


def leave(connection: Connection, calendars: Collection[int], *, take_back: bool) -> None:
    """Forget what these calendars were; to be taken back they stay open until that is done.

    A calendar without settings that was written once is one that somebody decided on.
    """
    values: dict[str, object] = {
        "synced_digest": None,
        "synced_settings": None,
        "taking_back": take_back,
    }
    values["synced_at"] = func.coalesce(calendar.c.synced_at, db_now())
    for part in in_parts(calendars):
        connection.execute(update(calendar).where(calendar.c.calendar_id.in_(part)).values(values))
