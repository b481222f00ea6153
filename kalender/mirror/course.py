"""Ask TP about one dirty course, mirror the answer, and mark the calendars that it concerns.

The holder of a course's claim is the only writer of its mirror. A first transaction writes what
changed together with whom it will concern. A second one reads whom it concerns by then and marks
them. Because the two are separate, nobody who registers in between is missed.
"""

from dataclasses import replace

import structlog

from kalender.domain.mirror import merge, usernames
from kalender.domain.model import CourseAnswer, CourseKey
from kalender.domain.work import EVERY_SEMESTER, Cause, Lane, Mark, WorkKey
from kalender.mirror.context import RefreshContext
from kalender.store import brakes, courses, mailboxes, people, queue, rollouts
from kalender.store.database import counts_of
from kalender.store.people import USERNAME
from kalender.store.queue import Claim

log = structlog.get_logger()


def refresh_course(context: RefreshContext, claim: Claim) -> None:
    """Ask TP about a course, once; mirror the answer, and mark the calendars that it concerns.

    A course that was named without its semester is marked in each semester that is maintained,
    since it may have changed in any.
    """
    key = claim.work.course
    with context.database.read() as connection:
        maintained = context.maintained(connection)
        interrupted = bool(courses.pending_fan_out(connection, key))
        # not skipped, or mirrored before it came to be skipped
        is_ours = not context.skips(key.course) or bool(courses.mirrored(connection, [key]))
    if interrupted:  # whoever refreshed it last died between the two transactions
        _fan_out(context, key)
    if key.semester == EVERY_SEMESTER:
        with context.database.write() as connection:
            subjects = [WorkKey.of_course(key.course, semester) for semester in maintained]
            queue.mark(connection, [Mark.of(subject, claim.trigger) for subject in subjects])
            queue.finish(connection, claim)
        return
    has_changed = False
    if key.semester in maintained and is_ours:
        has_changed = _mirror(context, claim, key)
    _fan_out(context, key, claim=claim, has_changed=has_changed)


def _mirror(context: RefreshContext, claim: Claim, key: CourseKey) -> bool:
    """Ask TP, and write the answer with whom it will concern; return whether anything changed.

    Nobody asks TP about a course that is skipped: it has no teaching for us, as an empty answer
    would say. So its brake holds what stands until somebody agrees, as with any emptied answer.
    """
    if context.skips(key.course):
        answer = CourseAnswer(key=key, published=True, events=())
    else:
        answer = context.timetables.course(key)
    spelling = _spelling(context, answer, key)
    if spelling != key:
        with context.database.write() as connection:
            queue.renew(connection, claim, context.lease)
            queue.mark(connection, [Mark.of(WorkKey.of_course(*spelling), claim.trigger)])
            courses.respell(connection, key, spelling, context.rules, claim.trigger)
            brakes.lift(connection, brakes.course_scope(key))
        log.info("course_respelled", course=str(key), spelling=str(spelling))
        return False
    for collection in answer.odd:
        context.database.counts.add("left_out", "tp", collection)
    scope = brakes.course_scope(key)
    with context.database.write() as connection:
        queue.renew(connection, claim, context.lease)
        brake_state = brakes.state(connection, scope)
        unannounced = (
            claim.cause is Cause.RESYNC and courses.is_published(connection, key) is not None
        )
        change = merge(
            courses.rows(connection, key),
            answer,
            rules=context.rules,
            brake=replace(context.brake, released=brake_state == "released"),
            now=context.clock(),
        )
        if answer.published is not False:
            if change.held:
                brakes.hold(connection, scope, f"{change.held} coming events gone from TP")
            elif brake_state is not None:
                brakes.lift(connection, scope)
        has_changed = courses.save(connection, answer, change, claim.trigger)
        names = {username for row in change.rows for username in usernames(row.event)}
        for username in sorted(names):
            person_id = people.ensure(connection, USERNAME, username)
            if not people.is_forgotten(connection, USERNAME, username):
                mailboxes.assign_mailboxes(connection, person_id, context.people)
                rollouts.enrol(connection, [person_id])
        # whatever another course shows too has changed there as well
        trigger = claim.trigger._replace(reason=f"shares events with {key}", cause=Cause.DERIVED)
        co_taught = courses.others_with(connection, key, change.changed_ids)
        queue.mark(
            connection, [Mark.of(WorkKey.of_course(*course), trigger) for course in co_taught]
        )
        if has_changed and unannounced:
            counts_of(connection).add("unannounced", "tp")
    return has_changed


def _spelling(context: RefreshContext, answer: CourseAnswer, key: CourseKey) -> CourseKey:
    """Return the course as TP spells it.

    An empty answer may repeat the question's spelling: then what TP told before is believed.
    """
    if answer.key != key or answer.events or answer.bad:
        return answer.key
    with context.database.read() as connection:
        if courses.is_published(connection, key) is not None:
            return key
        return courses.spellings(connection, [key]).get(key, key)


def _fan_out(
    context: RefreshContext,
    key: CourseKey,
    *,
    claim: Claim | None = None,
    has_changed: bool = False,
) -> None:
    """Mark whom the course's changes concern now and did before; then forget the changes.

    With a `claim` the work is finished in the same transaction.
    """
    with context.database.write() as connection:
        pending = courses.pending_fan_out(connection, key)
        calendars = courses.concerned(connection, pending) if pending else set()
        if pending:
            lane = Lane(min(row.priority for row in pending))
            people.mark_calendars(
                connection,
                calendars,
                reason=f"course {key}: {pending[0].reason}",
                cause=Cause.of(pending[0].cause),
                lane=lane,
                new_are_fills=lane is Lane.LIVE,
                since=min((row.since for row in pending if row.since), default=None),
            )
            courses.clear_fan_out(connection, pending)
        if claim is not None:
            queue.finish(connection, claim)
    if pending or claim is not None:
        log.info("course_refreshed", course=str(key), changed=has_changed, calendars=len(calendars))
