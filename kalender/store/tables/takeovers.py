"""Whose calendars are taken over from a predecessor, and what became of its entries there."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from kalender.store.sql import Instant
from kalender.store.tables.columns import Id, metadata

takeover_run = Table(  # what an operator asked for once; several calendars belong to it
    "takeover_run",
    metadata,
    Column("run_id", Id, primary_key=True),
    Column("asked_at", Instant, nullable=False),
    Column("who", String(120), nullable=False),
    Column("unmatched", String(8), nullable=False),  # remove | leave | stop
    Column("up_to", Integer, nullable=False, server_default=text("0")),  # removals of all calendars
    Column("removed", Integer, nullable=False, server_default=text("0")),
)

takeover = Table(  # a calendar that is, or was, taken over
    "takeover",
    metadata,
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("run_id", Id, ForeignKey("takeover_run.run_id"), nullable=False),
    Column("state", String(8), nullable=False),  # wished | done | stopped | undoing | undone
    Column("begin_at", Instant, nullable=False),  # not before then
    Column("changed_at", Instant, nullable=False),  # since when it is in this state
    Column("done_at", Instant),  # when it was taken over last
    Column("look_at", Instant),  # when the predecessor's mark is looked for again
    Column("looks", Integer, nullable=False, server_default=text("0")),  # since it was done
    Column("reason", Text),  # why it is stopped, in words
    Index(None, "state"),
)

takeover_item = Table(  # one of the predecessor's entries, as it was found last
    "takeover_item",
    metadata,
    Column("number", Id, primary_key=True),
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("item_id", Text, nullable=False),
    Column("fate", String(8), nullable=False),  # adopted | left | removed | series | ...
    Column("mark_value", Text, nullable=False),  # what its mark said
    Column("sync_key", String(180)),  # under which it was adopted
    Column("courses", Text, nullable=False),  # of the calendar that it names, a line each
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("found_at", Instant, nullable=False),
    Index(None, "calendar_id"),
    Index(None, "fate"),
)
