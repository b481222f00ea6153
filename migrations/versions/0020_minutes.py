"""How each of the last minutes went, and in which lane an entry was written.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and a column; what older releases write has no lane, and they record no minute."""
    op.add_column("change_log", sa.Column("lane", sa.Integer(), nullable=True))
    op.create_table(
        "minute",
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("notifications", sa.Integer(), nullable=True),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("oldest_seconds", sa.Float(), nullable=False),
        sa.Column("p50", sa.Float(), nullable=True),
        sa.Column("p95", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("at", "lane", name=op.f("pk_minute")),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
