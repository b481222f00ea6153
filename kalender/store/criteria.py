"""Who meets what is on the roll-out's list, and who is in it for good because they once did."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from hashlib import blake2b

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    delete,
    or_,
    select,
    true,
)

from kalender.domain.criteria import (
    AUDIENCE,
    COURSE,
    DEPARTMENT,
    FACULTY,
    GROUP,
    PERSON,
    PROGRAMME,
    SHARE,
)
from kalender.domain.roles import words_with
from kalender.store.database import database_time
from kalender.store.sql import insert_missing, is_one_of
from kalender.store.tables import (
    calendar,
    course_organisation,
    employment,
    entry,
    identity,
    registration,
    rollout_enrolment,
    rollout_member,
    study_right,
    teaching_role,
    teaching_staff,
)

Names = Mapping[str, Collection[str]]  # kind -> values
EVERYBODY = true()
LASTING = (FACULTY, DEPARTMENT, PROGRAMME)  # whoever once met these stays, as with a course


def calendars_meeting(
    connection: Connection, names: Names, condition: ColumnElement[bool] = EVERYBODY
) -> set[int]:
    """Return the calendars, of those with this condition, that meet any of these criteria."""
    if not any(names.values()):
        return set()
    # everybody has a place from 0 to 2**32 - 1 by their number alone: a larger share only adds people
    limit = max(map(float, names.get(SHARE, ())), default=0.0) * 2**32
    audiences = words_with(names.get(AUDIENCE, ()))
    persons = _persons_meeting(connection, names, condition)
    named_persons = set(names.get(PERSON, ()))
    rows = connection.execute(
        select(calendar.c.calendar_id, calendar.c.person_id, calendar.c.audience).where(condition)
    )
    return {
        calendar_id
        for calendar_id, person_id, audience in rows
        if str(person_id) in named_persons
        or audience in audiences
        or place(person_id) < limit
        or person_id in persons
    }


def place(person_id: int) -> int:
    """Return a person's place among all, from 0 to 2**32 - 1, by their number alone."""
    return int.from_bytes(blake2b(str(person_id).encode(), digest_size=4).digest())


def _persons_meeting(
    connection: Connection, names: Names, condition: ColumnElement[bool]
) -> set[int]:
    """Those who meet a course, a unit, a programme or a group, or once did while it was listed.

    Else what they withdrew from would stay in the calendar, and nobody would be told to leave it.
    """
    persons = {person_id for _, _, person_id in _meeting_now(connection, names, condition)}
    of_calendar = calendar.c.person_id
    if courses := names.get(COURSE):
        enrolled = (
            select(of_calendar)
            .join(rollout_member, rollout_member.c.person_id == of_calendar)
            .where(condition, rollout_member.c.course.in_(sorted(courses)))
        )
        persons.update(connection.execute(enrolled).scalars())
    for kind in (*LASTING, GROUP):
        if values := names.get(kind):
            enrolled = (
                select(of_calendar)
                .join(rollout_enrolment, rollout_enrolment.c.person_id == of_calendar)
                .where(
                    condition,
                    rollout_enrolment.c.kind == kind,
                    rollout_enrolment.c.value.in_(sorted(values)),
                )
            )
            persons.update(connection.execute(enrolled).scalars())
    return persons


Meeting = set[tuple[str, str, int]]  # kind, value and person


def _meeting_now(connection: Connection, names: Names, condition: ColumnElement[bool]) -> Meeting:
    """Return who takes or teaches what is listed, is employed there, or follows it, now."""
    by_course = defaultdict[str, set[tuple[str, str]]](set)
    for course in names.get(COURSE, ()):
        by_course[course].add((COURSE, course))
    meeting: Meeting = set()
    for kind in (FACULTY, DEPARTMENT):
        for value in names.get(kind, ()):
            units = select(course_organisation.c.course)
            query = units.where(_is_beneath(course_organisation.c.organisation, value))
            for course in connection.execute(query).scalars():
                by_course[course].add((kind, value))
            employed = (
                select(employment.c.person_id)
                .join(calendar, calendar.c.person_id == employment.c.person_id)
                .where(condition, _is_beneath(employment.c.organisation, value))
            )
            persons = connection.execute(employed).scalars()
            meeting |= {(kind, value, person_id) for person_id in persons}
    if by_course:
        rows = connection.execute(_persons_and_courses(connection, by_course, condition))
        meeting |= {
            (*criterion, person_id) for person_id, course in rows for criterion in by_course[course]
        }
    if programmes := names.get(PROGRAMME):
        followed = (
            select(study_right.c.person_id, study_right.c.programme)
            .join(calendar, calendar.c.person_id == study_right.c.person_id)
            .where(condition, study_right.c.programme.in_(sorted(programmes)))
        )
        rows = connection.execute(followed)
        meeting |= {(PROGRAMME, programme, person_id) for person_id, programme in rows}
    return meeting


def _is_beneath(column: ColumnElement[str], beginning: str) -> ColumnElement[bool]:
    """Whether an organisation code is of this unit, or of one within it."""
    return or_(column == beginning, column.startswith(f"{beginning},", autoescape=True))


def _persons_and_courses(
    connection: Connection, courses: Collection[str], condition: ColumnElement[bool]
) -> CompoundSelect[int, str]:
    """Return (person_id, course) of those who take, teach, or have entries of these courses."""
    of_students, of_roles = (
        select(table.c.person_id, table.c.course)
        .join(calendar, calendar.c.person_id == table.c.person_id)
        .where(condition, is_one_of(connection, table.c.course, courses))
        for table in (registration, teaching_role)
    )
    of_staff = (
        select(identity.c.person_id, teaching_staff.c.course)
        .join(calendar, calendar.c.person_id == identity.c.person_id)
        .join(teaching_staff, identity.c.value == teaching_staff.c.username)
        .where(
            condition,
            identity.c.kind == "username",
            is_one_of(connection, teaching_staff.c.course, courses),
        )
    )
    of_entries = (
        select(calendar.c.person_id, entry.c.course)
        .join(entry, entry.c.calendar_id == calendar.c.calendar_id)
        .where(condition, is_one_of(connection, entry.c.course, courses))
    )
    return of_students.union(of_roles, of_staff, of_entries)


# -- in it for good ----------------------------------------------------------------------------------


def enrol(connection: Connection, names: Names, persons: Collection[int] | None = None) -> None:
    """Write down who meets these criteria now (None: of everybody): they stay inside for good."""
    lasting = {kind: names.get(kind, ()) for kind in (COURSE, *LASTING)}
    if any(lasting.values()):
        condition: ColumnElement[bool] = EVERYBODY
        if persons is not None:
            condition = is_one_of(connection, calendar.c.person_id, persons)
        keep(connection, _meeting_now(connection, lasting, condition))


def keep(connection: Connection, meeting: Meeting) -> None:
    """Write down who meets which criterion; whoever is written down already is so since then."""
    since = database_time(connection)
    members, enrolments = [], []
    for kind, value, person_id in sorted(meeting):
        if kind == COURSE:
            members.append({"course": value, "person_id": person_id, "since": since})
        else:
            row = {"kind": kind, "value": value, "person_id": person_id, "since": since}
            enrolments.append(row)
    insert_missing(connection, rollout_member, members)
    insert_missing(connection, rollout_enrolment, enrolments)


def forget(connection: Connection, kind: str, values: Collection[str]) -> None:
    """Forget who is in it by these values."""
    if kind == COURSE:
        is_one = rollout_member.c.course.in_(sorted(values))
        connection.execute(delete(rollout_member).where(is_one))
    else:
        of_kind = rollout_enrolment.c.kind == kind
        is_one = rollout_enrolment.c.value.in_(sorted(values))
        connection.execute(delete(rollout_enrolment).where(of_kind, is_one))


# -- what there is to name ------------------------------------------------------------------------------


def known_values(connection: Connection, kind: str, institution: int) -> list[str]:
    """Return the faculties, departments, programmes or groups of which anything is known.

    Units are those of this institution, as the beginnings of their codes.
    """
    if kind == PROGRAMME:
        query = select(study_right.c.programme).distinct()
        return sorted(connection.execute(query).scalars())
    if kind == GROUP:
        query = select(rollout_enrolment.c.value).where(rollout_enrolment.c.kind == GROUP)
        return sorted(connection.execute(query.distinct()).scalars())
    parts = 2 if kind == FACULTY else 3
    codes = select(course_organisation.c.organisation).union(select(employment.c.organisation))
    units = {
        tuple(map(int, code.split(",")[:parts])) for code in connection.execute(codes).scalars()
    }
    return [
        ",".join(map(str, unit)) for unit in sorted(units) if unit[0] == institution and unit[-1]
    ]


def group_of(connection: Connection, name: str) -> set[int]:
    """Return the persons in a group."""
    query = select(rollout_enrolment.c.person_id).where(
        rollout_enrolment.c.kind == GROUP, rollout_enrolment.c.value == name
    )
    return set(connection.execute(query).scalars())
