"""Which tables hold our own state? The migrations make them; a test keeps both alike."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision that this program can read, oldest first; the last one is what it writes."""

metadata = MetaData()
"""All tables start with `selector_`, so that they may share a PostgreSQL database with MLflow's."""

_number = BigInteger().with_variant(Integer, "sqlite")

version = Table("mlflow_selector_version", MetaData(), Column("version_num", String(32), nullable=False))
"""Alembic's own table under our name; outside `metadata`, because Alembic makes it."""

about = Table(
    "selector_about",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

ledger = Table(
    "selector_ledger",
    metadata,
    Column("seq", _number, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("decision", Text),
    Column("record", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("selector_ledger_model", "model", "seq"),
    Index("selector_ledger_kind", "kind", "model", "seq"),
    Index("selector_ledger_decision", "decision"),
)
"""`record` is the truth; at, model, kind and decision repeat it for the indexes, and `verify` compares them."""

ledger_head = Table(
    "selector_ledger_head",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("seq", _number, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("one = 1", name="selector_ledger_head_one"),
)
"""One row: the last entry. Locking it orders the writers; comparing it notices a cut-off end."""

journal = Table(
    "selector_journal",
    metadata,
    Column("seq", _number, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("done", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("begun_at", String(32), nullable=False),
    Column("closed_at", String(32)),
    Index(
        "selector_journal_open",
        "plan_id",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)

outbox = Table(
    "selector_outbox",
    metadata,
    Column("seq", _number, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", String(32), nullable=False),
    Column("last_error", Text),
    Column("created_at", String(32), nullable=False),
    Index("selector_outbox_due", "state", "next_at"),
)

deliveries = Table(
    "selector_deliveries",
    metadata,
    Column("seq", _number, primary_key=True),
    Column("key", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", String(32), nullable=False),
    Column("last_error", Text),
    Column("created_at", String(32), nullable=False),
    Index("selector_deliveries_key", "key", "channel", unique=True),
    Index("selector_deliveries_due", "state", "channel", "seq"),
)
"""One row for each notice and channel: `selector_outbox` has the notice, whose state is shared once these are made."""

alerts = Table(
    "selector_alerts",
    metadata,
    Column("model", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("at", String(32), nullable=False),
)
"""`record` (JSON text) is the model's name and all that is known of its alerts."""

digests = Table(
    "selector_digests",
    metadata,
    Column("uri", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

predictions = Table(
    "selector_predictions",
    metadata,
    Column("model_digest", Text, nullable=False),
    Column("holdout_digest", Text, nullable=False),
    Column("reason", Text),
    Column("file_digest", String(64)),
    Column("at", String(32), nullable=False),
    PrimaryKeyConstraint("model_digest", "holdout_digest"),
)
"""`reason` (JSON text) for a model that could not be scored, else `file_digest` of the file with the arrays."""

facts = Table(
    "selector_facts",
    metadata,
    Column("uri", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("at", String(32), nullable=False),
)
"""`record` (JSON text) is what a model's folder told when it was fetched."""

health = Table(
    "selector_health",
    metadata,
    Column("model", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("at", String(32), nullable=False),
)
"""`record` (JSON text) is what is known of one model's production."""

flags = Table(
    "selector_flags",
    metadata,
    Column("key", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("at", String(32), nullable=False),
)
