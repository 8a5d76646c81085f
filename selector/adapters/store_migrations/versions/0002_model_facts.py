"""What model folders tell: size, file names, signature; kept so that no model is fetched again only to look."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "selector_facts",
        sa.Column("uri", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
