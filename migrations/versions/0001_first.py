"""The first tables.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "brake",
        sa.Column("scope", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.Column("from_at", INSTANT, nullable=True),
        sa.Column("until_at", INSTANT, nullable=True),
        sa.Column("up_to", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_brake")),
    )
    op.create_table(
        "change_log",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(length=8), nullable=False),
        sa.Column("event_id", sa.String(length=160), nullable=False),
        sa.Column("sync_key", sa.String(length=180), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_change_log")),
    )
    op.create_index(
        op.f("ix_change_log_calendar_id_at"), "change_log", ["calendar_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_change_log_operation_at"), "change_log", ["operation", "at"], unique=False
    )
    op.create_table(
        "course_run",
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=True),
        sa.Column("bad_events", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("bad_reason", sa.Text(), nullable=True),
        sa.Column("unknown_status", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("course", "semester", name=op.f("pk_course_run")),
    )
    op.create_table(
        "dirty",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("first_marked_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("not_before", INSTANT, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claim_token", sa.String(length=32), nullable=True),
        sa.Column("claimed_by", sa.String(length=120), nullable=True),
        sa.Column("claimed_until", INSTANT, nullable=True),
        sa.Column("parked_at", INSTANT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_dirty")),
    )
    op.create_index(
        "ix_dirty_due",
        "dirty",
        ["kind", "priority", "due_at"],
        unique=False,
        postgresql_where=sa.text("parked_at IS NULL"),
    )
    op.create_table(
        "due_later",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "due_at", name=op.f("pk_due_later")),
    )
    op.create_table(
        "fan_out",
        sa.Column("fan_out_id", sa.Integer(), nullable=False),
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("term_number", sa.Integer(), nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("everybody", sa.Boolean(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("fan_out_id", name=op.f("pk_fan_out")),
    )
    op.create_index("ix_fan_out_course_semester", "fan_out", ["course", "semester"], unique=False)
    op.create_table(
        "heartbeat",
        sa.Column("worker", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("stopped_at", INSTANT, nullable=True),
        sa.Column("connections", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("load", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "neighbour",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_keys", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.Column("probe_token", sa.String(length=32), nullable=True),
        sa.Column("probe_until", INSTANT, nullable=True),
        sa.Column("credentials", sa.String(length=16), nullable=True),
        sa.Column("authorised_at", INSTANT, nullable=True),
        sa.Column("refused", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("trial_until", INSTANT, nullable=True),
        sa.Column("leases", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("changed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_neighbour")),
    )
    op.create_table(
        "person",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("fs_asked_at", INSTANT, nullable=True),
        sa.Column("emptied_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person")),
    )
    op.create_table(
        "rejected_notification",
        sa.Column("rejected_id", sa.Integer(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("queue", sa.String(length=255), nullable=False),
        sa.Column("routing_key", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rejected_id", name=op.f("pk_rejected_notification")),
    )
    op.create_table(
        "rollout",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_rollout")),
    )
    op.create_table(
        "source_reading",
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("read_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("source", "semester", name=op.f("pk_source_reading")),
    )
    op.create_table(
        "teaching_activity",
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("has_plenary", sa.Boolean(), nullable=False),
        sa.Column("has_group", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("days", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "course",
            "version",
            "semester",
            "term_number",
            "actid",
            name=op.f("pk_teaching_activity"),
        ),
    )
    op.create_table(
        "teaching_event",
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=160), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("plenary", sa.Boolean(), nullable=True),
        sa.Column("doubt", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("missing_since", INSTANT, nullable=True),
        sa.Column("digest", sa.String(length=32), nullable=True),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "course",
            "version",
            "semester",
            "term_number",
            "actid",
            "event_id",
            name=op.f("pk_teaching_event"),
        ),
    )
    op.create_index(
        "ix_teaching_event_course_semester", "teaching_event", ["course", "semester"], unique=False
    )
    op.create_index(
        op.f("ix_teaching_event_event_id"), "teaching_event", ["event_id"], unique=False
    )
    op.create_table(
        "teaching_staff",
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=160), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(
            "course",
            "version",
            "semester",
            "term_number",
            "actid",
            "event_id",
            "username",
            name=op.f("pk_teaching_staff"),
        ),
    )
    op.create_index(
        op.f("ix_teaching_staff_username"), "teaching_staff", ["username"], unique=False
    )
    op.create_table(
        "calendar",
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("audience", sa.String(length=8), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.Boolean(), nullable=False),
        sa.Column("moved_from", sa.String(length=255), nullable=True),
        sa.Column("backend", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("must_look_up", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("must_verify", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("taking_back", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("quiet_until", INSTANT, nullable=True),
        sa.Column("synced_digest", sa.String(length=32), nullable=True),
        sa.Column("synced_settings", sa.String(length=32), nullable=True),
        sa.Column("synced_at", INSTANT, nullable=True),
        sa.Column("verified_at", INSTANT, nullable=True),
        sa.Column("changes_at", INSTANT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_calendar_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("calendar_id", name=op.f("pk_calendar")),
    )
    op.create_index(op.f("ix_calendar_changes_at"), "calendar", ["changes_at"], unique=False)
    op.create_index(op.f("ix_calendar_person_id"), "calendar", ["person_id"], unique=False)
    op.create_index(
        "ix_calendar_waiting",
        "calendar",
        ["address"],
        unique=False,
        postgresql_where=sa.text("NOT owner"),
        sqlite_where=sa.text("NOT owner"),
    )
    op.create_index(
        "uq_calendar_owner",
        "calendar",
        ["address"],
        unique=True,
        postgresql_where=sa.text("owner"),
        sqlite_where=sa.text("owner"),
    )
    op.create_table(
        "identity",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("detail", sa.String(length=255), nullable=True),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_identity_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("kind", "value", "person_id", name=op.f("pk_identity")),
    )
    op.create_index("ix_identity_person_id_kind", "identity", ["person_id", "kind"], unique=False)
    op.create_index(
        "uq_identity_one_person",
        "identity",
        ["kind", "value"],
        unique=True,
        postgresql_where=sa.text("kind <> 'mail'"),
        sqlite_where=sa.text("kind <> 'mail'"),
    )
    op.create_table(
        "placement",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_placement_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "person_id",
            "course",
            "version",
            "semester",
            "term_number",
            "actid",
            name=op.f("pk_placement"),
        ),
    )
    op.create_index(
        "ix_placement_course_semester_actid",
        "placement",
        ["course", "semester", "actid"],
        unique=False,
    )
    op.create_table(
        "preference",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wish", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_preference_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "wish", name=op.f("pk_preference")),
    )
    op.create_table(
        "registration",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offer_status", sa.String(length=16), nullable=True),
        sa.Column("asked_singly", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_registration_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "person_id",
            "course",
            "version",
            "semester",
            "term_number",
            name=op.f("pk_registration"),
        ),
    )
    op.create_index(
        "ix_registration_course_semester", "registration", ["course", "semester"], unique=False
    )
    op.create_table(
        "teaching_role",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_teaching_role_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "number", name=op.f("pk_teaching_role")),
    )
    op.create_index(
        "ix_teaching_role_course_semester", "teaching_role", ["course", "semester"], unique=False
    )
    op.create_table(
        "entry",
        sa.Column("sync_key", sa.String(length=180), nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=160), nullable=False),
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("semester", sa.String(length=3), nullable=False),
        sa.Column("term_number", sa.Integer(), nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=True),
        sa.Column("change_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("held_by", sa.String(length=160), nullable=True),
        sa.Column("restored", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("restored_at", INSTANT, nullable=True),
        sa.Column("written_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_entry_calendar_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("sync_key", name=op.f("pk_entry")),
    )
    op.create_index(op.f("ix_entry_calendar_id"), "entry", ["calendar_id"], unique=False)
    op.create_index(op.f("ix_entry_ends_at"), "entry", ["ends_at"], unique=False)
    op.create_index(
        "ix_entry_held_by",
        "entry",
        ["held_by"],
        unique=False,
        postgresql_where=sa.text("held_by IS NOT NULL"),
        sqlite_where=sa.text("held_by IS NOT NULL"),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
