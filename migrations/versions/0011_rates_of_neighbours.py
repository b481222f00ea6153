"""When a neighbour's next request may begin, where a rate is set.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")


revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; NULL lets the next request begin at once."""
    op.add_column("neighbour", sa.Column("next_at", INSTANT, nullable=True))
