"""What all workers know of one neighbour, as its row in the database says it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourRow:
    """The row of one neighbour; `db_time` is the database's clock when it was read.

    `failed_keys`, `refused` and `leases` are JSON, which `breaker` and `credentials` write and read.
    """

    name: str
    failures: int
    failed_keys: str
    paused_until: datetime | None
    probe_token: str | None
    probe_until: datetime | None
    credentials: str | None
    authorised_at: datetime | None
    refused: str
    trial_until: datetime | None
    leases: str
    last_error: str | None
    changed_at: datetime | None
    held_until: datetime | None
    held_reason: str | None
    held_by: str | None
    next_at: datetime | None
    db_time: datetime
