"""What a roll-out goes by beside persons, courses, shares and audiences.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables; to older releases whoever is switched on by them alone is outside."""
    op.create_table(
        "rollout_criterion",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_rollout_criterion")),
    )
    op.create_table(
        "rollout_enrolment",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.person_id"],
            name=op.f("fk_rollout_enrolment_person_id_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("kind", "value", "person_id", name=op.f("pk_rollout_enrolment")),
    )
    op.create_index(op.f("ix_rollout_enrolment_person_id"), "rollout_enrolment", ["person_id"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
