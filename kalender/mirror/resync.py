"""Read every source anew and mark what changed; writes no calendar.

FS is read by collection. A collection may add and change; what it lacks is only a suspicion: that
person is marked, and the single answer decides. Whoever was asked for singly since the first page
is left alone. TP is asked course by course, by the workers. What this finds changed although no
notification said so is counted: it is the true quality of the notifications.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    CourseKey,
    Semester,
    UnitKey,
    folded,
)
from kalender.domain.work import Cause, Kind, Lane, Mark, Trigger, WorkKey
from kalender.mirror import organisation
from kalender.mirror.context import RefreshContext, count_left_out
from kalender.mirror.lists import ListChange, ReadLists, keep_in_step
from kalender.mirror.person import mark_sole_groups, with_spelling
from kalender.mirror.scope import Decided, Settings, compare
from kalender.ports import LeftOut
from kalender.store import (
    backlog,
    bulk,
    courses,
    fs_facts,
    mailboxes,
    people,
    queue,
    teaching,
    unreadable,
)
from kalender.store.database import counts_of, database_time
from kalender.store.fs_facts import KINDS, PLACEMENTS, REGISTRATIONS, ROLES, FactKind

log = structlog.get_logger()
Progress = Callable[[str, int], None]  # a collection, and how many more of its items were read
Read = Callable[[Semester, LeftOut], Iterator[Sequence[tuple[int, Any]]]]
FactsByNumber = Mapping[int, list[Any]]  # FS number -> facts of one kind


@dataclass(slots=True)
class ResyncResult:
    """What a resync found, in counts; the same for a dry run."""

    persons: int = 0
    new_persons: int = 0
    changed_persons: int = 0
    suspects: int = 0  # persons who are asked about singly, as their answer may say otherwise
    unannounced: int = 0  # of the changed, whom no notification named; none at a first reading
    courses: int = 0
    semesters: tuple[str, ...] = ()
    lists: tuple[ListChange, ...] = ()  # what each list of persons changed
    decided: Decided = field(default_factory=Decided)  # what settings decide, in calendars


@dataclass(slots=True)
class _Changes:
    """What a resync finds, by our numbers of persons."""

    persons: set[int] = field(default_factory=set)  # of whom anything changed
    heirs: set[int] = field(default_factory=set)  # of these, who got what another gave up
    to_recheck: set[int] = field(default_factory=set)
    first_placements: set[ActivityKey] = field(default_factory=set)
    courses: set[CourseKey] = field(default_factory=set)
    first_reading: bool = False  # of a semester: all of it is new


class _DryRun(Exception):
    """Rolls the transaction back: nothing was to be written."""


def resync(
    context: RefreshContext,
    *,
    settings: Settings,
    lists: ReadLists | None = None,
    dry_run: bool = False,
    progress: Progress = lambda _collection, _count: None,
) -> ResyncResult:
    """Read FS by collection, mirror it, and mark persons, calendars and all courses.

    What `lists` of persons told is done once everybody is known.
    """
    with context.database.read() as connection:
        started = database_time(connection)
        semesters = tuple(sorted(context.maintained(connection)))
    snapshot = SourceSnapshot(context, semesters, progress)
    result = ResyncResult()

    def merge(connection: Connection) -> None:
        nonlocal result
        result = ResyncResult(semesters=semesters)
        _merge_snapshot(connection, context, snapshot, started, result)
        result.lists = tuple(keep_in_step(connection, lists or ReadLists()))
        result.decided = compare(connection, context, settings)
        counts_of(connection).add("unannounced", "fs", value=result.unannounced)
        if dry_run:
            raise _DryRun

    with suppress(_DryRun):
        context.database.transact(merge)
    if dry_run:
        return result
    bad_items = [*snapshot.bad_items, *snapshot.memberships.bad_items]
    count_left_out(context.database.counts, bad_items)
    log.info(
        "resynced",
        persons=result.persons,
        changed=result.changed_persons,
        suspects=result.suspects,
        courses=result.courses,
    )
    return result


class SourceSnapshot:
    """All that the sources tell, read before the database is touched.

    `courses` are those that TP lists. Of FS: `accounts`, and for each kind and semester the `facts`
    by FS number; `bad_items` could not be read. `memberships` are what roll-outs go by beside these.
    """

    def __init__(self, context: RefreshContext, codes: Sequence[str], progress: Progress) -> None:
        students, semesters = context.students, [Semester.parse(code) for code in codes]
        self.bad_items: list[BadItem] = []

        def counted(collection: str, pages: Iterator[Sequence[Any]]) -> Iterator[Any]:
            for page in pages:
                progress(collection, len(page))
                yield from page

        def by_semester(collection: str, reader: Read) -> Mapping[str, FactsByNumber]:
            facts: dict[str, FactsByNumber] = {}
            for semester in semesters:
                by_number: dict[int, list[Any]] = defaultdict(list)
                for number, fact in counted(collection, reader(semester, self.bad_items.append)):
                    by_number[number].append(fact)
                facts[semester.code] = by_number
            return facts

        self.courses = {
            CourseKey(course, semester.code)
            for semester in semesters
            for course in context.timetables.courses(semester)
        }
        self.accounts: list[Account] = list(
            counted("persons", students.accounts(self.bad_items.append))
        )
        self.facts: Mapping[FactKind[Any], Mapping[str, FactsByNumber]] = {
            REGISTRATIONS: by_semester("registrations", students.registrations),
            PLACEMENTS: by_semester("placements", students.placements),
            ROLES: by_semester("roles", students.roles),
        }
        taught = {unit.course for unit in self.units} | {key.course for key in self.courses}
        self.memberships = organisation.read(students, taught)

    @property
    def units(self) -> set[UnitKey]:
        """The teaching units that FS tells of."""
        return {
            fact.unit
            for by_semester in self.facts.values()
            for by_number in by_semester.values()
            for facts in by_number.values()
            for fact in facts
        }

    @property
    def numbers(self) -> set[int]:
        """The FS numbers of everybody told of."""
        numbers = {account.fs_number for account in self.accounts}
        for by_semester in self.facts.values():
            for facts in by_semester.values():
                numbers |= facts.keys()
        return numbers


# -- merging the snapshot ----------------------------------------------------------------------------


def _merge_snapshot(
    connection: Connection,
    context: RefreshContext,
    snapshot: SourceSnapshot,
    started: datetime,
    result: ResyncResult,
) -> None:
    """Mirror what FS told, mark what that asks for, and fill in the result's counts."""
    known_persons = bulk.persons(connection)
    new_persons = bulk.make_persons(connection, snapshot.numbers - known_persons.keys())
    persons = {**known_persons, **new_persons}
    forgotten_persons = people.forgotten(connection)
    skipped_persons = bulk.asked_later(connection, started) | forgotten_persons
    changes = _Changes()
    last_reading = teaching.last_reading(connection, courses.PLACEMENTS)
    _merge_accounts(connection, context, snapshot.accounts, persons, skipped_persons, changes)
    if new_persons:
        bulk.analyze(connection)
    for semester in result.semesters:
        # a semester that was not maintained when all was read last left its calendars out
        first_reading = (
            last_reading is None
            or teaching.was_read(connection, courses.PLACEMENTS, semester) != last_reading
        )
        _merge_semester(connection, context, snapshot, semester, persons, skipped_persons, changes)
        teaching.record_reading(connection, courses.PLACEMENTS, semester, started)
        if first_reading:
            changes.first_reading = True
            for kind in (REGISTRATIONS, ROLES):
                changes.persons |= fs_facts.of_semester(connection, kind, semester).keys()
    changes.to_recheck |= organisation.merge(
        connection,
        snapshot.memberships,
        accounts=snapshot.accounts,
        units=snapshot.units,
        listed={key.course for key in snapshot.courses},
        persons=persons,
        skipped_persons=skipped_persons,
    )
    # The answer about somebody who was or is asked for beside us may be newer than ours.
    asked_beside = bulk.asked_later(connection, started) | bulk.being_asked_for(connection)
    changes.to_recheck |= changes.persons & (asked_beside - skipped_persons)
    changes.to_recheck -= forgotten_persons
    to_serve = (changes.persons | bulk.without_calendar(connection)) - forgotten_persons
    heirs_last = sorted(to_serve, key=lambda person_id: (person_id in changes.heirs, person_id))
    mailboxes.assign_all(connection, heirs_last, context.people)
    if not changes.first_reading:
        keys = backlog.announced(connection, Kind.PERSON)
        announced_persons = {
            person_id
            for number, person_id in persons.items()
            if WorkKey.of_person(number).key in keys
        }
        result.unannounced = len(changes.persons - announced_persons)
    unreadable.of_collections(
        connection,
        snapshot.bad_items,
        persons,
        spared=skipped_persons | asked_beside,
        semesters=result.semesters,
    )
    result.courses = _mark(connection, context, snapshot, persons, changes, result.semesters)
    result.persons, result.new_persons = len(persons), len(new_persons)
    result.changed_persons, result.suspects = len(changes.persons), len(changes.to_recheck)


def _merge_accounts(
    connection: Connection,
    context: RefreshContext,
    accounts: Sequence[Account],
    persons: Mapping[int, int],
    skipped_persons: Collection[int],
    changes: _Changes,
) -> None:
    """Of two whom FS gives one username it stays with who has it, else with the lower number."""
    mirrored, claims = bulk.accounts(connection), people.claimed(connection)
    to_save: list[tuple[int, Account]] = []
    for account in sorted(accounts, key=lambda account: account.fs_number):
        person_id = persons[account.fs_number]
        names, mail = mirrored.get(person_id, (frozenset(), ()))
        names = claims.get(person_id, names)
        if account.username is None and account.mail is None:
            if not names and not mail:  # ids alone: whoever is new is asked for singly
                changes.to_recheck.add(person_id)
        elif person_id not in skipped_persons:
            renamed = account.username is not None and names != {account.username}
            readdressed = account.mail is not None and (
                people.in_order(account.mail, mail) != list(mail)
            )
            if renamed or readdressed:
                to_save.append((person_id, account))
                changes.persons.add(person_id)
    forms = context.people.user_forms
    changes.heirs |= people.save_accounts(connection, to_save, forms)
    changes.heirs |= people.give_free_usernames(connection, forms)
    changes.persons |= changes.heirs
    usernames = {persons[account.fs_number]: account.username for account in accounts}
    for holder, username in people.holders(connection).items():
        if usernames.get(holder) != username and holder not in skipped_persons:
            changes.to_recheck.add(holder)  # does FS still call them so?


def _spellings(
    connection: Connection, snapshot: SourceSnapshot, semester: str
) -> dict[CourseKey, CourseKey]:
    """Return those of FS' courses that TP spells otherwise: as it lists them, or told of them."""
    units = {
        fact.unit
        for by_semester in snapshot.facts.values()
        for facts in by_semester[semester].values()
        for fact in facts
    }
    unlisted = {CourseKey(unit.course, semester) for unit in units} - snapshot.courses
    by_folded_name = {
        CourseKey(folded(key.course), key.semester): key for key in sorted(snapshot.courses)
    }
    spellings = courses.spellings(connection, unlisted)
    for key in unlisted:
        folded_key = CourseKey(folded(key.course), semester)
        if folded_key in by_folded_name:
            spellings[key] = by_folded_name[folded_key]
    return spellings


def _merge_semester(  # noqa: PLR0913, PLR0917
    connection: Connection,
    context: RefreshContext,
    snapshot: SourceSnapshot,
    semester: str,
    persons: Mapping[int, int],
    skipped_persons: set[int],
    changes: _Changes,
) -> None:
    """Write what FS told of one semester and the mirror lacks, and note what changed by it.

    A fact that FS does not tell stays as it was: an offer status, and a role's period.
    """
    spellings = _spellings(connection, snapshot, semester)
    for kind in KINDS:
        mirrored = fs_facts.of_semester(connection, kind, semester)
        told = {
            persons[number]: kind.by_name(with_spelling(fact, spellings) for fact in facts)
            for number, facts in snapshot.facts[kind][semester].items()
            if persons[number] not in skipped_persons
        }
        for person_id, facts in told.items():
            before = mirrored.get(person_id, {})
            for name, fact in facts.items():
                facts[name] = kind.completed(fact, before.get(name))
        difference = fs_facts.compare(mirrored, told)
        fs_facts.write(connection, kind, difference, may_remove=False)
        changes.persons |= {person_id for person_id, _ in (*difference.new, *difference.changed)}
        lacking_persons = {person_id for person_id, _ in difference.lacking}
        changes.to_recheck |= lacking_persons - skipped_persons
        if kind is PLACEMENTS:
            placed_activities = set().union(*mirrored.values())
            changes.first_placements |= {key for _, key in difference.new} - placed_activities
        else:
            changes.courses |= {
                CourseKey(fact.unit.course, semester)
                for facts in told.values()
                for fact in facts.values()
            }
        if kind is REGISTRATIONS and context.ask_singly:
            changes.to_recheck |= {
                person_id
                for person_id, facts in told.items()
                if any(fact.offer_status is None for fact in facts.values())
            }


# -- marking ------------------------------------------------------------------------------------------


def _mark(
    connection: Connection,
    context: RefreshContext,
    snapshot: SourceSnapshot,
    persons: Mapping[int, int],
    changes: _Changes,
    semesters: Collection[str],
) -> int:
    """Mark persons to ask about, all courses and the calendars of who changed.

    Returns how many courses were marked.
    """
    trigger = Trigger("resync", Cause.RESYNC, Lane.RESYNC)
    filling = trigger._replace(lane=Lane.FILL)  # before the calendars that it fills
    numbers = {person_id: number for number, person_id in persons.items()}
    marks = [
        Mark.of(WorkKey.of_person(numbers[person_id]), trigger)
        for person_id in changes.to_recheck
        if person_id in numbers
    ]
    marks += [
        Mark.of(WorkKey(Kind.PERSON, key), trigger)
        for key in backlog.parked_keys(connection, Kind.PERSON)
    ]
    mirrored_courses = courses.runs(connection, semesters).keys()
    to_refresh = [
        key
        for key in mirrored_courses | snapshot.courses | changes.courses
        if key in mirrored_courses or not context.skips(key.course)
    ]
    marks += [
        Mark.of(WorkKey.of_course(*key), trigger if key in mirrored_courses else filling)
        for key in to_refresh
    ]
    queue.mark(connection, marks)
    people.mark_calendars(
        connection,
        people.calendars_of(connection, changes.persons),
        reason=trigger.reason,
        cause=trigger.cause,
        lane=trigger.lane,
    )
    mark_sole_groups(connection, changes.first_placements, lane=trigger.lane)
    return len(to_refresh)
