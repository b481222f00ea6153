"""What processes remember of the database, and which database it is.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables; nothing that stands is rewritten."""
    op.create_table(
        "process_memory",
        sa.Column("memory_id", sa.String(length=32), nullable=False),
        sa.Column("advanced", sa.BigInteger(), nullable=False),
        sa.Column("advanced_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("memory_id", name=op.f("pk_process_memory")),
    )
    op.create_table(
        "database_identity",
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.String(length=32), nullable=True),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recovered_at", INSTANT, nullable=True),
        sa.Column("refused_at", INSTANT, nullable=True),
        sa.Column("refused_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("identity_id", name=op.f("pk_database_identity")),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
