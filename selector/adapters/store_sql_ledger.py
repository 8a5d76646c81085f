"""How is the ledger kept append-only in SQL, and how is tampering noticed?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from selector.adapters.store_records import GENESIS, chained, entry_of, entry_record, index_key, utc_text
from selector.adapters.store_sql_database import Database
from selector.adapters.store_sql_schema import ledger, ledger_head
from selector.errors import DamagedStateError
from selector.ports import Entry

_ROW = (ledger.c.seq, ledger.c.record, ledger.c.previous_hash, ledger.c.hash)


class SqlLedger:
    """The Ledger port: each entry's hash binds it to its number and to everything before it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entries: Sequence[Entry]) -> None:
        """Append all or none."""
        with self._database.writing() as connection:
            append_within(connection, entries, self._database)

    def entries(
        self,
        model: str | None = None,
        *,
        kinds: Sequence[str] = (),
        decision: str | None = None,
        until: datetime | None = None,
        newest: int | None = None,
    ) -> tuple[Entry, ...]:
        """Return matching entries, oldest first; `newest` keeps only that many of the newest."""
        query = select(*_ROW)
        if model is not None:
            query = query.where(ledger.c.model == index_key(model))
        if kinds:
            query = query.where(ledger.c.kind.in_([index_key(kind) for kind in kinds]))
        if decision is not None:
            query = query.where(ledger.c.decision == index_key(decision))
        if until is not None:
            query = query.where(ledger.c.at <= utc_text(until))
        if newest is None:
            return self._read(query.order_by(ledger.c.seq))
        return self._read(query.order_by(ledger.c.seq.desc()).limit(max(0, newest)))[::-1]

    def last_decisions(self) -> Mapping[str, Entry]:
        """Return each model's newest entry of kind "decision", in one query."""
        newest = (
            select(func.max(ledger.c.seq).label("seq"))
            .where(ledger.c.kind == "decision")
            .group_by(ledger.c.model)
            .subquery()
        )
        found = self._read(select(*_ROW).join(newest, ledger.c.seq == newest.c.seq).order_by(ledger.c.seq))
        return {entry.model: entry for entry in found}

    def verify(self) -> int:
        """Return the number of entries; raise DamagedStateError where the chain is broken."""
        query = select(ledger).order_by(ledger.c.seq).execution_options(yield_per=1000)
        number, last = 0, GENESIS
        with self._database.reading() as connection:
            head = _head(connection, self._database)
            # Closed by name: PostgreSQL keeps the cursor of a result that is left half read.
            with connection.execute(query) as rows:
                for number, row in enumerate(rows, start=1):
                    self._follows(row, number, last)
                    last = row.hash
        if (head.seq, head.hash) != (number, last):
            raise self._broken(f"it ends at entry {number}, but entry {head.seq} was the last one written")
        return number

    def _follows(self, row: Row[*tuple[Any, ...]], number: int, last: str) -> None:
        if row.seq != number or row.previous_hash != last:
            raise self._broken(f"entry {number} is missing or does not follow the one before it")
        if _keys(self._checked(row)) != {"at": row.at, "model": row.model, "kind": row.kind, "decision": row.decision}:
            raise self._broken(f"entry {number} was found under other names than it was written")

    def _read(self, query: Select[Any]) -> tuple[Entry, ...]:
        with self._database.reading() as connection:
            return tuple(self._checked(row) for row in connection.execute(query))

    def _checked(self, row: Row[*tuple[Any, ...]]) -> Entry:
        try:
            intact = chained(row.previous_hash, row.seq, row.record) == row.hash
            if intact:
                return entry_of(row.record)
        except (ValueError, TypeError, KeyError, json.JSONDecodeError) as error:
            raise self._broken(f"entry {row.seq} cannot be read") from error
        raise self._broken(f"entry {row.seq} was changed after it was written")

    def _broken(self, what: str) -> DamagedStateError:
        return DamagedStateError(
            f"The ledger in {self._database.where} is damaged: {what}.", advice=self._database.advice
        )


def append_within(connection: Connection, entries: Sequence[Entry], database: Database) -> None:
    """Append within the caller's transaction; the lock on the head makes writers wait for each other."""
    if not entries:
        return
    head = _head(connection, database)
    number, last = head.seq, head.hash
    rows = []
    for entry in entries:
        number += 1
        rows.append(_columns(number, entry, entry_record(entry), last))
        last = rows[-1]["hash"]
    connection.execute(insert(ledger), rows)
    connection.execute(update(ledger_head).values(seq=number, hash=last))


def _head(connection: Connection, database: Database) -> Row[*tuple[Any, ...]]:
    query = select(ledger_head.c.seq, ledger_head.c.hash)
    if connection.get_execution_options().get("selector_writing"):
        query = query.with_for_update()
    head = connection.execute(query).one_or_none()
    if head is None:
        raise DamagedStateError(f"The ledger in {database.where} has lost its head.", advice=database.advice)
    return head


def _columns(number: int, entry: Entry, record: str, previous: str) -> dict[str, object]:
    return {
        **_keys(entry),
        "seq": number,
        "record": record,
        "previous_hash": previous,
        "hash": chained(previous, number, record),
    }


def _keys(entry: Entry) -> dict[str, str | None]:
    return {
        "at": utc_text(entry.at),
        "model": index_key(entry.model),
        "kind": index_key(entry.kind),
        "decision": None if entry.decision is None else index_key(entry.decision),
    }
