"""What stands in calendars, where mailboxes went, and what was written."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from kalender.store.sql import Instant
from kalender.store.tables.columns import Id, metadata

entry = Table(
    "entry",
    metadata,
    Column("sync_key", String(180), primary_key=True),
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="RESTRICT"),
        nullable=False,
    ),
    Column("event_id", String(160), nullable=False),
    Column("course", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("semester", String(3), nullable=False),
    Column("term_number", Integer, nullable=False),
    Column("actid", String(64), nullable=False),
    Column("status", String(10), nullable=False),
    Column("item_id", Text),
    Column("change_key", Text),
    Column("fingerprint", String(64)),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("held_by", String(160)),
    Column("restored", Integer, nullable=False, server_default=text("0")),
    Column("restored_at", Instant),
    Column("written_at", Instant, nullable=False),
    Index(None, "calendar_id"),
    Index(None, "ends_at"),
)

stray_key = Table(
    "stray_key",  # keys of ours in a calendar that stand for no entry, as its last lookup found
    metadata,
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("sync_key", String(180), primary_key=True),
    Column("event_id", String(160), nullable=False),  # that it shows as well; else in its key
    Column("state", String(8), nullable=False),  # double | kept | unknown
    Column("found_at", Instant, nullable=False),
    Index(None, "state"),
)

move = Table(  # a mailbox that went to another Exchange; open until its calendar is right there
    "move",
    metadata,
    Column("move_id", Id, primary_key=True),
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("from_backend", String(64), nullable=False),
    Column("to_backend", String(64), nullable=False),
    Column("noticed_at", Instant, nullable=False),
    Column("look_at", Instant, nullable=False),  # not before then
    Column("looks", Integer, nullable=False, server_default=text("0")),  # in vain
    Column("expected", Integer),  # recorded coming keys, at the last look
    Column("present", Integer),  # those of them that the calendar showed
    Column("waits_since", Instant),  # the first look in vain
    Column("decision", String(8)),  # accept | wait
    Column("decided_by", String(120)),
    Column("decided_at", Instant),
    Column("done_at", Instant),
    Index(None, "calendar_id"),
    Index(None, "look_at"),
    Index(None, "done_at"),
)

move_announced = Table(  # a calendar whose mailbox is looked for elsewhere first, from a day on
    "move_announced",
    metadata,
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("to_backend", String(64), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("marked_at", Instant),
)

change_log = Table(
    "change_log",
    metadata,
    Column("change_id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("calendar_id", Id, nullable=False),
    Column("person_id", Id, nullable=False),
    Column("operation", String(8), nullable=False),  # create | update | delete | adopt | ...
    Column("event_id", String(160), nullable=False),
    Column("sync_key", String(180), nullable=False),
    Column("reason", Text, nullable=False),
    Column("noticed_at", Instant),  # when what led to it was first told of
    Column("cause", String(20)),  # a `Cause`; NULL: written by a release that has none
    Column("course", String(64)),  # of the entry; NULL: written by a release that told none
    Column("lane", Integer),  # a `Lane`; NULL: written by a release that records none
    Index(None, "calendar_id", "at"),
    Index(None, "course", "at"),
    Index(None, "cause", "at"),
    Index(None, "operation", "at"),
    Index(None, "at"),
)
