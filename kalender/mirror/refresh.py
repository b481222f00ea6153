"""Ask the source about one dirty course or person, mirror the answer, and mark whom it concerns.

The holder of a course's claim is the one writer of its mirror. What changed is written together
with whom it will concern; a later transaction reads whom it concerns by then and marks them, so
that nobody falls between.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from kalender.domain.mirror import CourseBrake, MirrorChange, merge, usernames
from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    CourseAnswer,
    CourseKey,
    PersonFacts,
    Registration,
    Semester,
    UnitKey,
)
from kalender.domain.timetable import Rules, sole_groups
from kalender.domain.work import EVERY_SEMESTER, Cause, Lane, Mark, WorkKey
from kalender.errors import NotFoundInSource
from kalender.ports import Students, Timetables
from kalender.store import brakes, courses, mailboxes, people, queue, rollouts, teaching, unreadable
from kalender.store.counts import Counts, counts_of
from kalender.store.database import Database
from kalender.store.people import FS, USERNAME, People
from kalender.store.queue import Claim
from kalender.store.semesters import Semesters
from kalender.store.teaching import FsFacts

log = structlog.get_logger()
SECOND_LOOK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshContext:
    """What a worker needs to refresh the mirror."""

    database: Database
    timetables: Timetables
    students: Students
    people: People
    rules: Rules
    brake: CourseBrake
    ask_singly: bool  # offer statuses that the collection does not tell
    skips: Callable[[str], bool]
    semesters: Semesters
    lease: timedelta
    clock: Callable[[], datetime]

    def maintained(self, connection: Connection) -> frozenset[str]:
        """Return the semesters that are maintained now."""
        return self.semesters.at(connection, self.rules, self.clock())


def count_left_out(counts: Counts, bad: Sequence[BadItem]) -> None:
    """Count items of FS that could not be read, and say which they are."""
    for each in bad:
        counts.add("left_out", "fs", each.collection)
        log.warning(
            "left_out",
            source="fs",
            collection=each.collection,
            item=each.item or unreadable.UNNAMED,
            fs_number=each.fs_number,
            reason=each.reason,
        )


def count_left_out_of_tp(counts: Counts, collection: str, reason: str) -> None:
    """Count an item of TP's lists that could not be read; it names nobody."""
    counts.add("left_out", "tp", collection)
    log.warning("left_out", source="tp", collection=collection, reason=reason)


# -- courses ---------------------------------------------------------------------------------------


def refresh_course(sources: RefreshContext, claim: Claim) -> None:
    """Ask TP about a course, once; mirror it and mark the calendars it concerns."""
    key = claim.work.course
    with sources.database.read() as connection:
        maintained = sources.maintained(connection)
        pending = courses.pending_fan_out(connection, key)
    if pending:
        _fan_out(sources, key)
    if key.semester == EVERY_SEMESTER:
        return _every_semester(sources, claim, key.course, maintained)
    changed = False
    if key.semester in maintained and _is_to_be_mirrored(sources, key):
        changed = _mirror(sources, claim, key)
    return _fan_out(sources, key, finishes=claim, changed=changed)


def _every_semester(
    sources: RefreshContext, claim: Claim, course: str, maintained: Collection[str]
) -> None:
    """A course named without its semester may have changed in any."""
    with sources.database.write() as connection:
        marks = [
            Mark.of(WorkKey.of_course(course, semester), claim.trigger) for semester in maintained
        ]
        queue.mark(connection, marks)
        queue.finish(connection, claim)


def _is_to_be_mirrored(sources: RefreshContext, key: CourseKey) -> bool:
    """Whether the course is ours; what is skipped since it was mirrored is so once more."""
    if not sources.skips(key.course):
        return True
    with sources.database.read() as connection:
        return key in courses.mirrored(connection, [key])


def _answer(sources: RefreshContext, key: CourseKey) -> CourseAnswer:
    """Ask TP; of a skipped course nobody asks: it has no teaching for us, as an empty answer says.

    So its brake holds what stands, as with any emptied answer, until somebody agrees.
    """
    if sources.skips(key.course):
        return CourseAnswer(key=key, published=True, events=())
    return sources.timetables.course(key)


def _mirror(sources: RefreshContext, claim: Claim, key: CourseKey) -> bool:
    """Ask, and write the answer with whom it will concern; return whether anything changed."""
    answer = _answer(sources, key)
    if (spelling := _spelling(sources, answer, key)) != key:
        _respell(sources, claim, key, spelling)
        return False
    for name in answer.odd:
        sources.database.counts.add("left_out", "tp", name)
    with sources.database.write() as connection:
        queue.renew(connection, claim, sources.lease)
        released = brakes.state(connection, f"course {key}") == "released"
        found_out = (
            claim.cause is Cause.RESYNC and courses.is_published(connection, key) is not None
        )
        change = merge(
            courses.rows(connection, key),
            answer,
            rules=sources.rules,
            brake=replace(sources.brake, released=released),
            now=sources.clock(),
        )
        if answer.published is not False:
            _record_hold(connection, key, change)
        changed = courses.save(connection, answer, change, claim.trigger)
        _arrange_staff(connection, sources, change)
        _mark_co_taught(connection, claim, key, change)
        if changed and found_out:
            counts_of(connection).add("unannounced", "tp")
    return changed


def _spelling(sources: RefreshContext, answer: CourseAnswer, key: CourseKey) -> CourseKey:
    """Return the course as TP spells it.

    An empty answer may repeat the question's spelling: then what TP told before is believed.
    """
    if answer.key != key or answer.events or answer.bad:
        return answer.key
    with sources.database.read() as connection:
        if courses.is_published(connection, key) is not None:
            return key
        return courses.spellings(connection, [key]).get(key, key)


def _respell(sources: RefreshContext, claim: Claim, key: CourseKey, spelling: CourseKey) -> None:
    """Move what stands under another spelling, and let the course be asked for by its own."""
    with sources.database.write() as connection:
        queue.renew(connection, claim, sources.lease)
        queue.mark(connection, [Mark.of(WorkKey.of_course(*spelling), claim.trigger)])
        courses.respell(connection, key, spelling, sources.rules, claim.trigger)
        brakes.lift(connection, f"course {key}")
    log.info("course_respelled", course=str(key), spelling=str(spelling))


def _record_hold(connection: Connection, key: CourseKey, change: MirrorChange) -> None:
    scope = f"course {key}"
    if change.held:
        brakes.hold(connection, scope, f"{change.held} coming events gone from TP")
    elif brakes.state(connection, scope) is not None:
        brakes.lift(connection, scope)


def _arrange_staff(connection: Connection, sources: RefreshContext, change: MirrorChange) -> None:
    """Whoever is named now may need a calendar."""
    named = {name for row in change.rows for name in usernames(row.event)}
    for name in sorted(named):
        person_id = people.ensure(connection, USERNAME, name)
        if not people.is_forgotten(connection, USERNAME, name):
            mailboxes.assign_mailboxes(connection, person_id, sources.people)
            rollouts.enrol(connection, [person_id])


def _mark_co_taught(
    connection: Connection, claim: Claim, key: CourseKey, change: MirrorChange
) -> None:
    """What another course shows too has changed there as well."""
    trigger = claim.trigger._replace(reason=f"shares events with {key}", cause=Cause.DERIVED)
    marks = [
        Mark.of(WorkKey.of_course(*other), trigger)
        for other in courses.others_with(connection, key, change.changed_ids)
    ]
    queue.mark(connection, marks)


def _fan_out(
    sources: RefreshContext, key: CourseKey, *, finishes: Claim | None = None, changed: bool = False
) -> None:
    """Mark whom the course's changes concern now and did before; then forget them."""
    with sources.database.write() as connection:
        pending = courses.pending_fan_out(connection, key)
        concerned = courses.concerned(connection, pending) if pending else set()
        if pending:
            lane = Lane(min(row.priority for row in pending))
            people.mark_calendars(
                connection,
                concerned,
                reason=f"course {key}: {pending[0].reason}",
                cause=Cause.of(pending[0].cause),
                lane=lane,
                new_are_fills=lane is Lane.LIVE,
                since=min((row.since for row in pending if row.since), default=None),
            )
            courses.clear_fan_out(connection, pending)
        if finishes is not None:
            queue.finish(connection, finishes)
    if pending or finishes is not None:
        log.info("course_refreshed", course=str(key), changed=changed, calendars=len(concerned))


# -- persons ---------------------------------------------------------------------------------------


def refresh_person(sources: RefreshContext, claim: Claim) -> None:
    """Ask FS about a person, mirror it, and mark their calendars and the courses not mirrored."""
    if _is_forgotten(sources, claim):
        return _finish(sources, claim)
    number = _fs_number(sources, claim)
    if number is None:
        return _known_to_tp_only(sources, claim)
    with sources.database.read() as connection:
        asked_at = teaching.database_time(connection)
        maintained = sources.maintained(connection)
    facts = _ask(sources, number, maintained)
    with sources.database.write() as connection:
        queue.renew(connection, claim, sources.lease)
        known = people.find(connection, FS, str(number))
        if facts is None and known is None:
            queue.finish(connection, claim)
            return None
        person_id = people.ensure(connection, FS, str(number))
        told = _as_tp_spells(connection, facts or PersonFacts(account=Account(fs_number=number)))
        found = teaching.completed(connection, person_id, told, maintained)
        if _is_first_emptying(connection, person_id, found, asked_at, maintained):
            queue.postpone(connection, claim, after=SECOND_LOOK, why="FS lists nothing any more")
            return None
        others = _take_account(connection, person_id, facts, claim)
        save_teaching(connection, sources, person_id, found, maintained, claim)
        for each in sorted(others):
            mailboxes.assign_mailboxes(connection, each, sources.people)
        teaching.asked(connection, person_id, asked_at, emptied=False)
        _mark_person(connection, {person_id, *others}, claim)
        queue.finish(connection, claim)
    log.info("person_refreshed", person=person_id, known=facts is not None)
    return None


def _take_account(
    connection: Connection, person_id: int, facts: PersonFacts | None, claim: Claim
) -> set[int]:
    """Write what FS says of a person's account; return who else got another username by it.

    FS is asked about whoever has the username that this person claims from now on.
    """
    before, others = people.holders(connection, person_id), set[int]()
    if facts is not None:
        others |= people.save_account(connection, person_id, facts.account)
    if facts is None or facts.account.username is None:
        others |= people.make_way(connection, person_id)
    asked = people.holders(connection, person_id).keys() - before.keys()
    numbers = {people.fs_number(connection, each) for each in asked}
    trigger = claim.trigger._replace(
        reason="another is told to have its username", cause=Cause.OTHER
    )
    marks = [
        Mark.of(WorkKey.of_person(number), trigger) for number in sorted(filter(None, numbers))
    ]
    queue.mark(connection, marks)
    return others


def _fs_number(sources: RefreshContext, claim: Claim) -> int | None:
    if claim.work.fs_number is not None:
        return claim.work.fs_number
    _, username = claim.work.identity
    with sources.database.read() as connection:
        person_id = people.find(connection, USERNAME, username)
        number = people.fs_number(connection, person_id) if person_id is not None else None
    return number if number is not None else sources.students.find_username(username)


def _is_forgotten(sources: RefreshContext, claim: Claim) -> bool:
    with sources.database.read() as connection:
        return people.is_forgotten(connection, *claim.work.identity)


def _finish(sources: RefreshContext, claim: Claim) -> None:
    with sources.database.write() as connection:
        queue.finish(connection, claim)


def _known_to_tp_only(sources: RefreshContext, claim: Claim) -> None:
    with sources.database.write() as connection:
        person_id = people.find(connection, *claim.work.identity)
        if person_id is not None:
            mailboxes.assign_mailboxes(connection, person_id, sources.people)
            _mark_person(connection, {person_id}, claim)
        queue.finish(connection, claim)


def _ask(sources: RefreshContext, number: int, maintained: Collection[str]) -> PersonFacts | None:
    """Return what FS says; None where it does not know the person."""
    semesters = [Semester.parse(code) for code in sorted(maintained)]
    try:
        facts = sources.students.person(number, semesters)
    except NotFoundInSource:
        return None
    count_left_out(sources.database.counts, facts.bad)
    registrations = tuple(_with_status(sources, number, each) for each in facts.registrations)
    return replace(facts, registrations=registrations)


def _as_tp_spells(connection: Connection, facts: PersonFacts) -> PersonFacts:
    """Name courses as TP does, where it told of them: whoever writes FS may use other letters."""
    units = {each.unit for each in facts.registrations} | {each.unit for each in facts.roles}
    units |= {key.unit for key in facts.placements}
    others = courses.spellings(connection, {CourseKey(u.course, u.semester) for u in units})
    if not others:
        return facts
    return replace(
        facts,
        registrations=tuple(
            replace(each, unit=spelled(each.unit, others)) for each in facts.registrations
        ),
        placements=tuple(spelled(each, others) for each in facts.placements),
        roles=tuple(replace(each, unit=spelled(each.unit, others)) for each in facts.roles),
    )


Unit = TypeVar("Unit", UnitKey, ActivityKey)


def spelled(unit: Unit, others: Mapping[CourseKey, CourseKey]) -> Unit:
    """Return a unit or activity under its course's spelling, where that is another."""
    key = CourseKey(unit.course, unit.semester)
    return unit._replace(course=others[key].course) if key in others else unit


def _with_status(sources: RefreshContext, number: int, each: Registration) -> Registration:
    if each.offer_status is not None or not sources.ask_singly:
        return each
    try:
        return replace(each, offer_status=sources.students.offer_status(number, each.unit))
    except NotFoundInSource:
        return each


def _is_first_emptying(
    connection: Connection,
    person_id: int,
    found: FsFacts,
    asked_at: datetime,
    maintained: Collection[str],
) -> bool:
    """An answer that empties somebody is believed at the second look, ten minutes later."""
    if not found.empty or teaching.read(connection, person_id, maintained).empty:
        return False
    first = teaching.emptied_at(connection, person_id)
    if first is not None and asked_at - first >= SECOND_LOOK:
        return False
    if first is None:
        teaching.asked(connection, person_id, asked_at, emptied=True)
    return True


def save_teaching(
    connection: Connection,
    sources: RefreshContext,
    person_id: int,
    found: FsFacts,
    maintained: Collection[str],
    claim: Claim,
) -> None:
    """Write what FS says of a person's teaching, and mark all that this asks for."""
    if claim.cause is Cause.RESYNC:
        before = teaching.read(connection, person_id, maintained)
        counts_of(connection).add("unannounced", "fs", value=before != found and not before.empty)
    rollouts.enrol(connection, [person_id])  # on a listed course until now, or from now on
    first_or_last_placement = teaching.write(connection, person_id, found, maintained)
    rollouts.enrol(connection, [person_id])
    mailboxes.assign_mailboxes(connection, person_id, sources.people)
    mark_flipped(connection, first_or_last_placement, lane=claim.lane, since=claim.since)
    known = courses.mirrored(connection, found.courses)
    trigger = claim.trigger._replace(reason="not mirrored yet", cause=Cause.DERIVED)
    missing = [
        Mark.of(WorkKey.of_course(*key), trigger)
        for key in found.courses
        if key not in known and not sources.skips(key.course)
    ]
    queue.mark(connection, missing)


def mark_flipped(
    connection: Connection,
    first_or_last_placement: Collection[ActivityKey],
    *,
    lane: Lane,
    since: datetime | None = None,
) -> None:
    """The only group of its kind counts as plenary until somebody is placed on it."""
    keys = {CourseKey(key.course, key.semester) for key in first_or_last_placement}
    alone = sole_groups(courses.activities(connection, keys)) & frozenset(first_or_last_placement)
    concerned = courses.registered(connection, {key.unit for key in alone})
    people.mark_calendars(
        connection,
        people.calendars_of(connection, concerned),
        reason="first or last placement on the only group",
        cause=Cause.DERIVED,
        lane=lane,
        since=since,
    )


def _mark_person(connection: Connection, persons: Collection[int], claim: Claim) -> None:
    people.mark_calendars(
        connection,
        people.calendars_of(connection, persons),
        reason=claim.reason,
        cause=claim.cause,
        lane=claim.lane,
        since=claim.since,
    )
