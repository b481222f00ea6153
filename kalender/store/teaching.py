"""The mirror of FS: registrations, placements and roles of persons."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, exists, func, insert, select, update

from kalender.domain.model import (
    ActivityKey,
    CourseKey,
    PersonFacts,
    Registration,
    TeachingRole,
    UnitKey,
)
from kalender.store import unreadable
from kalender.store.instants import db_now
from kalender.store.sql import one_of, upsert
from kalender.store.tables import person, placement, registration, source_reading, teaching_role


@dataclass(frozen=True, slots=True, kw_only=True)
class FsFacts:
    """What the mirror holds of a person in some semesters."""

    registrations: tuple[Registration, ...]
    placements: frozenset[ActivityKey]
    roles: tuple[TeachingRole, ...]

    @property
    def courses(self) -> frozenset[CourseKey]:
        """The courses it speaks of."""
        units = {r.unit for r in self.registrations} | {r.unit for r in self.roles}
        return frozenset(CourseKey(unit.course, unit.semester) for unit in units)

    @property
    def empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.registrations or self.placements or self.roles)


def of_facts(facts: PersonFacts) -> FsFacts:
    """Return an answer's facts in the mirror's order; what is told twice counts once."""
    return _taught(facts.registrations, facts.placements, facts.roles)


def completed(
    connection: Connection, person_id: int, facts: PersonFacts, semesters: Collection[str]
) -> FsFacts:
    """Return an answer's facts, with what was known of that which it could not tell.

    These are collections that could not be read whole, offer statuses and periods of roles. What
    could not be read is recorded.
    """
    unreadable.of_answer(connection, person_id, facts.bad)
    if not (
        facts.untold
        or any(fact.offer_status is None for fact in facts.registrations)
        or any(not fact.period_told for fact in facts.roles)
    ):
        return of_facts(facts)
    before = read(connection, person_id, semesters)
    registrations, placements, roles = (
        name in facts.untold
        for name in ("studentundervisning", "studentundervisningsaktivitet", "personroller")
    )
    units = {fact.unit: fact.offer_status for fact in before.registrations}
    numbers = {fact.number: fact for fact in before.roles}
    return _taught(
        (
            *(before.registrations if registrations else ()),
            *(
                replace(fact, offer_status=fact.offer_status or units.get(fact.unit))
                for fact in facts.registrations
            ),
        ),
        (*(before.placements if placements else ()), *facts.placements),
        (
            *(before.roles if roles else ()),
            *(with_period(fact, numbers.get(fact.number)) for fact in facts.roles),
        ),
    )


def with_period(role: TeachingRole, before: TeachingRole | None) -> TeachingRole:
    """Return a role with the period it had, where FS does not tell any; one never told is open."""
    if role.period_told:
        return role
    if before is None:
        return replace(role, period_told=True)
    return replace(role, starts_on=before.starts_on, ends_on=before.ends_on, period_told=True)


def _taught(
    registrations: Iterable[Registration],
    placements: Iterable[ActivityKey],
    roles: Iterable[TeachingRole],
) -> FsFacts:
    """Sort here and not in SQL, where the order depends on the database's language."""
    units = {fact.unit: fact for fact in registrations}
    numbers = {fact.number: fact for fact in roles}
    return FsFacts(
        registrations=tuple(units[unit] for unit in sorted(units)),
        placements=frozenset(placements),
        roles=tuple(numbers[number] for number in sorted(numbers)),
    )


def read(connection: Connection, person_id: int, semesters: Collection[str]) -> FsFacts:
    """Return what the mirror holds of a person in these semesters."""
    return read_many(connection, [person_id], semesters)[person_id]


def read_many(
    connection: Connection, persons: Collection[int], semesters: Collection[str]
) -> dict[int, FsFacts]:
    """Return what the mirror holds of each of these persons in these semesters."""

    def rows(table: Table, *names: str) -> defaultdict[int, list[Any]]:
        by_person: defaultdict[int, list[Any]] = defaultdict(list)
        query = _of_persons(connection.dialect.name, table, ("person_id", *UNIT, *names))
        for person_id, *values in connection.execute(query, params).all():
            by_person[person_id].append((UnitKey(*values[:4]), *values[4:]))
        return by_person

    params = {"persons": sorted(set(persons)), "semesters": sorted(semesters)}
    registered, placed = rows(registration, "offer_status"), rows(placement, "actid")
    roles = rows(teaching_role, "number", "role", "actid", "starts_on", "ends_on")
    return {
        person_id: _taught(
            (
                Registration(unit=unit, offer_status=status)
                for unit, status in registered[person_id]
            ),
            (ActivityKey._make((*unit, actid)) for unit, actid in placed[person_id]),
            (
                TeachingRole(unit=unit, number=n, role=role, actid=actid, starts_on=s, ends_on=e)
                for unit, n, role, actid, s, e in roles[person_id]
            ),
        )
        for person_id in persons
    }


UNIT = ("course", "version", "semester", "term_number")


@lru_cache
def _of_persons(dialect: str, table: Table, names: Sequence[str]) -> Select[Any]:
    return select(*(table.c[name] for name in names)).where(
        one_of(dialect, table.c.person_id, "persons"),
        one_of(dialect, table.c.semester, "semesters"),
    )


def unit_of(row: Any) -> UnitKey:
    """Return the unit a row names."""
    return UnitKey(row.course, row.version, row.semester, row.term_number)


def role_of(row: Any) -> TeachingRole:
    """Return the role a row holds."""
    return TeachingRole(
        number=row.number,
        role=row.role,
        unit=unit_of(row),
        actid=row.actid,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
    )


def write(
    connection: Connection, person_id: int, now_: FsFacts, semesters: Collection[str]
) -> frozenset[ActivityKey]:
    """Make the mirror say this of a person; return activities whose first or last placement it was."""
    before = read(connection, person_id, semesters)
    rows: dict[Table, list[dict[str, object]]] = {}
    if before.registrations != now_.registrations:
        rows[registration] = [
            {**fact.unit._asdict(), "offer_status": fact.offer_status}
            for fact in now_.registrations
        ]
    if before.placements != now_.placements:
        rows[placement] = [key._asdict() for key in sorted(now_.placements)]
    if before.roles != now_.roles:
        rows[teaching_role] = [role_values(role) for role in now_.roles]
    for table, values in rows.items():
        of_semesters = table.c.semester.in_(sorted(semesters))
        connection.execute(delete(table).where(table.c.person_id == person_id, of_semesters))
        if values:
            connection.execute(insert(table), [{"person_id": person_id, **row} for row in values])
    first_or_last_placement = set()
    for key in before.placements ^ now_.placements:
        others_placed = exists().where(
            placement.c.person_id != person_id,
            *(placement.c[name] == value for name, value in key._asdict().items()),
        )
        if not connection.execute(select(others_placed)).scalar():
            first_or_last_placement.add(key)
    return frozenset(first_or_last_placement)


def role_values(role: TeachingRole) -> dict[str, object]:
    """Return a role as columns."""
    return {
        **role.unit._asdict(),
        "number": role.number,
        "role": role.role,
        "actid": role.actid,
        "starts_on": role.starts_on,
        "ends_on": role.ends_on,
    }


# -- when was what asked --------------------------------------------------------------------------------


def database_time(connection: Connection) -> datetime:
    """Return the database's clock, as it is before a source is asked."""
    return connection.execute(select(db_now())).scalar_one()


def asked(connection: Connection, person_id: int, at: datetime, *, emptied: bool) -> None:
    """Record that FS was asked for a person, at the database's time before the request."""
    connection.execute(
        update(person)
        .where(person.c.person_id == person_id)
        .values(fs_asked_at=at, emptied_at=at if emptied else None)
    )


def emptied_at(connection: Connection, person_id: int) -> datetime | None:
    """Return when FS first answered that the person has nothing left."""
    first: datetime | None = connection.execute(
        select(person.c.emptied_at).where(person.c.person_id == person_id)
    ).scalar_one()
    return first


def was_read(connection: Connection, source: str, semester: str) -> datetime | None:
    """Return when a source was last read completely."""
    read_at: datetime | None = connection.execute(
        select(source_reading.c.read_at).where(
            source_reading.c.source == source, source_reading.c.semester == semester
        )
    ).scalar_one_or_none()
    return read_at


def last_reading(connection: Connection, source: str) -> datetime | None:
    """Return when a source was last read for any semester."""
    at = select(func.max(source_reading.c.read_at)).where(source_reading.c.source == source)
    return connection.execute(at).scalar()


def record_reading(connection: Connection, source: str, semester: str, at: datetime) -> None:
    """Record that a source was read completely; `at` is the time before its first page."""
    new = upsert(connection.dialect.name, source_reading).values(
        source=source, semester=semester, read_at=at
    )
    keys = [source_reading.c.source, source_reading.c.semester]
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_={"read_at": at}))
