"""What the verdict goes by: the broker as listeners see it, certificates, what somebody knows of.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables; nothing that stands is rewritten."""
    op.create_table(
        "broker_seen",
        sa.Column("worker", sa.String(length=120), nullable=False),
        sa.Column("queue", sa.String(length=255), nullable=False),
        sa.Column("there", sa.Boolean(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("worker", "queue", name=op.f("pk_broker_seen")),
    )
    op.create_table(
        "certificate",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_certificate")),
    )
    op.create_table(
        "acknowledgement",
        sa.Column("condition", sa.String(length=120), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("condition", name=op.f("pk_acknowledgement")),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
