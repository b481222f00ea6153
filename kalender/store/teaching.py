"""The mirror of FS: registrations, placements and roles of persons."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select, update

from kalender.domain.model import (
    ActivityKey,
    CourseKey,
    PersonFacts,
    Registration,
    TeachingRole,
    UnitKey,
)
from kalender.store import fs_facts, unreadable
from kalender.store.fs_facts import KINDS, FactKind
from kalender.store.sql import upsert
from kalender.store.tables import person, placement, source_reading


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
    return _in_order(*(kind.by_name(kind.of(facts)) for kind in KINDS))


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

    def complete(kind: FactKind[Any]) -> Iterator[Any]:
        known = kind.by_name(kind.of(before))
        if kind.collection in facts.untold:
            yield from known.values()
        for fact in kind.of(facts):
            yield kind.completed(fact, known.get(kind.name(fact)))

    return _in_order(*(kind.by_name(complete(kind)) for kind in KINDS))


def _in_order(
    registrations: Mapping[UnitKey, Registration],
    placements: Iterable[ActivityKey],
    roles: Mapping[int, TeachingRole],
) -> FsFacts:
    """Sort here and not in SQL, where the order depends on the database's language."""
    return FsFacts(
        registrations=tuple(registrations[unit] for unit in sorted(registrations)),
        placements=frozenset(placements),
        roles=tuple(roles[number] for number in sorted(roles)),
    )


def read(connection: Connection, person_id: int, semesters: Collection[str]) -> FsFacts:
    """Return what the mirror holds of a person in these semesters."""
    return read_many(connection, [person_id], semesters)[person_id]


def read_many(
    connection: Connection, persons: Collection[int], semesters: Collection[str]
) -> dict[int, FsFacts]:
    """Return what the mirror holds of each of these persons in these semesters."""
    by_kind = [fs_facts.of_persons(connection, kind, persons, semesters) for kind in KINDS]
    return {
        person_id: _in_order(*(facts.get(person_id, {}) for facts in by_kind))
        for person_id in persons
    }


def write(
    connection: Connection, person_id: int, facts: FsFacts, semesters: Collection[str]
) -> frozenset[ActivityKey]:
    """Make the mirror say this of a person; return activities whose first or last placement it was."""
    before = read(connection, person_id, semesters)
    for kind in KINDS:
        mirrored, told = kind.by_name(kind.of(before)), kind.by_name(kind.of(facts))
        difference = fs_facts.compare({person_id: mirrored}, {person_id: told})
        fs_facts.write(connection, kind, difference, may_remove=True)
    first_or_last_placement = set()
    for key in before.placements ^ facts.placements:
        others_placed = exists().where(
            placement.c.person_id != person_id,
            *(placement.c[name] == value for name, value in key._asdict().items()),
        )
        if not connection.execute(select(others_placed)).scalar():
            first_or_last_placement.add(key)
    return frozenset(first_or_last_placement)


# -- when was what asked --------------------------------------------------------------------------------


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
