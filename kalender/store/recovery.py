"""After a database was restored: what it may not know, and until when nothing is planned on it.

A database that holds entries, but neither a heartbeat of the last hour nor a clean stop, may be
older than the calendars it describes. Nobody writes on it until somebody said since when.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    union,
    update,
)

from kalender.domain.work import Cause, Kind, Lane, Mark, WorkKey
from kalender.errors import StateInDoubt
from kalender.store import own_database
from kalender.store import queue as work
from kalender.store.database import database_time
from kalender.store.sql import course_key, db_now, person_key
from kalender.store.tables import (
    calendar,
    course_run,
    dirty,
    entry,
    heartbeat,
    identity,
    person,
    registration,
    source_reading,
    teaching_role,
)

RECOVERY = "recovery"  # a reading of all sources that is due since then
UNTIL_SINGLE_ANSWER = 86_400.0  # a person's calendars wait for FS, which marks them
SOON = timedelta(seconds=30)
GIVEN_UP = 3  # after so many failures of its own nobody waits for a course any more
LONGEST_WAIT = 21_600.0  # nor, in a first fill, after so many seconds while TP is away


def require_sure(connection: Connection) -> None:
    """Raise StateInDoubt where this database may be older than the calendars, or another one."""
    own_database.require_ours(connection)
    sure = or_(heartbeat.c.seen_at > db_now(-3600.0), heartbeat.c.stopped_at.is_not(None))
    query = (
        select(sure)
        .where(heartbeat.c.kind.in_(["worker", "recover"]))
        .order_by(heartbeat.c.seen_at.desc())
        .limit(1)
    )
    holds = select(exists(select(entry.c.sync_key)))
    if connection.execute(query).scalar() or not connection.execute(holds).scalar():
        return
    raise StateInDoubt(
        "the database holds entries, but no worker lived within the hour nor stopped cleanly; "
        "nothing is written until you say since when: kalender recover --since TIME after a "
        "restored backup (the time it was made), kalender recover --since now after an outage"
    )


def attest(connection: Connection, version: str) -> None:
    """Record that somebody vouches for the database as it is now, whichever it is."""
    own_database.record_anew(connection)
    worker = f"recover {database_time(connection):%Y-%m-%dT%H:%M:%S.%f}"
    times = dict.fromkeys(("started_at", "seen_at", "stopped_at"), db_now())
    connection.execute(
        insert(heartbeat).values(worker=worker, kind="recover", version=version, **times)
    )


def to_look_up(connection: Connection) -> int:
    """Return how many calendars `recover` would look up."""
    query = select(func.count()).select_from(calendar).where(calendar.c.state != "closed")
    return connection.execute(query).scalar_one()


def recover(connection: Connection, *, lease: timedelta) -> int:
    """Let every calendar be looked up, once its sources were asked again; return how many.

    Calendars of persons whom FS knows are marked by FS' answer; until then they wait. What
    processes remember of the database from before counts no more. No calendar is written to for one
    lease from now on. A request that was written ahead before the restore may still reach Exchange,
    and be worked on there, within that time; an earlier lookup would miss what it creates.
    """
    own_database.record_anew(connection)
    own_database.keep_quiet(connection, lease)
    reading = source_reading.c.source == RECOVERY
    values = {"read_at": db_now()}
    if not connection.execute(update(source_reading).where(reading).values(values)).rowcount:
        connection.execute(insert(source_reading).values(source=RECOVERY, semester="", **values))
    calendars = connection.execute(
        update(calendar)
        .where(calendar.c.state != "closed")
        .values(must_look_up=True, synced_digest=None)
        .returning(calendar.c.calendar_id, calendar.c.person_id)
    ).all()
    work.forget_claims(connection)
    fs_numbers = dict[int, str](
        map(
            tuple,
            connection.execute(
                select(identity.c.person_id, identity.c.value).where(identity.c.kind == "fs")
            ),
        )
    )
    course_runs = connection.execute(select(course_run.c.course, course_run.c.semester))
    now = connection.execute(select(db_now(UNTIL_SINGLE_ANSWER))).scalar_one()
    marks = [_mark(WorkKey.of_course(course, semester)) for course, semester in course_runs]
    marks += [_mark(WorkKey.of_person(number)) for number in fs_numbers.values()]
    marks += [
        _mark(WorkKey.of_calendar(row.calendar_id), now if row.person_id in fs_numbers else None)
        for row in calendars
    ]
    work.mark(connection, marks)
    return len(calendars)


def _mark(work_key: WorkKey, due_at: datetime | None = None) -> Mark:
    return Mark(*work_key, reason="recover", cause=Cause.RECOVER, lane=Lane.RESYNC, due_at=due_at)


def horizon(connection: Connection) -> timedelta:
    """Return how soon work must be due for `--wait` and `--until-idle` to wait for it.

    It is half a minute; after a recovery the time until calendars may be written to is added.
    """
    return own_database.quiet_for(connection) + SOON


# -- until the sources were asked again ------------------------------------------------------------


def since(connection: Connection) -> datetime | None:
    """Return when the database was last said to be restored, on its own clock."""
    return connection.execute(
        select(source_reading.c.read_at).where(source_reading.c.source == RECOVERY)
    ).scalar()


def waits_for_sources(connection: Connection, person_id: int) -> bool:
    """Whether the mirror of what concerns the person is older than the recovery, and asked for.

    Which courses name somebody as a teacher since the backup nobody knows before they answer: so
    all are waited for, but those that keep failing.
    """
    at = since(connection)
    if at is None:
        return False
    is_old = or_(course_run.c.asked_at.is_(None), course_run.c.asked_at < at)
    if connection.execute(select(exists(_to_be_asked(is_old)))).scalar():
        return True
    work_of_person = (
        select(dirty.c.key)
        .join(
            identity,
            and_(
                identity.c.kind == "fs",
                dirty.c.kind == Kind.PERSON.value,
                dirty.c.key == person_key(identity.c.value),
            ),
        )
        .join(person, person.c.person_id == identity.c.person_id)
        .where(
            identity.c.person_id == person_id,
            or_(person.c.fs_asked_at.is_(None), person.c.fs_asked_at < at),
        )
    )
    return bool(connection.execute(select(exists(work_of_person))).scalar())


def waits_for_courses(connection: Connection, person_id: int, *, teaches: bool) -> bool:
    """Whether a course that concerns the person was never asked yet, but soon will be.

    Any course may name somebody who `teaches`.
    """
    is_recent = dirty.c.first_marked_at > db_now(-LONGEST_WAIT)
    query = _to_be_asked(and_(course_run.c.asked_at.is_(None), is_recent))
    if not teaches:
        concerned = (
            select(course_key(table.c.course, table.c.semester)).where(
                table.c.person_id == person_id
            )
            for table in (registration, teaching_role)
        )
        query = query.where(dirty.c.key.in_(union(*concerned)))
    return bool(connection.execute(select(exists(query))).scalar())


def _to_be_asked(unread: ColumnElement[bool]) -> Select[Any]:
    """Return the marked courses of which that is so; one that keeps failing holds up nobody."""
    return (
        select(dirty.c.key)
        .outerjoin(
            course_run, dirty.c.key == course_key(course_run.c.course, course_run.c.semester)
        )
        .where(
            dirty.c.kind == Kind.COURSE.value,
            dirty.c.parked_at.is_(None),
            dirty.c.attempts < GIVEN_UP,
            unread,
        )
    )
