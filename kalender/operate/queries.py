"""How each fact of a `Status` is asked, and the one function that makes a `Status`.

A question that has a view in `views.sql` is asked through it, so that it is defined once.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from kalender.domain.work import Cause, Kind, Lane
from kalender.neighbours import breaker, credentials
from kalender.operate import troubles
from kalender.operate.status import (
    Brake,
    CalendarCount,
    CommonFailure,
    Expectations,
    Figures,
    LastWrites,
    Latency,
    Neighbour,
    Parked,
    PausedPlan,
    Process,
    ProcessState,
    Requests,
    RightCalendars,
    Status,
    WatchedCounts,
    Work,
    Writes,
)
from kalender.store import (
    brakes,
    counters,
    minutes,
    moves,
    observations,
    optouts,
    own_database,
    recovery,
    rollout_plans,
    rollouts,
    scope,
    tables,
    takeovers,
    unreadable,
)
from kalender.store.database import database_time
from kalender.store.heartbeats import ALIVE
from kalender.store.people import LISTED, OPT_OUT, PROTECT
from kalender.store.sql import calendar_key, db_now
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    dirty,
    heartbeat,
    move,
    person,
    personal_language,
    preference,
    rejected_notification,
    takeover,
    username_claim,
)
from kalender.store.views import (
    courses_without_placements,
    dirty_now,
    is_due,
    parked,
    ready_at,
    unmatched_staff,
)

MOST = 100_000  # rows that the time from notification to calendar is taken from
LATELY = timedelta(minutes=10)  # the time that a rate is taken from
UNOPENED = ("missing", "lost", "denied")
ALIKE = 3  # pieces of work: fewer say nothing of all
WRITES = ("create", "update", "delete")
HOUR, DAY = -3600.0, -86_400.0
DAY_LONG = timedelta(days=1)
PARKED_BY_KIND = (
    select(parked.c.kind, func.count(), func.min(parked.c.parked_at))
    .group_by(parked.c.kind)
    .order_by(parked.c.kind)
)


def read_status(connection: Connection, expectations: Expectations) -> Status:
    """Return all that is so now. `expectations` says where the roll-out and the semesters lie."""
    mode, semesters = expectations.rollout_mode, expectations.semesters(connection)
    moment = database_time(connection)
    return Status(
        moment=moment,
        database_in_doubt=own_database.refusal(connection) is not None,
        quiet_for=own_database.quiet_for(connection),
        recovered_at=recovery.since(connection),
        work=work_by_lane(connection),
        parked=[
            Parked(kind=Kind(kind), count=count, since=since)
            for kind, count, since in connection.execute(PARKED_BY_KIND)
        ],
        common_failure=common_failure(connection),
        unfinished_seconds=unfinished_seconds(connection, expectations.lease),
        neighbours=neighbours(connection),
        brakes=standing_brakes(connection),
        lists=optouts.lists(connection),
        processes=processes(connection),
        dead=troubles.dead_processes(connection),
        listening=troubles.last_listener(connection),
        unseen_queues=observations.unseen(connection),
        silence_seconds=counters.silence(connection),
        calendars=calendar_counts(connection),
        troubles=troubles.calendar_troubles(connection, mode, expectations.clock()),
        fill=troubles.fill(connection, mode),
        moves=moves.counts(connection),
        takeovers=takeovers.counts(connection),
        paused_plans=[
            PausedPlan(plan_id=plan.plan_id, since=plan.since, reason=plan.reason or "")
            for plan in rollout_plans.all_of(connection, rollout_plans.PAUSED)
        ],
        unreadable=unreadable.counts(connection),
        unreadable_events=troubles.unreadable_events(connection, semesters),
        settings_waiting=scope.settings_waiting_for(connection),
        reading=troubles.last_reading(connection),
        overdue_courses=troubles.overdue_courses(
            connection, semesters, expectations.skips, expectations.max_reading_age
        ),
        certificates=observations.certificates(connection),
        acknowledgements=observations.acknowledged(connection),
        persons_emptied=len(list(brakes.waiting_persons(connection))),
        counts=counts(connection),
    )


def read_figures(connection: Connection, expectations: Expectations) -> Figures:
    """Return how well it goes: of all calendars, and of what was asked lately."""
    moment = database_time(connection)
    view = courses_without_placements  # a row for each group of a course
    unplaced = select(view.c.course, view.c.semester).distinct()
    return Figures(
        right=right_now(connection, expectations.rollout_mode),
        requests=requests(connection),
        courses_without_placements=connection.execute(
            select(func.count()).select_from(unplaced.subquery())
        ).scalar_one(),
        minutes=minutes.between(connection, moment - DAY_LONG, moment),
    )


def read_last_writes(connection: Connection) -> LastWrites:
    """Return what the last day wrote, and how soon."""
    return LastWrites(latencies=latencies(connection), writes=writes(connection))


# -- what is right -----------------------------------------------------------------------------------


def right_calendars(connection: Connection) -> set[int]:
    """Return the calendars as they should be: written so, and nothing but a look waits for them."""
    is_its_work = calendar_key(calendar.c.calendar_id) == dirty.c.key
    waits = exists().where(
        is_its_work, dirty.c.kind == "calendar", dirty.c.priority < int(Lane.VERIFY)
    )
    is_right = calendar.c.synced_digest.is_not(None) & ~waits
    return set(connection.execute(select(calendar.c.calendar_id).where(is_right)).scalars())


def right_now(connection: Connection, mode: str) -> list[RightCalendars]:
    """Count as `right_by_audience` does, of who lies inside the roll-out of that mode.

    Where nobody is listed the database counts: to fetch 300,000 numbers takes seconds.
    """
    if mode == "listed":
        return right_by_audience(connection, rollouts.inside(connection, mode))
    left_out = union_all(
        select(calendar.c.calendar_id).where(
            calendar.c.person_id.in_(select(preference.c.person_id))
        ),
        select(takeover.c.calendar_id).where(takeover.c.state == takeovers.UNDONE),
    ).subquery()
    work = select(dirty.c.key).where(
        dirty.c.kind == Kind.CALENDAR.value, dirty.c.priority < int(Lane.VERIFY)
    )
    is_inside = calendar.c.calendar_id.not_in(select(left_out.c.calendar_id))
    is_waiting = calendar_key(calendar.c.calendar_id).in_(work)
    is_right = and_(is_inside, calendar.c.synced_digest.is_not(None), ~is_waiting)
    query = (
        select(
            calendar.c.audience,
            func.count(),
            func.count(case((is_inside, 1))),
            func.count(case((is_right, 1))),
        )
        .where(calendar.c.state != "closed")
        .group_by(calendar.c.audience)
        .order_by(calendar.c.audience)
    )
    return [
        RightCalendars(
            audience=audience,
            inside=inside if mode == "all" else 0,
            outside=calendars - inside if mode == "all" else calendars,
            right=right if mode == "all" else 0,
        )
        for audience, calendars, inside, right in connection.execute(query)
    ]


def right_by_audience(connection: Connection, inside: Collection[int]) -> list[RightCalendars]:
    """Count the calendars inside the roll-out and outside, and how many inside are right.

    Calendars of whoever is left alone count as outside; closed ones do not count.
    """
    excluded = select(preference.c.person_id)
    excluded_calendars = select(calendar.c.calendar_id).where(calendar.c.person_id.in_(excluded))
    calendar_ids = frozenset(inside).difference(connection.execute(excluded_calendars).scalars())
    right = calendar_ids & right_calendars(connection)
    counts: Counter[tuple[str, str]] = Counter()
    query = select(calendar.c.calendar_id, calendar.c.audience)
    for calendar_id, audience in connection.execute(query.where(calendar.c.state != "closed")):
        counts[audience, "inside" if calendar_id in calendar_ids else "outside"] += 1
        counts[audience, "right"] += calendar_id in right
    return [
        RightCalendars(
            audience=audience,
            inside=counts[audience, "inside"],
            outside=counts[audience, "outside"],
            right=counts[audience, "right"],
        )
        for audience in sorted({audience for audience, _ in counts})
    ]


def calendar_counts(connection: Connection) -> list[CalendarCount]:
    """Count all calendars by audience and state."""
    query = (
        select(
            calendar.c.audience,
            calendar.c.state,
            func.count().label("calendars"),
            func.count(calendar.c.synced_digest).label("known_right"),
        )
        .group_by(calendar.c.audience, calendar.c.state)
        .order_by(calendar.c.audience, calendar.c.state)
    )
    return [
        CalendarCount(
            audience=row.audience,
            state=row.state,
            calendars=row.calendars,
            known_right=row.known_right,
        )
        for row in connection.execute(query)
    ]


# -- from notification to calendar --------------------------------------------------------------------


def latencies(connection: Connection) -> list[Latency]:
    """By source: seconds from a notification to what it led to, of the last day's writes.

    A change that TP's list of changes named counts from when that list was read.
    """
    sources = {cause.value: cause.source for cause in Cause if cause.source is not None}
    if connection.dialect.name == "postgresql":
        elapsed = "CAST(extract(epoch FROM at - noticed_at) AS double precision)"
    else:
        elapsed = "(julianday(at) - julianday(noticed_at)) * 86400.0"
    query = (
        select(change_log.c.cause, literal_column(elapsed, Float))
        .where(change_log.c.at > db_now(DAY), change_log.c.noticed_at.is_not(None))
        .where(change_log.c.operation.in_(WRITES), change_log.c.cause.in_(sources))
        .order_by(change_log.c.at.desc())
        .limit(MOST)
    )
    durations: defaultdict[str, list[float]] = defaultdict(list)
    for cause, seconds in connection.execute(query):
        durations[sources[cause]].append(max(seconds, 0.0))
    result = []
    for name in sorted(durations):
        ordered = sorted(durations[name])
        steps = len(ordered) - 1
        result.append(
            Latency(
                source=name,
                writes=len(ordered),
                p50=round(ordered[steps // 2], 1),
                p95=round(ordered[-(-steps * 95 // 100)], 1),
                max=round(ordered[-1], 1),
            )
        )
    return result


# -- what waits ----------------------------------------------------------------------------------------


def work_by_lane(connection: Connection) -> list[Work]:
    """Return the unparked work by kind and lane, the stronger lanes first."""
    query = (
        select(
            dirty_now.c.kind,
            dirty_now.c.priority,
            func.count().label("waiting"),
            func.count(dirty_now.c.claimed_until).label("claimed"),
            func.sum(dirty_now.c.attempts).label("attempts"),
            func.min(dirty_now.c.first_marked_at).label("oldest"),
            func.count(case((is_due, 1))).label("due"),
            func.min(case((is_due, ready_at))).label("due_since"),
        )
        .group_by(dirty_now.c.kind, dirty_now.c.priority)
        .order_by(dirty_now.c.priority, dirty_now.c.kind)
    )
    moment = database_time(connection)
    rates = {
        Kind.CALENDAR: rate(connection, calendar.c.synced_at),
        Kind.COURSE: rate(connection, course_run.c.asked_at),
        Kind.PERSON: rate(connection, person.c.fs_asked_at),
    }
    ahead: Counter[Kind] = Counter()
    work = []
    for row in connection.execute(query):
        kind = Kind(row.kind)
        ahead[kind] += row.due  # a stronger lane's work of the kind is done first
        has_end = row.due and rates[kind]
        work.append(
            Work(
                kind=kind,
                lane=Lane(row.priority),
                waiting=row.waiting,
                claimed=row.claimed,
                attempts=row.attempts,
                oldest=row.oldest,
                due=row.due,
                due_since=row.due_since,
                ends_at=moment + timedelta(seconds=ahead[kind] / rates[kind]) if has_end else None,
            )
        )
    return work


def unfinished_seconds(connection: Connection, lease: timedelta) -> Mapping[Kind, float]:
    """Return for each kind the seconds since each claim was made or last renewed, summed.

    `lease` is for how long a claim is made: the table says only until when one lasts.
    """
    moment = database_time(connection)
    seconds = dict.fromkeys(Kind, 0.0)
    claims = select(dirty_now.c.kind, dirty_now.c.claimed_until)
    for kind, until in connection.execute(claims.where(dirty_now.c.claimed_until > db_now())):
        seconds[Kind(kind)] += max((moment - (until - lease)).total_seconds(), 0.0)
    return seconds


def rate(connection: Connection, when: Column[Any], *conditions: ColumnElement[bool]) -> float:
    """Return how many rows a second bear an instant of the last minutes in the column `when`."""
    moment = database_time(connection)
    lately = select(func.count(), func.min(when)).where(when > moment - LATELY, *conditions)
    count, first = connection.execute(lately).one()
    return count / max((moment - first).total_seconds(), 10.0) if count else 0.0


def common_failure(connection: Connection) -> CommonFailure | None:
    """Return the error that all failed with that has waited for a minute; None where not all did.

    Calendars whose mailbox is missing, does not open or is on its way do not count: why those wait
    is known.
    """
    is_its_work = calendar_key(calendar.c.calendar_id) == dirty_now.c.key
    is_unopened = exists().where(
        is_its_work,
        dirty_now.c.kind == "calendar",
        or_(
            calendar.c.state.in_(UNOPENED),
            exists().where(move.c.calendar_id == calendar.c.calendar_id, move.c.done_at.is_(None)),
        ),
    )
    waits = or_(dirty_now.c.last_error.is_not(None), dirty_now.c.due_at < db_now(-60.0))
    rows = connection.execute(
        select(dirty_now.c.last_error, func.count(), func.min(dirty_now.c.first_marked_at))
        .where(dirty_now.c.due_at <= db_now(), waits, ~is_unopened)
        .group_by(dirty_now.c.last_error)
        .limit(2)
    ).all()
    if len(rows) != 1:
        return None
    error, count, since = rows[0]
    if error is None or count < ALIKE:
        return None
    return CommonFailure(count=count, error=error, since=since)


# -- neighbours, brakes and processes ------------------------------------------------------------------


def neighbours(connection: Connection) -> list[Neighbour]:
    """Return every neighbour that was ever asked, and bulk work's pause, by name."""
    result = []
    for row in breaker.read(connection).values():
        refusals = credentials.refused_since_authorised(row)
        by_hand = row.held_until is not None and row.held_until > row.db_time
        is_paused = breaker.is_left_alone(row) or bool(breaker.waits(row))
        since = row.changed_at
        if refusals and not by_hand:
            since = refusals[0]
        elif is_paused and not by_hand and row.changed_at is not None:
            # The first failure is not recorded: each pause was twice the one before, up to a minute.
            longest = breaker.LONGEST_PAUSE.total_seconds()
            pauses = sum(min(2**n, longest) for n in range(breaker.KEYS_IN_A_ROW, row.failures))
            first = row.changed_at - timedelta(seconds=pauses)
            since = max(first, row.authorised_at or first)
        result.append(
            Neighbour(
                name=row.name,
                failures=row.failures,
                paused_until=row.paused_until if is_paused else None,
                last_error=row.last_error,
                refused=len(refusals),
                held_until=row.held_until if by_hand else None,
                held_reason=row.held_reason if by_hand else None,
                held_by=row.held_by if by_hand else None,
                since=since,
            )
        )
    return result


def standing_brakes(connection: Connection, moment: datetime | None = None) -> list[Brake]:
    """Return every brake that is set, and what it holds of how many persons, by scope.

    Of a course only events that have not ended by `moment` count, on the domain's clock, where it
    is given.
    """
    holds = brakes.held_by_scope(connection, moment)
    query = select(tables.brake).order_by(tables.brake.c.scope)
    return [
        Brake(**row, **asdict(holds.get(row["scope"], brakes.HeldCount())))
        for row in connection.execute(query).mappings()
    ]


def processes(connection: Connection) -> list[Process]:
    """Return the processes that gave a sign of life within the last hour, by name."""
    query = select(
        heartbeat.c.worker,
        heartbeat.c.kind,
        heartbeat.c.version,
        heartbeat.c.started_at,
        heartbeat.c.seen_at,
        heartbeat.c.stopped_at,
    )
    lately = query.where(heartbeat.c.seen_at > db_now(HOUR)).order_by(heartbeat.c.worker)
    alive_since = database_time(connection) - ALIVE
    result = []
    for row in connection.execute(lately).mappings():
        state: ProcessState = "lives" if row["seen_at"] > alive_since else "dead"
        if row["stopped_at"] is not None:
            state = "stopped"
        result.append(Process(**row, state=state))
    return result


# -- what was written and asked -------------------------------------------------------------------------


def writes(connection: Connection) -> list[Writes]:
    """Count by operation and cause what was written within the last hour and the last day."""
    lately = func.count(case((change_log.c.at > db_now(HOUR), 1)))
    rows = connection.execute(
        select(change_log.c.operation, change_log.c.cause, lately, func.count())
        .where(change_log.c.at > db_now(DAY))
        .group_by(change_log.c.operation, change_log.c.cause)
    )
    hour: Counter[tuple[str, str]] = Counter()
    day: Counter[tuple[str, str]] = Counter()
    for operation, cause, of_hour, of_day in rows:
        hour[operation, Cause.of(cause).label] += of_hour
        day[operation, Cause.of(cause).label] += of_day
    return [
        Writes(operation=operation, cause=why, hour=hour[operation, why], day=day[operation, why])
        for operation, why in sorted(day)
    ]


def requests(connection: Connection) -> Mapping[str, Requests]:
    """Count by neighbour the requests of this hour and the one before; say how long they took."""
    outcomes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    buckets: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for (name, label), value in counters.totals(connection, within=timedelta(hours=2)).items():
        neighbour_name, _, outcome = label.partition(" ")
        if name == "requests":
            outcomes[neighbour_name][outcome] = int(value)
        elif name == "request_bucket":
            buckets[neighbour_name][float(outcome)] = value  # here it is an upper bound
    return {
        name: Requests(
            requests=outcomes[name],
            p50=_bound(buckets[name], 50),
            p95=_bound(buckets[name], 95),
        )
        for name in {*outcomes, *buckets}
    }


def _bound(buckets: Mapping[float, float], share: int) -> float | None:
    """Return the smallest bound that `share` of a hundred requests are within; None: there is none."""
    bounds = sorted(buckets)
    if not bounds:
        return None
    cumulative = list(accumulate((buckets[upper_bound] for upper_bound in bounds), max))
    smallest = bounds[bisect_left(cumulative, cumulative[-1] * share / 100)]
    return smallest if smallest != float("inf") else None


# -- courses and persons ----------------------------------------------------------------------------------


def counts(connection: Connection) -> WatchedCounts:
    """Count what should be looked at when it grows."""
    lately = rejected_notification.c.received_at > db_now(DAY)
    queries = {
        "rejected_last_day": select(func.count()).where(lately),
        "unpublished_courses": select(func.count()).where(course_run.c.published.is_(False)),
        "unreadable_events": select(func.coalesce(func.sum(course_run.c.bad_events), 0)),
        "username_clashes": select(func.count()).select_from(username_claim),
        "unmatched_staff": select(func.count(unmatched_staff.c.username.distinct())),
        "protected": select(func.count()).where(preference.c.wish == PROTECT),
        "opted_out": select(func.count(preference.c.person_id.distinct())).where(
            preference.c.wish.in_((OPT_OUT, LISTED))
        ),
        "personal_languages": select(func.count(personal_language.c.person_id.distinct())),
    }
    return WatchedCounts(
        **{n: connection.execute(query).scalar_one() for n, query in queries.items()}
    )
