"""What is asked about one person or one course: plain rows, a few statements each."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, false, func, or_, select

from kalender.domain.model import CourseKey, as_spelled
from kalender.domain.work import WorkKey
from kalender.operate import look
from kalender.store import brakes, courses
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    dirty,
    due_later,
    entry,
    fan_out,
    identity,
    look_up,
    operator_act,
    person,
    placement,
    preference,
    registration,
    teaching_activity,
    teaching_event,
    teaching_role,
    teaching_staff,
    unreadable_item,
    username_claim,
)

Row = Mapping[str, Any]
OF_PERSONS = (
    person,
    identity,
    username_claim,
    calendar,
    registration,
    placement,
    teaching_role,
    preference,
)


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def last_changes(connection: Connection, calendar_id: int) -> dict[str, Row]:
    """Return the last that was written of each entry, by its sync key."""
    query = select(change_log).where(change_log.c.calendar_id == calendar_id)
    ordered = query.order_by(change_log.c.at, change_log.c.change_id)
    return {row["sync_key"]: row for row in _rows(connection, ordered)}


def pending(connection: Connection, keys: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the work that waits under these (kind, key)."""
    named = (and_(dirty.c.kind == kind, dirty.c.key == key) for kind, key in sorted(keys))
    return _rows(connection, select(dirty).where(or_(false(), *named)))


def work_of(connection: Connection, person_id: int) -> set[tuple[str, str]]:
    """Return (kind, key) under which a person's work is marked."""
    named = look.identities(connection, person_id)
    keys: set[tuple[str, str]] = {
        WorkKey.of_identity(row["kind"], row["value"]) for row in named if row["kind"] != "mail"
    }
    mine = select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
    return keys | {WorkKey.of_calendar(each) for each in connection.execute(mine).scalars()}


# -- a course -----------------------------------------------------------------------------------------


def spelled(connection: Connection, course: str) -> str | None:
    """Return a course's code as FS or TP spells it, asked for in any case; None: nobody told of it."""
    for table in (course_run, registration, teaching_role, teaching_staff):
        codes = connection.execute(select(table.c.course).distinct()).scalars()
        if spelling := as_spelled(course, codes):
            return spelling
    return None


def answers(connection: Connection, course: str, semester: str) -> list[dict[str, Any]]:
    """Return what TP answered last for a course in a semester: one row, or none."""
    of = _of_course(CourseKey(course, semester))
    return _rows(connection, select(course_run).where(of(course_run)))


def runs(connection: Connection, course: str, semester: str | None = None) -> list[dict[str, Any]]:
    """Return a course's runs, in whatever letters it is given, with TP's last answer, what changed in it, and whom it concerns."""
    same = course_run.c.course == courses.spelled(connection, course)
    query = select(course_run).where(same).order_by(course_run.c.semester)
    if semester is not None:
        query = query.where(course_run.c.semester == semester)
    return [_run(connection, row) for row in _rows(connection, query)]


def _run(connection: Connection, row: Row) -> dict[str, Any]:
    key = CourseKey(row["course"], row["semester"])
    of = _of_course(key)
    registered = select(func.count(registration.c.person_id.distinct())).where(of(registration))
    return {
        **row,
        "held": brakes.state(connection, brakes.course_scope(key)),
        "registered": connection.execute(registered).scalar_one(),
        "staff": len(courses.staff_of(connection, key)),
        "pending": pending(connection, [("course", str(key))]),
        "groups": _groups(connection, key),
    }


def _of_course(key: CourseKey) -> Any:
    return lambda table: and_(table.c.course == key.course, table.c.semester == key.semester)


def _groups(connection: Connection, key: CourseKey) -> list[dict[str, Any]]:
    of = _of_course(key)
    named = [teaching_activity.c[name] for name in ("term_number", "actid", "method")]
    kinds = [teaching_activity.c.has_plenary.label("plenary")]
    query = select(*named, *kinds).where(of(teaching_activity)).order_by(*named)
    placed = _counted(connection, placement, of, func.count())
    events = _counted(connection, teaching_event, of, func.count())
    missing = _counted(connection, teaching_event, of, func.count(teaching_event.c.missing_since))
    rows = _rows(connection, query)
    for row in rows:
        which = (row["term_number"], row["actid"])
        row |= {"placed": placed.get(which, 0), "events": events.get(which, 0)}
        row["missing"] = missing.get(which, 0)
    return rows


def _counted(connection: Connection, table: Table, of: Any, what: Any) -> dict[Any, int]:
    by = (table.c.term_number, table.c.actid)
    rows = connection.execute(select(*by, what).where(of(table)).group_by(*by))
    return {(term, actid): count for term, actid, count in rows}


# -- all that is held on somebody ----------------------------------------------------------------------


def export(connection: Connection, person_id: int) -> dict[str, Any]:
    """Return all rows that speak of a person, by table."""
    calendars = select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
    names = [r["value"] for r in look.identities(connection, person_id) if r["kind"] == "username"]
    keys = work_of(connection, person_id)
    found: dict[str, Any] = {
        table.name: _rows(connection, select(table).where(table.c.person_id == person_id))
        for table in (*OF_PERSONS, change_log, look_up, operator_act, unreadable_item)
    }
    found["entry"] = _rows(connection, select(entry).where(entry.c.calendar_id.in_(calendars)))
    for table in (teaching_staff, fan_out):
        found[table.name] = _rows(connection, select(table).where(table.c.username.in_(names)))
    later = _rows(connection, select(due_later))
    found["dirty"] = pending(connection, keys)
    found["due_later"] = [row for row in later if (row["kind"], row["key"]) in keys]
    return found
