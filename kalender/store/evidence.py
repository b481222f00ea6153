"""What the mirror holds of persons as far as it decides their roles."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, exists, select

from kalender.domain.timetable import Evidence
from kalender.store.people import USERNAME
from kalender.store.sql import one_of
from kalender.store.tables import identity, registration, teaching_role
from kalender.store.tables import teaching_staff as staff

NAMES_PERSON = and_(identity.c.kind == USERNAME, identity.c.value == staff.c.username)


def of_persons(connection: Connection, persons: Collection[int]) -> defaultdict[int, Evidence]:
    """Return person -> the evidence on them; of whoever is not among the keys there is none."""
    params = {"persons": sorted(set(persons))}
    return _by_person(
        set(connection.execute(_REGISTERED_PERSONS, params).scalars()),
        set(connection.execute(_NAMED_PERSONS, params).scalars()),
        connection.execute(_TEACHING_ROLES, params).all(),
    )


_REGISTERED_PERSONS = (
    select(registration.c.person_id).where(one_of(registration.c.person_id, "persons")).distinct()
)
_NAMED_PERSONS = select(identity.c.person_id).where(
    identity.c.kind == USERNAME,
    one_of(identity.c.person_id, "persons"),
    exists().where(staff.c.username == identity.c.value),
)
_TEACHING_ROLES = select(teaching_role.c.person_id, teaching_role.c.role).where(
    one_of(teaching_role.c.person_id, "persons")
)


def of_everybody(connection: Connection) -> defaultdict[int, Evidence]:
    """Return the evidence on everybody, as `of_persons` does."""
    registered = set(connection.execute(select(registration.c.person_id).distinct()).scalars())
    named_persons = select(identity.c.person_id).join(staff, NAMES_PERSON).distinct()
    persons_named = set(connection.execute(named_persons).scalars())
    roles = select(teaching_role.c.person_id, teaching_role.c.role).distinct()
    return _by_person(registered, persons_named, connection.execute(roles).all())


def _by_person(
    registered: set[int], persons_named: set[int], roles_of: Iterable[Sequence[Any]]
) -> defaultdict[int, Evidence]:
    roles: defaultdict[int, set[str]] = defaultdict(set)
    for person_id, role in roles_of:
        roles[person_id].add(role)
    evidence = defaultdict(Evidence)
    for person_id in registered | persons_named | roles.keys():
        evidence[person_id] = Evidence(
            registered=person_id in registered,
            named=person_id in persons_named,
            teaching_roles=frozenset(roles.get(person_id, ())),
        )
    return evidence
