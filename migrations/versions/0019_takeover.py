"""Calendars that are taken over from a predecessor, and what became of its entries.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three tables; older releases take over nothing."""
    op.create_table(
        "takeover_run",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("unmatched", sa.String(length=8), nullable=False),
        sa.Column("up_to", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("removed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_takeover_run")),
    )
    op.create_table(
        "takeover",
        sa.Column("calendar_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("begin_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("look_at", INSTANT, nullable=True),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_takeover_calendar_id_calendar"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["takeover_run.run_id"], name=op.f("fk_takeover_run_id_takeover_run")
        ),
        sa.PrimaryKeyConstraint("calendar_id", name=op.f("pk_takeover")),
    )
    op.create_index(op.f("ix_takeover_state"), "takeover", ["state"])
    op.create_table(
        "takeover_item",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("fate", sa.String(length=8), nullable=False),
        sa.Column("mark_value", sa.Text(), nullable=False),
        sa.Column("sync_key", sa.String(length=180), nullable=True),
        sa.Column("courses", sa.Text(), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_takeover_item_calendar_id_calendar"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_takeover_item")),
    )
    op.create_index(op.f("ix_takeover_item_calendar_id"), "takeover_item", ["calendar_id"])
    op.create_index(op.f("ix_takeover_item_fate"), "takeover_item", ["fate"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
