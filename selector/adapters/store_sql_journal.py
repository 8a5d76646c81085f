"""How do an intent, its end, its ledger entries and its notices become durable together?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from selector.adapters.store_records import (
    already_begun,
    canonical,
    digest_of,
    index_key,
    not_begun,
    plan_of,
    plan_record,
    utc_text,
)
from selector.adapters.store_sql_database import Database
from selector.adapters.store_sql_ledger import append_within
from selector.adapters.store_sql_outbox import put_within
from selector.adapters.store_sql_schema import journal
from selector.domain.promotion import Plan
from selector.errors import DamagedStateError
from selector.ports import Clock, Entry, Notice, Unfinished


class SqlJournal:
    """The Journal port; its ends write to the outbox."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, plan: Plan, details: Mapping[str, Any]) -> None:
        """Record the intent; raise SelectorError where the plan is open already. A closed one may begin anew."""
        record, kept = plan_record(plan), canonical(details)
        row = {
            "plan_id": index_key(plan.id),
            "model": index_key(plan.model),
            "plan": record,
            "details": kept,
            "digest": digest_of(record, kept),
            "done": 0,
            "state": "open",
            "begun_at": utc_text(self._clock.now()),
        }
        with self._database.writing() as connection:
            try:
                connection.execute(insert(journal).values(row))
            except IntegrityError as error:
                raise already_begun(plan.id) from error

    def step_done(self, plan_id: str, index: int) -> None:
        """Record that steps up to and including `index` are done and verified."""
        with self._database.writing() as connection:
            row = _open(connection, plan_id)
            if row.done <= index:
                connection.execute(update(journal).where(journal.c.seq == row.seq).values(done=index + 1))

    def finish(self, plan_id: str, entries: Sequence[Entry], notices: Sequence[Notice] = ()) -> None:
        """Close the plan, append to the ledger and put notices into the outbox, in one transaction."""
        self._close(plan_id, "finished", entries, notices)

    def abandon(self, plan_id: str, entries: Sequence[Entry], notices: Sequence[Notice] = ()) -> None:
        """Close the plan as not carried out, in one transaction with its ledger entries."""
        self._close(plan_id, "abandoned", entries, notices)

    def unfinished(self, model: str | None = None) -> tuple[Unfinished, ...]:
        """Return plans that were begun and not closed, oldest first."""
        query = select(journal).where(journal.c.state == "open").order_by(journal.c.seq)
        if model is not None:
            query = query.where(journal.c.model == index_key(model))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(self._unfinished(row) for row in rows)

    def _close(self, plan_id: str, state: str, entries: Sequence[Entry], notices: Sequence[Notice]) -> None:
        now = utc_text(self._clock.now())
        with self._database.writing() as connection:
            row = _open(connection, plan_id)
            append_within(connection, entries, self._database)
            put_within(connection, notices, now)
            connection.execute(update(journal).where(journal.c.seq == row.seq).values(state=state, closed_at=now))

    def _unfinished(self, row: Row[*tuple[Any, ...]]) -> Unfinished:
        if digest_of(row.plan, row.details) != row.digest:
            raise DamagedStateError(
                f"The unfinished plan {row.plan_id} in {self._database.where} was changed after it was written.",
                advice=self._database.advice,
            )
        return Unfinished(plan_of(row.plan), row.done, json.loads(row.details))


def _open(connection: Connection, plan_id: str) -> Row[*tuple[Any, ...]]:
    query = select(journal.c.seq, journal.c.done).where(
        journal.c.plan_id == index_key(plan_id), journal.c.state == "open"
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise not_begun(plan_id)
    return row
