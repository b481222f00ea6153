"""That a process lives: a row that it renews every few seconds."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from kalender import __version__
from kalender.store.database import Database
from kalender.store.sql import db_now
from kalender.store.tables import heartbeat

FORGOTTEN = -7 * 86_400.0
ALIVE = timedelta(minutes=1)  # without a sign of life for longer a process is dead
GONE = -ALIVE.total_seconds()
OUT_OF_DATE = -2 * 3600.0


def lives() -> ColumnElement[bool]:
    """Return the condition on a row: it did not stop, and gave a sign of life within a minute."""
    return and_(heartbeat.c.stopped_at.is_(None), heartbeat.c.seen_at > db_now(GONE))


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """One process' sign of life."""

    kind: str = "worker"
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")

    def beat(self, database: Database, *, connections: int = 0) -> None:
        """Say that this process lives, in a transaction of its own."""
        with database.write() as connection:
            self.write(connection, connections=connections)

    def write(self, connection: Connection, *, connections: int = 0) -> None:
        """Say that this process lives."""
        alive = {"seen_at": db_now(), "stopped_at": None}
        update_ = update(heartbeat).where(heartbeat.c.worker == self.worker).values(alive)
        if connection.execute(update_).rowcount:
            return
        values: Mapping[str, object] = {
            "worker": self.worker,
            "kind": self.kind,
            "version": __version__,
            "connections": connections,
            "started_at": db_now(),
            "seen_at": db_now(),
        }
        connection.execute(insert(heartbeat).values(values))

    def stop(self, connection: Connection) -> None:
        """Say that this process ended well; forget those of long ago."""
        is_of_process = heartbeat.c.worker == self.worker
        connection.execute(
            update(heartbeat).where(is_of_process).values(seen_at=db_now(), stopped_at=db_now())
        )
        connection.execute(delete(heartbeat).where(heartbeat.c.seen_at < db_now(FORGOTTEN)))


def alive(connection: Connection) -> tuple[int, int]:
    """Return how many worker processes live, and how many connections they use together."""
    total = func.coalesce(func.sum(heartbeat.c.connections), 0)
    query = select(func.count(), total).where(heartbeat.c.kind == "worker", lives())
    processes, connections = connection.execute(query).one()
    return processes, connections


def doubt(connection: Connection) -> None:
    """Let no sign of life vouch for this database: nobody starts on it before `recover`."""
    connection.execute(update(heartbeat).values(seen_at=db_now(OUT_OF_DATE), stopped_at=None))
