"""Every table and column, in one place; the migrations make exactly these.

The five indexes with a condition are in `partial_indexes.py`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from kalender.store.instants import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = Integer


def _unit() -> list[Column[Any]]:
    """Return the columns that name a teaching unit, part of the primary key."""
    return [
        Column("course", String(64), primary_key=True),
        Column("version", String(16), primary_key=True),
        Column("semester", String(3), primary_key=True),
        Column("term_number", Integer, primary_key=True, autoincrement=False),
    ]


def _person(*, key: bool = True) -> Column[Any]:
    return Column(
        "person_id",
        Id,
        ForeignKey("person.person_id", ondelete="CASCADE"),
        primary_key=key,
        nullable=False,
        autoincrement=False,
    )


# -- work -------------------------------------------------------------------------------------

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

# -- people -----------------------------------------------------------------------------------

person = Table(
    "person",
    metadata,
    Column("person_id", Id, primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("fs_asked_at", Instant),
    Column("emptied_at", Instant),  # FS answered "nothing left"; believed at the second look
)

identity = Table(
    "identity",
    metadata,
    Column("kind", String(8), primary_key=True),  # fs | username | mail
    Column("value", String(255), primary_key=True),
    _person(),  # two people may claim one mail address, but no other identity
    Column("detail", String(255)),  # a mail address' types in FS, joined by commas
    Column("position", Integer, nullable=False, server_default=text("0")),
    Index("ix_identity_person_id_kind", "person_id", "kind"),
)

username_claim = Table(  # a username that FS tells of a person while another has it
    "username_claim",
    metadata,
    Column("username", String(255), primary_key=True),
    _person(),
    Column("since", Instant, nullable=False),
    Index(None, "person_id"),
)

calendar = Table(
    "calendar",
    metadata,
    Column("calendar_id", Id, primary_key=True),
    _person(key=False),
    Column("audience", String(8), nullable=False),
    Column("address", String(255), nullable=False),
    Column("owner", Boolean, nullable=False),  # of its address; a second claimant is not
    Column("moved_from", String(255)),  # the address at which its entries were last seen
    Column("backend", String(64), nullable=False),
    Column("state", String(8), nullable=False),  # active | missing | lost | denied | closed
    Column("must_look_up", Boolean, nullable=False, server_default=text("false")),
    Column("must_verify", Boolean, nullable=False, server_default=text("false")),
    Column("taking_back", Boolean, nullable=False, server_default=text("false")),
    Column("doubles", String(8)),  # find | mend: what the next visit does about doubles of ours
    Column("quiet_until", Instant),  # Exchange may still be working on a lost request
    Column("synced_digest", String(32)),
    Column("synced_settings", String(32)),
    Column("synced_at", Instant),
    Column("verified_at", Instant),
    Column("changes_at", Instant),  # on the domain's clock
    Column("last_error", Text),
    Column("look_again_at", Instant),  # for creates that nobody answered and that were not found
    Index(None, "person_id"),
    Index(None, "changes_at"),
)

rollout = Table(
    "rollout",
    metadata,
    Column("kind", String(8), primary_key=True),  # person | course | share | audience
    Column("value", String(255), primary_key=True),
    Column("added_at", Instant, nullable=False),
)

rollout_member = Table(  # was on a course while it was listed: inside until it is taken off
    "rollout_member",
    metadata,
    Column("course", String(64), primary_key=True),
    _person(),
    Column("since", Instant, nullable=False),
    Index(None, "person_id"),
)

preference = Table(
    "preference",
    metadata,
    _person(),
    Column("wish", String(16), primary_key=True),  # optout | remove
    Column("source", String(120), nullable=False),
    Column("set_at", Instant, nullable=False),
)

# -- mirror: what FS and TP said last ------------------------------------------------------------

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
    *_unit(),
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
    *_unit(),
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
    *_unit(),
    Column("actid", String(64), primary_key=True),
    Column("event_id", String(160), primary_key=True),
    Column("username", String(64), primary_key=True),
    Index(None, "username"),
)

registration = Table(
    "registration",
    metadata,
    _person(),
    *_unit(),
    Column("offer_status", String(16)),
    Column("asked_singly", Boolean, nullable=False, server_default=text("false")),
    Index("ix_registration_course_semester", "course", "semester"),
)

placement = Table(
    "placement",
    metadata,
    _person(),
    *_unit(),
    Column("actid", String(64), primary_key=True),
    Index("ix_placement_course_semester_actid", "course", "semester", "actid"),
)

teaching_role = Table(
    "teaching_role",
    metadata,
    _person(),
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

# -- calendars' entries -----------------------------------------------------------------------

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
    Index(None, "calendar_id", "at"),
    Index(None, "operation", "at"),
    Index(None, "at"),
)

# -- guards and operation ---------------------------------------------------------------------

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
    Index(None, "person_id", "at"),
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
