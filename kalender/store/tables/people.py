"""Whom there is: persons, their names, calendars, the roll-out and wishes."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from kalender.store.sql import Instant
from kalender.store.tables.columns import Id, metadata, person_id

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
    person_id(),  # two people may claim one mail address, but no other identity
    Column("detail", String(255)),  # a mail address' types in FS, joined by commas
    Column("position", Integer, nullable=False, server_default=text("0")),
    Index("ix_identity_person_id_kind", "person_id", "kind"),
)

username_claim = Table(  # a username that FS tells of a person while another has it
    "username_claim",
    metadata,
    Column("username", String(255), primary_key=True),
    person_id(),
    Column("since", Instant, nullable=False),
    Index(None, "person_id"),
)

calendar = Table(
    "calendar",
    metadata,
    Column("calendar_id", Id, primary_key=True),
    person_id(key=False),
    Column("audience", String(8), nullable=False),
    Column("address", String(255), nullable=False),
    Column("owner", Boolean, nullable=False),  # of its address; a second claimant is not
    Column(
        "moved_from", String(255)
    ),  # what the mailbox was called where its entries were last seen
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
    person_id(),
    Column("since", Instant, nullable=False),
    Index(None, "person_id"),
)

rollout_criterion = Table(  # what else is listed; earlier releases do not know it
    "rollout_criterion",
    metadata,
    Column("kind", String(16), primary_key=True),  # faculty | department | programme | group
    Column("value", String(255), primary_key=True),
    Column("added_at", Instant, nullable=False),
)

rollout_enrolment = Table(  # met a criterion while it was listed, or is in a group
    "rollout_enrolment",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("value", String(255), primary_key=True),
    person_id(),
    Column("since", Instant, nullable=False),
    Index(None, "person_id"),
)

rollout_plan = Table(  # lets people in, or out, by a criterion: from a day on, at a pace
    "rollout_plan",
    metadata,
    Column("plan_id", Id, primary_key=True),
    Column("act", String(8), nullable=False),  # add | remove
    Column("kind", String(16), nullable=False),
    Column("value", String(255), nullable=False),
    Column("take_back", Boolean, nullable=False, server_default=text("false")),
    Column("from_at", Instant, nullable=False),
    Column("per_hour", Float),  # calendars; NULL: all at once
    Column("state", String(8), nullable=False),  # planned | running | paused | done | ended
    Column("since", Instant, nullable=False),  # when it came into that state
    Column("reason", Text),  # why it is paused
    Column("made_at", Instant, nullable=False),
    Column("made_by", String(120), nullable=False),
    Column("began_at", Instant),
    Column("resumed_at", Instant),  # troubles of all from before are known
    Column("paced_at", Instant),  # up to when turns were given
    Column("look_at", Instant, nullable=False),  # not before then
    Index(None, "state"),
)

rollout_turn = Table(  # one calendar's turn in a plan
    "rollout_turn",
    metadata,
    Column(
        "plan_id",
        Id,
        ForeignKey("rollout_plan.plan_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column(
        "calendar_id",
        Id,
        ForeignKey("calendar.calendar_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("position", Integer, nullable=False),
    Column("given_at", Instant),
    Column("settled_at", Instant),  # when it was first seen written, or taken back
    Column("trouble", String(16)),  # parked | denied | refused | held, and known
    Index(None, "calendar_id"),
)

preference = Table(
    "preference",
    metadata,
    person_id(),
    Column(
        "wish", String(16), primary_key=True
    ),  # optout | listed | remove | search | protect | forget
    Column("source", String(120), nullable=False),
    Column("set_at", Instant, nullable=False),
)

personal_language = Table(  # in which the entries of a person are written
    "personal_language",
    metadata,
    person_id(),
    Column("told_by", String(8), primary_key=True),  # command | file; the command's counts first
    Column("language", String(2), nullable=False),
    Column("source", String(120), nullable=False),
    Column("set_at", Instant, nullable=False),
)

person_list = Table(  # a list that a file or a command gives, as it was read last
    "person_list",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("kind", String(10), nullable=False),  # optout | closed | languages
    Column("read_at", Instant),
    Column("names", Integer, nullable=False, server_default=text("0")),
    Column("problem", Text),
    Column("problem_since", Instant),
)

listed_person = Table(  # whom a list names that says who is left alone
    "listed_person",
    metadata,
    Column("list", String(40), primary_key=True),
    person_id(),
    Column("state", String(10), nullable=False),  # out | held | leaving | overruled
    Column("since", Instant, nullable=False),
    Index(None, "person_id"),
)

listed_name = Table(  # a name, in small letters, by which nobody is known yet
    "listed_name",
    metadata,
    Column("list", String(40), primary_key=True),
    Column("name", String(255), primary_key=True),
    Index(None, "name"),
)
