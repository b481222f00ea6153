"""Mailboxes that move from one Exchange to another: who is followed, who waits, who is announced.

A row of `move` is open from the moment at which a mailbox is noticed elsewhere until a visit made
its calendar right there; a calendar has one open row at most. Instants are on the database's clock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from kalender.domain.entry import RECORDED
from kalender.domain.work import Cause, Kind, Lane
from kalender.store import acts, entries, people, queue
from kalender.store.sql import columns_of, db_now, insert_many, is_one_of
from kalender.store.tables import calendar, entry, move, move_announced

ACCEPT, WAIT = "accept", "wait"
LOOKS = tuple(timedelta(minutes=minutes) for minutes in (15, 60, 240, 720, 1440))
PAUSED_INTERVAL = timedelta(minutes=1)  # between two looks at whether moves are still paused
WAIT_ENDS = timedelta(days=1)  # how long an operator's `wait` keeps a calendar out of the count
UNANSWERED = and_(
    move.c.done_at.is_(None),
    move.c.waits_since.is_not(None),
    move.c.from_backend != move.c.to_backend,
    or_(
        move.c.decision.is_(None),
        and_(move.c.decision == WAIT, move.c.decided_at < db_now(-WAIT_ENDS.total_seconds())),
    ),
)
"""The condition that a move waits, and that no operator's decision of late keeps it out of counts.

What lacks much where it always was, and is known nowhere else, is believed in the end: it is no move
that an operator has to decide about.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An open move: until when its next look waits, and what an operator decided.

    Both Exchanges are the same where the calendar lacks much, and no other one knows its mailbox.
    """

    move_id: int
    from_backend: str
    to_backend: str
    looks: int
    decision: str | None
    wait: timedelta  # nothing, or less, where its turn has come


def open_of(connection: Connection, calendar_id: int) -> Move | None:
    """Return a calendar's open move."""
    is_open = and_(move.c.calendar_id == calendar_id, move.c.done_at.is_(None))
    row = connection.execute(select(move, db_now().label("db_time")).where(is_open)).one_or_none()
    if row is None:
        return None
    return Move(
        move_id=row.move_id,
        from_backend=row.from_backend,
        to_backend=row.to_backend,
        looks=row.looks,
        decision=row.decision,
        wait=row.look_at - row.db_time,
    )


# -- followed ---------------------------------------------------------------------------------------


# Whoever gives a turn holds the lock of all moves, and hands over the time at which they got it.


def follow(
    connection: Connection,
    row: entries.CalendarRow,
    backend: str,
    *,
    interval: timedelta,
    now: datetime,
) -> timedelta:
    """Let a calendar be looked up at another Exchange; return how long it waits for its turn."""
    _end(connection, row.calendar_id)
    wait = _turn(connection, interval, now)
    _open(connection, row, backend, wait)
    entries.move_to(connection, row.calendar_id, backend)
    acts.record(
        connection,
        "move follow",
        who=acts.SERVICE,
        scope=f"exchange.{row.backend} to exchange.{backend}",
        persons=[row.person_id],
        reason="the mailbox is there now",
    )
    return wait


def _open(connection: Connection, row: entries.CalendarRow, backend: str, wait: timedelta) -> None:
    values: dict[str, object] = {"from_backend": row.backend, "to_backend": backend}
    values |= {"noticed_at": db_now(), "look_at": db_now(wait.total_seconds())}
    connection.execute(insert(move).values(calendar_id=row.calendar_id, **values))


def _turn(connection: Connection, interval: timedelta, now: datetime) -> timedelta:
    """Return how long it is until the next turn that no other moved calendar has."""
    is_turn = and_(move.c.waits_since.is_(None), move.c.look_at > now - interval)
    last: datetime | None = connection.execute(
        select(func.max(move.c.look_at)).where(is_turn)
    ).scalar()
    return max(last + interval - now, timedelta()) if last is not None else timedelta()


def put_off(
    connection: Connection, open_move: Move, *, interval: timedelta, now: datetime
) -> timedelta:
    """Give a move whose turn came while all were paused another turn; return how long that is."""
    wait = max(_turn(connection, interval, now), PAUSED_INTERVAL)
    is_move = move.c.move_id == open_move.move_id
    connection.execute(update(move).where(is_move).values(look_at=db_now(wait.total_seconds())))
    return wait


def waits(
    connection: Connection,
    row: entries.CalendarRow,
    elsewhere: str,
    *,
    expected: int,
    present: int,
) -> timedelta:
    """Record that a calendar shows too few of our keys; return how long until the next look.

    Without an open move one is opened to the Exchange `elsewhere` that knows the mailbox as well, or
    to the calendar's own where none does, and the calendar stays where it is.
    """
    if open_of(connection, row.calendar_id) is None:
        _open(connection, row, elsewhere, timedelta())
        values = {"must_look_up": True, "synced_digest": None}
        is_calendar = calendar.c.calendar_id == row.calendar_id
        connection.execute(update(calendar).where(is_calendar).values(values))
    open_move = open_of(connection, row.calendar_id)
    if open_move is None:
        return timedelta()
    wait = LOOKS[min(open_move.looks, len(LOOKS) - 1)]
    is_known_nowhere_else = open_move.from_backend == open_move.to_backend
    connection.execute(
        update(move)
        .where(move.c.move_id == open_move.move_id)
        .values(
            to_backend=elsewhere if is_known_nowhere_else else open_move.to_backend,
            looks=move.c.looks + 1,
            expected=expected,
            present=present,
            waits_since=func.coalesce(move.c.waits_since, db_now()),
            look_at=db_now(wait.total_seconds()),
        )
    )
    return wait


def looked(connection: Connection, open_move: Move, *, expected: int, present: int) -> None:
    """Record what a calendar showed when it was believed."""
    is_move = move.c.move_id == open_move.move_id
    values = {"expected": expected, "present": present}
    connection.execute(update(move).where(is_move).values(values))


def lacked_lately(connection: Connection, calendar_id: int) -> bool:
    """Whether a calendar moved within a week, and not all that was expected was there."""
    query = exists().where(
        move.c.calendar_id == calendar_id,
        move.c.done_at > db_now(-timedelta(days=7).total_seconds()),
        move.c.present < move.c.expected,
    )
    return bool(connection.execute(select(query)).scalar())


def came_from(connection: Connection, calendar_id: int) -> str | None:
    """Return the Exchange from which a calendar's mailbox moved last; None where it never did."""
    moved = and_(move.c.calendar_id == calendar_id, move.c.from_backend != move.c.to_backend)
    query = select(move.c.from_backend).where(moved, move.c.done_at.is_not(None))
    return connection.execute(query.order_by(move.c.move_id.desc()).limit(1)).scalar()


def begun_to_wait(connection: Connection, since: datetime) -> int:
    """How many moves began to wait since then, and are not decided."""
    return _count(connection, and_(UNANSWERED, move.c.waits_since > since))


def end(connection: Connection, calendar_id: int) -> None:
    """Record that a calendar was made right where it is: its move and announcement are over."""
    _end(connection, calendar_id)
    is_there = exists().where(
        calendar.c.calendar_id == calendar_id,
        calendar.c.backend == move_announced.c.to_backend,
    )
    connection.execute(
        delete(move_announced).where(move_announced.c.calendar_id == calendar_id, is_there)
    )


def _end(connection: Connection, calendar_id: int) -> None:
    """End an open move, which went to where the calendar is now."""
    backend = select(calendar.c.backend).where(calendar.c.calendar_id == calendar_id)
    connection.execute(
        update(move)
        .where(move.c.calendar_id == calendar_id, move.c.done_at.is_(None))
        .values(done_at=db_now(), to_backend=backend.scalar_subquery())
    )


# -- what operators decide ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMove:
    """A move that is not over; of what was not looked up yet `expected` and `present` are None.

    `backend` is where the calendar is now.
    """

    move_id: int
    calendar_id: int
    person_id: int
    backend: str
    from_backend: str
    to_backend: str
    look_at: datetime
    looks: int
    expected: int | None
    present: int | None
    waits_since: datetime | None
    decision: str | None
    decided_by: str | None


def waiting(
    connection: Connection, person_id: int | None = None, *, followed: bool = False
) -> list[OpenMove]:
    """Return the open moves that wait (of one person), with the person, the first first.

    With `followed` also those that were not looked up yet.
    """
    conditions: list[ColumnElement[bool]] = [move.c.done_at.is_(None)]
    if not followed:
        conditions.append(move.c.waits_since.is_not(None))
    if person_id is not None:
        conditions.append(calendar.c.person_id == person_id)
    columns = (*columns_of(move, OpenMove), calendar.c.person_id, calendar.c.backend)
    query = select(*columns).join(calendar, calendar.c.calendar_id == move.c.calendar_id)
    rows = connection.execute(query.where(*conditions).order_by(move.c.look_at)).mappings()
    return [OpenMove(**row) for row in rows]


def lacking(connection: Connection, open_moves: Sequence[OpenMove], at: datetime) -> int:
    """Return how many coming entries these moves lack; all of what was not looked up yet.

    `at` is on the domain's clock.
    """
    numbers = [open_move.calendar_id for open_move in open_moves if open_move.expected is None]
    is_recorded = entry.c.status.in_(RECORDED)
    is_coming = and_(is_recorded, entry.c.item_id.is_not(None), entry.c.ends_at > at)
    query = select(func.count()).where(
        is_one_of(connection, entry.c.calendar_id, numbers), is_coming
    )
    unseen: int = connection.execute(query).scalar_one()
    return unseen + sum(
        (open_move.expected or 0) - (open_move.present or 0) for open_move in open_moves
    )


def decide(
    connection: Connection,
    open_moves: Sequence[OpenMove],
    decision: str,
    *,
    who: str,
    reason: str,
    interval: timedelta = timedelta(),
) -> None:
    """Record an operator's decision; what is accepted is looked at now, one after an interval."""
    if decision == ACCEPT:
        numbers = [open_move.calendar_id for open_move in open_moves]
        cause, lane = Cause.OPERATOR, Lane.FILL
        people.mark_calendars(connection, numbers, reason="move accepted", cause=cause, lane=lane)
    for number, open_move in enumerate(open_moves):
        values: dict[str, object] = {"decision": decision, "decided_by": who}
        if decision == ACCEPT:
            values["look_at"] = db_now((number * interval).total_seconds())
            queue.hurry(connection, Kind.CALENDAR, str(open_move.calendar_id))
        is_move = move.c.move_id == open_move.move_id
        connection.execute(update(move).where(is_move).values(decided_at=db_now(), **values))
    persons = {open_move.person_id for open_move in open_moves}
    acts.record(connection, f"move {decision}", who=who, persons=persons, reason=reason)


def hurry(connection: Connection, calendars: Collection[int]) -> None:
    """Let the next look at these calendars come now, where they moved and are not right yet."""
    is_later = and_(
        is_one_of(connection, move.c.calendar_id, calendars),
        move.c.done_at.is_(None),
        move.c.look_at > db_now(),
    )
    connection.execute(update(move).where(is_later).values(look_at=db_now()))


# -- announced ----------------------------------------------------------------------------------------


def of_audience(connection: Connection, audience: str) -> list[int]:
    """Return the calendars of an audience, by its word."""
    query = select(calendar.c.calendar_id).where(calendar.c.audience == audience)
    return list(connection.execute(query).scalars())


def announce(
    connection: Connection, calendars: Collection[int], backend: str, from_at: datetime
) -> int:
    """Let the mailboxes of these calendars be looked for at an Exchange first; return how many.

    Those that are there already, and closed ones, are left out.
    """
    cancel(connection, calendars)
    is_elsewhere = and_(
        is_one_of(connection, calendar.c.calendar_id, calendars),
        calendar.c.backend != backend,
        calendar.c.state != "closed",
    )
    numbers = connection.execute(select(calendar.c.calendar_id).where(is_elsewhere)).scalars().all()
    rows = [{"calendar_id": number} for number in sorted(numbers)]
    insert_many(connection, move_announced, rows, to_backend=backend, from_at=from_at)
    return len(numbers)


def cancel(connection: Connection, calendars: Collection[int]) -> int:
    """Forget that the moves of these calendars were announced; return of how many they were."""
    is_named = is_one_of(connection, move_announced.c.calendar_id, calendars)
    return connection.execute(delete(move_announced).where(is_named)).rowcount


def mark_announced(connection: Connection, interval: timedelta) -> int:
    """Mark announced calendars whose day has come, no faster than moves are paced; return how many."""
    is_due = and_(move_announced.c.marked_at.is_(None), move_announced.c.from_at <= db_now())
    if not connection.execute(select(exists().where(is_due))).scalar():
        return 0
    now, last = connection.execute(select(db_now(), func.max(move_announced.c.marked_at))).one()
    since = min(now - last, timedelta(minutes=1)) if last is not None else interval
    query = select(move_announced.c.calendar_id).where(is_due).limit(since // interval)
    columns = (move_announced.c.from_at, move_announced.c.calendar_id)
    numbers = connection.execute(query.order_by(*columns)).scalars().all()
    if numbers:
        people.mark_calendars(
            connection, numbers, reason="move announced", cause=Cause.OPERATOR, lane=Lane.FILL
        )
        is_marked = is_one_of(connection, move_announced.c.calendar_id, numbers)
        connection.execute(update(move_announced).where(is_marked).values(marked_at=db_now()))
    return len(numbers)


# -- counted ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveCounts:
    """How many calendars live at each Exchange, and how their moves go."""

    living: dict[str, int]  # backend -> open calendars
    moved: int  # within a day
    followed: int  # noticed elsewhere, and not looked up there yet
    waiting: int  # their new places show too little
    unanswered: int  # of those that wait: no operator decided of late
    since: datetime | None  # when the first of the unanswered began to wait
    announced: int  # and not moved yet


def counts(connection: Connection) -> MoveCounts:
    """Count calendars and their moves."""
    by_backend = select(calendar.c.backend, func.count()).where(
        calendar.c.owner, calendar.c.state != "closed"
    )
    living = dict[str, int](
        map(tuple, connection.execute(by_backend.group_by(calendar.c.backend)).all())
    )
    is_open, waits_now = move.c.done_at.is_(None), move.c.waits_since.is_not(None)
    lately = and_(
        move.c.done_at > db_now(-timedelta(days=1).total_seconds()),
        move.c.from_backend != move.c.to_backend,
    )
    since = connection.execute(select(func.min(move.c.waits_since)).where(UNANSWERED)).scalar()
    return MoveCounts(
        living=dict(sorted(living.items())),
        moved=_count(connection, lately),
        followed=_count(connection, is_open & ~waits_now),
        waiting=_count(connection, is_open & waits_now),
        unanswered=_count(connection, UNANSWERED),
        since=since,
        announced=connection.execute(select(func.count()).select_from(move_announced)).scalar_one(),
    )


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(move).where(condition)).scalar_one()


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """So many calendars are announced to move there from that day on, and have not moved yet."""

    to_backend: str
    from_at: datetime
    calendars: int


def announcements(connection: Connection) -> list[Announced]:
    """Return what is announced and has not moved yet, by Exchange and day."""
    columns = (move_announced.c.to_backend, move_announced.c.from_at)
    query = select(*columns, func.count().label("calendars")).group_by(*columns).order_by(*columns)
    return [Announced(**row) for row in connection.execute(query).mappings()]
