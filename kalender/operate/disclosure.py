"""What is asked about single persons and courses, and who may be shown: a few statements each.

What is returned are records (`kalender.operate.records`); `export` alone returns rows as they are.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    exists,
    false,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.sql.base import Executable

from kalender.domain.model import CourseKey, as_spelled
from kalender.domain.text import cut, one_line
from kalender.domain.work import Kind, WorkKey
from kalender.operate.records import (
    CalendarRecord,
    CourseAnswer,
    CourseRun,
    EntryRecord,
    GroupRecord,
    IdentityRecord,
    LanguageRecord,
    MoveRecord,
    PreferenceRecord,
    WorkRecord,
)
from kalender.store import acts, brakes, courses, languages, optouts, people, takeovers
from kalender.store.acts import ChangeRecord
from kalender.store.people import LISTED, PROTECT, PROTECTED_PERSONS
from kalender.store.sql import calendar_key, columns_of, db_now, is_one_of
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    dirty,
    due_later,
    employment,
    entry,
    fan_out,
    identity,
    listed_person,
    look_up,
    move,
    move_announced,
    operator_act,
    person,
    personal_language,
    placement,
    preference,
    registration,
    rollout_enrolment,
    rollout_member,
    study_right,
    takeover,
    takeover_item,
    teaching_activity,
    teaching_event,
    teaching_role,
    teaching_staff,
    unreadable_item,
    username_claim,
)
from kalender.store.views import parked

LONGEST_REASON = 200
OF_PERSONS = (
    person,
    identity,
    username_claim,
    calendar,
    registration,
    placement,
    teaching_role,
    employment,
    study_right,
    rollout_member,
    rollout_enrolment,
    preference,
    personal_language,
    listed_person,
)


R = TypeVar("R")


def _rows(connection: Connection, query: Executable) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _records(connection: Connection, query: Executable, record: Callable[..., R]) -> list[R]:
    return [record(**row) for row in connection.execute(query).mappings()]


# -- a person -----------------------------------------------------------------------------------------


def identities(connection: Connection, person_id: int) -> list[IdentityRecord]:
    """Return all that names a person, in FS' order within a kind."""
    query = select(*columns_of(identity, IdentityRecord)).where(identity.c.person_id == person_id)
    ordered = query.order_by(identity.c.kind, identity.c.position)
    return _records(connection, ordered, IdentityRecord)


def calendars_of(connection: Connection, person_id: int) -> list[CalendarRecord]:
    """Return a person's calendars by their numbers, each with the work that waits for it."""
    work = [
        dirty.c[name].label(f"work_{name}")
        for name in ("reason", "due_at", "not_before", "attempts", "parked_at", "last_error")
    ]
    of_calendar = and_(
        dirty.c.kind == Kind.CALENDAR.value,
        dirty.c.key == calendar_key(calendar.c.calendar_id),
    )
    columns = columns_of(calendar, CalendarRecord)
    query = select(*columns, *work).outerjoin_from(calendar, dirty, of_calendar)
    owned = query.where(calendar.c.person_id == person_id)
    return _records(connection, owned.order_by(calendar.c.calendar_id), CalendarRecord)


def entries_of(
    connection: Connection,
    calendar_id: int,
    *,
    course: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> list[EntryRecord]:
    """Return a calendar's records by their start.

    With `course` those of that course, with `after` those that end later than that, with `before`
    those that start earlier.
    """
    query = select(*columns_of(entry, EntryRecord)).where(entry.c.calendar_id == calendar_id)
    if course is not None:
        query = query.where(entry.c.course == course)
    if after is not None:
        query = query.where(entry.c.ends_at > after)
    if before is not None:
        query = query.where(entry.c.starts_at < before)
    ordered = query.order_by(entry.c.starts_at, entry.c.sync_key)
    return _records(connection, ordered, EntryRecord)


def last_changes(
    connection: Connection, calendar_id: int, keys: Collection[str]
) -> Mapping[str, ChangeRecord]:
    """Return the last that was written of these entries of a calendar, by their sync keys."""
    of_calendar = change_log.c.calendar_id == calendar_id
    is_of_them = is_one_of(connection, change_log.c.sync_key, keys)
    query = select(*columns_of(change_log, ChangeRecord)).where(of_calendar, is_of_them)
    ordered = query.order_by(change_log.c.at, change_log.c.change_id)
    return {change.sync_key: change for change in _records(connection, ordered, ChangeRecord)}


def pending(connection: Connection, keys: Collection[tuple[str, str]]) -> list[WorkRecord]:
    """Return the work that waits, is claimed or is parked under these (kind, key)."""
    query = select(*columns_of(dirty, WorkRecord)).where(_is_one_of_work(keys))
    return _records(connection, query, WorkRecord)


def _is_one_of_work(keys: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    conditions = (and_(dirty.c.kind == kind, dirty.c.key == key) for kind, key in sorted(keys))
    return or_(false(), *conditions)


def work_of(connection: Connection, person_id: int) -> set[tuple[str, str]]:
    """Return (kind, key) under which a person's work is marked."""
    query = select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
    calendars = connection.execute(query).scalars()
    return work_keys(identities(connection, person_id), calendars)


def work_keys(names: Iterable[IdentityRecord], calendars: Iterable[int]) -> set[tuple[str, str]]:
    """Return (kind, key) under which the work of a person of these identities is marked."""
    keys: set[tuple[str, str]] = {
        WorkKey.of_identity(name.kind, name.value) for name in names if name.kind != people.MAIL
    }
    return keys | {("calendar", str(calendar_id)) for calendar_id in calendars}


def moves_of(connection: Connection, calendar_id: int) -> list[MoveRecord]:
    """Return the moves of a calendar's mailbox between Exchanges, the first first."""
    query = select(*columns_of(move, MoveRecord)).where(move.c.calendar_id == calendar_id)
    return _records(connection, query.order_by(move.c.move_id), MoveRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverShown:
    """How a calendar's takeover from a predecessor stands, and what of it was not adopted."""

    state: str
    since: datetime
    done_at: datetime | None
    look_at: datetime | None
    reason: str | None
    adopted: int
    others: tuple[takeovers.NotAdopted, ...]


def takeover_of(connection: Connection, calendar_id: int) -> TakeoverShown | None:
    """Return how a calendar's takeover stands; None where it has none."""
    of_calendar = takeover.c.calendar_id == calendar_id
    row = connection.execute(select(takeover).where(of_calendar)).one_or_none()
    if row is None:
        return None
    return TakeoverShown(
        state=row.state,
        since=row.changed_at,
        done_at=row.done_at,
        look_at=row.look_at,
        reason=row.reason,
        adopted=len(takeovers.adopted(connection, calendar_id)),
        others=tuple(takeovers.others(connection, calendar_id)),
    )


# -- parked work, preferences and protection ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedWork:
    """One piece of work that was laid aside, and whose it is.

    Of a protected person's only `kind` is told, and a `key` that names our number of the person.
    """

    kind: str
    key: str
    number: str | None = None
    username: str | None = None
    parked_at: datetime | None = None
    attempts: int | None = None
    last_error: str | None = None


def parked_work(connection: Connection, *, reveal: bool = False) -> list[ParkedWork]:
    """Return what was laid aside, the latest first; `reveal` shows that of protected persons too.

    A protected person's FS number and username are left out even then: the key names the person.
    """
    protected = {} if reveal else protected_work(connection)
    query = select(parked).order_by(parked.c.parked_at.desc())
    rows = _rows(connection, query)
    owners = {
        (row["kind"], row["key"]): people.find_by_any_identity(
            connection, f"{row['kind']} {row['key']}"
        )
        for row in rows
        if row["kind"] != Kind.COURSE and (row["kind"], row["key"]) not in protected
    }
    persons = {person_id for person_id in owners.values() if person_id is not None}
    names = people.names_of(connection, persons)
    work = []
    for row in rows:
        subject = (row["kind"], row["key"])
        owner = owners.get(subject)
        if subject in protected:
            work.append(ParkedWork(kind=row["kind"], key=f"protected {protected[subject]}"))
        else:
            owner_names = people.Names() if owner is None else names[owner]
            work.append(ParkedWork(**row, **asdict(owner_names)))
    return work


def protected_work(connection: Connection) -> Mapping[tuple[str, str], int]:
    """Return (kind, key) of all work that is, or could be, of protected persons -> the person."""
    names = select(identity).where(identity.c.person_id.in_(PROTECTED_PERSONS))
    calendars = select(calendar.c.calendar_id, calendar.c.person_id)
    work = {
        (Kind.PERSON.value, f"{row.kind} {row.value}"): row.person_id
        for row in connection.execute(names)
    }
    for row in connection.execute(calendars.where(calendar.c.person_id.in_(PROTECTED_PERSONS))):
        work[Kind.CALENDAR.value, str(row.calendar_id)] = row.person_id
    return work


def preferences(connection: Connection) -> list[PreferenceRecord]:
    """Return who is left alone or listed to be, by what a command told and by what each list says.

    The first told comes first; protected persons are not shown.
    """
    wishes = connection.execute(select(preference)).all()
    protected = {row.person_id for row in wishes if row.wish == PROTECT}
    listed_rows = connection.execute(select(listed_person)).all()
    persons = {row.person_id for row in (*wishes, *listed_rows)} - protected
    names = people.names_of(connection, persons)
    by_commands = [
        PreferenceRecord(
            person_id=row.person_id,
            **asdict(names[row.person_id]),
            wish=row.wish,
            source=row.source,
            set_at=row.set_at,
            told_by="command",
            state=optouts.OUT,
        )
        for row in wishes
        if row.wish != LISTED and row.person_id in persons
    ]
    by_lists = [
        PreferenceRecord(
            person_id=row.person_id,
            **asdict(names[row.person_id]),
            wish=LISTED,
            source=f"list {row.list}",
            set_at=row.since,
            told_by="list",
            state=row.state,
        )
        for row in listed_rows
        if row.person_id in persons
    ]
    return sorted([*by_commands, *by_lists], key=lambda record: record.set_at)


def personal_languages(connection: Connection) -> list[LanguageRecord]:
    """Return who has a language of their own, with their names; protected persons are not shown."""
    hidden = acts.protected(connection)
    rows = [row for row in languages.counting(connection) if row.person_id not in hidden]
    names = people.names_of(connection, {row.person_id for row in rows})
    return [LanguageRecord(**asdict(row), **asdict(names[row.person_id])) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedPerson:
    """A protected person by our number, and how many entries are still to be taken back."""

    person: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedPerson(ProtectedPerson):
    """The same with the kind of protection, since when it is, and all that names the person."""

    kind: str
    since: datetime
    names: str


def protected_persons(connection: Connection, *, reveal: bool = False) -> Sequence[ProtectedPerson]:
    """Return the protected persons by our number; with `reveal` they are `RevealedPerson`s."""
    rows = connection.execute(
        select(
            preference.c.person_id,
            func.count(entry.c.sync_key).label("entries"),
            preference.c.source,
            preference.c.set_at,
        )
        .outerjoin_from(preference, calendar, calendar.c.person_id == preference.c.person_id)
        .outerjoin(entry, entry.c.calendar_id == calendar.c.calendar_id)
        .where(preference.c.wish == PROTECT)
        .group_by(preference.c.person_id, preference.c.source, preference.c.set_at)
        .order_by(preference.c.person_id)
    ).all()
    if not reveal:
        return [ProtectedPerson(person=row.person_id, entries=row.entries) for row in rows]
    return [
        RevealedPerson(
            person=row.person_id,
            entries=row.entries,
            kind=row.source,
            since=row.set_at,
            names=", ".join(name.value for name in identities(connection, row.person_id)),
        )
        for row in rows
    ]


def log_access(
    connection: Connection,
    persons: Collection[int],
    command: str,
    *,
    operator: str,
    reason: str = "",
    refused: bool = False,
) -> list[int]:
    """Record in `look_up` that somebody was shown these persons by a command, or a page.

    `reason`: why, as they said. `refused`: the persons are protected, and were not shown. Returns
    the numbers of the rows.
    """
    values = {"who": operator[: acts.LONGEST_NAME], "command": command, "refused": refused}
    values["reason"] = cut(one_line(reason), LONGEST_REASON)
    statement = insert(look_up).values(at=db_now(), **values).returning(look_up.c.look_up_id)
    return [
        connection.execute(statement, {"person_id": person_id}).scalar_one()
        for person_id in sorted(persons)
    ]


# -- a course -----------------------------------------------------------------------------------------


def spelled(connection: Connection, course: str) -> str | None:
    """Return a course's code as FS or TP spells it, asked for in any case; None: nobody told of it."""
    for table in (course_run, registration, teaching_role, teaching_staff):
        if connection.execute(select(exists().where(table.c.course == course))).scalar_one():
            return course
        codes = connection.execute(select(table.c.course).distinct()).scalars()
        if spelling := as_spelled(course, codes):
            return spelling
    return None


def answers(connection: Connection, course: str, semester: str) -> list[CourseAnswer]:
    """Return what TP answered last for a course in a semester: one answer, or none."""
    of_course = _of_course(CourseKey(course, semester))
    query = select(*columns_of(course_run, CourseAnswer)).where(of_course(course_run))
    return _records(connection, query, CourseAnswer)


def runs(connection: Connection, course: str, semester: str | None = None) -> list[CourseRun]:
    """Return a course's runs by semester; the code may be spelled in any letters."""
    is_course = course_run.c.course == courses.spelled(connection, course)
    columns = columns_of(course_run, CourseRun)
    query = select(*columns).where(is_course).order_by(course_run.c.semester)
    if semester is not None:
        query = query.where(course_run.c.semester == semester)
    result = []
    for row in _rows(connection, query):
        key = CourseKey(row["course"], row["semester"])
        persons = func.count(registration.c.person_id.distinct())
        registered = select(persons).where(_of_course(key)(registration))
        result.append(
            CourseRun(
                **row,
                held=brakes.state(connection, brakes.course_scope(key)),
                registered=connection.execute(registered).scalar_one(),
                staff=len(courses.staff_of(connection, key)),
                pending=tuple(pending(connection, [(Kind.COURSE.value, str(key))])),
                groups=tuple(_groups(connection, key)),
            )
        )
    return result


def _of_course(key: CourseKey) -> Callable[[Table], ColumnElement[bool]]:
    return lambda table: and_(table.c.course == key.course, table.c.semester == key.semester)


def _groups(connection: Connection, key: CourseKey) -> Iterator[GroupRecord]:
    of_course = _of_course(key)
    columns = [teaching_activity.c[name] for name in ("term_number", "actid", "method")]
    plenary = teaching_activity.c.has_plenary.label("plenary")
    query = select(*columns, plenary).where(of_course(teaching_activity)).order_by(*columns)

    def count(table: Table, number: ColumnElement[int]) -> Mapping[tuple[int, str], int]:
        by = (table.c.term_number, table.c.actid)
        rows = connection.execute(select(*by, number).where(of_course(table)).group_by(*by))
        return {(term, actid): total for term, actid, total in rows}

    placed = count(placement, func.count())
    events = count(teaching_event, func.count())
    missing = count(teaching_event, func.count(teaching_event.c.missing_since))
    for row in connection.execute(query):
        group = (row.term_number, row.actid)
        yield GroupRecord(
            term_number=row.term_number,
            actid=row.actid,
            method=row.method,
            plenary=row.plenary,
            placed=placed.get(group, 0),
            events=events.get(group, 0),
            missing=missing.get(group, 0),
        )


# -- all that is held on somebody ----------------------------------------------------------------------


def export(connection: Connection, person_id: int) -> dict[str, Any]:
    """Return all rows that speak of a person, by table."""
    calendars = select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
    names = identities(connection, person_id)
    usernames = [name.value for name in names if name.kind == people.USERNAME]
    keys = work_of(connection, person_id)
    tables: dict[str, Any] = {
        table.name: _rows(connection, select(table).where(table.c.person_id == person_id))
        for table in (*OF_PERSONS, change_log, look_up, operator_act, unreadable_item)
    }
    for table in (entry, move, move_announced, takeover, takeover_item):
        of_theirs = select(table).where(table.c.calendar_id.in_(calendars))
        tables[table.name] = _rows(connection, of_theirs)
    for table in (teaching_staff, fan_out):
        by_name = select(table).where(table.c.username.in_(usernames))
        tables[table.name] = _rows(connection, by_name)
    later = _rows(connection, select(due_later))
    tables["dirty"] = _rows(connection, select(dirty).where(_is_one_of_work(keys)))
    tables["due_later"] = [row for row in later if (row["kind"], row["key"]) in keys]
    return tables
