"""Doubles of our own making: who is to be searched for them, and what was found.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and a table; nothing that stands is rewritten."""
    op.add_column("calendar", sa.Column("doubles", sa.String(length=8), nullable=True))
    op.create_table(
        "stray_key",
        sa.Column("calendar_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sync_key", sa.String(length=180), nullable=False),
        sa.Column("event_id", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_stray_key_calendar_id_calendar"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("calendar_id", "sync_key", name=op.f("pk_stray_key")),
    )
    op.create_index(op.f("ix_stray_key_state"), "stray_key", ["state"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
