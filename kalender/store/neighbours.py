"""FS, TP and every Exchange as all workers see them: one row each, one probe at a time.

A neighbour that fails for several keys in a row is paused for everybody; nobody's attempts change.
When the pause is over one worker tries, and the others follow once it answered. Refused
credentials are tried at most three times in thirty minutes: no service account is locked out.
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from kalender.store.tables import db_now, heartbeat, neighbour

KEYS_IN_A_ROW = 3
LONGEST_PAUSE = timedelta(minutes=1)
REFUSALS = 3
REFUSALS_WITHIN = timedelta(minutes=30)


def _row(connection: Connection, name: str) -> Row[*tuple[Any, ...]] | None:
    query = select(neighbour, db_now().label("db_time")).where(neighbour.c.name == name)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    return connection.execute(query).one_or_none()


def _make(connection: Connection, name: str) -> Row[*tuple[Any, ...]]:
    connection.execute(insert(neighbour).values(name=name))
    return connection.execute(
        select(neighbour, db_now().label("db_time")).where(neighbour.c.name == name)
    ).one()


def failed(
    connection: Connection,
    name: str,
    *,
    key: str,
    error: str,
    retry_after: timedelta | None = None,
    refused: bool = False,
) -> None:
    """Count a failure of a neighbour; pause it after several keys, or at once where refused."""
    row = _row(connection, name) or _make(connection, name)
    keys = set(json.loads(row.failed_keys or "[]")) | {key}
    refusals = _refusals(row) + ([row.db_time.isoformat()] if refused else [])
    pause = _pause(row.failures + 1, len(keys), retry_after, row.db_time, refusals, refused=refused)
    connection.execute(
        update(neighbour)
        .where(neighbour.c.name == name)
        .values(
            failures=row.failures + 1,
            failed_keys=json.dumps(sorted(keys)[:KEYS_IN_A_ROW]),
            refused=json.dumps(refusals),
            paused_until=row.paused_until if pause is None else row.db_time + pause,
            probe_token=None,
            probe_until=None,
            last_error=error,
            changed_at=db_now(),
        )
    )


def _refusals(row: Row[*tuple[Any, ...]]) -> list[str]:
    """The instants of refusals that still count."""
    since = row.db_time - REFUSALS_WITHIN
    return [
        each for each in json.loads(row.refused or "[]") if datetime.fromisoformat(each) > since
    ]


def _pause(
    failures: int,
    keys: int,
    retry_after: timedelta | None,
    now: datetime,
    refusals: list[str],
    *,
    refused: bool,
) -> timedelta | None:
    """How long to leave the neighbour alone; None: not yet."""
    if len(refusals) >= REFUSALS:
        return datetime.fromisoformat(refusals[0]) + REFUSALS_WITHIN - now
    if refused or keys >= KEYS_IN_A_ROW:
        grown = timedelta(seconds=2 ** min(failures, 6))
        return max(min(grown, LONGEST_PAUSE), retry_after or timedelta())
    return retry_after


def answered(connection: Connection, name: str) -> None:
    """Record that a neighbour works: no pause, no count."""
    connection.execute(
        update(neighbour)
        .where(
            neighbour.c.name == name,
            or_(neighbour.c.failures > 0, neighbour.c.paused_until.is_not(None)),
        )
        .values(
            failures=0,
            failed_keys="[]",
            refused="[]",
            paused_until=None,
            probe_token=None,
            probe_until=None,
            last_error=None,
            authorised_at=db_now(),
            changed_at=db_now(),
        )
    )


def ailing(connection: Connection, names: Collection[str]) -> tuple[set[str], set[str]]:
    """Return those of these neighbours that failed lately, and of these whom nobody may ask now.

    Where a pause is over this caller becomes the probe: the neighbour is open to it alone.
    """
    rows = connection.execute(
        select(neighbour, db_now().label("db_time")).where(
            neighbour.c.name.in_(sorted(names)), neighbour.c.failures > 0
        )
    ).all()
    shut = {
        row.name
        for row in rows
        if row.paused_until is not None
        and (row.paused_until > row.db_time or not _becomes_probe(connection, row.name))
    }
    return {row.name for row in rows}, shut


def _becomes_probe(connection: Connection, name: str) -> bool:
    free = or_(neighbour.c.probe_until.is_(None), neighbour.c.probe_until < db_now())
    return bool(
        connection.execute(
            update(neighbour)
            .where(neighbour.c.name == name, neighbour.c.paused_until <= db_now(), free)
            .values(probe_token=uuid4().hex, probe_until=db_now(LONGEST_PAUSE.total_seconds()))
        ).rowcount
    )


def no_probe(connection: Connection, names: Collection[str]) -> None:
    """Let another try: whoever was to be the probe has nothing to ask these for."""
    if names:
        connection.execute(
            update(neighbour)
            .where(neighbour.c.name.in_(sorted(names)))
            .values(probe_token=None, probe_until=None)
        )


# -- heartbeats -----------------------------------------------------------------------------------


def beat(connection: Connection, worker: str, *, kind: str, version: str, connections: int) -> None:
    """Say that this process lives."""
    alive = {"seen_at": db_now(), "stopped_at": None}
    known = connection.execute(update(heartbeat).where(heartbeat.c.worker == worker).values(alive))
    if not known.rowcount:
        connection.execute(
            insert(heartbeat).values(
                worker=worker,
                kind=kind,
                version=version,
                connections=connections,
                started_at=db_now(),
                **alive,
            )
        )


def stopped(connection: Connection, worker: str) -> None:
    """Say that this process ended well; forget those of long ago."""
    connection.execute(
        update(heartbeat)
        .where(heartbeat.c.worker == worker)
        .values(seen_at=db_now(), stopped_at=db_now())
    )
    connection.execute(delete(heartbeat).where(heartbeat.c.seen_at < db_now(-7 * 86_400.0)))
