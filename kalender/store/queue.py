r"""Marks and claims: one row says that somebody's work is waiting, and nothing else does.

The transition table, which the tests walk through on both databases:

=====================  =========  =======  ======  ====================  ====================
from \\ on              mark       claim    finish  retry                 park
=====================  =========  =======  ======  ====================  ====================
idle                   dirty
dirty                  dirty      claimed
claimed, same          gen + 1             idle    dirty, not_before     parked
claimed, marked since  gen + 1             dirty   dirty, not_before     dirty, not_before
parked                 dirty
=====================  =========  =======  ======  ====================  ====================

A release, or a lease that runs out, makes the row dirty again. Whatever ends or prolongs a claim
carries the claim's token; a token that is not the row's any more raises ClaimLost. All times are
the database's. Idle work has no row.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import product
from operator import attrgetter
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from kalender.domain.work import Cause, Kind, Lane, Mark, Trigger, WorkKey
from kalender.errors import ClaimLost
from kalender.store.database import counts_of
from kalender.store.sql import Instant, db_now, upsert
from kalender.store.tables import calendar, dirty, due_later


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One piece of work, ours until its lease is over."""

    kind: Kind
    key: str
    token: str
    generation: int
    attempts: int
    reason: str
    cause: Cause
    lane: Lane
    since: datetime

    @property
    def work(self) -> WorkKey:
        """What this is about."""
        return WorkKey(self.kind, self.key)

    @property
    def trigger(self) -> Trigger:
        """What led to this."""
        return Trigger(self.reason, self.cause, self.lane, self.since)


# -- marks ------------------------------------------------------------------------------------


def mark(connection: Connection, marks: Iterable[Mark], *, settle: float = 0.0) -> int:
    """Say that work waits; return how many rows that is. Idempotent but for the generation.

    Marks of one key coalesce. `settle` seconds are added to the due time of new rows, so that
    a burst is one piece of work. A mark never lowers `not_before`; it un-parks. A due time in
    the future is also kept on its own, so that an earlier mark does not swallow it.
    """
    marks = list(marks)
    coalesced = _coalesced(marks)
    if coalesced and connection.dialect.name == "postgresql":
        connection.execute(_POSTGRESQL_MARK, _in_arrays(coalesced) | {"settle": settle})
    elif coalesced:
        _mark_in_sqlite(connection, coalesced, settle)
    later = {
        (mark.kind.value, mark.key, mark.due_at, mark.reason, mark.cause.value)
        for mark in marks
        if mark.due_at is not None
    }
    if later:
        names = ("kind", "key", "due_at", "reason", "cause")
        rows = [dict(zip(names, row, strict=True)) for row in sorted(later)]
        connection.execute(
            upsert(connection.dialect.name, due_later).on_conflict_do_nothing(), rows
        )
    for kind, count in Counter(mark.kind for mark in coalesced).items():
        counts_of(connection).add("adds", kind.value, value=count)
    return len(coalesced)


def _coalesced(marks: Iterable[Mark]) -> list[Mark]:
    """Return one mark for each key: the strongest, with the earliest due time and `since`.

    They are in order of their keys, so that no two writers deadlock.
    """
    by_key: dict[tuple[Kind, str], Mark] = {}
    for mark in marks:
        earlier = by_key.setdefault((mark.kind, mark.key), mark)
        if earlier is not mark:
            pair = (earlier, mark)
            due_times = [member.due_at for member in pair if member.due_at is not None]
            times = [member.since for member in pair if member.since is not None]
            by_key[mark.kind, mark.key] = min(pair, key=attrgetter("lane"))._replace(
                due_at=min(due_times) if len(due_times) == len(pair) else None,  # None is at once
                since=min(times, default=None),
            )
    return [by_key[key] for key in sorted(by_key)]


def _in_arrays(marks: Sequence[Mark]) -> dict[str, list[Any]]:
    """Return the keys, and for each the place of what else is said of it: many say the same."""
    heads: dict[tuple[Any, ...], int] = {}
    places = [heads.setdefault(_HEAD(mark), len(heads) + 1) for mark in marks]
    columns = map(list, zip(*map(_values, heads), strict=True))
    names = ("kind", "reason", "cause", "priority", "due_at", "since")
    return {
        "key": [mark.key for mark in marks],
        "what": places,
        **dict(zip(names, columns, strict=True)),
    }


# All of a mark but its key. An enumeration's value is looked up once for all marks that say the same:
# for each mark it costs a fifth of what the listener takes for it.
_HEAD = attrgetter("kind", "reason", "cause", "lane", "due_at", "since")


def _values(head: tuple[Any, ...]) -> tuple[Any, ...]:
    kind, reason, cause, lane, due_at, since = head
    return (kind.value, reason, cause.value, int(lane), due_at, since)


def _mark_in_sqlite(connection: Connection, marks: Sequence[Mark], settle: float) -> None:
    """Mark together what says the same, as JSON: a statement a row takes twice as long.

    The clock is read once: in each row it costs more than the row. Rows that stay where they are
    in the index come first: to move one costs as much again.
    """
    now, soon = connection.execute(_SQLITE_CLOCK, {"settle": settle}).one()
    by_head: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for mark in marks:
        by_head[_HEAD(mark)].append(mark.key)
    for head, keys in by_head.items():
        kind, reason, cause, priority, due_at, since = _values(head)
        due, first = (Instant().process_bind_param(t, connection.dialect) for t in (due_at, since))
        params = {
            "kind": kind,
            "keys": json.dumps(keys),
            "reason": reason,
            "cause": cause,
            "priority": priority,
            "first": first or max(now, due or now),
            "due": due or soon,
        }
        if connection.execute(_SQLITE_MARK, params).rowcount < len(keys):
            connection.execute(_SQLITE_MOVE, params)


_CONFLICT = """
    ON CONFLICT (kind, key) DO UPDATE SET
        generation = dirty.generation + 1,
        reason = CASE WHEN excluded.priority <= dirty.priority OR dirty.parked_at IS NOT NULL
                      THEN excluded.reason ELSE dirty.reason END,
        cause = CASE WHEN excluded.priority <= dirty.priority OR dirty.parked_at IS NOT NULL
                     THEN excluded.cause ELSE dirty.cause END,
        priority = CASE WHEN excluded.priority < dirty.priority OR dirty.parked_at IS NOT NULL
                        THEN excluded.priority ELSE dirty.priority END,
        due_at = CASE WHEN excluded.due_at < dirty.due_at THEN excluded.due_at
                      ELSE dirty.due_at END,
        first_marked_at = CASE WHEN dirty.parked_at IS NOT NULL
                                 OR excluded.first_marked_at < dirty.first_marked_at
                               THEN excluded.first_marked_at ELSE dirty.first_marked_at END,
        attempts = CASE WHEN dirty.parked_at IS NULL THEN dirty.attempts ELSE 0 END,
        parked_at = NULL
"""
_POSTGRESQL_MARK = text(
    """
    INSERT INTO dirty
        (kind, key, generation, reason, cause, priority, first_marked_at, due_at, attempts)
    SELECT (CAST(:kind AS text[]))[what], key, 1, (CAST(:reason AS text[]))[what],
           (CAST(:cause AS text[]))[what], (CAST(:priority AS int[]))[what],
           coalesce((CAST(:since AS timestamptz[]))[what],
                    greatest(clock_timestamp(), (CAST(:due_at AS timestamptz[]))[what])),
           coalesce((CAST(:due_at AS timestamptz[]))[what],
                    clock_timestamp() + :settle * interval '1 second'), 0
    FROM unnest(CAST(:key AS text[]), CAST(:what AS int[])) AS new(key, what)
    """  # noqa: S608
    + _CONFLICT
)
_SQLITE_CLOCK = text(
    "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'),"
    " strftime('%Y-%m-%d %H:%M:%f', 'now', printf('%+.3f seconds', :settle))"
)
_STAYS = """excluded.priority >= dirty.priority AND excluded.due_at >= dirty.due_at
    AND dirty.parked_at IS NULL"""
_SQLITE_INSERT = """
    INSERT INTO dirty
        (kind, key, generation, reason, cause, priority, first_marked_at, due_at, attempts)
    SELECT :kind, value, 1, :reason, :cause, :priority, :first, :due, 0 FROM json_each(:keys) WHERE true
"""
_SQLITE_MARK = text(f"""{_SQLITE_INSERT}
    ON CONFLICT (kind, key) DO UPDATE SET
        generation = dirty.generation + 1,
        reason = CASE WHEN excluded.priority = dirty.priority
                      THEN excluded.reason ELSE dirty.reason END,
        cause = CASE WHEN excluded.priority = dirty.priority
                     THEN excluded.cause ELSE dirty.cause END,
        first_marked_at = min(excluded.first_marked_at, dirty.first_marked_at)
    WHERE {_STAYS}
""")
_SQLITE_MOVE = text(f"{_SQLITE_INSERT} {_CONFLICT} WHERE NOT ({_STAYS})")


def mark_later(
    connection: Connection, work: WorkKey, trigger: Trigger, *, after: timedelta
) -> None:
    """Let work be marked after so long, and not before; it waits beside what is marked meanwhile."""
    connection.execute(
        upsert(connection.dialect.name, due_later)
        .values(
            kind=work.kind.value,
            key=work.key,
            due_at=db_now(after.total_seconds()),
            reason=trigger.reason,
            cause=trigger.cause.value,
        )
        .on_conflict_do_nothing()
    )


def mark_what_is_due(connection: Connection, *, limit: int = 1000) -> int:
    """Mark the future-dated work whose time has come; return how many."""
    rows = connection.execute(
        select(due_later).where(due_later.c.due_at <= db_now()).order_by(*due_later.c).limit(limit)
    ).all()
    marks = [
        Mark(kind=Kind(row.kind), key=row.key, reason=row.reason, cause=Cause.of(row.cause))
        for row in rows
    ]
    mark(connection, marks)
    for row in rows:
        is_row = (due_later.c[name] == getattr(row, name) for name in ("kind", "key", "due_at"))
        connection.execute(delete(due_later).where(*is_row))
    return len(rows)


# -- claims -----------------------------------------------------------------------------------


def claim(  # noqa: PLR0913
    connection: Connection,
    kinds: Sequence[Kind],
    *,
    worker: str,
    lease: timedelta,
    limit: int = 1,
    oldest: bool = False,
    not_of: Collection[str] = (),
    not_bulk: bool = False,
    makes_room: bool = False,
) -> list[Claim]:
    """Take up to `limit` pieces of due work, strongest lane first (or the oldest of all).

    The order of the result is the order of the work. Calendars of the backends `not_of` are left,
    and with `not_bulk` all bulk work: fills, resyncs and looks into calendars. With `makes_room` bulk
    work is left while urgent work of these kinds, which is all other work, is about to be due, or came
    to be due a moment ago and is not done (`ROOM_BEFORE`, `ROOM_AFTER`).
    """
    if not kinds:
        return []
    rank = ("due_at",) if oldest else ("priority", "due_at")
    query = _claim_statement(
        connection.dialect.name,
        tuple(kinds),
        rank,
        tuple(sorted(not_of)),
        not_bulk=not_bulk,
        makes_room=makes_room,
    )
    params = {"token": uuid4().hex, "worker": worker, "seconds": lease.total_seconds()}
    rows = connection.execute(query, params | {"most": limit}).all()

    def place(row: Row[Any]) -> tuple[Any, ...]:
        """Return what orders the work: by lane, and of one lane calendars come last."""
        if oldest:
            return (row.due_at,)
        return (row.priority, row.kind == Kind.CALENDAR.value, row.due_at)

    return [
        Claim(
            kind=Kind(row.kind),
            key=row.key,
            token=row.claim_token,
            generation=row.generation,
            attempts=row.attempts,
            reason=row.reason,
            cause=Cause.of(row.cause),
            lane=Lane(row.priority),
            since=row.first_marked_at,
        )
        for row in sorted(rows, key=place)
    ]


@lru_cache
def _claim_statement(
    dialect: str,
    kinds: Sequence[Kind],
    rank: Sequence[str],
    not_of: Collection[str],
    *,
    not_bulk: bool,
    makes_room: bool,
) -> ReturningUpdate[Any]:
    """Return the statement that claims; it is made once, as that takes longer than to run it.

    It locks the first due rows of each kind (and lane) alone, as an index has them in order: of
    all together every due row would be sorted for each claim, were they millions. Of one lane
    calendars come last: what courses and persons are about to change is then written once.
    """
    allowed = dirty.c.priority < int(Lane.FILL) if not_bulk else true()
    if makes_room and not not_bulk:
        # a CTE, so that it is planned once for all parts
        room = select(_needs_room(kinds).label("is_needed")).cte("room")
        is_needed = select(room.c.is_needed).scalar_subquery()
        allowed = or_(dirty.c.priority < int(Lane.FILL), not_(is_needed))
    if not_of:
        is_calendar = dirty.c.kind == Kind.CALENDAR.value
        calendar_id = case((is_calendar, cast(dirty.c.key, Integer)))
        rows = select(calendar.c.calendar_id).where(
            calendar.c.calendar_id == calendar_id, calendar.c.backend.in_(sorted(not_of))
        )
        allowed = and_(allowed, not_(exists(rows.correlate(dirty))))
    columns = [dirty.c[name] for name in ("kind", "key", "priority", "due_at")]
    lanes = [true()] if "priority" in rank else [dirty.c.priority == int(lane) for lane in Lane]
    parts = []
    for kind, lane in product(kinds, lanes):
        later = literal(int(kind is Kind.CALENDAR)).label("later")
        condition = and_(dirty.c.kind == kind.value, lane, _is_due([kind]), allowed)
        part = select(*columns, later).where(condition).order_by(*(dirty.c[name] for name in rank))
        part = part.limit(_MOST)
        if dialect == "postgresql":
            part = part.with_for_update(skip_locked=True)
        parts.append(select(part.subquery()))
    order = ("priority", "later", "due_at") if "priority" in rank else rank
    # a CTE is evaluated once: as a subquery it may be more often, and take more
    first = union_all(*parts).order_by(*map(text, order)).limit(_MOST).cte("mine")
    return (
        update(dirty)
        .where(tuple_(dirty.c.kind, dirty.c.key).in_(select(first.c.kind, first.c.key)))
        .values(
            claim_token=bindparam("token"),
            claimed_by=bindparam("worker"),
            claimed_until=db_now(bindparam("seconds", type_=Float)),
        )
        .returning(dirty)
    )


_MOST = bindparam("most", type_=Integer)
# Bulk work makes room for urgent work: none is begun from so many seconds before urgent work is due,
# until that is done or has been due for so many seconds. What runs by then is over when the urgent
# work is due, and leaves it the processors and the connections. The figures are in
# docs/performance.md, with live changes during a fill.
ROOM_BEFORE = 0.3
ROOM_AFTER = 1.0


def _needs_room(kinds: Sequence[Kind]) -> ColumnElement[bool]:
    """Return whether urgent work is about to be due, or came to be due a moment ago and is not done.

    Each time is a query of its own, so that PostgreSQL reads its clock once and looks the time up in
    the index: with the clock itself it would compare every row, were there tens of thousands.
    """
    urgent = dirty.alias("urgent")
    earliest = select(db_now(-ROOM_AFTER)).scalar_subquery()
    latest = select(db_now(ROOM_BEFORE)).scalar_subquery()
    return exists().where(
        urgent.c.kind.in_([kind.value for kind in kinds]),
        urgent.c.priority.in_([int(lane) for lane in Lane if lane < Lane.FILL]),
        urgent.c.parked_at.is_(None),
        urgent.c.due_at.between(earliest, latest),
    )


def _is_due(kinds: Sequence[Kind], within: float = 0.0) -> ColumnElement[bool]:
    moment = db_now(within) if within else db_now()
    return and_(
        dirty.c.kind.in_([kind.value for kind in kinds]),
        dirty.c.parked_at.is_(None),
        dirty.c.due_at <= moment,
        or_(dirty.c.not_before.is_(None), dirty.c.not_before <= moment),
        or_(dirty.c.claimed_until.is_(None), dirty.c.claimed_until < db_now()),
    )


def renew(connection: Connection, claim: Claim, lease: timedelta) -> datetime:
    """Prolong the claim to a full lease from now; ClaimLost where it is not ours any more.

    Returns the database's time.
    """
    params = _names(claim) | {"seconds": lease.total_seconds()}
    now = connection.execute(RENEW, params).scalar_one_or_none()
    if now is None:
        raise _lost(claim)
    return now


def read_under_claim(
    connection: Connection, claim: Claim, query: Select[*tuple[Any, ...]], params: dict[str, object]
) -> Sequence[Any]:
    """Return the one row that `query` reads, where the claim is still ours; one statement reads both.

    Raises ClaimLost where the claim is not ours any more, or there is no such row. The claim is not
    prolonged.
    """
    row = connection.execute(
        _with_condition(query, STILL_OURS), params | _names(claim)
    ).one_or_none()
    if row is None or not row[-1]:
        raise _lost(claim)
    return row[:-1]


@lru_cache(maxsize=8)
def _with_condition(
    query: Select[*tuple[Any, ...]], condition: ColumnElement[bool]
) -> Select[*tuple[Any, ...]]:
    return query.add_columns(condition)


def finish(connection: Connection, claim: Claim) -> bool:
    """End the work. True: idle. False: it was marked meanwhile, and is still dirty."""
    finished = connection.execute(FINISH, _names(claim) | {"my_generation": claim.generation})
    if not finished.rowcount:
        blank = {"not_before": null(), "last_error": null()}
        _unclaim(connection, claim, **blank, attempts=0, first_marked_at=db_now())
    return bool(finished.rowcount)


def finish_all(connection: Connection, claims: Sequence[Claim]) -> None:
    """End much work together. What is not ours any more is left; what was marked stays dirty."""
    if connection.dialect.name == "postgresql":
        names = ("kind", "key", "token", "generation")
        params = {name: [getattr(claim, name) for claim in claims] for name in names}
        finished = connection.execute(_POSTGRESQL_FINISH, params)
        if finished.rowcount < len(claims):
            connection.execute(_POSTGRESQL_UNCLAIM, params)
    else:
        for claim in claims:
            with suppress(ClaimLost):
                finish(connection, claim)


def release_all(connection: Connection, claims: Sequence[Claim]) -> None:
    """Give much work back as it was; what is not ours any more is left."""
    for token in sorted({claim.token for claim in claims}):
        keys = [claim.key for claim in claims if claim.token == token]
        is_ours = and_(dirty.c.claim_token == token, dirty.c.key.in_(keys))
        connection.execute(update(dirty).where(is_ours).values(**_UNCLAIMED))


# Two statements: a mark that commits while the first waits for its row is seen by the second alone.
_GIVEN = """
    unnest(CAST(:kind AS text[]), CAST(:key AS text[]), CAST(:token AS text[]),
           CAST(:generation AS integer[])) AS given (kind, key, token, generation)
    WHERE dirty.kind = given.kind AND dirty.key = given.key AND dirty.claim_token = given.token
"""
_POSTGRESQL_FINISH = text(
    f"DELETE FROM dirty USING {_GIVEN} AND dirty.generation = given.generation"  # noqa: S608
)
_POSTGRESQL_UNCLAIM = text(
    "UPDATE dirty SET claim_token = NULL, claimed_by = NULL, claimed_until = NULL, attempts = 0,"  # noqa: S608
    f" not_before = NULL, last_error = NULL, first_marked_at = clock_timestamp() FROM {_GIVEN}"
)


def forget_claims(connection: Connection) -> None:
    """Let all claimed work be claimed anew; whoever held it finds the claim lost."""
    is_claimed = dirty.c.claim_token.is_not(None)
    connection.execute(update(dirty).where(is_claimed).values(**_UNCLAIMED))


def retry(connection: Connection, claim: Claim, *, after: timedelta, error: str) -> None:
    """Give the work back, not to be begun before `after` from now; counts as an attempt."""
    attempts, not_before = dirty.c.attempts + 1, db_now(after.total_seconds())
    _unclaim(connection, claim, attempts=attempts, not_before=not_before, last_error=error)


def postpone(
    connection: Connection,
    claim: Claim,
    *,
    after: timedelta,
    why: str | None,
    lane: Lane | None = None,
) -> None:
    """Give the work back for later without counting an attempt: nobody's fault here.

    It goes on in `lane`, whatever was marked meanwhile; None: in the lane that it has.
    """
    _unclaim(
        connection,
        claim,
        priority=dirty.c.priority if lane is None else int(lane),
        not_before=db_now(after.total_seconds()),
        last_error=why if why is not None else dirty.c.last_error,
    )


def park(connection: Connection, claim: Claim, *, error: str, after: timedelta) -> None:
    """Lay the work aside until the next mark; marked meanwhile: retried after `after`."""
    unmarked = dirty.c.generation == claim.generation
    _unclaim(
        connection,
        claim,
        attempts=dirty.c.attempts + 1,
        last_error=error,
        parked_at=case((unmarked, db_now()), else_=null()),
        not_before=case((unmarked, null()), else_=db_now(after.total_seconds())),
    )


def release(connection: Connection, claim: Claim) -> None:
    """Give the work back as it was."""
    _unclaim(connection, claim)


_UNCLAIMED = {"claim_token": null(), "claimed_by": null(), "claimed_until": null()}


IS_OURS = and_(  # a claim without its token would be anybody's
    dirty.c.kind == bindparam("my_kind"),
    dirty.c.key == bindparam("my_key"),
    dirty.c.claim_token == bindparam("my_token"),
)
FINISH = delete(dirty).where(IS_OURS, dirty.c.generation == bindparam("my_generation"))
STILL_OURS = exists().where(IS_OURS)
RENEW = (
    update(dirty)
    .where(IS_OURS)
    .values(claimed_until=db_now(bindparam("seconds", type_=Float)))
    .returning(db_now())
)


def _names(claim: Claim) -> dict[str, object]:
    return {"my_kind": claim.kind.value, "my_key": claim.key, "my_token": claim.token}


def _unclaim(connection: Connection, claim: Claim, **values: object) -> None:
    """End a claim, and say these of its row; ClaimLost where it is not ours any more."""
    statement = update(dirty).where(IS_OURS).values(**_UNCLAIMED, **values)
    if not connection.execute(statement, _names(claim)).rowcount:
        raise _lost(claim)


def _lost(claim: Claim) -> ClaimLost:
    return ClaimLost(f"{claim.kind.value} claim taken over")


# -- looking ----------------------------------------------------------------------------------


def waits(connection: Connection, *, within: timedelta) -> bool:
    """Whether anything is claimed, or due within so long."""
    return bool(connection.execute(_waits(within)).scalar_one())


@lru_cache(maxsize=16)
def _waits(within: timedelta) -> Select[Any]:
    later = due_later.c.due_at <= db_now(within.total_seconds())
    return select(or_(exists().where(_is_under_way(within)), exists().where(later)))


def under_way(connection: Connection, *, within: timedelta) -> int:
    """How much is claimed, or due within so long."""
    return connection.execute(select(func.count()).where(_is_under_way(within))).scalar_one()


def _is_under_way(within: timedelta) -> ColumnElement[bool]:
    return or_(dirty.c.claimed_until.is_not(None), _is_due(list(Kind), within.total_seconds()))


def is_due(connection: Connection, kinds: Sequence[Kind]) -> bool:
    """Whether anything of these kinds could be claimed now."""
    return bool(connection.execute(select(exists().where(_is_due(kinds)))).scalar_one())


def hurry(connection: Connection, kind: Kind, key: str) -> None:
    """Let work that was put off be due now: somebody asked for it."""
    is_work = and_(dirty.c.kind == kind.value, dirty.c.key == key)
    connection.execute(update(dirty).where(is_work).values(not_before=None, due_at=db_now()))
