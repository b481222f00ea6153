"""What keeps somebody from having the right calendar, in counts; a question each, for all persons."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    or_,
    select,
)

from kalender.domain.work import Lane
from kalender.store import rollouts
from kalender.store.courses import PLACEMENTS
from kalender.store.heartbeats import lives
from kalender.store.mailboxes import OUTSIDE
from kalender.store.sql import calendar_key
from kalender.store.tables import (
    calendar,
    course_run,
    db_now,
    dirty,
    entry,
    heartbeat,
    preference,
    source_reading,
)

LATELY_SECONDS = -86_400.0  # a process that died is told of for a day
_CLAIM_OF = (dirty.c.kind == "calendar", dirty.c.key == calendar_key(calendar.c.calendar_id))
_ON_ITS_WAY = exists().where(*_CLAIM_OF, dirty.c.parked_at.is_(None))
_LEFT_ALONE = exists().where(preference.c.person_id == calendar.c.person_id)
_NEVER_WRITTEN = and_(
    calendar.c.state == "active",
    calendar.c.owner,
    calendar.c.synced_settings.is_(None),
    calendar.c.synced_digest.is_(None),
    ~calendar.c.taking_back,
    ~_LEFT_ALONE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Processes of a kind whose sign of life stopped, and which nothing replaced."""

    kind: str
    count: int
    since: datetime


def _inside(connection: Connection, which: ColumnElement[bool], mode: str) -> int:
    """Count the calendars of which something holds, and which lie inside the roll-out."""
    found = connection.execute(select(calendar.c.calendar_id).where(which)).scalars().all()
    return len(rollouts.switched_on_of(connection, found, mode)) if found else 0


def never_written(connection: Connection, mode: str) -> int:
    """Count calendars inside the roll-out that nothing was written to, and nothing waits to be."""
    return _inside(connection, and_(_NEVER_WRITTEN, ~_ON_ITS_WAY), mode)


def being_filled(connection: Connection, mode: str) -> tuple[int, int]:
    """Return how many calendars inside the roll-out were written, and how many there shall be.

    The two are the same where no fill is under way: a fill is bulk work on calendars that were
    never written.
    """
    bulk = exists().where(*_CLAIM_OF, dirty.c.parked_at.is_(None), dirty.c.priority >= Lane.FILL)
    waiting = _inside(connection, and_(_NEVER_WRITTEN, bulk), mode)
    if not waiting:
        return 0, 0
    open_ = and_(calendar.c.state == "active", calendar.c.owner, ~_LEFT_ALONE)
    every = _inside(connection, open_, mode)
    return every - waiting, every


def closed(connection: Connection, mode: str) -> int:
    """Count people's addresses that are never written to: outside our mail domains."""
    outside = and_(calendar.c.state == "closed", calendar.c.last_error == OUTSIDE)
    return _inside(connection, and_(outside, ~_LEFT_ALONE), mode)


def clashing(connection: Connection, mode: str) -> int:
    """Count calendars that wait, since their address is another person's."""
    second = and_(~calendar.c.owner, calendar.c.state != "closed")
    return _inside(connection, and_(second, ~_LEFT_ALONE), mode)


def without_mailbox(connection: Connection, mode: str) -> int:
    """Count calendars whose mailbox Exchange does not have, or no longer has."""
    gone = calendar.c.state.in_(("missing", "lost"))
    return _inside(connection, and_(gone, ~_LEFT_ALONE), mode)


def refused(connection: Connection, mode: str, after: datetime) -> int:
    """Count entries to come that Exchange never takes."""
    of = select(entry.c.calendar_id, func.count()).where(
        entry.c.status == "refused", entry.c.ends_at > after
    )
    rows = connection.execute(of.group_by(entry.c.calendar_id))
    counts: dict[int, int] = dict(map(tuple, rows))
    on = rollouts.switched_on_of(connection, counts, mode) if counts else ()
    return sum(counts[each] for each in on)


def unreadable_events(connection: Connection, semesters: Collection[str]) -> tuple[int, int]:
    """Return how many events of these semesters could not be read, and of how many courses."""
    bad = func.coalesce(func.sum(course_run.c.bad_events), 0)
    some = (course_run.c.bad_events > 0, course_run.c.semester.in_(sorted(semesters)))
    events, courses = connection.execute(select(bad, func.count()).where(*some)).one()
    return int(events), int(courses)


def parked(connection: Connection) -> tuple[int, datetime | None]:
    """Return how much work is laid aside, and since when."""
    query = select(func.count(), func.min(dirty.c.parked_at)).where(dirty.c.parked_at.is_not(None))
    count, since = connection.execute(query).one()
    return count, since


# -- readings ---------------------------------------------------------------------------------------


def last_reading(connection: Connection) -> tuple[datetime | None, datetime | None]:
    """Return when all was read last; and, where it never was, since when we could have."""
    readings = select(func.max(source_reading.c.read_at)).where(
        source_reading.c.source == PLACEMENTS
    )
    read_at = connection.execute(readings).scalar()
    first = select(func.min(heartbeat.c.started_at))
    return read_at, None if read_at is not None else connection.execute(first).scalar()


def courses_not_read(
    connection: Connection,
    semesters: Collection[str],
    skips: Callable[[str], bool],
    seconds: float,
) -> tuple[int, datetime | None]:
    """Return how many courses TP was not asked for within so many seconds, and since when."""
    old = (course_run.c.asked_at < db_now(-seconds), course_run.c.semester.in_(sorted(semesters)))
    rows = connection.execute(select(course_run.c.course, course_run.c.asked_at).where(*old)).all()
    asked = [asked_at for course, asked_at in rows if not skips(course)]
    return len(asked), min(asked, default=None)


# -- processes --------------------------------------------------------------------------------------


def dead(connection: Connection) -> list[Dead]:
    """Return which kinds of process died within a day, and how many that nothing replaced.

    Every process that was started after a sign of life stopped replaces one.
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
    ends: defaultdict[str, list[datetime]] = defaultdict(list)
    for kind, started_at, seen_at, well in rows:
        starts[kind].append(started_at)
        if not well:
            ends[kind].append(seen_at)
    found = []
    for kind in sorted(ends):
        left, later = sorted(ends[kind]), sorted(starts[kind])
        for start in later:
            if left and start > left[0]:
                left.pop(0)
        if left:
            found.append(Dead(kind=kind, count=len(left), since=left[0]))
    return found


def last_listener(connection: Connection) -> tuple[bool, datetime | None]:
    """Return whether a listener lives, and when one was seen last; None: none ever was."""
    query = select(func.max(heartbeat.c.seen_at)).where(heartbeat.c.kind == "listener")
    alive = connection.execute(query.where(lives())).scalar()
    return alive is not None, alive or connection.execute(query).scalar()
