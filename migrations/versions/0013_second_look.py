"""When a calendar is searched once more for creates that nobody answered and that were not found.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; an older release leaves it empty, and looks only once, as it always did."""
    op.add_column("calendar", sa.Column("look_again_at", INSTANT, nullable=True))
