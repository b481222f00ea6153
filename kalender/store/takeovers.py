"""Calendars that are taken over from a predecessor: who is, how far that is, and what was found.

A row of `takeover` says how one calendar stands, the table of its states:

    wished     its entries are to be taken over, in its turn; a visit does so
    done       it is taken over; the predecessor's mark is looked for again at times
    stopped    nothing is written to it, for the reason that stands in it, until it is wished anew
    undoing    its entries are to be handed back; a visit does so, and takes away what we made anew
    undone     it is handed back: nothing is written to it until it is wished anew

Instants are on the database's clock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    func,
    insert,
    null,
    select,
    true,
    update,
)

from kalender.domain.takeover import BLOCKING, Beside, Fate
from kalender.domain.work import Cause, Trigger, WorkKey
from kalender.store import acts, queue
from kalender.store.database import database_time
from kalender.store.sql import columns_of, db_now, in_parts, insert_many, is_one_of, one_of
from kalender.store.tables import calendar, takeover, takeover_item, takeover_run

WISHED, DONE, STOPPED, UNDOING, UNDONE = "wished", "done", "stopped", "undoing", "undone"
STATES = (WISHED, DONE, STOPPED, UNDOING, UNDONE)
LOOKS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
"""After how long the predecessor's mark is looked for again; afterwards by each verification."""
ALWAYS = true()
LOOK = "look"  # done, and the time of a look has come


def asks() -> ColumnElement[Any]:
    """Return what a calendar's takeover asks of a visit: its state, or LOOK; NULL: there is none."""
    is_due = and_(takeover.c.state == DONE, takeover.c.look_at <= db_now())
    state = select(case((is_due, LOOK), else_=takeover.c.state))
    return state.where(takeover.c.calendar_id == calendar.c.calendar_id).scalar_subquery()


def handed_back(connection: Connection, calendars: Collection[int] | None = None) -> frozenset[int]:
    """Return those of these calendars, or of all, that were handed back: nothing is written there."""
    if calendars is None:
        return frozenset(connection.execute(_HANDED_BACK).scalars())
    return frozenset(connection.execute(_HANDED_BACK_OF, {"these": sorted(calendars)}).scalars())


_HANDED_BACK = select(takeover.c.calendar_id).where(takeover.c.state == UNDONE)
_HANDED_BACK_OF = _HANDED_BACK.where(one_of(takeover.c.calendar_id, "these"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarTakeover:
    """How one calendar's takeover stands; `wait` is nothing, or less, where its turn has come."""

    calendar_id: int
    run_id: int
    state: str
    unmatched: str
    up_to: int
    done_at: datetime | None
    began_at: datetime
    looks: int
    reason: str | None
    wait: timedelta


def of_calendar(connection: Connection, calendar_id: int) -> CalendarTakeover | None:
    """Return a calendar's takeover, or None where it has none."""
    query = (
        select(takeover, takeover_run.c.unmatched, takeover_run.c.up_to, db_now().label("now"))
        .join(takeover_run, takeover_run.c.run_id == takeover.c.run_id)
        .where(takeover.c.calendar_id == calendar_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return CalendarTakeover(
        calendar_id=calendar_id,
        run_id=row.run_id,
        state=row.state,
        unmatched=row.unmatched,
        up_to=row.up_to,
        done_at=row.done_at,
        began_at=row.begin_at,
        looks=row.looks,
        reason=row.reason,
        wait=row.begin_at - row.now,
    )


# -- wished -------------------------------------------------------------------------------------------


def wish(
    connection: Connection,
    calendars: Collection[int],
    *,
    unmatched: str,
    up_to: int,
    who: str,
    interval: timedelta,
) -> None:
    """Let these calendars be taken over, one after an interval; the caller marks them."""
    run_id = connection.execute(
        insert(takeover_run)
        .values(asked_at=db_now(), who=who[:120], unmatched=unmatched, up_to=up_to)
        .returning(takeover_run.c.run_id)
    ).scalar_one()
    ordered = sorted(calendars)
    now = database_time(connection)
    for part in in_parts(ordered):
        connection.execute(delete(takeover).where(takeover.c.calendar_id.in_(part)))
    rows = [
        {"calendar_id": calendar_id, "begin_at": now + number * interval}
        for number, calendar_id in enumerate(ordered)
    ]
    constants = {"run_id": run_id, "state": WISHED, "changed_at": db_now(), "looks": 0}
    insert_many(connection, takeover, rows, **constants)


def taken(connection: Connection, calendars: Collection[int]) -> int:
    """Return how many of these calendars may be handed back."""
    return len(_taken(connection, calendars))


def _taken(connection: Connection, calendars: Collection[int]) -> Sequence[int]:
    is_known = and_(
        is_one_of(connection, takeover.c.calendar_id, calendars), takeover.c.state != UNDONE
    )
    query = select(takeover.c.calendar_id).where(is_known).order_by(takeover.c.calendar_id)
    return connection.execute(query).scalars().all()


def wish_back(connection: Connection, calendars: Collection[int], *, interval: timedelta) -> int:
    """Let what was taken over in these calendars be handed back; return of how many that is."""
    known = _taken(connection, calendars)
    now = database_time(connection)
    for number, calendar_id in enumerate(known):
        values = {"state": UNDOING, "changed_at": db_now(), "begin_at": now + number * interval}
        is_row = takeover.c.calendar_id == calendar_id
        connection.execute(update(takeover).where(is_row).values(values))
    for part in in_parts(known):
        is_theirs = calendar.c.calendar_id.in_(part)
        connection.execute(
            update(calendar).where(is_theirs).values(taking_back=True, synced_digest=null())
        )
    return len(known)


def join_last_run(connection: Connection, calendar_id: int) -> bool:
    """Let a calendar be taken over as was asked for last; False, and stopped, where nobody asked.

    It is one in which nothing of ours was written yet, and in which the predecessor's mark stands.
    """
    query = select(takeover_run.c.run_id).order_by(takeover_run.c.run_id.desc()).limit(1)
    run_id = connection.execute(query).scalar()
    state = WISHED if run_id is not None else STOPPED
    if run_id is None:
        run_id = connection.execute(
            insert(takeover_run)
            .values(asked_at=db_now(), who=acts.SERVICE, unmatched="stop")
            .returning(takeover_run.c.run_id)
        ).scalar_one()
    values = {"run_id": run_id, "state": state, "begin_at": db_now(), "changed_at": db_now()}
    connection.execute(insert(takeover).values(calendar_id=calendar_id, **values))
    return state == WISHED


# -- what a visit records -------------------------------------------------------------------------------


def _set(
    connection: Connection,
    calendar_id: int,
    values: Mapping[str, object],
    condition: ColumnElement[bool] = ALWAYS,
) -> None:
    is_row = and_(takeover.c.calendar_id == calendar_id, condition)
    connection.execute(update(takeover).where(is_row).values(values))


def set_done(connection: Connection, calendar_id: int) -> None:
    """Record that a calendar is taken over.

    The predecessor's mark is looked for again, since that service may go on writing.
    """
    values = {"state": DONE, "changed_at": db_now(), "done_at": db_now(), "reason": null()}
    _set(connection, calendar_id, {**values, "looks": 0})
    _look_after(connection, calendar_id, LOOKS[0])


def looked(connection: Connection, takeover_: CalendarTakeover) -> None:
    """Record that the predecessor's mark was looked for, and when it is looked for next."""
    looks = takeover_.looks + 1
    _set(connection, takeover_.calendar_id, {"looks": looks, "look_at": null()})
    if looks < len(LOOKS):
        _look_after(connection, takeover_.calendar_id, LOOKS[looks])


def _look_after(connection: Connection, calendar_id: int, after: timedelta) -> None:
    _set(connection, calendar_id, {"look_at": db_now(after.total_seconds())})
    trigger = Trigger("look for the predecessor's mark", Cause.TIME)
    queue.mark_later(connection, WorkKey.of_calendar(calendar_id), trigger, after=after)


def stop(connection: Connection, calendar_id: int, reason: str) -> None:
    """Record that nothing is written to a calendar, and why, until it is wished anew."""
    values = {"state": STOPPED, "changed_at": db_now(), "reason": reason, "look_at": null()}
    _set(connection, calendar_id, values)


def set_undone(connection: Connection, calendar_id: int) -> None:
    """Record that a calendar was handed back, where that is wished still.

    Somebody may have asked for its takeover anew while a visit handed it back: that stands.
    """
    values = {"state": UNDONE, "changed_at": db_now(), "look_at": null(), "reason": null()}
    _set(connection, calendar_id, values, takeover.c.state == UNDOING)


def grant(connection: Connection, run_id: int, removals: int) -> bool:
    """Count so many removals against the limit of a run; False, and none, where they are too many."""
    fits = takeover_run.c.removed + removals <= takeover_run.c.up_to
    is_run = and_(takeover_run.c.run_id == run_id, fits)
    values = {"removed": takeover_run.c.removed + removals}
    return bool(connection.execute(update(takeover_run).where(is_run).values(values)).rowcount)


# -- what was found -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntry:
    """A predecessor's entry with its fate, as it is recorded."""

    item_id: str
    fate: Fate
    mark_value: str
    courses: frozenset[str]
    starts_at: datetime
    ends_at: datetime
    sync_key: str | None = None


def add(connection: Connection, calendar_id: int, found: Iterable[FoundEntry]) -> None:
    """Record what was adopted, or is to be removed."""
    rows = [
        {
            "item_id": item.item_id,
            "fate": item.fate.value,
            "mark_value": item.mark_value,
            "sync_key": item.sync_key,
            "courses": "\n".join(sorted(item.courses)),
            "starts_at": item.starts_at,
            "ends_at": item.ends_at,
        }
        for item in found
    ]
    insert_many(connection, takeover_item, rows, calendar_id=calendar_id, found_at=db_now())


def put(connection: Connection, calendar_id: int, found: Iterable[FoundEntry]) -> None:
    """Record what stays the predecessor's, in the place of what stood so before."""
    passing = takeover_item.c.fate.not_in([Fate.ADOPTED.value, Fate.REMOVED.value])
    is_row = and_(takeover_item.c.calendar_id == calendar_id, passing)
    connection.execute(delete(takeover_item).where(is_row))
    add(connection, calendar_id, found)


def forget(connection: Connection, keys: Collection[str]) -> None:
    """Forget what was to be adopted under these keys, and was not or is no more."""
    for part in in_parts(sorted(keys)):
        connection.execute(delete(takeover_item).where(takeover_item.c.sync_key.in_(part)))


def drop(connection: Connection, numbers: Collection[int]) -> None:
    """Forget what is not in the calendar any more."""
    for part in in_parts(sorted(numbers)):
        connection.execute(delete(takeover_item).where(takeover_item.c.number.in_(part)))


def adopted(connection: Connection, calendar_id: int) -> Mapping[str, str]:
    """Return what the marks said of what was adopted, by our key."""
    query = select(takeover_item.c.sync_key, takeover_item.c.mark_value).where(
        takeover_item.c.calendar_id == calendar_id, takeover_item.c.fate == Fate.ADOPTED.value
    )
    return dict(map(tuple, connection.execute(query)))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAdopted:
    """An entry of a predecessor that is not ours; `courses` are one on each line."""

    number: int
    item_id: str
    fate: str
    starts_at: datetime
    ends_at: datetime
    courses: str
    mark_value: str


def others(connection: Connection, calendar_id: int) -> list[NotAdopted]:
    """Return what was found and not adopted, in time's order."""
    of_calendar_ = takeover_item.c.calendar_id == calendar_id
    not_ours = and_(of_calendar_, takeover_item.c.fate != Fate.ADOPTED.value)
    order = (takeover_item.c.starts_at, takeover_item.c.number)
    query = select(*columns_of(takeover_item, NotAdopted)).where(not_ours).order_by(*order)
    return [NotAdopted(**row) for row in connection.execute(query).mappings()]


def beside(connection: Connection, calendar_id: int) -> list[Beside]:
    """Return what stands beside our entries: nothing of its courses is made at its time."""
    fates = {fate.value for fate in BLOCKING}
    return [
        Beside(
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            courses=frozenset(row.courses.splitlines()),
        )
        for row in others(connection, calendar_id)
        if row.fate in fates and row.courses
    ]


# -- counted --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverCounts:
    """How many calendars are in each state, and what became of the predecessor's entries."""

    calendars: dict[str, int]  # state -> calendars
    entries: dict[str, int]  # fate -> entries
    stopped_since: datetime | None  # when the first of the stopped was


def counts(connection: Connection) -> TakeoverCounts:
    """Count calendars and entries."""
    by_state = select(takeover.c.state, func.count()).group_by(takeover.c.state)
    by_fate = select(takeover_item.c.fate, func.count()).group_by(takeover_item.c.fate)
    found = dict[str, int](map(tuple, connection.execute(by_state).all()))
    fates = dict[str, int](map(tuple, connection.execute(by_fate).all()))
    since = select(func.min(takeover.c.changed_at)).where(takeover.c.state == STOPPED)
    return TakeoverCounts(
        calendars={state: found.get(state, 0) for state in STATES} if found else {},
        entries={fate.value: fates.get(fate.value, 0) for fate in Fate} if found else {},
        stopped_since=connection.execute(since).scalar(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A calendar whose takeover is stopped, since when and why."""

    calendar_id: int
    person_id: int
    changed_at: datetime
    reason: str | None


def stopped(connection: Connection) -> list[Stopped]:
    """Return the calendars whose takeover is stopped, the first first."""
    columns = (takeover.c.calendar_id, takeover.c.changed_at, takeover.c.reason)
    query = (
        select(*columns, calendar.c.person_id)
        .join(calendar, calendar.c.calendar_id == takeover.c.calendar_id)
        .where(takeover.c.state == STOPPED)
    )
    ordered = query.order_by(takeover.c.changed_at, takeover.c.calendar_id)
    return [Stopped(**row) for row in connection.execute(ordered).mappings()]
