"""What the mirror holds of persons as far as it decides their roles."""

from collections import defaultdict

from sqlalchemy import Connection, and_, exists, select

from kalender.domain.timetable import Evidence
from kalender.store.people import USERNAME
from kalender.store.tables import identity, registration, teaching_role
from kalender.store.tables import teaching_staff as staff

NAMES_PERSON = and_(identity.c.kind == USERNAME, identity.c.value == staff.c.username)


def of_person(connection: Connection, person_id: int) -> Evidence:
    """Return the evidence on one person."""
    named_persons = select(staff.c.username).join(identity, NAMES_PERSON)
    row = connection.execute(
        select(
            exists().where(registration.c.person_id == person_id).label("registered"),
            named_persons.where(identity.c.person_id == person_id).exists().label("named"),
        )
    ).one()
    roles = select(teaching_role.c.role).where(teaching_role.c.person_id == person_id)
    return Evidence(
        registered=bool(row.registered),
        named=bool(row.named),
        teaching_roles=frozenset(connection.execute(roles).scalars()),
    )


def of_everybody(connection: Connection) -> defaultdict[int, Evidence]:
    """Return person -> the evidence on them; of whoever is not among the keys there is none."""
    registered = set(connection.execute(select(registration.c.person_id).distinct()).scalars())
    named_persons = select(identity.c.person_id).join(staff, NAMES_PERSON).distinct()
    persons_named = set(connection.execute(named_persons).scalars())
    roles: defaultdict[int, set[str]] = defaultdict(set)
    for person_id, role in connection.execute(
        select(teaching_role.c.person_id, teaching_role.c.role).distinct()
    ):
        roles[person_id].add(role)
    evidence = defaultdict(Evidence)
    for person_id in registered | persons_named | roles.keys():
        evidence[person_id] = Evidence(
            registered=person_id in registered,
            named=person_id in persons_named,
            teaching_roles=frozenset(roles.get(person_id, ())),
        )
    return evidence
