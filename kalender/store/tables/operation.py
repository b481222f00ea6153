"""Guards, and what operators and processes leave behind."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text, text

from kalender.store.sql import Instant
from kalender.store.tables.columns import Id, metadata

brake = Table(
    "brake",
    metadata,
    Column("scope", String(160), primary_key=True),  # institution | course IN1000 25h | hand
    Column("state", String(10), nullable=False),  # holding | released | expected
    Column("reason", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
    Column("from_at", Instant),
    Column("until_at", Instant),
    Column("up_to", Integer),
)

let_through = Table(  # deletes that somebody's release of a smaller brake agreed to
    "let_through",
    metadata,
    Column("let_through_id", Id, primary_key=True),
    Column("scope", String(160), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("up_to", Integer, nullable=False),
)

settings_waiting = Table(  # what changed settings ask for and nobody agreed to yet
    "settings_waiting",
    metadata,
    Column("what", String(16), primary_key=True),  # rewrite | move | leave
    Column("calendars", Integer, nullable=False),
    Column("since", Instant, nullable=False),
)

neighbour = Table(
    "neighbour",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("failed_keys", Text, nullable=False, server_default=text("''")),
    Column("paused_until", Instant),
    Column("probe_token", String(32)),
    Column("probe_until", Instant),
    Column("credentials", String(16)),  # a digest of those that authorised_at speaks of
    Column("authorised_at", Instant),
    Column("refused", Text, nullable=False, server_default=text("''")),  # (digest, instant)
    Column("trial_until", Instant),  # somebody tries credentials
    Column("leases", Text, nullable=False, server_default=text("''")),  # who may ask how much
    Column("last_error", Text),
    Column("changed_at", Instant),
    Column("held_until", Instant),  # an operator's pause; the row named `bulk` is bulk work's
    Column("held_reason", Text),
    Column("held_by", String(120)),
    Column("next_at", Instant),  # when the next request may begin, where a rate is set
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("worker", String(120), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("version", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("stopped_at", Instant),  # a clean stop
    Column("connections", Integer, nullable=False, server_default=text("0")),
    Column("load", Float),
)

# One row for each write-ahead transaction that a process may have open at once; only it writes it.
process_memory = Table(
    "process_memory",
    metadata,
    Column("memory_id", String(32), primary_key=True),
    Column("advanced", BigInteger, nullable=False),  # how many such transactions were committed
    Column("advanced_at", Instant, nullable=False),
)

# One row, recorded by the first `db upgrade`, afterwards only by `recover`.
database_identity = Table(
    "database_identity",
    metadata,
    Column("identity_id", Integer, primary_key=True),
    Column("cluster", String(32)),  # PostgreSQL's system identifier; NULL: could not be asked for
    Column("place", String(64), nullable=False),  # the database's OID, or the file's inode
    Column("recorded_at", Instant, nullable=False),
    Column("recovered_at", Instant),  # what processes remember from before counts no more
    Column("refused_at", Instant),
    Column("refused_because", Text),
    Column("quiet_until", Instant),  # requests from before a recovery may still reach Exchange
)

tally = Table(
    "tally",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("label", String(255), primary_key=True),  # values joined by a space, "" without
    Column("hour", Instant, primary_key=True),  # the first of all holds what was folded
    Column("value", Float, nullable=False),
)

minute = Table(  # how each of the last minutes went, by kind of work
    "minute",
    metadata,
    Column("at", Instant, primary_key=True),  # when it began
    Column("lane", String(8), primary_key=True),  # live | fill | resync
    Column("messages", BigInteger, nullable=False),  # that ever came, by the end of the minute
    Column("notifications", Integer),  # in this minute; NULL: the one before was not recorded
    Column("written", Integer, nullable=False),  # calendars
    Column("oldest_seconds", Float, nullable=False),  # since the oldest due work was due
    Column("p50", Float),  # seconds from what led to a write to the write
    Column("p95", Float),
)

queue_seen = Table(
    "queue_seen",
    metadata,
    Column("queue", String(255), primary_key=True),
    Column("seen_at", Instant, nullable=False),  # its last message
)

look_up = Table(
    "look_up",
    metadata,
    Column("look_up_id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", String(120), nullable=False),
    Column("command", String(32), nullable=False),
    Column("person_id", Id, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),  # as who asked gave it
    Column("refused", Boolean, nullable=False, server_default=text("false")),  # was not shown
    Index(None, "person_id", "at"),
    Index(None, "at"),
)

operator_act = Table(
    "operator_act",
    metadata,
    Column("act_id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", String(120), nullable=False),  # a person's name, or `service`
    Column("command", String(64), nullable=False),  # its words, such as brake release
    Column("scope", Text, nullable=False, server_default=text("''")),  # where it is no person
    Column("person_id", Id),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("count", Integer),  # how many calendars, entries or rows it concerned
    Index(None, "at"),
    Index(None, "person_id", "at"),
)

broker_seen = Table(
    "broker_seen",
    metadata,
    Column("worker", String(120), primary_key=True),  # the listener that saw it
    Column("queue", String(255), primary_key=True),  # "" is the connection to the broker itself
    Column("there", Boolean, nullable=False),
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

certificate = Table(
    "certificate",
    metadata,
    Column("name", String(64), primary_key=True),  # the neighbour that shows it
    Column("ends_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("condition", String(120), primary_key=True),
    Column("count", Integer, nullable=False),  # more than these are a condition anew
    Column("who", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
)
