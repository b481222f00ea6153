"""What is to be done: marks, later marks, notifications that could not be read."""

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text, text

from kalender.store.sql import Instant
from kalender.store.tables.columns import Id, metadata

dirty = Table(
    "dirty",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("key", String(160), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("first_marked_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("not_before", Instant),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("claim_token", String(32)),
    Column("claimed_by", String(120)),
    Column("claimed_until", Instant),
    Column("parked_at", Instant),
    Column("last_error", Text),
    Column("cause", String(20)),  # a `Cause`; NULL: written by a release that has none
)

due_later = Table(
    "due_later",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("key", String(160), primary_key=True),
    Column("due_at", Instant, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("cause", String(20)),  # a `Cause`; NULL: written by a release that has none
)

rejected_notification = Table(
    "rejected_notification",
    metadata,
    Column("rejected_id", Id, primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("queue", String(255), nullable=False),
    Column("routing_key", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
