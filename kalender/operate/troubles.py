"""What keeps somebody from having the right calendar: the questions that the verdict alone asks.

All count over the whole installation; what concerns calendars counts only those inside the roll-out.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from kalender.domain.work import Lane
from kalender.operate.status import (
    CalendarTroubles,
    Dead,
    Fill,
    Listening,
    OverdueCourses,
    Reading,
    UnreadableEvents,
)
from kalender.store import rollouts, takeovers
from kalender.store.courses import PLACEMENTS
from kalender.store.heartbeats import lives
from kalender.store.mailboxes import OUTSIDE
from kalender.store.sql import calendar_key, db_now
from kalender.store.tables import (
    calendar,
    course_run,
    entry,
    heartbeat,
    preference,
    source_reading,
    takeover,
)
from kalender.store.views import dirty_now

LATELY_SECONDS = -86_400.0  # a process that died is reported for a day
_WORK_OF_CALENDAR = (
    dirty_now.c.kind == "calendar",
    dirty_now.c.key == calendar_key(calendar.c.calendar_id),
)
_IS_EXCLUDED = exists().where(preference.c.person_id == calendar.c.person_id)
_IS_UNWRITTEN = and_(
    calendar.c.state == "active",
    calendar.c.owner,
    calendar.c.synced_settings.is_(None),
    calendar.c.synced_digest.is_(None),
    ~calendar.c.taking_back,
    ~_IS_EXCLUDED,
    ~exists().where(  # a condition of its own
        takeover.c.calendar_id == calendar.c.calendar_id, takeover.c.state == takeovers.STOPPED
    ),
)


# -- calendars ----------------------------------------------------------------------------------------


def calendar_troubles(connection: Connection, mode: str, after: datetime) -> CalendarTroubles:
    """Count the calendars inside the roll-out that are not right, by what keeps them from it.

    `mode` is the roll-out's. Refused entries count where they end after an instant, which is on the
    domain's clock.
    """
    waits = exists().where(*_WORK_OF_CALENDAR)
    is_outside = and_(calendar.c.state == "closed", calendar.c.last_error == OUTSIDE)
    is_second = and_(~calendar.c.owner, calendar.c.state != "closed")
    is_gone = calendar.c.state.in_(("missing", "lost"))
    is_denied = calendar.c.state == "denied"
    # as a literal, so that both databases see that the index of refused entries holds them all
    is_coming = and_(entry.c.status == literal_column("'refused'"), entry.c.ends_at > after)
    query = select(entry.c.calendar_id, func.count()).where(is_coming).group_by(entry.c.calendar_id)
    refused_by_calendar: dict[int, int] = dict(map(tuple, connection.execute(query)))
    switched_on = (
        rollouts.switched_on_of(connection, refused_by_calendar, mode)
        if refused_by_calendar
        else ()
    )
    return CalendarTroubles(
        never_written=_count_inside(connection, and_(_IS_UNWRITTEN, ~waits), mode),
        address_closed=_count_inside(connection, and_(is_outside, ~_IS_EXCLUDED), mode),
        address_clash=_count_inside(connection, and_(is_second, ~_IS_EXCLUDED), mode),
        no_mailbox=_count_inside(connection, and_(is_gone, ~_IS_EXCLUDED), mode),
        mailbox_denied=_count_inside(connection, and_(is_denied, ~_IS_EXCLUDED), mode),
        refused_entries=sum(refused_by_calendar[number] for number in switched_on),
    )


def fill(connection: Connection, mode: str) -> Fill:
    """Return how many calendars inside the roll-out are written, and how many there shall be.

    The two are equal where no fill is under way: a fill is bulk work on calendars that were never
    written.
    """
    bulk = exists().where(*_WORK_OF_CALENDAR, dirty_now.c.priority >= Lane.FILL)
    number = _count_inside(connection, and_(_IS_UNWRITTEN, bulk), mode)
    if not number:
        return Fill(written=0, calendars=0)
    is_open = and_(calendar.c.state == "active", calendar.c.owner, ~_IS_EXCLUDED)
    calendars = _count_inside(connection, is_open, mode)
    return Fill(written=calendars - number, calendars=calendars)


def _count_inside(connection: Connection, condition: ColumnElement[bool], mode: str) -> int:
    """Count the calendars of which a condition holds, and which lie inside the roll-out."""
    query = select(calendar.c.calendar_id).where(condition)
    numbers = connection.execute(query).scalars().all()
    return len(rollouts.switched_on_of(connection, numbers, mode)) if numbers else 0


# -- sources ------------------------------------------------------------------------------------------


def unreadable_events(connection: Connection, semesters: Collection[str]) -> UnreadableEvents:
    """Count the events of these semesters that could not be read, and their courses."""
    total = func.coalesce(func.sum(course_run.c.bad_events), 0)
    has_any = (course_run.c.bad_events > 0, course_run.c.semester.in_(sorted(semesters)))
    events, courses = connection.execute(select(total, func.count()).where(*has_any)).one()
    return UnreadableEvents(events=int(events), courses=int(courses))


def last_reading(connection: Connection) -> Reading:
    """Return when FS and TP were last read whole; where they never were, since when they could be."""
    readings = select(func.max(source_reading.c.read_at)).where(
        source_reading.c.source == PLACEMENTS
    )
    read_at = connection.execute(readings).scalar()
    first_start = select(func.min(heartbeat.c.started_at))
    could_since = None if read_at is not None else connection.execute(first_start).scalar()
    return Reading(read_at=read_at, could_since=could_since)


def overdue_courses(
    connection: Connection,
    semesters: Collection[str],
    skips: Callable[[str], bool],
    max_age: timedelta,
) -> OverdueCourses:
    """Count the courses of these semesters that TP was not asked for within `max_age`.

    `skips` says of a course that its teaching is none of ours.
    """
    is_old = course_run.c.asked_at < db_now(-max_age.total_seconds())
    is_maintained = course_run.c.semester.in_(sorted(semesters))
    query = select(course_run.c.course, course_run.c.asked_at).where(is_old, is_maintained)
    instants = [asked_at for course, asked_at in connection.execute(query) if not skips(course)]
    return OverdueCourses(count=len(instants), asked_at=min(instants, default=None))


# -- processes ----------------------------------------------------------------------------------------


def dead_processes(connection: Connection) -> list[Dead]:
    """Return by kind the processes that died within a day and that nothing replaced.

    Each process that was started after another one's last sign of life replaces one.
    """
    rows = connection.execute(
        select(
            heartbeat.c.kind,
            heartbeat.c.started_at,
            heartbeat.c.seen_at,
            or_(heartbeat.c.stopped_at.is_not(None), lives()),
        ).where(heartbeat.c.seen_at > db_now(LATELY_SECONDS))
    ).all()
    starts: defaultdict[str, list[datetime]] = defaultdict(list)
    deaths: defaultdict[str, list[datetime]] = defaultdict(list)
    for kind, started_at, seen_at, is_well in rows:
        starts[kind].append(started_at)
        if not is_well:
            deaths[kind].append(seen_at)
    result = []
    for kind in sorted(deaths):
        unreplaced = sorted(deaths[kind])
        for start in sorted(starts[kind]):
            if unreplaced and start > unreplaced[0]:
                unreplaced.pop(0)
        if unreplaced:
            result.append(Dead(kind=kind, count=len(unreplaced), since=unreplaced[0]))
    return result


def last_listener(connection: Connection) -> Listening:
    """Return whether a listener lives, and when one gave its last sign of life."""
    query = select(func.max(heartbeat.c.seen_at)).where(heartbeat.c.kind == "listener")
    living_at = connection.execute(query.where(lives())).scalar()
    seen_at = living_at or connection.execute(query).scalar()
    return Listening(lives=living_at is not None, seen_at=seen_at)
