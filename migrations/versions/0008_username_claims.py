"""Usernames that FS tells of two persons: who else claims it than who has it.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; nothing that stands is rewritten."""
    op.create_table(
        "username_claim",
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_username_claim_person_id_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("username", "person_id", name=op.f("pk_username_claim")),
    )
    op.create_index(op.f("ix_username_claim_person_id"), "username_claim", ["person_id"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
