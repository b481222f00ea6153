"""The languages in which persons want their entries, or a file says that they do.

Revision ID: 0016
Revises: 0015

They are no rows of `preference`: older releases leave whoever has one there alone.
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; older releases write everybody's entries in the institution's language."""
    op.create_table(
        "personal_language",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("told_by", sa.String(length=8), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_personal_language_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "told_by", name=op.f("pk_personal_language")),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
