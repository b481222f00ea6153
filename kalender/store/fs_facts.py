"""What FS says of persons, in three tables: registrations, placements and teaching roles.

FS is asked in two ways, and both are compared and written here. A person's single answer is the last
word on that person: what it lacks is removed. A collection may add and change; what it lacks stays,
since that is only a suspicion.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Insert, Select, Table, bindparam, select, update

from kalender.domain.model import ActivityKey, Registration, TeachingRole, UnitKey
from kalender.store.sql import delete_many, insert_missing, one_of, slices, upsert
from kalender.store.tables import placement, registration, teaching_role

F = TypeVar("F", Registration, ActivityKey, TeachingRole)
MANY = 10_000  # rows that are written by one statement
Facts = dict[int, dict[Any, Any]]  # person -> what names a fact of one kind -> the fact


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FactKind(Generic[F]):
    """One kind of fact, and its table.

    A row is named by its person and the columns in `key`; `name` returns these of a fact. `columns`
    are all but the person's, in the order in which `fact` takes them and `values` gives them.
    `completed` returns a fact with what was known before of that which FS did not tell.
    """

    collection: str  # FS' resource
    table: Table
    key: tuple[str, ...]
    columns: tuple[str, ...]
    of: Callable[[Any], Iterable[F]]  # the facts of this kind in an answer, or in the mirror
    name: Callable[[F], Any]
    values: Callable[[F], Sequence[Any]]
    fact: Callable[..., F]
    completed: Callable[[F, F | None], F]

    def row(self, fact: F) -> dict[str, Any]:
        """Return a fact as columns."""
        return dict(zip(self.columns, self.values(fact), strict=True))

    def by_name(self, facts: Iterable[F]) -> dict[Any, F]:
        """Return facts by what names them; what is told twice counts once."""
        return {self.name(fact): fact for fact in facts}


def _with_period(fact: TeachingRole, before: TeachingRole | None) -> TeachingRole:
    """Return a role with the period it had, where FS does not tell any; one never told is open."""
    if fact.period_told:
        return fact
    if before is None:
        return replace(fact, period_told=True)
    return replace(fact, starts_on=before.starts_on, ends_on=before.ends_on, period_told=True)


REGISTRATIONS: FactKind[Registration] = FactKind(
    collection="studentundervisning",
    table=registration,
    key=UnitKey._fields,
    columns=(*UnitKey._fields, "offer_status"),
    of=attrgetter("registrations"),
    name=attrgetter("unit"),
    values=lambda fact: (*fact.unit, fact.offer_status),
    fact=lambda *values: Registration(unit=UnitKey(*values[:4]), offer_status=values[4]),
    completed=lambda fact, before: (
        fact
        if fact.offer_status is not None or before is None
        else replace(fact, offer_status=before.offer_status)
    ),
)
PLACEMENTS: FactKind[ActivityKey] = FactKind(
    collection="studentundervisningsaktivitet",
    table=placement,
    key=ActivityKey._fields,
    columns=ActivityKey._fields,
    of=attrgetter("placements"),
    name=lambda fact: fact,
    values=lambda fact: fact,
    fact=ActivityKey,
    completed=lambda fact, _before: fact,
)
ROLES: FactKind[TeachingRole] = FactKind(
    collection="personroller",
    table=teaching_role,
    key=("number",),
    columns=(*UnitKey._fields, "number", "role", "actid", "starts_on", "ends_on"),
    of=attrgetter("roles"),
    name=attrgetter("number"),
    values=lambda fact: (
        *(*fact.unit, fact.number, fact.role, fact.actid),
        *(fact.starts_on, fact.ends_on),
    ),
    fact=lambda *values: TeachingRole(
        unit=UnitKey(*values[:4]),
        number=values[4],
        role=values[5],
        actid=values[6],
        starts_on=values[7],
        ends_on=values[8],
    ),
    completed=_with_period,
)
KINDS: tuple[FactKind[Any], ...] = (REGISTRATIONS, PLACEMENTS, ROLES)


# -- read --------------------------------------------------------------------------------------------


def of_semester(connection: Connection, kind: FactKind[Any], semester: str) -> Facts:
    """Return all that the mirror holds of this kind in a semester."""
    query = _columns(kind).where(kind.table.c.semester == semester)
    return _by_person(kind, connection.execute(query).all())


def of_persons(
    connection: Connection,
    kind: FactKind[Any],
    persons: Collection[int],
    semesters: Collection[str],
) -> Facts:
    """Return what the mirror holds of this kind of these persons in these semesters."""
    params = {"persons": sorted(set(persons)), "semesters": sorted(semesters)}
    query = _columns(kind).where(
        one_of(kind.table.c.person_id, "persons"), one_of(kind.table.c.semester, "semesters")
    )
    return _by_person(kind, connection.execute(query, params).all())


def _columns(kind: FactKind[Any]) -> Select[Any]:
    return select(kind.table.c.person_id, *(kind.table.c[name] for name in kind.columns))


def _by_person(kind: FactKind[Any], rows: Iterable[Sequence[Any]]) -> Facts:
    facts: Facts = defaultdict(dict)
    for person_id, *values in rows:
        fact = kind.fact(*values)
        facts[person_id][kind.name(fact)] = fact
    return dict(facts)


# -- compared ----------------------------------------------------------------------------------------

Pairs = list[tuple[int, Any]]  # persons, each with a fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How FS' facts of one kind differ from the mirror's.

    What FS lacks is `lacking`, as the mirror has it.
    """

    new: Pairs
    changed: Pairs
    lacking: Pairs


def compare(mirrored: Facts, told: Facts) -> Difference:
    """Return how what FS told of one kind differs from what the mirror holds."""
    new, changed, nothing = [], [], dict[Any, Any]()
    for person_id, facts in sorted(told.items()):
        before = mirrored.get(person_id, nothing)
        for name, fact in facts.items():
            if name not in before:
                new.append((person_id, fact))
            elif before[name] != fact:
                changed.append((person_id, fact))
    lacking = [
        (person_id, before[name])
        for person_id, before in mirrored.items()
        for name in before
        if name not in told.get(person_id, nothing)
    ]
    return Difference(new=new, changed=changed, lacking=lacking)


# -- written -----------------------------------------------------------------------------------------


def write(
    connection: Connection, kind: FactKind[Any], difference: Difference, *, may_remove: bool
) -> None:
    """Make the mirror say what FS told.

    Where it `may_remove`, the answer is the last word: it also wins over what a resync adds
    meanwhile. Where it may not, it is a collection, older than any single answer that came
    meanwhile: what that added stays as it is, and what it removed does not come back.
    """
    changed = _rows(kind, difference.changed)
    dialect, key = connection.dialect.name, ("person_id", *kind.key)
    if may_remove:
        told = [*_rows(kind, difference.new), *changed]
        if told:
            connection.execute(_insert_or_update(dialect, kind), told)
        lacking = [[row[name] for name in key] for row in _rows(kind, difference.lacking)]
        delete_many(connection, kind.table, key, lacking)
        return
    for pairs in slices(difference.new, MANY):
        insert_missing(connection, kind.table, _rows(kind, pairs))
    if changed:
        is_named = [kind.table.c[name] == bindparam(f"{name}_of") for name in key]
        own_values: dict[str, Any] = {
            name: bindparam(f"{name}_of") for name in kind.columns if name not in key
        }
        params = [{f"{name}_of": value for name, value in row.items()} for row in changed]
        connection.execute(update(kind.table).where(*is_named).values(own_values), params)


@lru_cache
def _insert_or_update(dialect: str, kind: FactKind[Any]) -> Insert:
    new = upsert(dialect, kind.table)
    return new.on_conflict_do_update(
        index_elements=["person_id", *kind.key],
        set_={name: new.excluded[name] for name in kind.columns},
    )


def _rows(kind: FactKind[Any], pairs: Sequence[tuple[int, Any]]) -> list[dict[str, Any]]:
    return [{"person_id": person_id, **kind.row(fact)} for person_id, fact in pairs]
