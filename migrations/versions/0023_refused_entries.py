"""An index of refused entries, which are few: the status counts those that are to come.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index; older releases keep it up without knowing of it."""
    refused = sa.text("status = 'refused'")
    op.create_index(
        "ix_entry_refused",
        "entry",
        ["calendar_id"],
        postgresql_where=refused,
        sqlite_where=refused,
    )


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
