"""Plans that let people in or out from a day on and at a pace, and whose turn came in them.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables; to older releases whoever is let in by a plan is outside until it is done."""
    op.create_table(
        "rollout_plan",
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("take_back", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("per_hour", sa.Float(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("made_by", sa.String(length=120), nullable=False),
        sa.Column("began_at", INSTANT, nullable=True),
        sa.Column("resumed_at", INSTANT, nullable=True),
        sa.Column("paced_at", INSTANT, nullable=True),
        sa.Column("look_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_rollout_plan")),
    )
    op.create_index(op.f("ix_rollout_plan_state"), "rollout_plan", ["state"])
    op.create_table(
        "rollout_turn",
        sa.Column("plan_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("calendar_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("given_at", INSTANT, nullable=True),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.Column("trouble", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["rollout_plan.plan_id"],
            name=op.f("fk_rollout_turn_plan_id_rollout_plan"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.calendar_id"],
            name=op.f("fk_rollout_turn_calendar_id_calendar"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_id", "calendar_id", name=op.f("pk_rollout_turn")),
    )
    op.create_index(op.f("ix_rollout_turn_calendar_id"), "rollout_turn", ["calendar_id"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
