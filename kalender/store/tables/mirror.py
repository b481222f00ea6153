"""The mirror: what FS and TP said last."""

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Text, text

from kalender.store.sql import Instant
from kalender.store.tables.columns import Id, metadata, person_id, unit

course_run = Table(
    "course_run",
    metadata,
    Column("course", String(64), primary_key=True),
    Column("semester", String(3), primary_key=True),
    Column("published", Boolean, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("changed_at", Instant),
    Column("bad_events", Integer, nullable=False, server_default=text("0")),
    Column("bad_reason", Text),
    Column("unknown_status", Integer, nullable=False, server_default=text("0")),
    Column("skipped", Integer, nullable=False, server_default=text("0")),
    Column("last_change", Text),  # what the last answer that changed anything changed
)

unreadable_item = Table(  # of FS and TP; the row goes when the item is read well, or is gone
    "unreadable_item",
    metadata,
    Column("source", String(8), primary_key=True),  # fs | tp
    Column("collection", String(64), primary_key=True),  # FS' own name; `events` of TP
    Column("course", String(64), primary_key=True, server_default=text("''")),  # of TP
    Column("semester", String(3), primary_key=True, server_default=text("''")),  # of TP
    Column("item", String(160), primary_key=True),  # as the source names it, or `unnamed 1`
    Column("actid", String(64)),  # of TP, where it could be read
    Column("person_id", Id, ForeignKey("person.person_id", ondelete="CASCADE"), index=True),
    Column("reason", Text, nullable=False),  # names the field; never what stands in it
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

teaching_activity = Table(
    "teaching_activity",
    metadata,
    *unit(),
    Column("actid", String(64), primary_key=True),
    Column("method", String(64), nullable=False),
    Column("has_plenary", Boolean, nullable=False),
    Column("has_group", Boolean, nullable=False),
    Column("digest", String(32), nullable=False),
    Column("days", Text, nullable=False),  # {"2025-08-20": digest, ...}
)

teaching_event = Table(
    "teaching_event",
    metadata,
    *unit(),
    Column("actid", String(64), primary_key=True),
    Column("event_id", String(160), primary_key=True),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("status", String(10), nullable=False),
    Column("plenary", Boolean),
    Column("doubt", Boolean, nullable=False, server_default=text("false")),
    Column("missing_since", Instant),
    Column("digest", String(32)),  # NULL: ended when it was first seen, in no calendar's digest
    Column("told", Text, nullable=False),  # the whole event as JSON
    Index(None, "event_id"),
    Index("ix_teaching_event_course_semester", "course", "semester"),
)

teaching_staff = Table(
    "teaching_staff",
    metadata,
    *unit(),
    Column("actid", String(64), primary_key=True),
    Column("event_id", String(160), primary_key=True),
    Column("username", String(64), primary_key=True),
    Index(None, "username"),
)

registration = Table(
    "registration",
    metadata,
    person_id(),
    *unit(),
    Column("offer_status", String(16)),
    Column("asked_singly", Boolean, nullable=False, server_default=text("false")),
    Index("ix_registration_course_semester", "course", "semester"),
)

placement = Table(
    "placement",
    metadata,
    person_id(),
    *unit(),
    Column("actid", String(64), primary_key=True),
    Index("ix_placement_course_semester_actid", "course", "semester", "actid"),
)

teaching_role = Table(
    "teaching_role",
    metadata,
    person_id(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("role", String(64), nullable=False),
    Column("course", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("semester", String(3), nullable=False),
    Column("term_number", Integer, nullable=False),
    Column("actid", String(64)),
    Column("starts_on", Date),
    Column("ends_on", Date),
    Index("ix_teaching_role_course_semester", "course", "semester"),
)

course_organisation = Table(  # the units that are responsible for a course
    "course_organisation",
    metadata,
    Column("course", String(64), primary_key=True),
    Column("organisation", String(48), primary_key=True),  # as FS writes it: 185,15,5,0
)

employment = Table(  # the unit that employs a teacher
    "employment",
    metadata,
    person_id(),
    Column("organisation", String(48), primary_key=True),
)

study_right = Table(  # an active one
    "study_right",
    metadata,
    person_id(),
    Column("programme", String(64), primary_key=True),
    Index(None, "programme"),
)

source_reading = Table(
    "source_reading",
    metadata,
    Column("source", String(32), primary_key=True),  # placements, courses, lastchanged ...
    Column("semester", String(3), primary_key=True),  # or "" where it has none
    Column("read_at", Instant, nullable=False),  # the database's time before the first page
)

fan_out = Table(
    "fan_out",
    metadata,
    Column("fan_out_id", Id, primary_key=True),
    Column("course", String(64), nullable=False),
    Column("semester", String(3), nullable=False),
    Column("version", String(16), nullable=False),
    Column("term_number", Integer, nullable=False),
    Column("actid", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("everybody", Boolean, nullable=False),  # who is on the course, not only the placed
    Column("since", Instant),  # when the change was first told of
    Column("username", String(64)),  # somebody who taught it before
    Column("cause", String(20)),  # a `Cause`; NULL: written by a release that has none
    Index("ix_fan_out_course_semester", "course", "semester"),
)
