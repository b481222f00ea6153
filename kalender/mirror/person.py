"""Ask FS about one dirty person, mirror the answer, and mark what it concerns.

One transaction writes the answer and marks the person's calendars, the courses that are not
mirrored yet, and whoever is concerned because a group got its first or lost its last placement.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from kalender.domain.model import (
    Account,
    ActivityKey,
    CourseKey,
    PersonFacts,
    Registration,
    Semester,
    TeachingRole,
)
from kalender.domain.timetable import sole_groups
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.errors import NotFoundInSource
from kalender.mirror import lists, organisation
from kalender.mirror.context import RefreshContext, count_left_out
from kalender.store import courses, mailboxes, optouts, people, queue, rollouts, teaching
from kalender.store.database import counts_of, database_time
from kalender.store.people import FS, USERNAME
from kalender.store.queue import Claim
from kalender.store.teaching import FsFacts

log = structlog.get_logger()
SECOND_LOOK = timedelta(minutes=10)  # how long after the first an answer that empties is believed
Fact = TypeVar("Fact", bound=Registration | ActivityKey | TeachingRole)


def refresh_person(context: RefreshContext, claim: Claim) -> None:
    """Ask FS about a person, mirror it, and mark their calendars and the courses not mirrored."""
    with context.database.read() as connection:
        is_forgotten = people.is_forgotten(connection, *claim.work.identity)
    number = None if is_forgotten else _fs_number(context, claim)
    if number is None:
        with context.database.write() as connection:
            if not is_forgotten:
                # whom only TP names gets a calendar as well
                person_id = people.find(connection, *claim.work.identity)
                if person_id is not None:
                    mailboxes.assign_mailboxes(connection, person_id, context.people)
                    _mark_calendars(connection, {person_id}, claim)
            queue.finish(connection, claim)
        return
    with context.database.read() as connection:
        asked_at = database_time(connection)
        maintained = context.maintained(connection)
    answer = _ask(context, number, maintained)
    with context.database.write() as connection:
        queue.renew(connection, claim, context.lease)
        if answer is None and people.find(connection, FS, str(number)) is None:
            queue.finish(connection, claim)
            return
        person_id = people.ensure(connection, FS, str(number))
        facts = _with_tp_spellings(
            connection, answer or PersonFacts(account=Account(fs_number=number))
        )
        complete = teaching.completed(connection, person_id, facts, maintained)
        if _waits_for_second_look(connection, person_id, complete, asked_at, maintained):
            queue.postpone(connection, claim, after=SECOND_LOOK, why="FS lists nothing any more")
            return
        renamed_persons = _save_account(connection, context, person_id, answer, claim)
        organisation.save_person(connection, person_id, answer)
        lists.leave_alone(connection, optouts.match(connection, person_id))
        _save_teaching(connection, context, person_id, complete, maintained, claim)
        mailboxes.assign_all(connection, sorted(renamed_persons), context.people)
        teaching.asked(connection, person_id, asked_at, emptied=False)
        _mark_calendars(connection, {person_id, *renamed_persons}, claim)
        queue.finish(connection, claim)
    log.info("person_refreshed", person=person_id, known=answer is not None)


# -- asking ------------------------------------------------------------------------------------------


def _fs_number(context: RefreshContext, claim: Claim) -> int | None:
    """Return the person's FS number: from the key, from the mirror, or from FS by username."""
    if claim.work.fs_number is not None:
        return claim.work.fs_number
    _, username = claim.work.identity
    with context.database.read() as connection:
        person_id = people.find(connection, USERNAME, username)
        number = people.fs_number(connection, person_id) if person_id is not None else None
    return number if number is not None else context.students.find_username(username)


def _ask(context: RefreshContext, number: int, maintained: Collection[str]) -> PersonFacts | None:
    """Return what FS says; None where it does not know the person.

    An offer status that the answer lacks is asked for singly, where the settings say so.
    """
    semesters = [Semester.parse(code) for code in sorted(maintained)]
    try:
        facts = context.students.person(number, semesters)
    except NotFoundInSource:
        return None
    count_left_out(context.database.counts, facts.bad)
    registrations = []
    for registration in facts.registrations:
        status = registration.offer_status
        if status is None and context.ask_singly:
            with suppress(NotFoundInSource):
                status = context.students.offer_status(number, registration.unit)
        registrations.append(replace(registration, offer_status=status))
    return replace(facts, registrations=tuple(registrations))


def _with_tp_spellings(connection: Connection, facts: PersonFacts) -> PersonFacts:
    """Name courses as TP does, where it told of them: whoever writes FS may use other letters."""
    units = {registration.unit for registration in facts.registrations}
    units |= {role.unit for role in facts.roles} | {key.unit for key in facts.placements}
    spellings = courses.spellings(
        connection, {CourseKey(unit.course, unit.semester) for unit in units}
    )
    if not spellings:
        return facts
    return replace(
        facts,
        registrations=tuple(with_spelling(fact, spellings) for fact in facts.registrations),
        placements=tuple(with_spelling(key, spellings) for key in facts.placements),
        roles=tuple(with_spelling(fact, spellings) for fact in facts.roles),
    )


def with_spelling(fact: Fact, spellings: Mapping[CourseKey, CourseKey]) -> Fact:
    """Return a fact under its course's spelling by TP, where that is another.

    `spellings`: the course as FS names it -> as TP does.
    """
    unit = fact if isinstance(fact, ActivityKey) else fact.unit
    key = CourseKey(unit.course, unit.semester)
    if key not in spellings:
        return fact
    course = spellings[key].course
    if isinstance(fact, ActivityKey):
        return fact._replace(course=course)
    return replace(fact, unit=fact.unit._replace(course=course))


# -- writing -----------------------------------------------------------------------------------------


def _waits_for_second_look(
    connection: Connection,
    person_id: int,
    facts: FsFacts,
    asked_at: datetime,
    maintained: Collection[str],
) -> bool:
    """Whether an answer that empties somebody is not believed yet; the first one is recorded.

    It is believed at the second look, SECOND_LOOK after the first.
    """
    if not facts.empty or teaching.read(connection, person_id, maintained).empty:
        return False
    emptied_at = teaching.emptied_at(connection, person_id)
    if emptied_at is not None and asked_at - emptied_at >= SECOND_LOOK:
        return False
    if emptied_at is None:
        teaching.asked(connection, person_id, asked_at, emptied=True)
    return True


def _save_account(
    connection: Connection,
    context: RefreshContext,
    person_id: int,
    answer: PersonFacts | None,
    claim: Claim,
) -> set[int]:
    """Write what FS says of a person's account; return who else got another username by it.

    Whoever has the username that this person claims from now on is marked, so that FS is asked
    about them too.
    """
    forms = context.people.user_forms
    holders, renamed_persons = people.holders(connection, person_id), set[int]()
    if answer is not None:
        accounts = [(person_id, answer.account)]
        renamed_persons |= people.save_accounts(connection, accounts, forms)
    if answer is None or answer.account.username is None:
        renamed_persons |= people.make_way(connection, person_id, forms)
    new_holders = people.holders(connection, person_id).keys() - holders.keys()
    numbers = {people.fs_number(connection, holder) for holder in new_holders}
    trigger = claim.trigger._replace(
        reason="another is told to have its username", cause=Cause.OTHER
    )
    marks = [
        Mark.of(WorkKey.of_person(number), trigger) for number in sorted(filter(None, numbers))
    ]
    queue.mark(connection, marks)
    return renamed_persons


def _save_teaching(
    connection: Connection,
    context: RefreshContext,
    person_id: int,
    facts: FsFacts,
    maintained: Collection[str],
    claim: Claim,
) -> None:
    """Write what FS says of a person's teaching, and mark all that this asks for."""
    if claim.cause is Cause.RESYNC:
        before = teaching.read(connection, person_id, maintained)
        unannounced = before != facts and not before.empty
        counts_of(connection).add("unannounced", "fs", value=unannounced)
    rollouts.enrol(connection, [person_id])  # on a listed course until now, or from now on
    first_or_last_placement = teaching.write(connection, person_id, facts, maintained)
    rollouts.enrol(connection, [person_id])
    mailboxes.assign_mailboxes(connection, person_id, context.people)
    mark_sole_groups(connection, first_or_last_placement, lane=claim.lane, since=claim.since)
    mirrored = courses.mirrored(connection, facts.courses)
    trigger = claim.trigger._replace(reason="not mirrored yet", cause=Cause.DERIVED)
    marks = [
        Mark.of(WorkKey.of_course(*key), trigger)
        for key in facts.courses
        if key not in mirrored and not context.skips(key.course)
    ]
    queue.mark(connection, marks)


def mark_sole_groups(
    connection: Connection,
    activities: Collection[ActivityKey],
    *,
    lane: Lane,
    since: datetime | None = None,
) -> None:
    """Mark all who are registered where one of these activities is the only group of its kind.

    Each got its first or lost its last placement: such a group counts as plenary until somebody
    is placed on it.
    """
    keys = {CourseKey(activity.course, activity.semester) for activity in activities}
    alone = sole_groups(courses.activities(connection, keys)) & frozenset(activities)
    persons = courses.registered(connection, {activity.unit for activity in alone})
    people.mark_calendars(
        connection,
        people.calendars_of(connection, persons),
        reason="first or last placement on the only group",
        cause=Cause.DERIVED,
        lane=lane,
        since=since,
    )


def _mark_calendars(connection: Connection, persons: Collection[int], claim: Claim) -> None:
    people.mark_calendars(
        connection,
        people.calendars_of(connection, persons),
        reason=claim.reason,
        cause=claim.cause,
        lane=claim.lane,
        since=claim.since,
    )
