"""Messages that name no subject: kept with the reason, for somebody to look at."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from kalender.ports import Rejected
from kalender.store.sql import db_now
from kalender.store.tables import rejected_notification

LONGEST = 64 * 1024


def keep(connection: Connection, messages: Sequence[Rejected]) -> None:
    """Keep these messages; of an oversized one the beginning."""
    if messages:
        connection.execute(
            insert(rejected_notification).values(received_at=db_now()),
            [
                {
                    "queue": message.queue[:255],
                    "routing_key": message.routing_key[:255],
                    "reason": message.reason,
                    "body": message.body[:LONGEST],
                }
                for message in messages
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """A message that is kept, without its body: when and where it arrived, and why it is kept."""

    number: int
    received_at: datetime
    queue: str
    routing_key: str
    reason: str


def kept(connection: Connection) -> list[KeptMessage]:
    """Return what is kept, the latest first."""
    columns = rejected_notification.c
    query = select(
        columns.rejected_id.label("number"),
        columns.received_at,
        columns.queue,
        columns.routing_key,
        columns.reason,
    )
    rows = connection.execute(query.order_by(columns.rejected_id.desc())).mappings()
    return [KeptMessage(**row) for row in rows]


def bodies(
    connection: Connection, numbers: Collection[int] | None
) -> Sequence[tuple[int, str, str, bytes]]:
    """Return (number, queue, routing key, message) of these, or of all (None), the oldest first."""
    columns = rejected_notification.c
    query = select(columns.rejected_id, columns.queue, columns.routing_key, columns.body)
    if numbers is not None:
        query = query.where(columns.rejected_id.in_(sorted(numbers)))
    rows = connection.execute(query.order_by(columns.rejected_id))
    return [(number, queue, key, bytes(body)) for number, queue, key, body in rows]


def drop(connection: Connection, numbers: Collection[int]) -> None:
    """Forget messages that were read after all."""
    column = rejected_notification.c.rejected_id
    for number in sorted(numbers):
        connection.execute(delete(rejected_notification).where(column == number))
