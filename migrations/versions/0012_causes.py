"""What led to work, as a word for counters beside the reason for people.

Revision ID: 0012
Revises: 0011

Nothing is filled in: what waits, or was written, before the upgrade counts as `other`. That is a
day of labels in `kalender status`, and no work depends on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column to each table that keeps a reason; NULL is what older releases write."""
    for table in ("dirty", "due_later", "fan_out", "change_log"):
        op.add_column(table, sa.Column("cause", sa.String(20), nullable=True))
