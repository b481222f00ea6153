"""Who did what: operators' acts, and when a brake held and ended.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; nothing that stands is rewritten."""
    op.create_table(
        "operator_act",
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("command", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("act_id", name=op.f("pk_operator_act")),
    )
    op.create_index(op.f("ix_operator_act_at"), "operator_act", ["at"])
    op.create_index(op.f("ix_operator_act_person_id_at"), "operator_act", ["person_id", "at"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
