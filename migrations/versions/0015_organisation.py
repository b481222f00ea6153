"""The units of courses and teachers, and the programmes of students.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three tables; older releases leave them empty."""
    op.create_table(
        "course_organisation",
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=48), nullable=False),
        sa.PrimaryKeyConstraint("course", "organisation", name=op.f("pk_course_organisation")),
    )
    for table, code, length in (
        ("employment", "organisation", 48),
        ("study_right", "programme", 64),
    ):
        op.create_table(
            table,
            sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column(code, sa.String(length=length), nullable=False),
            sa.ForeignKeyConstraint(
                ["person_id"],
                ["person.person_id"],
                name=op.f(f"fk_{table}_person_id_person"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("person_id", code, name=op.f(f"pk_{table}")),
        )
    op.create_index(op.f("ix_study_right_programme"), "study_right", ["programme"])


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
