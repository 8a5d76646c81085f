"""The first tables: ledger with its head, journal, outbox, digests, predictions, flags, about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _ledger()
    _journal_and_outbox()
    _cache_and_flags()


def _ledger() -> None:
    op.create_table(
        "selector_ledger",
        sa.Column("seq", _number, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decision", sa.Text),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("selector_ledger_model", "selector_ledger", ["model", "seq"])
    op.create_index("selector_ledger_kind", "selector_ledger", ["kind", "model", "seq"])
    op.create_index("selector_ledger_decision", "selector_ledger", ["decision"])
    head = op.create_table(
        "selector_ledger_head",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", _number, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint("one = 1", name="selector_ledger_head_one"),
    )
    op.bulk_insert(head, [{"one": 1, "seq": 0, "hash": "0" * 64}])


def _journal_and_outbox() -> None:
    op.create_table(
        "selector_journal",
        sa.Column("seq", _number, primary_key=True),
        sa.Column("plan_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("begun_at", sa.String(32), nullable=False),
        sa.Column("closed_at", sa.String(32)),
    )
    op.create_index(
        "selector_journal_open",
        "selector_journal",
        ["plan_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "selector_outbox",
        sa.Column("seq", _number, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.String(32), nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", sa.String(32), nullable=False),
    )
    op.create_index("selector_outbox_due", "selector_outbox", ["state", "next_at"])


def _cache_and_flags() -> None:
    op.create_table(
        "selector_digests",
        sa.Column("uri", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
    op.create_table(
        "selector_predictions",
        sa.Column("model_digest", sa.Text, nullable=False),
        sa.Column("holdout_digest", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("file_digest", sa.String(64)),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("model_digest", "holdout_digest"),
    )
    op.create_table(
        "selector_flags",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
    op.create_table(
        "selector_about",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
