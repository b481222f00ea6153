"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

Within a thousand a migration only adds what an older release may leave out.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Bring the tables forward."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Only forward: restore a backup instead."""
    raise NotImplementedError
