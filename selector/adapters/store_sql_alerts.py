"""Where do alerts wait between looks, so that a restart tells nobody twice?"""

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
from selector.adapters.store_sql_outbox import put_within
from selector.adapters.store_sql_schema import alerts
from selector.ports import Clock, Entry, Notice

_LOG = logging.getLogger(__name__)


class SqlAlerts:
    """The AlertBox port: one row per model."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def boards(self, model: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Return what is kept, by model; damage counts as nothing and is logged."""
        query = select(alerts.c.record).order_by(alerts.c.model)
        if model is not None:
            query = query.where(alerts.c.model == index_key(model))
        with self._database.reading() as connection:
            records = [row.record for row in connection.execute(query)]
        found = [one for one in map(_read, records) if one is not None]
        return dict(found)

    def keep_board(
        self,
        model: str,
        document: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        notices: Sequence[Notice] = (),
        entries: Sequence[Entry] = (),
    ) -> bool:
        """Replace what is kept of this model, take notices in and append to the ledger, in one transaction."""
        now = utc_text(self._clock.now())
        row = {"model": index_key(model), "record": canonical([model, document]), "at": now}
        present = select(alerts.c.record).where(alerts.c.model == index_key(model)).with_for_update()
        with self._database.writing() as connection:
            kept = connection.execute(present).scalar()
            known = _read(kept) if kept is not None else None
            if canonical(known[1] if known else None) != canonical(before):
                return False
            append_within(connection, entries, self._database)
            put_within(connection, notices, now)
            upsert(connection, alerts, row)
        return True


def _read(record: str) -> tuple[str, Mapping[str, Any]] | None:
    try:
        model, document = json.loads(record)
    except (ValueError, TypeError):
        _LOG.warning("The kept alerts of a model are damaged; they start anew.")
        return None
    return (model, document) if isinstance(model, str) and isinstance(document, dict) else None
