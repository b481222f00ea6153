"""A worker process' first thread: heartbeats, what time alone makes due, TP's list of changes."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

import structlog

from kalender.domain.neighbour import TP
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.errors import (
    KalenderError,
    NeighbourError,
    PermanentError,
    StateInDoubt,
    TransientError,
)
from kalender.store import brakes, bulk, counters, minutes, moves, people, queue, recovery, teaching
from kalender.store.database import database_time
from kalender.store.prune import prune
from kalender.worker.context import WorkerContext
from kalender.worker.rollout import advance_plans

log = structlog.get_logger()
BEAT_SECONDS = 10.0
LOOK_SECONDS = 1.0
POLL_FAILED, POLL_AGAIN = "lastchanged failed", timedelta(minutes=1)
LOOK_SECONDS_UNTIL_IDLE = 0.25


def run_periodic_tasks(
    context: WorkerContext,
    stop: threading.Event,
    *,
    until_idle: bool,
    orphaned: Callable[[], bool],
) -> None:
    """Beat, and mark what time makes due, until stopped, idle or left alone."""
    beaten = marked_at = float("-inf")
    while not (stop.is_set() or orphaned()):
        context.liveness.turn()
        try:
            if time.monotonic() - beaten > BEAT_SECONDS:
                with context.reconcile_context.memory.writing(context.database) as connection:
                    context.heartbeat.write(connection, connections=context.connections)
                context.reconcile_context.memory.verify(context.database)
                beaten = time.monotonic()
                counters.give(context.database)
                minutes.record(context.database)
            if time.monotonic() - marked_at > LOOK_SECONDS / 2:
                _mark_by_time(context, verifies=not until_idle)
                marked_at = time.monotonic()
            if until_idle:
                with context.database.read() as connection:
                    if not queue.waits(connection, within=recovery.horizon(connection)):
                        return
        except StateInDoubt:
            raise
        except KalenderError as error:
            log.warning("house_not_kept", error=str(error))
        stop.wait(LOOK_SECONDS_UNTIL_IDLE if until_idle else LOOK_SECONDS)


def _mark_by_time(context: WorkerContext, *, verifies: bool) -> None:
    """Mark what became due by the clock alone."""
    with context.database.write() as connection:
        queue.mark_what_is_due(connection)
        moves.mark_announced(connection, context.reconcile_context.moves.interval)
        now = context.reconcile_context.clock()
        moved_calendars = {
            *bulk.changing_by_time(connection, now),
            *brakes.let_ended_go(connection, now),
        }
        people.mark_calendars(
            connection, moved_calendars, reason="time has come", cause=Cause.TIME, lane=Lane.LIVE
        )
        if verifies:
            to_verify = bulk.to_verify(
                connection, interval_seconds=context.verify_every.total_seconds()
            )
            people.mark_calendars(
                connection, to_verify, reason="verify", cause=Cause.VERIFY, lane=Lane.VERIFY
            )
    advance_plans(context)
    if context.retention is not None:
        prune(
            context.database,
            context.retention,
            context.reconcile_context.clock(),
            writable=timedelta(days=context.refresh_context.rules.past_days + 1),
            semesters=context.refresh_context.semesters.listed,
        )
    if context.poll_every is not None:
        poll(context, context.poll_every)


class NotPolled(StrEnum):
    """Why TP was not asked what changed."""

    SHUT = "it is paused, failed lately or refuses us; kalender status says which"
    LATELY = "it was asked within the minute"
    FAILED = "it failed a moment ago, and is asked again soon"
    FIRST = "from now on changes are counted; the next poll asks what changed since"


def poll(context: WorkerContext, interval: timedelta) -> int | NotPolled:
    """Ask TP which courses changed, where no other worker did so lately; return how many."""
    with context.database.write() as connection:
        if TP in context.limiters.look(connection)[1]:
            return NotPolled.SHUT
        now = database_time(connection)
        last_poll = teaching.was_read(connection, "lastchanged", "")
        failed_at = teaching.was_read(connection, POLL_FAILED, "")
        if last_poll is not None and now - last_poll < interval:
            return NotPolled.LATELY
        if failed_at is not None and now - failed_at < min(interval, POLL_AGAIN):
            return NotPolled.FAILED
        teaching.record_reading(connection, "lastchanged", "", now)
    if last_poll is None:
        return NotPolled.FIRST
    shift = context.reconcile_context.clock() - now  # TP's list is on the domain's clock
    try:
        changed_courses = context.refresh_context.timetables.changed_since(
            last_poll + shift - interval
        )
    except (NeighbourError, TransientError, PermanentError):
        with context.database.write() as connection:
            teaching.record_reading(connection, "lastchanged", "", last_poll)
            teaching.record_reading(connection, POLL_FAILED, "", now)
        raise
    with context.database.write() as connection:
        marks = [
            Mark(*WorkKey.of_course(*key), reason="tp lastchanged", cause=Cause.TP_POLL)
            for key in changed_courses
        ]
        queue.mark(connection, marks)
    return len(marks)
