"""Items of FS and events of TP that cannot be read: which, where, why and since when.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; nothing that stands is rewritten."""
    op.create_table(
        "unreadable_item",
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("course", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("semester", sa.String(length=3), server_default=sa.text("''"), nullable=False),
        sa.Column("item", sa.String(length=160), nullable=False),
        sa.Column("actid", sa.String(length=64), nullable=True),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_unreadable_item_person_id_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "source", "collection", "course", "semester", "item", name=op.f("pk_unreadable_item")
        ),
    )
    op.create_index(op.f("ix_unreadable_item_person_id"), "unreadable_item", ["person_id"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
