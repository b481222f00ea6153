"""Until when no calendar is written to after a recovery.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; NULL lets all go on."""
    op.add_column("database_identity", sa.Column("quiet_until", INSTANT, nullable=True))
