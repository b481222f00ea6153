"""That a process lives, and that the database is still the one it wrote its last sign of life to."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from kalender import __version__
from kalender.errors import StateInDoubt
from kalender.store.database import Database
from kalender.store.tables import db_now, heartbeat

FORGOTTEN = -7 * 86_400.0
GONE = -60.0
OUT_OF_DATE = -2 * 3600.0
PUT_BACK = (
    "the database was put back to an earlier state while workers ran: nothing is written until "
    "you say since when: kalender recover --since TIME"
)


@dataclass(slots=True, kw_only=True)
class Pulse:
    """One process' sign of life; `last` is what the database holds of it, on its own clock."""

    kind: str = "worker"
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    last: datetime | None = None

    def beat(self, database: Database, *, connections: int = 0) -> None:
        """Say that this process lives. Raises StateInDoubt where an older database took its place."""
        with database.write() as connection:
            self.check(connection)
            seen = self._again(connection) or self._first(connection, connections)
        self.last = seen

    def check(self, connection: Connection) -> None:
        """Raise StateInDoubt where the last sign of life is not there any more."""
        last = self.last  # before the question: another thread may beat while it is answered
        if last is None:
            return
        query = select(heartbeat.c.seen_at).where(heartbeat.c.worker == self.worker)
        seen = connection.execute(query).scalar()
        if seen is None or seen < last:
            raise StateInDoubt(PUT_BACK)

    def _again(self, connection: Connection) -> datetime | None:
        alive = {"seen_at": db_now(), "stopped_at": None}
        mine = update(heartbeat).where(heartbeat.c.worker == self.worker).values(alive)
        return connection.execute(mine.returning(heartbeat.c.seen_at)).scalar()

    def _first(self, connection: Connection, connections: int) -> datetime:
        values: Mapping[str, object] = {
            "worker": self.worker,
            "kind": self.kind,
            "version": __version__,
            "connections": connections,
            "started_at": db_now(),
            "seen_at": db_now(),
        }
        row = connection.execute(insert(heartbeat).values(values).returning(heartbeat.c.seen_at))
        seen: datetime = row.scalar_one()
        return seen

    def stop(self, connection: Connection) -> None:
        """Say that this process ended well; forget those of long ago."""
        mine = heartbeat.c.worker == self.worker
        connection.execute(
            update(heartbeat).where(mine).values(seen_at=db_now(), stopped_at=db_now())
        )
        connection.execute(delete(heartbeat).where(heartbeat.c.seen_at < db_now(FORGOTTEN)))


def alive(connection: Connection) -> tuple[int, int]:
    """Return how many worker processes live, and how many connections they use together."""
    lives = (heartbeat.c.stopped_at.is_(None), heartbeat.c.seen_at > db_now(GONE))
    total = func.coalesce(func.sum(heartbeat.c.connections), 0)
    query = select(func.count(), total).where(heartbeat.c.kind == "worker", *lives)
    processes, connections = connection.execute(query).one()
    return processes, connections


def doubt(connection: Connection) -> None:
    """Let no sign of life vouch for this database: nobody starts on it before `recover`."""
    connection.execute(update(heartbeat).values(seen_at=db_now(OUT_OF_DATE), stopped_at=None))
