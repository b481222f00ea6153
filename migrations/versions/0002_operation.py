"""What operators see and say: since when, how much, pauses by hand, who looked whom up.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables; nothing that stands is rewritten."""
    op.add_column("fan_out", sa.Column("since", INSTANT, nullable=True))
    op.add_column("change_log", sa.Column("noticed_at", INSTANT, nullable=True))
    op.create_index(op.f("ix_change_log_at"), "change_log", ["at"])
    op.add_column("course_run", sa.Column("last_change", sa.Text(), nullable=True))
    op.add_column("neighbour", sa.Column("held_until", INSTANT, nullable=True))
    op.add_column("neighbour", sa.Column("held_reason", sa.Text(), nullable=True))
    op.add_column("neighbour", sa.Column("held_by", sa.String(length=120), nullable=True))
    op.create_table(
        "tally",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", "hour", name=op.f("pk_tally")),
    )
    op.create_table(
        "queue_seen",
        sa.Column("queue", sa.String(length=255), nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_seen")),
    )
    op.create_table(
        "look_up",
        sa.Column("look_up_id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("command", sa.String(length=32), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("look_up_id", name=op.f("pk_look_up")),
    )
    op.create_index(op.f("ix_look_up_person_id_at"), "look_up", ["person_id", "at"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
