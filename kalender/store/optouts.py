"""Whom lists leave alone: what each list says of whom, and the one wish that follows from all of them.

A row of `listed_person` is in one of four states:

- `out`: the person is left alone.
- `held`: the list names the person newly, and too many with them: served until somebody agrees.
- `leaving`: the list names the person no more, and too many with them: left alone until somebody
  agrees.
- `overruled`: the person was taken out of being left alone by a command: served, though listed.

Whoever has a row `out` or `leaving` has the wish `listed`; `settle` makes that so.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from kalender.domain.entry import FORMER, EntryStatus
from kalender.domain.lists import LANGUAGES, ListReading
from kalender.domain.text import without_unseen
from kalender.store import acts
from kalender.store.database import database_time
from kalender.store.people import LISTED
from kalender.store.sql import db_now, delete_many, in_parts, insert_many, is_one_of
from kalender.store.tables import (
    calendar,
    entry,
    identity,
    listed_name,
    listed_person,
    operator_act,
    person_list,
    preference,
)

OUT, HELD, LEAVING, OVERRULED = "out", "held", "leaving", "overruled"
IN_FORCE = (OUT, LEAVING)
SCOPE = "optout "  # of the brake of a list: `optout reserved`
ADDED, REMOVED = "optout sync add", "optout sync remove"  # acts; counted where something stood
LONGEST_NAME = 255
MANY = 5000


# -- names ---------------------------------------------------------------------------------------------


def persons_of(connection: Connection, names: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Return name -> person of those by which somebody is known, and the others.

    A name is an FS number, a username or an address, in any case of letters that one is known by.
    """
    spellings: dict[str, list[str]] = {}
    for name in names:
        plain = without_unseen(name)
        spellings[name] = [plain, plain.lower()]
    person_by_value: dict[str, int] = {}
    for part in in_parts({value for values in spellings.values() for value in values}, MANY):
        is_named = is_one_of(connection, identity.c.value, part)
        rows = connection.execute(select(identity.c.value, identity.c.person_id).where(is_named))
        person_by_value |= dict(map(tuple, rows))
    known, unknown = {}, []
    for name, values in spellings.items():
        persons = [person_by_value[value] for value in values if value in person_by_value]
        if persons:
            known[name] = persons[0]
        else:
            unknown.append(name)
    return known, unknown


def match(connection: Connection, person_id: int) -> dict[str, set[int]]:
    """Take the kept names that are this person's out of the lists; return list -> the person."""
    own = select(func.lower(identity.c.value)).where(identity.c.person_id == person_id)
    rows = connection.execute(select(listed_name).where(listed_name.c.name.in_(own))).all()
    for row in rows:
        is_row = (listed_name.c.list == row.list) & (listed_name.c.name == row.name)
        connection.execute(delete(listed_name).where(is_row))
    return {row.list: {person_id} for row in rows}


def match_all(connection: Connection) -> dict[str, set[int]]:
    """Do so for everybody: return list -> the persons who are known by a kept name of it now."""
    matched: dict[str, set[int]] = defaultdict(set)
    kept = [tuple(row) for row in connection.execute(select(listed_name))]
    known, _ = persons_of(connection, {name for _, name in kept})
    for list_, name in kept:
        if name in known:
            matched[list_].add(known[name])
    rows = [row for row in kept if row[1] in known]
    delete_many(connection, listed_name, ("list", "name"), rows)
    return matched


# -- what lists say ------------------------------------------------------------------------------------


def listed(connection: Connection, name: str) -> dict[int, str]:
    """Return person -> state of those of whom a list has a row."""
    query = select(listed_person.c.person_id, listed_person.c.state)
    rows = connection.execute(query.where(listed_person.c.list == name))
    return dict(map(tuple, rows))


def in_force(connection: Connection, name: str) -> set[int]:
    """Return whom a list leaves alone."""
    states = listed(connection, name)
    return {person_id for person_id, state in states.items() if state in IN_FORCE}


def put(connection: Connection, name: str, states: Mapping[int, str | None]) -> None:
    """Set the states of persons in a list; None takes the person out of it."""
    before = listed(connection, name)
    gone = [(name, person_id) for person_id, state in states.items() if state is None]
    delete_many(connection, listed_person, ("list", "person_id"), gone)
    by_state: dict[str, list[int]] = defaultdict(list)
    new = []
    for person_id, state in states.items():
        if state is not None and person_id in before:
            by_state[state].append(person_id)
        elif state is not None:
            new.append({"person_id": person_id, "state": state})
    for state, persons in by_state.items():
        for part in in_parts(persons, MANY):
            is_theirs = is_one_of(connection, listed_person.c.person_id, part)
            of_list = update(listed_person).where(listed_person.c.list == name, is_theirs)
            connection.execute(of_list.values(state=state))
    insert_many(connection, listed_person, new, list=name, since=db_now())


def settle(connection: Connection, persons: Collection[int]) -> tuple[set[int], set[int]]:
    """Give each of these persons the wish `listed`, or take it, as all lists say together.

    Returns (who is left alone from now on, who is served again): nobody who is left alone for
    another reason is in either. Their calendars are to be marked.
    """
    left_alone, served = set[int](), set[int]()
    for part in in_parts(persons, MANY):
        lists: dict[int, list[str]] = defaultdict(list)
        is_theirs = is_one_of(connection, listed_person.c.person_id, part)
        query = select(listed_person.c.person_id, listed_person.c.list).where(is_theirs)
        in_force = query.where(listed_person.c.state.in_(IN_FORCE)).order_by(listed_person.c.list)
        for person_id, name in connection.execute(in_force):
            lists[person_id].append(name)
        before, others = dict[int, str](), set[int]()
        has_wish = is_one_of(connection, preference.c.person_id, part)
        for row in connection.execute(select(preference).where(has_wish)):
            if row.wish == LISTED:
                before[row.person_id] = row.source
            else:
                others.add(row.person_id)
        sources = {
            person_id: f"list {', '.join(names)}"[: acts.LONGEST_NAME]
            for person_id, names in lists.items()
        }
        over, new = before.keys() - sources.keys(), sources.keys() - before.keys()
        renamed = [
            person_id
            for person_id in before.keys() & sources.keys()
            if before[person_id] != sources[person_id]
        ]
        delete_many(connection, preference, ("person_id", "wish"), [(e, LISTED) for e in over])
        rows = [{"person_id": person_id, "source": sources[person_id]} for person_id in sorted(new)]
        insert_many(connection, preference, rows, wish=LISTED, set_at=db_now())
        for person_id in renamed:
            is_row = (preference.c.person_id == person_id) & (preference.c.wish == LISTED)
            source = sources[person_id]
            connection.execute(update(preference).where(is_row).values(source=source))
        left_alone |= new - others
        served |= over - others
    for persons_now, taking_back in ((left_alone, True), (served, False)):
        for part in in_parts(persons_now, MANY):
            is_theirs = is_one_of(connection, calendar.c.person_id, part)
            values = {"taking_back": taking_back, "synced_digest": None}
            connection.execute(update(calendar).where(is_theirs).values(values))
    return left_alone, served


def source_of(connection: Connection, person_id: int) -> str | None:
    """Return which lists leave a person alone, as `list a, b`; None: no list does."""
    is_row = (preference.c.person_id == person_id) & (preference.c.wish == LISTED)
    return connection.execute(select(preference.c.source).where(is_row)).scalar()


def naming(connection: Connection, person_id: int) -> list[str]:
    """Return the lists that name a person, whatever follows from it, sorted."""
    is_named = listed_person.c.state.in_((OUT, HELD, OVERRULED))
    query = select(listed_person.c.list).where(listed_person.c.person_id == person_id, is_named)
    return list(connection.execute(query.order_by(listed_person.c.list)).scalars())


def overrule(connection: Connection, person_id: int) -> list[str]:
    """Let a command count before what lists say of a person; return the lists that name them.

    It holds until a list names the person anew, after it let go of them.
    """
    is_theirs = listed_person.c.person_id == person_id
    names = naming(connection, person_id)
    connection.execute(delete(listed_person).where(is_theirs, listed_person.c.state == LEAVING))
    connection.execute(update(listed_person).where(is_theirs).values(state=OVERRULED))
    return names


def drop(connection: Connection, name: str) -> None:
    """Forget a list and whom it names; `settle` is due for these persons."""
    for table in (listed_person, listed_name):
        connection.execute(delete(table).where(table.c.list == name))
    connection.execute(delete(person_list).where(person_list.c.name == name))


# -- readings ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonList:
    """A list as it was read last; the counts are of persons, but `names` and `unknown` of names.

    `read_at` is the last reading that went well, `problem` why the last one did not.
    """

    name: str
    kind: str
    read_at: datetime | None
    names: int
    unknown: int
    out: int
    held: int
    leaving: int
    overruled: int
    problem: str | None
    problem_since: datetime | None

    @property
    def left_alone(self) -> int:
        """The persons who are left alone because of it."""
        return self.out + self.leaving

    @property
    def undecided(self) -> int:
        """The persons for whom an operator must agree to what it says newly."""
        return self.held + self.leaving


def lists(connection: Connection) -> list[PersonList]:
    """Return every list that was ever read, or tried to be, by its name."""
    states: dict[str, dict[str, int]] = defaultdict(dict)
    query = select(listed_person.c.list, listed_person.c.state, func.count())
    for name, state, count in connection.execute(
        query.group_by(listed_person.c.list, listed_person.c.state)
    ):
        states[name][state] = count
    names = select(listed_name.c.list, func.count()).group_by(listed_name.c.list)
    unknown: dict[str, int] = dict(map(tuple, connection.execute(names)))
    rows = connection.execute(select(person_list).order_by(person_list.c.name))
    return [
        PersonList(
            name=row.name,
            kind=row.kind,
            read_at=row.read_at,
            names=row.names,
            unknown=unknown.get(row.name, 0),
            out=states[row.name].get(OUT, 0),
            held=states[row.name].get(HELD, 0),
            leaving=states[row.name].get(LEAVING, 0),
            overruled=states[row.name].get(OVERRULED, 0),
            problem=row.problem,
            problem_since=row.problem_since,
        )
        for row in rows
    ]


def record(connection: Connection, reading: ListReading, unknown: Iterable[str]) -> None:
    """Record that a list was read, or why it could not be; since when it could not be stays.

    Of whom to leave alone the `unknown` names, by which nobody is known yet, are kept in the place
    of those before.
    """
    is_list = person_list.c.name == reading.name
    known = connection.execute(select(person_list).where(is_list)).first()
    values: dict[str, object] = {"kind": reading.kind, "problem": reading.problem}
    if reading.problem is None:
        values |= {"read_at": db_now(), "names": len(reading.names), "problem_since": None}
    elif known is None or known.problem is None:
        values["problem_since"] = db_now()
    if known is None:
        connection.execute(insert(person_list).values(name=reading.name, **values))
    else:
        connection.execute(update(person_list).where(is_list).values(values))
    if reading.problem is None and reading.kind != LANGUAGES:
        connection.execute(delete(listed_name).where(listed_name.c.list == reading.name))
        names = {name.lower()[:LONGEST_NAME] for name in unknown}
        rows = [{"name": name} for name in sorted(names)]
        insert_many(connection, listed_name, rows, list=reading.name)


# -- how many, and what is held ------------------------------------------------------------------------


def concerned(connection: Connection, persons: Collection[int]) -> set[int]:
    """Return those of these persons who are served, and to whom something was written once."""
    found = set[int]()
    for part in in_parts(persons, MANY):
        is_theirs = is_one_of(connection, calendar.c.person_id, part)
        written = select(calendar.c.person_id).where(is_theirs, calendar.c.synced_at.is_not(None))
        excluded = select(preference.c.person_id)
        found |= set(
            connection.execute(written.where(calendar.c.person_id.not_in(excluded))).scalars()
        )
    return found


def left_alone_by(connection: Connection, name: str, persons: Collection[int]) -> set[int]:
    """Return those of these persons whom this list leaves alone and nothing else does."""
    held = set[int]()
    for part in in_parts(persons, MANY):
        is_theirs = is_one_of(connection, preference.c.person_id, part)
        others = select(preference.c.person_id).where(is_theirs, preference.c.wish != LISTED)
        held |= set(connection.execute(others).scalars())
        is_theirs = is_one_of(connection, listed_person.c.person_id, part)
        elsewhere = select(listed_person.c.person_id).where(
            is_theirs, listed_person.c.list != name, listed_person.c.state.in_(IN_FORCE)
        )
        held |= set(connection.execute(elsewhere).scalars())
    return set(persons) - held


def served_people(connection: Connection) -> int:
    """Return how many persons have an open calendar and are not left alone."""
    excluded = select(preference.c.person_id)
    is_served = (calendar.c.state != "closed") & calendar.c.person_id.not_in(excluded)
    query = select(func.count(calendar.c.person_id.distinct())).where(is_served)
    return connection.execute(query).scalar_one()


def changed_within(connection: Connection, command: str, window: timedelta) -> int:
    """Return how many persons lists changed so within a time, since somebody agreed last."""
    released = select(func.max(operator_act.c.at)).where(
        operator_act.c.command == "brake release", operator_act.c.scope.startswith(SCOPE)
    )
    since = max(
        filter(None, (database_time(connection) - window, connection.execute(released).scalar())),
    )
    count = select(func.coalesce(func.sum(operator_act.c.count), 0))
    is_change = (operator_act.c.command == command) & (operator_act.c.at > since)
    return int(connection.execute(count.where(is_change)).scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChanges:
    """What the brake of a list holds: persons to be left alone, with what stands of ours; and back."""

    people: int = 0
    calendars: int = 0
    entries: int = 0
    returning: int = 0  # persons who would be served again


def held_by(connection: Connection, scope: str) -> HeldChanges:
    """Return what the brake of this scope holds."""
    of_list = listed_person.c.list == scope.removeprefix(SCOPE)
    stands = (entry.c.calendar_id == calendar.c.calendar_id) & entry.c.status.not_in(
        [*FORMER, EntryStatus.REFUSED]
    )
    query = (
        select(
            func.count(listed_person.c.person_id.distinct()),
            func.count(entry.c.calendar_id.distinct()),
            func.count(entry.c.sync_key),
        )
        .outerjoin_from(listed_person, calendar, calendar.c.person_id == listed_person.c.person_id)
        .outerjoin(entry, stands)
    )
    held = query.where(of_list, listed_person.c.state == HELD)
    people, calendars, count = connection.execute(held).one()
    back = select(func.count()).where(of_list, listed_person.c.state == LEAVING)
    return HeldChanges(
        people=people,
        calendars=calendars,
        entries=count,
        returning=connection.execute(back).scalar_one(),
    )
