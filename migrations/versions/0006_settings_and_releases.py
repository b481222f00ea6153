"""Who is in a roll-out by course for good, what settings ask for, and what a release lets through.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables; nothing that stands is rewritten."""
    op.create_table(
        "rollout_member",
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_rollout_member_person_id_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("course", "person_id", name=op.f("pk_rollout_member")),
    )
    op.create_index(op.f("ix_rollout_member_person_id"), "rollout_member", ["person_id"])
    op.create_table(
        "settings_waiting",
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("calendars", sa.Integer(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_settings_waiting")),
    )
    op.create_table(
        "let_through",
        sa.Column("let_through_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=160), nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("let_through_id", name=op.f("pk_let_through")),
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
