"""Mailboxes that move from one Exchange to another, and those whose move is announced.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables; older releases follow a mailbox without writing into them."""
    op.create_table(
        "move",
        sa.Column("move_id", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("from_backend", sa.String(length=64), nullable=False),
        sa.Column("to_backend", sa.String(length=64), nullable=False),
        sa.Column("noticed_at", INSTANT, nullable=False),
        sa.Column("look_at", INSTANT, nullable=False),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("present", sa.Integer(), nullable=True),
        sa.Column("waits_since", INSTANT, nullable=True),
        sa.Column("decision", sa.String(length=8), nullable=True),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_move_calendar_id_calendar"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("move_id", name=op.f("pk_move")),
    )
    op.create_index(op.f("ix_move_calendar_id"), "move", ["calendar_id"])
    op.create_index(op.f("ix_move_look_at"), "move", ["look_at"])
    op.create_index(op.f("ix_move_done_at"), "move", ["done_at"])
    op.create_table(
        "move_announced",
        sa.Column("calendar_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("to_backend", sa.String(length=64), nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("marked_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_move_announced_calendar_id_calendar"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("calendar_id", name=op.f("pk_move_announced")),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
