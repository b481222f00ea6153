"""What processes saw of the broker and of certificates, and which conditions somebody knows of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, delete, select

from kalender.store.heartbeats import GONE, lives
from kalender.store.sql import db_now, upsert
from kalender.store.tables import acknowledgement, broker_seen, certificate, heartbeat

BROKER = ""  # the name, among queues, of the connection itself
STEADY_SECONDS = -20.0  # what began later may be a connection that is only being made
FORGOTTEN = -7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A queue, or the broker (`BROKER`), that a living listener has not had since `since`."""

    queue: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """That somebody knows of a condition, up to a count, until an instant."""

    condition: str
    count: int
    who: str
    reason: str
    set_at: datetime
    until_at: datetime


# -- the broker as listeners see it ---------------------------------------------------------------


def saw_broker(
    connection: Connection,
    worker: str,
    *,
    connected: bool,
    missing: Collection[str],
    queues: Collection[str],
) -> None:
    """Record how a listener finds its broker and queues; since when it is so is kept."""
    there = {BROKER: connected}
    if connected:  # of the queues of a broker that is away nothing is known
        there |= {queue: queue not in missing for queue in queues}
    new = upsert(connection.dialect.name, broker_seen).values(
        worker=worker, since=db_now(), seen_at=db_now()
    )
    is_same = broker_seen.c.there == new.excluded.there
    since = case((is_same, broker_seen.c.since), else_=new.excluded.since)
    values = {"there": new.excluded.there, "since": since, "seen_at": new.excluded.seen_at}
    rows = [{"queue": queue, "there": is_there} for queue, is_there in sorted(there.items())]
    keys = ["worker", "queue"]
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_=values), rows)
    connection.execute(delete(broker_seen).where(broker_seen.c.seen_at < db_now(FORGOTTEN)))


def unseen(connection: Connection) -> list[Unseen]:
    """Return what living listeners do not have, the broker first; each since the first to miss it."""
    query = (
        select(broker_seen.c.queue, broker_seen.c.since)
        .join(heartbeat, heartbeat.c.worker == broker_seen.c.worker)
        .where(lives(), broker_seen.c.seen_at > db_now(GONE))
        .where(~broker_seen.c.there, broker_seen.c.since < db_now(STEADY_SECONDS))
        .order_by(broker_seen.c.queue, broker_seen.c.since.desc())
    )
    first: dict[str, datetime] = dict(map(tuple, connection.execute(query)))
    return [Unseen(queue=queue, since=since) for queue, since in first.items()]


# -- certificates -----------------------------------------------------------------------------------


def saw_certificate(connection: Connection, name: str, ends_at: datetime) -> None:
    """Record when the certificate that a neighbour shows ends."""
    new = upsert(connection.dialect.name, certificate).values(
        name=name, ends_at=ends_at, seen_at=db_now()
    )
    values = {"ends_at": new.excluded.ends_at, "seen_at": new.excluded.seen_at}
    connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))


def certificates(connection: Connection) -> Mapping[str, datetime]:
    """Return when each certificate ends that was seen within a week."""
    lately = certificate.c.seen_at > db_now(FORGOTTEN)
    rows = connection.execute(select(certificate.c.name, certificate.c.ends_at).where(lately))
    return dict(map(tuple, rows))


# -- what somebody knows of ---------------------------------------------------------------------------


def acknowledge(connection: Connection, of: Acknowledgement) -> None:
    """Record that somebody knows of a condition; `set_at` is the database's clock."""
    connection.execute(delete(acknowledgement).where(acknowledgement.c.condition == of.condition))
    connection.execute(
        acknowledgement.insert().values(
            condition=of.condition,
            count=of.count,
            who=of.who,
            reason=of.reason,
            set_at=db_now(),
            until_at=of.until_at,
        )
    )


def acknowledged(connection: Connection) -> Mapping[str, Acknowledgement]:
    """Return what holds now, by condition; what ran out is left out."""
    query = select(acknowledgement).where(acknowledgement.c.until_at > db_now())
    return {
        row["condition"]: Acknowledgement(**row) for row in connection.execute(query).mappings()
    }
