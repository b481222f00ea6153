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
from kalender.store import counters, entries, teaching
from kalender.store.database import Database, now
from kalender.store.instants import db_now
from kalender.store.sql import calendar_key, upsert
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    dirty,
    entry,
    look_up,
    operator_act,
    placement,
    preference,
    registration,
    rejected_notification,
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
Old = tuple[Table, ColumnElement[bool]]


def prune(
    database: Database,
    kept: Retention,
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
    first_kept = at - max(kept.entries, writable)
    with database.read() as connection:
        last = teaching.was_read(connection, PRUNING, "")
        if last is not None and now(connection) - last < EVERY:
            return 0
    with database.write() as connection:
        if not _our_turn(connection, EVERY):
            return 0
        counters.fold(connection)
        standing = {*semesters, *entries.future_semesters(connection, at)}
        old = _old(kept, first_kept, standing)
    gone = [_forget(database, table, too_old, part) for table, too_old in old]
    if max(gone) >= part:
        with database.write() as connection:
            _our_turn(connection, timedelta(0), earlier=EVERY)
    if any(gone):
        log.info("pruned", rows=sum(gone))
    return sum(gone)


def _our_turn(
    connection: Connection, after: timedelta, *, earlier: timedelta = timedelta(0)
) -> bool:
    """Take the turn, if so much time passed since the last: of several that ask, one has it."""
    moment = now(connection)
    new = upsert(connection.dialect.name, source_reading).values(
        source=PRUNING, semester="", read_at=moment - earlier
    )
    taken = new.on_conflict_do_update(
        index_elements=["source", "semester"],
        set_={"read_at": new.excluded.read_at},
        where=source_reading.c.read_at <= moment - after,
    )
    return connection.execute(taken.returning(source_reading.c.source)).first() is not None


def _forget(database: Database, table: Table, too_old: ColumnElement[bool], part: int) -> int:
    key = list(table.primary_key.columns)
    some = select(*key).where(too_old).limit(part)
    with database.write() as connection:
        statement = delete(table).where(tuple_(*key).in_(some), too_old)
        return connection.execute(statement).rowcount


def _old(kept: Retention, first_kept: datetime, standing: set[str]) -> list[Old]:
    """Return each table with what is too old in it; `standing` are semesters that are kept."""
    semesters = _before(first_kept) - standing
    return [
        (entry, and_(entry.c.ends_at < first_kept, ~_needed())),
        (change_log, change_log.c.at < _ago(kept.change_log)),
        (operator_act, operator_act.c.at < _ago(kept.change_log)),
        (rejected_notification, rejected_notification.c.received_at < _ago(kept.rejected)),
        (look_up, look_up.c.at < _ago(kept.look_up)),
        *((table, table.c.semester.in_(sorted(semesters))) for table in MIRROR),
    ]


def _ago(age: timedelta) -> db_now:
    return db_now(-age.total_seconds())


def _needed() -> ColumnElement[bool]:
    """Whether an entry's outcome is open, it is to be taken back, or its calendar is claimed."""
    claimed = exists().where(
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
        claimed,
    )


def _before(moment: datetime) -> set[str]:
    """Return TP's codes of the semesters that were over by then."""
    this, each = Semester.of(moment.date()), Semester.parse("00v")
    codes = set()
    while each != this and each.year <= this.year:
        codes.add(each.code)
        each = each.next
    return codes
