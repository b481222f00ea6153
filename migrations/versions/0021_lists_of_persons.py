"""Lists of persons that say who is left alone, and those whom they name.

Revision ID: 0021
Revises: 0020

Whoever a list leaves alone has a row of `preference` as well, so that older releases do so too.
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three tables, which older releases do not know."""
    op.create_table(
        "person_list",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("read_at", INSTANT, nullable=True),
        sa.Column("names", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("problem_since", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_person_list")),
    )
    op.create_table(
        "listed_person",
        sa.Column("list", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_listed_person_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("list", "person_id", name=op.f("pk_listed_person")),
    )
    op.create_index(op.f("ix_listed_person_person_id"), "listed_person", ["person_id"])
    op.create_table(
        "listed_name",
        sa.Column("list", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("list", "name", name=op.f("pk_listed_name")),
    )
    op.create_index(op.f("ix_listed_name_name"), "listed_name", ["name"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
