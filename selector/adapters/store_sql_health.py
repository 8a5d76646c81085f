"""Where does a model's health wait for the next batch?"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from selector.adapters.store_records import canonical, index_key, utc_text
from selector.adapters.store_sql_cache import upsert
from selector.adapters.store_sql_database import Database
from selector.adapters.store_sql_ledger import append_within
from selector.adapters.store_sql_schema import health
from selector.ports import Clock, Entry

_LOG = logging.getLogger(__name__)


class SqlHealth:
    """The HealthBox port: one row per model."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def health(self, model: str) -> Mapping[str, Any] | None:
        """Return what was kept of this model's production; damage counts as nothing and is logged."""
        query = select(health.c.record).where(health.c.model == index_key(model))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        try:
            found = json.loads(row.record)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        _LOG.warning("The kept health of model %s is damaged; its watch starts anew.", model)
        return None

    def keep_health(self, model: str, document: Mapping[str, Any], entries: Sequence[Entry] = ()) -> None:
        """Replace what is kept of this model, and append to the ledger, in one transaction."""
        row = {"model": index_key(model), "record": canonical(document), "at": utc_text(self._clock.now())}
        with self._database.writing() as connection:
            append_within(connection, entries, self._database)
            upsert(connection, health, row)
