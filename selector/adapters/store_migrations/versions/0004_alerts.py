"""Who was told what: one row for each notice and channel, and one for the alerts of each model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "selector_deliveries",
        sa.Column("seq", _number, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.String(32), nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", sa.String(32), nullable=False),
    )
    op.create_index("selector_deliveries_key", "selector_deliveries", ["key", "channel"], unique=True)
    op.create_index("selector_deliveries_due", "selector_deliveries", ["state", "channel", "seq"])
    op.create_table(
        "selector_alerts",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
