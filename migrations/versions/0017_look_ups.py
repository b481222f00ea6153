"""Why somebody was looked up, whether they were shown, and which course a write was of.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and indexes; what an older release writes has no reason and no course."""
    op.add_column(
        "look_up", sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "look_up",
        sa.Column("refused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(op.f("ix_look_up_at"), "look_up", ["at"])
    op.add_column("change_log", sa.Column("course", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_change_log_course_at"), "change_log", ["course", "at"])
    op.create_index(op.f("ix_change_log_cause_at"), "change_log", ["cause", "at"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
