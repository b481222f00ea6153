"""Items of FS and events of TP that cannot be read: which, where, why and since when.

A row goes away when its item is read well or is gone: whoever takes an answer in replaces what
stood of that person, course or collection by what that answer could not tell.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from kalender.domain.model import BadEvent, BadItem, CourseKey
from kalender.store.database import database_time
from kalender.store.sql import delete_many, is_one_of, upsert
from kalender.store.tables import preference, unreadable_item

FS, TP = "fs", "tp"
EVENTS = "events"  # TP's only collection
UNNAMED = "unnamed"
PROTECTED = "of a protected person"
LONGEST_ID, LONGEST_ACTID = 160, 64
_KEY = [column.name for column in unreadable_item.primary_key.columns]
_RAW = unreadable_item.c


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableItem:
    """One item that cannot be read. `course` and `actid` are told of TP's events only.

    `item` is the source's own id, or `unnamed` with a number where it has none that can be read.
    """

    source: str  # fs | tp
    collection: str
    item: str
    reason: str
    since: datetime
    seen_at: datetime
    course: CourseKey | None = None
    actid: str | None = None
    person_id: int | None = None

    def __str__(self) -> str:
        """Return its id; of an event with its course's."""
        return self.item if self.course is None else f"{self.course} {self.item}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many items of a source's collection cannot be read, and since when the first."""

    source: str
    collection: str
    count: int
    courses: int  # of TP: of how many courses they are
    since: datetime


# -- what is asked ------------------------------------------------------------------------------------


def items(
    connection: Connection,
    *,
    source: str | None = None,
    collection: str | None = None,
    limit: int | None = None,
) -> list[UnreadableItem]:
    """Return what cannot be read, the oldest first; of protected persons only that it is there."""
    values = {"source": source, "collection": collection}
    conditions = [_RAW[name] == value for name, value in values.items() if value is not None]
    problems = _items(connection, conditions, limit)
    persons = sorted({problem.person_id for problem in problems if problem.person_id is not None})
    is_named = is_one_of(connection, preference.c.person_id, persons)
    protects = (is_named, preference.c.wish == "protect")
    protected_persons = set(
        connection.execute(select(preference.c.person_id).where(*protects)).scalars()
    )
    return [
        replace(problem, item=PROTECTED, course=None, actid=None, person_id=None)
        if problem.person_id in protected_persons
        else problem
        for problem in problems
    ]


def of_course(connection: Connection, course: CourseKey) -> list[UnreadableItem]:
    """Return the events of a course that cannot be read."""
    return _items(connection, [_is_of(course)])


def of_person(connection: Connection, person_id: int) -> list[UnreadableItem]:
    """Return the items of FS about a person that cannot be read."""
    return _items(connection, [_RAW.person_id == person_id])


def counts(connection: Connection) -> list[Count]:
    """Return how many items of which collection cannot be read."""
    query = select(
        _RAW.source,
        _RAW.collection,
        func.count(),
        func.count((_RAW.course + " " + _RAW.semester).distinct()),
        func.min(_RAW.since),
    ).group_by(_RAW.source, _RAW.collection)
    rows = connection.execute(query.order_by(_RAW.source, _RAW.collection)).all()
    return [
        Count(
            source=source,
            collection=collection,
            count=count,
            courses=courses if source == TP else 0,
            since=since,
        )
        for source, collection, count, courses, since in rows
    ]


def _items(
    connection: Connection, conditions: Iterable[ColumnElement[bool]], limit: int | None = None
) -> list[UnreadableItem]:
    query = (
        select(unreadable_item).where(*conditions).order_by(_RAW.since, *(_RAW[k] for k in _KEY))
    )
    return [
        UnreadableItem(
            source=row.source,
            collection=row.collection,
            item=row.item,
            reason=row.reason,
            since=row.since,
            seen_at=row.seen_at,
            course=CourseKey(row.course, row.semester) if row.course else None,
            actid=row.actid,
            person_id=row.person_id,
        )
        for row in connection.execute(query.limit(limit))
    ]


def _is_of(course: CourseKey) -> ColumnElement[bool]:
    return and_(
        _RAW.source == TP,
        _RAW.collection == EVENTS,
        _RAW.course == course.course,
        _RAW.semester == course.semester,
    )


# -- what is recorded ---------------------------------------------------------------------------------


def of_course_answer(connection: Connection, course: CourseKey, bad: Sequence[BadEvent]) -> None:
    """Record which events of TP's answer for a course cannot be read; the others of it can."""
    rows, unnamed = [], 0
    for problem in bad:
        unnamed += not problem.event_id
        rows.append(
            {
                "source": TP,
                "collection": EVENTS,
                **course._asdict(),
                "item": (problem.event_id or f"{UNNAMED} {unnamed}")[:LONGEST_ID],
                "actid": problem.actid[:LONGEST_ACTID] if problem.actid else None,
                "person_id": None,
                "reason": problem.reason,
            }
        )
    _replace(connection, _is_of(course), rows)


def of_answer(connection: Connection, person_id: int, bad: Sequence[BadItem]) -> None:
    """Record which items of FS' answer for a person cannot be read; the others of it can."""
    rows = _rows_of_fs(bad, {problem.fs_number: person_id for problem in bad if problem.fs_number})
    _replace(connection, _RAW.person_id == person_id, rows)


def of_collections(
    connection: Connection,
    bad: Sequence[BadItem],
    persons: Mapping[int, int],
    *,
    spared: Collection[int],
    semesters: Collection[str],
) -> None:
    """Record which items of all of FS' collections cannot be read; all others of them can.

    `persons` are by FS number. What is known of the spared stays: they were asked for singly since.
    Events of semesters that are maintained no more are of no concern.
    """
    rows = [row for row in _rows_of_fs(bad, persons) if row["person_id"] not in spared]
    stays = is_one_of(connection, _RAW.person_id, spared)
    is_other = and_(_RAW.source == FS, or_(_RAW.person_id.is_(None), ~stays))
    past = and_(_RAW.source == TP, _RAW.semester.not_in(sorted(semesters)))
    _replace(connection, or_(is_other, past), rows)


def _rows_of_fs(bad: Sequence[BadItem], persons: Mapping[int, int]) -> list[dict[str, Any]]:
    rows, unnamed = [], Counter[str]()
    for problem in bad:
        person_id = persons.get(problem.fs_number) if problem.fs_number is not None else None
        place = f" of person {person_id}" if person_id is not None else ""
        unnamed[problem.collection + place] += problem.item is None
        name = f"{UNNAMED} {unnamed[problem.collection + place]}{place}"
        rows.append(
            {
                "source": FS,
                "collection": problem.collection,
                "course": "",
                "semester": "",
                "item": problem.item or name,
                "actid": None,
                "person_id": person_id,
                "reason": problem.reason,
            }
        )
    return rows


def _replace(
    connection: Connection, conditions: ColumnElement[bool], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Let these be the rows of that part of the table; what stood there keeps its `since`."""
    rows_by_key = {tuple(row[name] for name in _KEY): row for row in rows}
    stood = select(*(_RAW[name] for name in _KEY)).where(conditions)
    gone_keys = {tuple(row) for row in connection.execute(stood)} - rows_by_key.keys()
    delete_many(connection, unreadable_item, _KEY, gone_keys)
    if not rows_by_key:
        return
    moment = database_time(connection)
    new = upsert(connection.dialect.name, unreadable_item)
    again = {name: new.excluded[name] for name in ("seen_at", "reason", "actid", "person_id")}
    connection.execute(
        new.on_conflict_do_update(index_elements=_KEY, set_=again),
        [{**rows_by_key[key], "since": moment, "seen_at": moment} for key in sorted(rows_by_key)],
    )
