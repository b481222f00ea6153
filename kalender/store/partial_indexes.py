"""The indexes with a condition, apart from the tables that they belong to.

A condition is an option of a dialect, for which SQLAlchemy imports the dialect with all its drivers:
a twelfth of the processor time of a command on SQLite. Only those that make tables, or compare them,
import this module.
"""

from sqlalchemy import Index, text

from kalender.store import tables

metadata = tables.metadata

_IDENTITY, _CALENDAR, _ENTRY = tables.identity.c, tables.calendar.c, tables.entry.c
Index(
    "ix_dirty_due",
    tables.dirty.c.kind,
    tables.dirty.c.priority,
    tables.dirty.c.due_at,
    postgresql_where=text("parked_at IS NULL"),
)
Index(
    "uq_identity_one_person",
    _IDENTITY.kind,
    _IDENTITY.value,
    unique=True,
    postgresql_where=text("kind <> 'mail'"),
    sqlite_where=text("kind <> 'mail'"),
)
Index(
    "ix_calendar_waiting",
    _CALENDAR.address,
    postgresql_where=text("NOT owner"),
    sqlite_where=text("NOT owner"),
)
Index(
    "uq_calendar_owner",
    _CALENDAR.address,
    unique=True,
    postgresql_where=text("owner"),
    sqlite_where=text("owner"),
)
Index(
    "ix_entry_held_by",
    _ENTRY.held_by,
    postgresql_where=text("held_by IS NOT NULL"),
    sqlite_where=text("held_by IS NOT NULL"),
)
Index(
    "ix_entry_refused",
    _ENTRY.calendar_id,
    postgresql_where=text("status = 'refused'"),
    sqlite_where=text("status = 'refused'"),
)
