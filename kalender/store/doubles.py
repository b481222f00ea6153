"""Keys of ours in a calendar that stand for no entry: doubles of our making, and what nobody knows.

A lookup counts them; only where somebody asked for it are doubles recorded as `deleting`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, union, update

from kalender.domain.entry import EntryStatus
from kalender.store.sql import db_now, insert_many
from kalender.store.tables import calendar, change_log, entry, stray_key, teaching_event

TAKEN = ("delete", "remove", "release")


class DoublesWish(StrEnum):
    """What a calendar's next visit does about doubles."""

    FIND = "find"
    MEND = "mend"


class StrayState(StrEnum):
    """What a key of ours that stands for no entry is."""

    DOUBLE = "double"  # its event is shown under another key of ours
    KEPT = "kept"  # as well, but the user added to both
    UNKNOWN = "unknown"  # neither the mirror nor our records know its event


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A double that stays beside its original, as the user added to both."""

    person_id: int
    calendar_id: int
    event_id: str


def wish(connection: Connection, calendars: Collection[int] | None, *, mend: bool) -> None:
    """Let the next visit to these calendars (None: all) look for doubles; `mend` is kept."""
    is_searched = calendar.c.state != "closed"
    if calendars is not None:
        is_searched &= calendar.c.calendar_id.in_(sorted(calendars))
    if not mend:
        is_searched &= calendar.c.doubles.is_(None)
    value = DoublesWish.MEND if mend else DoublesWish.FIND
    connection.execute(update(calendar).where(is_searched).values(doubles=value.value))


def replace(
    connection: Connection, calendar_id: int, strays: Mapping[str, tuple[str, StrayState]]
) -> None:
    """Record sync key -> (event id, state) as all that a lookup found in a calendar.

    What was kept before stays so until somebody asks for it to be mended again.
    """
    is_of_calendar = stray_key.c.calendar_id == calendar_id
    kept_keys = set(
        connection.execute(
            select(stray_key.c.sync_key).where(
                is_of_calendar, stray_key.c.state == StrayState.KEPT.value
            )
        ).scalars()
    )
    connection.execute(delete(stray_key).where(is_of_calendar))
    rows = [
        {
            "sync_key": key,
            "event_id": event_id,
            "state": (
                StrayState.KEPT if key in kept_keys and state is StrayState.DOUBLE else state
            ).value,
        }
        for key, (event_id, state) in sorted(strays.items())
    ]
    insert_many(connection, stray_key, rows, calendar_id=calendar_id, found_at=db_now())


def keep(connection: Connection, calendar_id: int, keys: Iterable[str]) -> None:
    """Record that these stay, as the user added to them and to their originals."""
    _of(connection, calendar_id, keys, are_entries=False)


def mended(connection: Connection, calendar_id: int, keys: Iterable[str]) -> None:
    """Record that these are entries now, which go or stay like any other."""
    _of(connection, calendar_id, keys, are_entries=True)


def _of(
    connection: Connection, calendar_id: int, keys: Iterable[str], *, are_entries: bool
) -> None:
    is_named = (stray_key.c.calendar_id == calendar_id) & stray_key.c.sync_key.in_(sorted(keys))
    update_ = update(stray_key).where(is_named).values(state=StrayState.KEPT.value)
    connection.execute(delete(stray_key).where(is_named) if are_entries else update_)


def taken_lately(
    connection: Connection, calendar_id: int, keys: Collection[str], within: timedelta
) -> tuple[set[str], set[str]]:
    """Return which of these keys we took away so lately: those deleted or found gone, those released.

    A key that a record names as its user's is not among the released.
    """
    is_recent = change_log.c.at > db_now(-within.total_seconds())
    is_recorded = exists().where(entry.c.sync_key == change_log.c.sync_key)
    deleted = _logged(calendar_id, ("delete", "remove", "gone"), keys).where(is_recent)
    released = _logged(calendar_id, ("release",), keys).where(is_recent, ~is_recorded)
    return (
        {key for key, _ in connection.execute(deleted)},
        {key for key, _ in connection.execute(released)},
    )


def created(connection: Connection, calendar_id: int, keys: Collection[str]) -> dict[str, datetime]:
    """Return when the entries of these keys were created; those of which nothing tells are left out."""
    rows = connection.execute(_logged(calendar_id, ("create",), keys))
    return dict[str, datetime](map(tuple, rows))


def _logged(calendar_id: int, operations: Collection[str], keys: Collection[str]) -> Select[Any]:
    return select(change_log.c.sync_key, change_log.c.at).where(
        change_log.c.calendar_id == calendar_id,
        change_log.c.operation.in_(operations),
        change_log.c.sync_key.in_(sorted(keys)),
    )


def taken_away(connection: Connection, calendar_id: int, keys: Collection[str]) -> set[str]:
    """Return those of these keys whose entry we took away, or left to its user.

    What carries them now is a copy, or that user's own.
    """
    taken = select(change_log.c.sync_key).where(
        change_log.c.calendar_id == calendar_id,
        change_log.c.operation.in_(TAKEN),
        change_log.c.sync_key.in_(sorted(keys)),
    )
    left = select(entry.c.sync_key).where(
        entry.c.status == EntryStatus.RELEASED.value, entry.c.sync_key.in_(sorted(keys))
    )
    return set(connection.execute(union(taken, left)).scalars())


def known_events(connection: Connection, events: Collection[str]) -> set[str]:
    """Return those of these event ids that the mirror holds."""
    query = select(teaching_event.c.event_id).where(
        teaching_event.c.event_id.in_(sorted(set(events)))
    )
    return set(connection.execute(query).scalars())


def counts(
    connection: Connection, calendars: Collection[int] | None = None
) -> dict[StrayState, int]:
    """How many keys of each state these calendars (None: all) held at their last lookup."""
    query = select(stray_key.c.state, func.count()).group_by(stray_key.c.state)
    if calendars is not None:
        query = query.where(stray_key.c.calendar_id.in_(sorted(calendars)))
    numbers = {StrayState(state): count for state, count in connection.execute(query)}
    return {state: numbers.get(state, 0) for state in StrayState}


def kept(connection: Connection, calendars: Collection[int] | None = None) -> list[Kept]:
    """Return what stays twice in these calendars (None: all), by person and event."""
    query = (
        select(calendar.c.person_id, stray_key.c.calendar_id, stray_key.c.event_id)
        .join(calendar, calendar.c.calendar_id == stray_key.c.calendar_id)
        .where(stray_key.c.state == StrayState.KEPT.value)
        .order_by(calendar.c.person_id, stray_key.c.event_id)
    )
    if calendars is not None:
        query = query.where(stray_key.c.calendar_id.in_(sorted(calendars)))
    return [
        Kept(person_id=row.person_id, calendar_id=row.calendar_id, event_id=row.event_id)
        for row in connection.execute(query)
    ]


def not_searched(connection: Connection, calendars: Collection[int] | None = None) -> int:
    """How many of these calendars (None: all) still wait for their lookup."""
    waits = or_(calendar.c.doubles.is_not(None), calendar.c.must_look_up)
    query = select(func.count()).select_from(calendar).where(waits, calendar.c.state != "closed")
    if calendars is not None:
        query = query.where(calendar.c.calendar_id.in_(sorted(calendars)))
    return connection.execute(query).scalar_one()
