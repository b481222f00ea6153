"""FS, TP and every Exchange as all workers see them: one row each, one probe at a time.

A neighbour that fails for several keys in a row is paused for everybody; nobody's attempts change.
When the pause is over one worker tries, and the others follow once it answered. A neighbour that
asks all of us to wait did not fail: when that time is over all may ask.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, or_, select, update

from kalender.neighbours.row import NeighbourRow
from kalender.store.sql import columns_of, db_now, one_of, upsert
from kalender.store.tables import neighbour

KEYS_IN_A_ROW = 3
LONGEST_PAUSE = timedelta(minutes=1)
LONGEST_TOLD_PAUSE = timedelta(minutes=15)
LEASE = timedelta(seconds=10)
FURTHEST_AHEAD = timedelta(minutes=1)  # of permits: at 1 a second, of sixty processes
BULK = "bulk"  # the name under which fills, resyncs and looks into calendars are paused by hand
MOVES = "moves"  # as bulk work, of calendars that are followed to another Exchange
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


def read(connection: Connection, names: Iterable[str] | None = None) -> dict[str, NeighbourRow]:
    """Return the rows of these neighbours, or of all, by name; who has none was never asked."""
    if names is None:
        result = connection.execute(_ROW.order_by(neighbour.c.name))
    else:
        result = connection.execute(_OF_NAMES, {"names": sorted(names)})
    return {row["name"]: NeighbourRow(**row) for row in result.mappings()}


_ROW = select(*columns_of(neighbour, NeighbourRow), db_now().label("db_time"))
_OF_NAMES = _ROW.where(one_of(neighbour.c.name, "names"))


def lock(connection: Connection, name: str) -> NeighbourRow:
    """Return a neighbour's row, made where there is none, ours until the transaction ends."""
    query = _ROW.where(neighbour.c.name == name)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        connection.execute(
            upsert(connection.dialect.name, neighbour).on_conflict_do_nothing(), {"name": name}
        )
        row = connection.execute(query).mappings().one()
    return NeighbourRow(**row)


# -- pauses ---------------------------------------------------------------------------------------


def failed(
    connection: Connection, name: str, *, key: str, error: str, retry_after: timedelta | None = None
) -> bool:
    """Count a failure of a neighbour; pause it after several keys, or for as long as it says.

    Returns whether it is paused now.
    """
    row = lock(connection, name)
    keys = set(json.loads(row.failed_keys or "[]")) | {key}
    pause = _pause_for_all(row.failures + 1, len(keys), retry_after)
    connection.execute(
        update(neighbour)
        .where(neighbour.c.name == name)
        .values(
            failures=row.failures + 1,
            failed_keys=json.dumps(sorted(keys)[:KEYS_IN_A_ROW]),
            paused_until=row.paused_until if pause is None else row.db_time + pause,
            probe_token=None,
            probe_until=None,
            last_error=error,
            changed_at=db_now(),
        )
    )
    return pause is not None


def asked_to_wait(connection: Connection, name: str, *, wait: timedelta, error: str) -> None:
    """Leave a neighbour alone for exactly as long as it asked all of us to.

    That is an answer: what failed before counts no more.
    """
    row = lock(connection, name)
    longer = max(min(wait, LONGEST_TOLD_PAUSE), _asked_wait(row))
    _works(connection, name, paused_until=row.db_time + longer, last_error=error)


def _pause_for_all(failures: int, keys: int, retry_after: timedelta | None) -> timedelta | None:
    """How long to leave the neighbour alone; None: not yet."""
    asked_pause = min(retry_after, LONGEST_TOLD_PAUSE) if retry_after is not None else None
    if keys < KEYS_IN_A_ROW:
        return asked_pause
    grown = timedelta(seconds=2 ** min(failures, 6))
    return max(min(grown, LONGEST_PAUSE), asked_pause or timedelta())


def answered(connection: Connection, name: str) -> None:
    """Record that a neighbour works: no pause, no count; what it asked all to wait stands."""
    is_news = or_(neighbour.c.failures > 0, neighbour.c.paused_until <= db_now())
    _works(connection, name, is_news, paused_until=None, last_error=None)


def _works(
    connection: Connection, name: str, *conditions: ColumnElement[bool], **values: object
) -> None:
    connection.execute(
        update(neighbour)
        .where(neighbour.c.name == name, *conditions)
        .values(
            failures=0,
            failed_keys="[]",
            probe_token=None,
            probe_until=None,
            changed_at=db_now(),
            **values,
        )
    )


def is_shut(connection: Connection, row: NeighbourRow) -> bool:
    """Whether nobody may ask now. Where a pause is over this caller becomes the probe.

    The neighbour is open to the probe alone, until that answered, failed or found nothing to ask.
    """
    if waits(row):
        return True
    if not is_left_alone(row):
        return False
    if row.paused_until is not None and row.paused_until > row.db_time:
        return True
    free = or_(neighbour.c.probe_until.is_(None), neighbour.c.probe_until < db_now())
    becomes_probe = connection.execute(
        update(neighbour)
        .where(neighbour.c.name == row.name, neighbour.c.paused_until <= db_now(), free)
        .values(probe_token=uuid4().hex, probe_until=db_now(LONGEST_PAUSE.total_seconds()))
    ).rowcount
    return not becomes_probe


def is_left_alone(row: NeighbourRow) -> bool:
    """Whether a neighbour failed so that it is paused, or tried by one since its pause is over."""
    return bool(row.failures) and row.paused_until is not None


def waits(row: NeighbourRow) -> timedelta:
    """Return for how long nobody may ask yet: an operator, or the neighbour itself, said so."""
    return max(held_for(row), _asked_wait(row))


def _asked_wait(row: NeighbourRow) -> timedelta:
    if row.paused_until is None or row.failures:
        return timedelta()
    return max(row.paused_until - row.db_time, timedelta())


def held_for(row: NeighbourRow) -> timedelta:
    """Return for how long an operator's pause lasts yet."""
    if row.held_until is None:
        return timedelta()
    return max(row.held_until - row.db_time, timedelta())


def hold(connection: Connection, name: str, *, until: datetime, reason: str, by: str) -> None:
    """Pause a neighbour, or bulk work, for everybody until then, on the database's clock."""
    lock(connection, name)
    values = {"held_until": until, "held_reason": reason, "held_by": by, "changed_at": db_now()}
    connection.execute(update(neighbour).where(neighbour.c.name == name).values(values))


def let_go(connection: Connection, name: str) -> bool:
    """End an operator's pause; return whether there was one."""
    values = {"held_until": None, "held_reason": None, "held_by": None, "changed_at": db_now()}
    held_row = (neighbour.c.name == name) & neighbour.c.held_until.is_not(None)
    return bool(connection.execute(update(neighbour).where(held_row).values(values)).rowcount)


def probe_now(connection: Connection, name: str) -> bool:
    """Let one ask a neighbour at once that was paused because it failed; False where it was not."""
    values = {"paused_until": db_now(), "probe_token": None, "probe_until": None}
    paused_row = (neighbour.c.name == name) & neighbour.c.paused_until.is_not(None)
    return bool(connection.execute(update(neighbour).where(paused_row).values(values)).rowcount)


def no_probe(connection: Connection, names: Collection[str]) -> None:
    """Let another try: whoever was to be the probe has nothing to ask these for."""
    for name in sorted(names):  # no two deadlock
        statement = update(neighbour).where(neighbour.c.name == name)
        connection.execute(statement.values(probe_token=None, probe_until=None))


# -- rates: how many requests may begin in a second -------------------------------------------------


def acquire_permits(
    connection: Connection, name: str, *, number: int, per_second: float
) -> timedelta:
    """Acquire the next permits to begin a request, of those that all workers share in a second.

    Returns how long it is until the first is valid; each of the others is 1 / `per_second` seconds
    later. A row that is further ahead than any use could bring it was written before the database's
    clock was set back: it counts no more.
    """
    row = lock(connection, name)
    ahead = row.next_at - row.db_time if row.next_at is not None else timedelta()
    wait = ahead if timedelta() < ahead < FURTHEST_AHEAD else timedelta()
    after = row.db_time + wait + timedelta(seconds=number / per_second)
    connection.execute(update(neighbour).where(neighbour.c.name == name).values(next_at=after))
    return wait


# -- leases: how many of all that may ask at once are this process' --------------------------------


class Share(NamedTuple):
    """What a process may use: it begins requests up to `limit`, `granted` are nobody else's."""

    limit: int
    granted: int


def lease(
    connection: Connection, row: NeighbourRow, holder: str, *, wants: int, busy: int, most: int
) -> Share:
    """Prolong a process' share of `most`, and return it. The row must be locked.

    Whoever holds more than is its part gives it up as its requests end. A lease not prolonged
    runs out.
    """
    leases = _leases(row)
    leases.pop(holder, None)
    wishes = {process: wish for process, (_, wish, _) in leases.items()}
    limit = _parts({**wishes, holder: wants}, most)[holder]
    free = most - sum(granted for granted, _, _ in leases.values())
    granted = max(0, min(max(busy, limit), free))
    until = (row.db_time + LEASE).isoformat()
    _write_leases(connection, row.name, {**leases, holder: (granted, wants, until)})
    return Share(min(limit, granted), granted)


def holds_too_much(row: NeighbourRow, holder: str, limit: int) -> bool:
    """Whether others wait for what this process has beyond its part."""
    leases = _leases(row)
    parts = _parts({process: wish for process, (_, wish, _) in leases.items()}, limit)
    return holder in leases and leases[holder][0] > parts[holder]


def _leases(row: NeighbourRow) -> dict[str, tuple[int, int, str]]:
    """The leases that hold: what is granted, what was wished, until when."""
    return {
        holder: (granted, wish, until)
        for holder, (granted, wish, until) in json.loads(row.leases or "{}").items()
        if datetime.fromisoformat(until) > row.db_time
    }


def _parts(wishes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share fairly, the smallest wishes first; all fulfilled where that is not too much."""
    parts = {}
    ordered = sorted(wishes, key=lambda process: (wishes[process], process))
    for number, process in enumerate(ordered):
        fair = max(1, limit // (len(ordered) - number))
        parts[process] = min(wishes[process], fair, limit)
        limit -= parts[process]
    return parts


def give_up(connection: Connection, names: Iterable[str], holder: str) -> None:
    """End a process' leases."""
    for name in sorted(names):
        leases = json.loads(lock(connection, name).leases or "{}")
        leases.pop(holder, None)
        _write_leases(connection, name, leases)


def _write_leases(connection: Connection, name: str, leases: Mapping[str, object]) -> None:
    connection.execute(
        update(neighbour).where(neighbour.c.name == name).values(leases=json.dumps(leases))
    )
