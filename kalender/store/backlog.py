"""What waits, is done or was laid aside: questions about the work that the queue holds."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, tuple_

from kalender.domain.work import Cause, Kind, Lane
from kalender.store.tables import dirty


def parked(connection: Connection, *, since: datetime | None = None) -> int:
    """How much work is parked, or was parked since then."""
    query = select(func.count()).where(dirty.c.parked_at.is_not(None))
    if since is not None:
        query = query.where(dirty.c.parked_at >= since)
    return connection.execute(query).scalar_one()


def parked_keys(connection: Connection, kind: Kind) -> list[str]:
    """Return the keys of one kind that are parked."""
    query = select(dirty.c.key).where(dirty.c.kind == kind.value, dirty.c.parked_at.is_not(None))
    return list(connection.execute(query).scalars())


def known(connection: Connection, work: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those (kind, key) of work that waits, is claimed or is parked."""
    is_work = tuple_(dirty.c.kind, dirty.c.key).in_(sorted(work))
    rows = connection.execute(select(dirty.c.kind, dirty.c.key).where(is_work))
    return {(row.kind, row.key) for row in rows}


def announced(connection: Connection, kind: Kind) -> set[str]:
    """Return the keys of one kind that wait because a notification named them."""
    notified = dirty.c.cause.in_((Cause.FS_NOTIFICATION.value, Cause.TP_NOTIFICATION.value))
    query = select(dirty.c.key).where(dirty.c.kind == kind.value, notified)
    return set(connection.execute(query).scalars())


def waiting(connection: Connection) -> set[tuple[str, str]]:
    """Return (kind, key) of what is parked, or was tried in vain and waits to be tried again."""
    put_off = or_(dirty.c.parked_at.is_not(None), dirty.c.attempts > 0)
    query = select(dirty.c.kind, dirty.c.key).where(put_off)
    return {(kind, key) for kind, key in connection.execute(query)}


def depth(connection: Connection) -> dict[tuple[Kind, Lane], int]:
    """How much work waits or is being done, by kind and lane; parked work apart."""
    rows = connection.execute(
        select(dirty.c.kind, dirty.c.priority, func.count())
        .where(dirty.c.parked_at.is_(None))
        .group_by(dirty.c.kind, dirty.c.priority)
    )
    return {(Kind(kind), Lane(lane)): count for kind, lane, count in rows}
