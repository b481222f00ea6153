"""What is forgotten by age: once an hour, by whichever worker comes first, in small parts.

Entries and the mirror age on the domain's clock, records of work on the database's. An entry whose
outcome is not known, that is about to be taken back or whose calendar is claimed stays until that
is over.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from sqlalchemy import (
    Connection,
    Table,
    and_,
    delete,
    exists,
    or_,
    select,
    tuple_,
)
from sqlalchemy.sql.elements import ColumnElement

from kalender.config.sections import Retention
from kalender.domain.model import Semester
from kalender.domain.work import Kind
from kalender.store import counters, entries, minutes, teaching
from kalender.store.database import Database, database_time
from kalender.store.rollouts import OPEN
from kalender.store.sql import calendar_key, db_now, upsert
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    dirty,
    entry,
    look_up,
    minute,
    move,
    move_announced,
    operator_act,
    placement,
    preference,
    registration,
    rejected_notification,
    rollout_plan,
    source_reading,
    teaching_activity,
    teaching_event,
    teaching_role,
    teaching_staff,
    unreadable_item,
)

log = structlog.get_logger()
PRUNING = "pruning"
EVERY = timedelta(hours=1)
PART = 5000  # rows of a table in one transaction
MIRROR = (
    course_run,
    placement,
    registration,
    source_reading,
    teaching_activity,
    teaching_event,
    teaching_role,
    teaching_staff,
    unreadable_item,
)


def prune(
    database: Database,
    retention: Retention,
    at: datetime,
    *,
    writable: timedelta = timedelta(0),
    semesters: Collection[str] = (),
    part: int = PART,
) -> int:
    """Forget what is too old, where an hour passed since anybody did; return how many rows.

    Entries that ended within `writable` are always kept, since they may still be written. The
    mirror is kept as long as entries are, and that of `semesters` always. At most a part of each
    table goes; was that not all, the next call goes on.
    """
    first_kept = at - max(retention.entries, writable)
    with database.read() as connection:
        last_pruning = teaching.was_read(connection, PRUNING, "")
        if last_pruning is not None and database_time(connection) - last_pruning < EVERY:
            return 0
    with database.write() as connection:
        if not _our_turn(connection, EVERY):
            return 0
        counters.fold(connection)
        maintained = {*semesters, *entries.future_semesters(connection, at)}
    # TP's codes of the semesters that were over by then, but those that are kept
    current, semester = Semester.of(first_kept.date()), Semester.parse("00v")
    codes = set()
    while semester != current and semester.year <= current.year:
        codes.add(semester.code)
        semester = semester.next
    past = sorted(codes - maintained)
    old_rows: list[tuple[Table, ColumnElement[bool]]] = [
        (entry, and_(entry.c.ends_at < first_kept, ~_needed())),
        (change_log, change_log.c.at < _ago(retention.change_log)),
        (move, move.c.done_at < _ago(retention.change_log)),
        (move_announced, move_announced.c.from_at < _ago(retention.change_log)),
        (
            rollout_plan,
            and_(
                rollout_plan.c.state.not_in(OPEN),
                rollout_plan.c.since < _ago(retention.change_log),
            ),
        ),
        (operator_act, operator_act.c.at < _ago(retention.change_log)),
        (rejected_notification, rejected_notification.c.received_at < _ago(retention.rejected)),
        (look_up, look_up.c.at < _ago(retention.look_up)),
        (minute, minute.c.at < _ago(minutes.KEPT)),
        *((table, table.c.semester.in_(past)) for table in MIRROR),
    ]
    numbers = []
    for table, too_old in old_rows:
        key = list(table.primary_key.columns)
        keys = select(*key).where(too_old).limit(part)
        statement = delete(table).where(tuple_(*key).in_(keys), too_old)
        with database.write() as connection:
            numbers.append(connection.execute(statement).rowcount)
    if max(numbers) >= part:
        with database.write() as connection:
            _our_turn(connection, timedelta(0), earlier=EVERY)
    if any(numbers):
        log.info("pruned", rows=sum(numbers))
    return sum(numbers)


def _our_turn(
    connection: Connection, after: timedelta, *, earlier: timedelta = timedelta(0)
) -> bool:
    """Take the turn, if so much time passed since the last: of several that ask, one has it."""
    moment = database_time(connection)
    new = upsert(connection.dialect.name, source_reading).values(
        source=PRUNING, semester="", read_at=moment - earlier
    )
    statement = new.on_conflict_do_update(
        index_elements=["source", "semester"],
        set_={"read_at": new.excluded.read_at},
        where=source_reading.c.read_at <= moment - after,
    )
    return connection.execute(statement.returning(source_reading.c.source)).first() is not None


def _ago(age: timedelta) -> db_now:
    return db_now(-age.total_seconds())


def _needed() -> ColumnElement[bool]:
    """Whether an entry's outcome is open, it is to be taken back, or its calendar is claimed."""
    is_claimed = exists().where(
        dirty.c.kind == Kind.CALENDAR.value,
        dirty.c.key == calendar_key(entry.c.calendar_id),
        dirty.c.claimed_until > db_now(),
    )
    wished = exists().where(preference.c.person_id == calendar.c.person_id)
    leaving = exists().where(
        calendar.c.calendar_id == entry.c.calendar_id, or_(calendar.c.taking_back, wished)
    )
    return or_(
        entries.is_open(),
        and_(entry.c.item_id.is_not(None), leaving),
        is_claimed,
    )
