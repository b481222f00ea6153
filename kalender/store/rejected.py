"""Messages that name no subject: kept with the reason, for somebody to look at."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert

from kalender.ports import Rejected
from kalender.store.tables import db_now, rejected_notification

LONGEST = 64 * 1024


def keep(connection: Connection, rejected: Sequence[Rejected]) -> None:
    """Keep these messages; of an oversized one the beginning."""
    if rejected:
        connection.execute(
            insert(rejected_notification).values(received_at=db_now()),
            [
                {
                    "queue": each.queue[:255],
                    "routing_key": each.routing_key[:255],
                    "reason": each.reason,
                    "body": each.body[:LONGEST],
                }
                for each in rejected
            ],
        )
