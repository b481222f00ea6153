"""Read every source anew and mark what changed; writes no calendar.

FS is read by collection. A collection may add and change; what it lacks is only a suspicion: that
person is marked, and the single answer decides. Whoever was asked for singly since the first page
is left alone. TP is asked course by course, by the workers. What this finds changed although no
notification said so is counted: it is the true quality of the notifications.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    CourseKey,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
    folded,
)
from kalender.domain.work import Cause, Kind, Lane, Mark, Trigger, WorkKey
from kalender.mirror.context import RefreshContext, count_left_out
from kalender.mirror.person import mark_sole_groups, with_spelling
from kalender.mirror.scope import Decided, Settings, compare
from kalender.ports import LeftOut
from kalender.store import bulk, courses, mailboxes, people, queue, teaching, unreadable
from kalender.store.bulk import Facts

log = structlog.get_logger()


@dataclass(slots=True)
class Found:
    """What a resync found, in counts; the same for a dry run."""

    persons: int = 0
    new_persons: int = 0
    changed_persons: int = 0
    to_recheck: int = 0
    unannounced: int = 0  # of the changed, whom no notification named; none at a first reading
    courses: int = 0
    semesters: tuple[str, ...] = ()
    decided: Decided = field(default_factory=Decided)  # what settings decide, in calendars


@dataclass(slots=True)
class _Changes:
    changed: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)  # of these, who got what another gave up
    to_recheck: set[int] = field(default_factory=set)
    first_or_last_placement: set[ActivityKey] = field(default_factory=set)
    courses: set[CourseKey] = field(default_factory=set)
    first: bool = False  # a semester was read for the first time: all of it is new


class _DryRun(Exception):
    """Rolls the transaction back: nothing was to be written."""


def resync(
    sources: RefreshContext,
    *,
    settings: Settings,
    dry_run: bool = False,
    progress: Callable[[str, int], None] = lambda _what, _count: None,
) -> Found:
    """Read FS by collection, mirror it, and mark persons, calendars and all courses."""
    found = Found()
    with sources.database.read() as connection:
        started = teaching.database_time(connection)
        found.semesters = tuple(sorted(sources.maintained(connection)))
    told = SourceSnapshot(sources, found.semesters, progress)
    with suppress(_DryRun), sources.database.write() as connection:
        _take_in(connection, sources, told, started, found)
        found.decided = compare(connection, sources, settings)
        _end(dry_run=dry_run)
    if dry_run:
        return found
    sources.database.counts.add("unannounced", "fs", value=found.unannounced)
    count_left_out(sources.database.counts, told.bad)
    log.info(
        "resynced",
        persons=found.persons,
        changed=found.changed_persons,
        to_recheck=found.to_recheck,
        courses=found.courses,
    )
    return found


def _end(*, dry_run: bool) -> None:
    if dry_run:
        raise _DryRun


Read = Callable[[Semester, LeftOut], Iterator[Sequence[tuple[int, Any]]]]


class SourceSnapshot:
    """All that the sources tell, read before the database is touched."""

    def __init__(
        self,
        sources: RefreshContext,
        semesters: Sequence[str],
        progress: Callable[[str, int], None],
    ) -> None:
        students, parsed = sources.students, [Semester.parse(code) for code in semesters]
        self.courses = {
            CourseKey(code, each.code)
            for each in parsed
            for code in sources.timetables.courses(each)
        }
        self.bad: list[BadItem] = []
        bad = self.bad.append
        self.accounts = list(_counted("persons", students.accounts(bad), progress))

        def by_semester(what: str, read: Read) -> Mapping[str, Mapping[int, list[Any]]]:
            return _by_semester(what, lambda semester: read(semester, bad), parsed, progress)

        self.registrations = by_semester("registrations", students.registrations)
        self.placements = by_semester("placements", students.placements)
        self.roles = by_semester("roles", students.roles)

    @property
    def numbers(self) -> set[int]:
        """The FS numbers of everybody told of."""
        numbers = {account.fs_number for account in self.accounts}
        for kind in (self.registrations, self.placements, self.roles):
            for facts in kind.values():
                numbers |= facts.keys()
        return numbers


def _counted(
    what: str, pages: Iterator[Sequence[Any]], progress: Callable[[str, int], None]
) -> Iterator[Any]:
    for page in pages:
        progress(what, len(page))
        yield from page


def _by_semester(
    what: str,
    read: Callable[[Semester], Iterator[Sequence[tuple[int, Any]]]],
    semesters: Iterable[Semester],
    progress: Callable[[str, int], None],
) -> Mapping[str, Mapping[int, list[Any]]]:
    told: dict[str, dict[int, list[Any]]] = {}
    for semester in semesters:
        facts: dict[int, list[Any]] = defaultdict(list)
        for number, fact in _counted(what, read(semester), progress):
            facts[number].append(fact)
        told[semester.code] = facts
    return told


# -- taking it in -----------------------------------------------------------------------------------


def _take_in(
    connection: Connection,
    sources: RefreshContext,
    told: SourceSnapshot,
    started: datetime,
    found: Found,
) -> None:
    known = bulk.persons(connection)
    new = bulk.make_persons(connection, told.numbers - known.keys())
    persons = {**known, **new}
    left_out = people.forgotten(connection)
    spared = bulk.asked_later(connection, started) | left_out
    changes = _Changes()
    last = teaching.last_reading(connection, courses.PLACEMENTS)
    _take_accounts(connection, told.accounts, persons, spared, changes)
    if new:
        bulk.analyze(connection)
    for semester in found.semesters:
        # what was not maintained when all was read last, its calendars left out
        first = last is None or teaching.was_read(connection, courses.PLACEMENTS, semester) != last
        _take_semester(connection, sources, told, semester, persons, spared, changes)
        teaching.record_reading(connection, courses.PLACEMENTS, semester, started)
        if first:
            changes.first = True
            changes.changed |= {
                *bulk.registrations(connection, semester),
                *bulk.roles(connection, semester),
            }
    beside = bulk.asked_later(connection, started) | bulk.being_asked_for(connection)
    # of those asked for beside us the answer may be newer than ours
    changes.to_recheck = (changes.to_recheck | changes.changed & (beside - spared)) - left_out
    due = (changes.changed | bulk.without_calendar(connection)) - left_out
    for person_id in sorted(due, key=lambda each: (each in changes.last, each)):
        mailboxes.assign_mailboxes(connection, person_id, sources.people)
    found.unannounced = _unannounced(connection, persons, changes)
    unreadable.of_collections(
        connection, told.bad, persons, spared=spared | beside, semesters=found.semesters
    )
    _mark(connection, sources, told, persons, changes, found)
    found.persons, found.new_persons = len(persons), len(new)
    found.changed_persons, found.to_recheck = len(changes.changed), len(changes.to_recheck)


def _unannounced(connection: Connection, persons: Mapping[int, int], changes: _Changes) -> int:
    """How many changed of whom no notification waits to be looked into."""
    announced = queue.announced(connection, Kind.PERSON)
    told = {persons[number] for number in persons if WorkKey.of_person(number).key in announced}
    return 0 if changes.first else len(changes.changed - told)


def _take_accounts(
    connection: Connection,
    accounts: Sequence[Account],
    persons: Mapping[int, int],
    spared: Collection[int],
    changes: _Changes,
) -> None:
    """Of two whom FS gives one username it stays with who has it, else with the lower number."""
    mirrored, claimed = bulk.accounts(connection), people.claimed(connection)
    for account in sorted(accounts, key=lambda each: each.fs_number):
        person_id = persons[account.fs_number]
        names, mail = mirrored.get(person_id, (frozenset(), ()))
        names = claimed.get(person_id, names)
        if account.username is None and account.mail is None:
            if not names and not mail:  # ids alone: who is new is asked for singly
                changes.to_recheck.add(person_id)
        elif person_id not in spared and _differs(account, names, mail):
            changes.last |= people.save_account(connection, person_id, account)
            changes.changed.add(person_id)
    changes.last |= people.give_free_usernames(connection)
    changes.changed |= changes.last
    told = {persons[account.fs_number]: account.username for account in accounts}
    for holder, username in people.holders(connection).items():
        if told.get(holder) != username and holder not in spared:
            changes.to_recheck.add(holder)  # does FS still call them so?


def _differs(account: Account, names: frozenset[str], mail: Sequence[tuple[str, str]]) -> bool:
    if account.username is not None and names != {account.username}:
        return True
    return account.mail is not None and people.in_order(account.mail, mail) != list(mail)


def _spellings(
    connection: Connection, told: SourceSnapshot, semester: str
) -> dict[CourseKey, CourseKey]:
    """Return those of FS' courses that TP spells otherwise: as it lists them, or told of them."""
    kinds = (told.registrations, told.placements, told.roles)
    units = {_unit(fact) for kind in kinds for facts in kind[semester].values() for fact in facts}
    unlisted = {CourseKey(unit.course, semester) for unit in units} - told.courses
    listed = {CourseKey(folded(key.course), key.semester): key for key in sorted(told.courses)}
    names = {key: CourseKey(folded(key.course), semester) for key in unlisted}
    return courses.spellings(connection, unlisted) | {
        key: listed[name] for key, name in names.items() if name in listed
    }


def _unit(fact: Registration | ActivityKey | TeachingRole) -> UnitKey:
    return fact.unit


def _spelled(
    told: Mapping[int, Sequence[Any]], others: Mapping[CourseKey, CourseKey]
) -> Mapping[int, Sequence[Any]]:
    """Name courses as TP does."""
    if not others:
        return told
    return {
        number: [
            with_spelling(fact, others)
            if isinstance(fact, ActivityKey)
            else replace(fact, unit=with_spelling(fact.unit, others))
            for fact in facts
        ]
        for number, facts in told.items()
    }


def _take_semester(  # noqa: PLR0913, PLR0917
    connection: Connection,
    sources: RefreshContext,
    told: SourceSnapshot,
    semester: str,
    persons: Mapping[int, int],
    spared: Collection[int],
    changes: _Changes,
) -> None:
    others = _spellings(connection, told, semester)
    mirrored = bulk.registrations(connection, semester)
    facts = _spelled(told.registrations[semester], others)
    registrations = _of_persons(facts, persons, spared, lambda r: r.unit)
    _keep_statuses(registrations, mirrored, changes, ask_singly=sources.ask_singly)
    changes.courses |= {
        CourseKey(unit.course, semester) for facts in registrations.values() for unit in facts
    }
    new, changed = _compare(mirrored, registrations, spared, changes)
    bulk.add_registrations(connection, new, changed=False)
    bulk.add_registrations(connection, changed, changed=True)

    placed = bulk.placed_activities(connection, semester)
    facts = _spelled(told.placements[semester], others)
    placements = _of_persons(facts, persons, spared, lambda key: key)
    new, _ = _compare(bulk.placements(connection, semester), placements, spared, changes)
    bulk.add_placements(connection, new)
    changes.first_or_last_placement |= {key for _, key in new} - placed

    facts = _spelled(told.roles[semester], others)
    roles = _of_persons(facts, persons, spared, lambda role: role.number)
    changes.courses |= {
        CourseKey(role.unit.course, semester) for facts in roles.values() for role in facts.values()
    }
    before = bulk.roles(connection, semester)
    _keep_periods(roles, before)
    new, changed = _compare(before, roles, spared, changes)
    bulk.add_roles(connection, new, changed=False)
    bulk.add_roles(connection, changed, changed=True)


def _of_persons(
    told: Mapping[int, Sequence[Any]],
    persons: Mapping[int, int],
    spared: Collection[int],
    name: Callable[[Any], Any],
) -> Facts:
    return {
        persons[number]: {name(fact): fact for fact in facts}
        for number, facts in told.items()
        if persons[number] not in spared
    }


def _keep_statuses(told: Facts, mirrored: Facts, changes: _Changes, *, ask_singly: bool) -> None:
    """An offer status that is not told stays as it was; one never told may be asked for singly."""
    for person_id, facts in told.items():
        before = mirrored.get(person_id, {})
        for unit, each in facts.items():
            if each.offer_status is None:
                status = before[unit].offer_status if unit in before else None
                facts[unit] = replace(each, offer_status=status)
                if status is None and ask_singly:
                    changes.to_recheck.add(person_id)


def _keep_periods(told: Facts, mirrored: Facts) -> None:
    """A role's period that is not told stays as it was."""
    for person_id, facts in told.items():
        before = mirrored.get(person_id, {})
        for number, role in facts.items():
            facts[number] = teaching.with_period(role, before.get(number))


def _compare(
    mirrored: Facts, told: Facts, spared: Collection[int], changes: _Changes
) -> tuple[list[tuple[int, Any]], list[tuple[int, Any]]]:
    """Return what is new and what changed; note who changed and who lacks something."""
    new, changed = [], []
    for person_id, facts in sorted(told.items()):
        before = mirrored.get(person_id, {})
        new += [(person_id, fact) for name, fact in facts.items() if name not in before]
        changed += [
            (person_id, fact)
            for name, fact in facts.items()
            if name in before and before[name] != fact
        ]
    changes.changed |= {person_id for person_id, _ in (*new, *changed)}
    for person_id, before in mirrored.items():
        if person_id not in spared and before.keys() - told.get(person_id, {}).keys():
            changes.to_recheck.add(person_id)
    return new, changed


# -- marking ------------------------------------------------------------------------------------------


def _mark(
    connection: Connection,
    sources: RefreshContext,
    told: SourceSnapshot,
    persons: Mapping[int, int],
    changes: _Changes,
    found: Found,
) -> None:
    trigger = Trigger("resync", Cause.RESYNC, Lane.RESYNC)
    numbers = {person_id: number for number, person_id in persons.items()}
    marks = [
        Mark.of(WorkKey.of_person(numbers[each]), trigger)
        for each in changes.to_recheck
        if each in numbers
    ]
    marks += [
        Mark.of(WorkKey(Kind.PERSON, key), trigger)
        for key in queue.parked_keys(connection, Kind.PERSON)
    ]
    mirrored = courses.runs(connection, found.semesters).keys()
    known = mirrored | told.courses | changes.courses
    filling = trigger._replace(lane=Lane.FILL)  # before the calendars that it fills
    wanted = [key for key in known if key in mirrored or not sources.skips(key.course)]
    marks += [
        Mark.of(WorkKey.of_course(*key), trigger if key in mirrored else filling) for key in wanted
    ]
    queue.mark(connection, marks)
    people.mark_calendars(
        connection,
        people.calendars_of(connection, changes.changed),
        reason=trigger.reason,
        cause=trigger.cause,
        lane=trigger.lane,
    )
    mark_sole_groups(connection, changes.first_or_last_placement, lane=trigger.lane)
    found.courses = len(wanted)
