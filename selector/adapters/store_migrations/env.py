"""How does Alembic reach our state: through the connection, and within the transaction, that the store hands over."""

from __future__ import annotations

from alembic import context

from selector.adapters.store_sql_schema import metadata, version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=version.name,
)
with context.begin_transaction():
    context.run_migrations()
