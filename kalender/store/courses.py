"""The mirror of TP: courses, their activities and events, and the fan-out of what changed."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy import Row as SqlRow

from kalender.domain.mirror import (
    EventKey,
    MirrorChange,
    Row,
    activities_of,
    event_digest,
    usernames,
)
from kalender.domain.model import (
    ActivityKey,
    CourseAnswer,
    CourseKey,
    TeachingEvent,
    UnitKey,
    as_spelled,
    folded,
    from_json,
    to_json,
)
from kalender.domain.text import without_unseen
from kalender.domain.timetable import Activity, Rules, sole_groups
from kalender.domain.work import Trigger
from kalender.store import unreadable
from kalender.store.database import database_time
from kalender.store.people import USERNAME, calendars_of, ensure
from kalender.store.sql import (
    db_now,
    delete_many,
    in_parts,
    insert_many,
    is_one_of,
    key_in,
    key_params,
    one_of,
)
from kalender.store.tables import (
    course_organisation,
    course_run,
    fan_out,
    identity,
    placement,
    registration,
    rollout,
    rollout_member,
    source_reading,
    teaching_activity,
    teaching_event,
    teaching_role,
    teaching_staff,
)

UNIT = ("course", "version", "semester", "term_number")
ACTIVITY = (*UNIT, "actid")
EVENT = (*ACTIVITY, "event_id")
FEW = 400  # values that one statement names


def _key(row: SqlRow[*tuple[Any, ...]]) -> ActivityKey:
    return ActivityKey(row.course, row.version, row.semester, row.term_number, row.actid)


# -- the course itself -----------------------------------------------------------------------------


def runs(connection: Connection, semesters: Collection[str]) -> dict[CourseKey, bool]:
    """Return the courses mirrored in these semesters, and whether each is published."""
    rows = connection.execute(
        select(course_run.c.course, course_run.c.semester, course_run.c.published).where(
            course_run.c.semester.in_(sorted(semesters))
        )
    )
    return {CourseKey(course, semester): published for course, semester, published in rows}


def mirrored(connection: Connection, keys: Collection[CourseKey]) -> frozenset[CourseKey]:
    """Return those of these courses of which TP was ever asked."""
    keys_mirrored: set[CourseKey] = set()
    for part in in_parts([tuple(key) for key in keys]):
        columns = (course_run.c.course, course_run.c.semester)
        rows_ = connection.execute(select(*columns).where(tuple_(*columns).in_(part)))
        keys_mirrored |= {CourseKey(*row) for row in rows_}
    return frozenset(keys_mirrored)


def is_published(connection: Connection, key: CourseKey) -> bool | None:
    """Whether the course was published when TP was last asked; None: never asked."""
    return connection.execute(
        select(course_run.c.published).where(_is(course_run, key))
    ).scalar_one_or_none()


def _is(table: Any, key: CourseKey) -> Any:
    return and_(table.c.course == key.course, table.c.semester == key.semester)


def spelled(connection: Connection, course: str) -> str:
    """Return a course's code as it is mirrored, whatever letters it is given in; else as given."""
    course = without_unseen(course)
    if connection.execute(select(exists().where(course_run.c.course == course))).scalar_one():
        return course
    codes = connection.execute(select(course_run.c.course).distinct()).scalars()
    return as_spelled(course, codes) or course


def spellings(connection: Connection, keys: Collection[CourseKey]) -> dict[CourseKey, CourseKey]:
    """Return those of these courses that TP spells otherwise, and how; by what TP told of events.

    A course of which TP told nothing is as whoever named it spelled it.
    """
    columns = [teaching_activity.c.course, teaching_activity.c.semester]
    exact: set[CourseKey] = set()
    for part in in_parts({tuple(key) for key in keys}):
        courses_told = connection.execute(
            select(*columns).where(tuple_(*columns).in_(part)).distinct()
        )
        exact |= {CourseKey(*row) for row in courses_told}
    unspelled = {CourseKey(folded(key.course), key.semester): key for key in set(keys) - exact}
    if not unspelled:
        return {}
    among = [teaching_activity.c.semester.in_(sorted({key.semester for key in unspelled}))]
    codes = sorted({key.course for key in unspelled})
    if len(codes) <= FEW and all(map(str.isascii, codes)):  # which both databases fold alike
        among.append(func.lower(teaching_activity.c.course).in_(codes))
    courses_told = connection.execute(select(*columns).where(*among).distinct())
    return {
        unspelled[name]: CourseKey(course, semester)
        for course, semester in sorted(tuple(row) for row in courses_told)
        if (name := CourseKey(folded(course), semester)) in unspelled
    }


def rows(connection: Connection, key: CourseKey) -> dict[EventKey, Row]:
    """Return the mirror of one course."""
    records = connection.execute(select(teaching_event).where(_is(teaching_event, key)))
    mirrored = (Row(event=_event(row), digest=row.digest) for row in records)
    return {row.key: row for row in mirrored}


def told_of(connection: Connection, event_ids: Iterable[str]) -> dict[str, TeachingEvent]:
    """Return what TP told last of these events, by id; of two that have one id, either."""
    told: dict[str, TeachingEvent] = {}
    for part in in_parts(set(event_ids)):
        is_named = is_one_of(connection, teaching_event.c.event_id, part)
        records = connection.execute(select(teaching_event).where(is_named))
        told |= {row.event_id: _event(row) for row in records}
    return told


def _event(row: SqlRow[*tuple[Any, ...]]) -> TeachingEvent:
    event = from_json(row.told)
    if row.doubt or row.missing_since is not None:
        return replace(event, doubt=row.doubt, missing=row.missing_since is not None)
    return event


def save(
    connection: Connection,
    answer: CourseAnswer,
    change: MirrorChange,
    trigger: Trigger,
) -> bool:
    """Write what an answer changed and whom it will concern; return whether anything did.

    People whom only TP knows become persons here.
    """
    before = is_published(connection, answer.key)
    # What TP does not tell stays as it was; it is no reason to doubt a course never asked for.
    published = before is not False if answer.published is None else answer.published
    values: dict[str, object] = {
        "published": published,
        "asked_at": db_now(),
        "bad_events": len(answer.bad),
        "bad_reason": answer.bad[0].reason if answer.bad else None,
        "unknown_status": change.unknown_status,
        "skipped": answer.skipped,
    }
    if before is not published or change.rows or change.removed:
        values |= {"changed_at": db_now(), "last_change": str(change) or "published or hidden"}
    updated_row = connection.execute(
        update(course_run).where(_is(course_run, answer.key)).values(values)
    )
    if not updated_row.rowcount:
        connection.execute(insert(course_run).values(**answer.key._asdict(), **values))
    unreadable.of_course_answer(connection, answer.key, answer.bad)
    _save_events(connection, change)
    _save_activities(connection, change)
    of_everybody, placed = change.everybody, change.concerned
    if before is not published:
        of_everybody |= {activity.key for activity in activities(connection, [answer.key])}
    rows_: list[tuple[ActivityKey, bool, str | None]] = [(key, True, None) for key in of_everybody]
    rows_ += [(key, False, None) for key in placed - of_everybody]
    rows_ += [(key, False, name) for key, name in change.former]
    save_fan_out(connection, rows_, trigger)
    return bool(rows_)


def _save_events(connection: Connection, change: MirrorChange) -> None:
    stale = [(*key.activity, key.event_id) for key in change.removed]
    stale += [(*row.key.activity, row.key.event_id) for row in change.rows]
    for table in (teaching_event, teaching_staff):
        delete_many(connection, table, EVENT, stale)
    if change.rows:
        at = database_time(connection)
        values = [
            {
                **_event_key(row.key),
                "starts_at": row.event.starts_at,
                "ends_at": row.event.ends_at,
                "status": row.event.status.value,
                "plenary": row.event.plenary,
                "doubt": row.event.doubt,
                "missing_since": at if row.event.missing else None,
                "digest": row.digest,
                "told": to_json(row.event),
            }
            for row in change.rows
        ]
        insert_many(connection, teaching_event, values)
    staff = [
        {**_event_key(row.key), "username": name}
        for row in change.rows
        for name in sorted(usernames(row.event))
    ]
    for name in sorted({str(row_of_staff["username"]) for row_of_staff in staff}):
        ensure(connection, USERNAME, name)
    insert_many(connection, teaching_staff, staff)


def _event_key(key: EventKey) -> dict[str, object]:
    return {**key.activity._asdict(), "event_id": key.event_id}


def _save_activities(connection: Connection, change: MirrorChange) -> None:
    stale = [tuple(activity.key) for activity in change.activities] + [
        tuple(k) for k in change.gone
    ]
    delete_many(connection, teaching_activity, ACTIVITY, stale)
    values = [
        {
            **activity.key._asdict(),
            "method": activity.method,
            "has_plenary": activity.has_plenary,
            "has_group": activity.has_group,
            "digest": activity.digest,
            "days": json.dumps(dict(activity.days), separators=(",", ":")),
        }
        for activity in change.activities
    ]
    insert_many(connection, teaching_activity, values)


def activities(connection: Connection, courses: Collection[CourseKey]) -> list[Activity]:
    """Return all activities of these courses, in a total order."""
    activities_: list[Activity] = []
    dialect, names = connection.dialect.name, ("course", "semester")
    for part in in_parts([tuple(key) for key in courses]):
        rows_ = connection.execute(_ACTIVITIES, key_params(dialect, names, part))
        activities_ += [_activity(row) for row in rows_.all()]
    return activities_


PLACEMENTS = "placements"
_ACTIVITIES = (
    select(
        teaching_activity,
        course_run.c.published,
        exists()
        .where(*(placement.c[name] == teaching_activity.c[name] for name in ACTIVITY))
        .label("placed"),
        exists()
        .where(
            source_reading.c.source == PLACEMENTS,
            source_reading.c.semester == teaching_activity.c.semester,
        )
        .label("complete"),
    )
    .join(
        course_run,
        and_(
            course_run.c.course == teaching_activity.c.course,
            course_run.c.semester == teaching_activity.c.semester,
        ),
    )
    .where(key_in(teaching_activity, ("course", "semester")))
    .order_by(*(teaching_activity.c[name] for name in ACTIVITY))
)


@lru_cache(maxsize=20_000)
def _activity(row: SqlRow[*tuple[Any, ...]]) -> Activity:
    return Activity(
        key=_key(row),
        method=row.method,
        has_plenary=row.has_plenary,
        has_group=row.has_group,
        digest=row.digest,
        days=MappingProxyType(json.loads(row.days)),
        published=row.published,
        placed=True if row.placed else (False if row.complete else None),
    )


def events_of(
    connection: Connection, keys: Collection[ActivityKey], after: datetime
) -> dict[ActivityKey, tuple[str, list[TeachingEvent]]]:
    """Return each activity's digest, and its events that end after an instant, as of one moment."""
    dialect = connection.dialect.name
    events: dict[ActivityKey, tuple[str, list[TeachingEvent]]] = {}
    for part in in_parts([tuple(key) for key in keys]):
        params = key_params(dialect, ACTIVITY, part) | {"after": after}
        for row in connection.execute(_EVENTS, params).all():
            _, events_shown = events.setdefault(_key(row), (row.digest, []))
            events_shown += [_event(row)] if row.told is not None else []
    return events


_EVENTS = (
    select(
        *(teaching_activity.c[name] for name in ACTIVITY),
        teaching_activity.c.digest,
        teaching_event.c.told,
        teaching_event.c.doubt,
        teaching_event.c.missing_since,
    )
    .outerjoin(
        teaching_event,
        and_(
            *(teaching_event.c[name] == teaching_activity.c[name] for name in ACTIVITY),
            teaching_event.c.ends_at > bindparam("after", type_=teaching_event.c.ends_at.type),
        ),
    )
    .where(key_in(teaching_activity, ACTIVITY))
    .order_by(*(teaching_activity.c[name] for name in ACTIVITY), teaching_event.c.event_id)
)


def named_in(
    connection: Connection, names: Collection[str], semesters: Collection[str]
) -> Mapping[str, frozenset[ActivityKey]]:
    """Return the activities of which an event names one of these usernames, by username."""
    activities_: defaultdict[str, set[ActivityKey]] = defaultdict(set)
    params = {"names": sorted(set(names)), "semesters": sorted(semesters)}
    for username, *key in connection.execute(_NAMED_ACTIVITIES, params).all():
        activities_[username].add(ActivityKey(*key))
    return {username: frozenset(keys) for username, keys in activities_.items()}


_NAMED_ACTIVITIES = (
    select(teaching_staff.c.username, *(teaching_staff.c[name] for name in ACTIVITY))
    .where(
        one_of(teaching_staff.c.username, "names"), one_of(teaching_staff.c.semester, "semesters")
    )
    .distinct()
)


def others_with(
    connection: Connection, key: CourseKey, event_ids: Collection[str]
) -> set[CourseKey]:
    """Return the other courses whose mirror holds one of these event ids: co-taught."""
    is_shared = is_one_of(connection, teaching_event.c.event_id, event_ids)
    courses = select(teaching_event.c.course, teaching_event.c.semester).distinct()
    rows_ = connection.execute(courses.where(is_shared, ~_is(teaching_event, key))).all()
    return {CourseKey(*row) for row in rows_}


# -- spelling ------------------------------------------------------------------------------------------


def respell(
    connection: Connection,
    key: CourseKey,
    spelling: CourseKey,
    rules: Rules,
    trigger: Trigger,
) -> None:
    """Give all that stands under a course's other spelling to the one that TP uses.

    Where that is mirrored, it has the truth about events, and the other mirror goes; else the
    mirror is moved as it is. Its activities' people are recorded in the fan-out of `spelling`,
    which the caller marks first: its row of work keeps two workers apart.
    """
    mirror = rows(connection, key)
    moved_rows = []
    for row in mirror.values():
        activity = row.event.activity._replace(course=spelling.course)
        event = replace(row.event, activity=activity)
        digest = None if row.digest is None else event_digest(event)
        moved_rows.append(Row(event=event, digest=digest))
    is_mirrored = is_published(connection, spelling) is not None
    for table in (registration, placement, teaching_role, fan_out):
        _rename(connection, table, key, spelling.course)
    _rename_listed(connection, key.course, spelling.course)
    for table in (teaching_event, teaching_staff, teaching_activity):
        connection.execute(delete(table).where(_is(table, key)))
    unreadable.of_course_answer(connection, key, ())
    if is_mirrored:
        connection.execute(delete(course_run).where(_is(course_run, key)))
    else:
        _rename(connection, course_run, key, spelling.course)
        activities_ = activities_of(moved_rows, rules)
        change = MirrorChange(rows=tuple(moved_rows), activities=activities_)
        _save_events(connection, change)
        _save_activities(connection, change)
    concerned_: set[tuple[ActivityKey, bool, str | None]] = {
        (row.key.activity, True, None) for row in moved_rows
    }
    concerned_ |= {
        (row.key.activity, False, name) for row in moved_rows for name in usernames(row.event)
    }
    save_fan_out(connection, concerned_, trigger)


def _rename(connection: Connection, table: Table, key: CourseKey, course: str) -> None:
    """Rename a course in rows of this table; what stands under the new name already is dropped."""
    names = [column.name for column in table.primary_key]
    if "course" in names:
        other_row = table.alias()
        same_names = (other_row.c[name] == table.c[name] for name in names if name != "course")
        there = exists().where(other_row.c.course == course, *same_names)
        connection.execute(delete(table).where(_is(table, key), there))
    connection.execute(update(table).where(_is(table, key)).values(course=course))


def _rename_listed(connection: Connection, before: str, course: str) -> None:
    """Rename a course in what the roll-out goes by: its list, its members, and units of courses."""
    for table, column, conditions in (
        (rollout, rollout.c.value, [rollout.c.kind == "course"]),
        (rollout_member, rollout_member.c.course, []),
        (course_organisation, course_organisation.c.course, []),
    ):
        other_row = table.alias()
        key = [
            key_column.name for key_column in table.primary_key if key_column.name != column.name
        ]
        same_key = (other_row.c[name] == table.c[name] for name in key)
        there = exists().where(other_row.c[column.name] == course, *same_key)
        connection.execute(delete(table).where(column == before, *conditions, there))
        renamed = update(table).where(column == before, *conditions)
        connection.execute(renamed.values({column.name: course}))


# -- fan-out ----------------------------------------------------------------------------------------


def save_fan_out(
    connection: Connection,
    concerned: Iterable[tuple[ActivityKey, bool, str | None]],
    trigger: Trigger,
) -> None:
    """Write down whom a change may concern: (activity, everybody on it, or one username).

    It is read in a second transaction, so that whoever registers in between is not missed.
    """
    values = [
        {
            **key._asdict(),
            "everybody": of_everybody,
            "username": name,
            "reason": trigger.reason,
            "cause": trigger.cause.value,
            "priority": int(trigger.lane),
            "since": trigger.since,
        }
        for key, of_everybody, name in sorted(concerned, key=lambda row: (*row[:2], row[2] or ""))
    ]
    insert_many(connection, fan_out, values)


def pending_fan_out(connection: Connection, key: CourseKey) -> list[SqlRow[*tuple[Any, ...]]]:
    """Return the course's fan-out rows that were not carried out yet."""
    query = select(fan_out).where(_is(fan_out, key)).order_by(fan_out.c.fan_out_id)
    return list(connection.execute(query))


def clear_fan_out(connection: Connection, rows_: Sequence[SqlRow[*tuple[Any, ...]]]) -> None:
    """Delete these fan-out rows: their calendars are marked, in this transaction."""
    delete_many(connection, fan_out, ("fan_out_id",), [(row.fan_out_id,) for row in rows_])


def concerned(connection: Connection, rows_: Sequence[SqlRow[*tuple[Any, ...]]]) -> set[int]:
    """Return the calendars whom these fan-out rows concern, now and before."""
    keys = {_key(row) for row in rows_}
    # students: those placed on a group, and all registered where the change or activity is for all
    alone = sole_groups(activities(connection, {CourseKey(k.course, k.semester) for k in keys}))
    open_to_all = {_key(row).unit for row in rows_ if row.everybody}
    open_to_all |= {key.unit for key in keys if key in alone}
    groups = [key for key in keys if key.unit not in open_to_all]
    persons = _whose(connection, placement.c.person_id, ACTIVITY, groups)
    persons |= registered(connection, open_to_all)
    # teachers, now and before
    persons |= _whose(connection, teaching_role.c.person_id, UNIT, {key.unit for key in keys})
    usernames_ = _whose(connection, teaching_staff.c.username, ACTIVITY, keys)
    usernames_ |= {row.username for row in rows_ if row.username}
    persons |= _by_username(connection, usernames_)
    return set(calendars_of(connection, persons))


def registered(connection: Connection, units: Collection[UnitKey]) -> set[int]:
    """Return everybody registered on one of these units."""
    return _whose(connection, registration.c.person_id, UNIT, units)


def _whose(
    connection: Connection,
    column: Column[Any],
    names: Sequence[str],
    keys: Collection[ActivityKey] | Collection[UnitKey],
) -> set[Any]:
    """Return what this column holds in rows of these keys."""
    dialect, values = connection.dialect.name, set[Any]()
    query = select(column).where(key_in(column.table, names)).distinct()
    for part in in_parts({tuple(key) for key in keys}):
        rows_ = connection.execute(query, key_params(dialect, names, part))
        values.update(rows_.scalars())
    return values


def _by_username(connection: Connection, names: Collection[str]) -> set[int]:
    is_theirs = is_one_of(connection, identity.c.value, names)
    query = select(identity.c.person_id).where(identity.c.kind == USERNAME, is_theirs)
    return set(connection.execute(query).scalars()) if names else set()


def staff_of(connection: Connection, key: CourseKey) -> set[int]:
    """Return the persons whom the course's events name now."""
    query = select(teaching_staff.c.username).where(_is(teaching_staff, key)).distinct()
    return _by_username(connection, set(connection.execute(query).scalars()))
