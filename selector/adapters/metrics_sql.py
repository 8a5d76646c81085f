"""Which production metrics, or labelled rows, does a query on the user's database return?"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from selector.adapters.production_rows import answered, without_versions
from selector.adapters.production_values import ROWS_COLUMNS, TIME_COLUMNS, column, moment, numbers, whole
from selector.errors import ProductionError
from selector.ports_production import Batch, SourceSpec, Unusable
from selector.redaction import redact

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MOST_ROWS = 2_000_000
STEPS_A_CHECK = 20_000
"""SQLite is asked after so many of its virtual machine's steps whether the deadline is over."""


class SqlProduction:
    """Implements ports_production.ProductionMetrics for PostgreSQL and SQLite, in a read-only transaction.

    One row is one batch with its metrics; or, where the configuration names `prediction`, one row is one labelled row,
    and rows of one value of `batch` are one batch. The newest of those waits until a newer one has begun, as nobody
    else says when it is complete.
    """

    def __init__(self, spec: SourceSpec) -> None:
        """Connect to nothing yet."""
        self._spec = spec

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield what is new, oldest first.

        Raises:
            ProductionError: the database does not answer in time, refuses the query, or lacks a column.

        """
        rows = self._rows(since or BEGINNING)
        if not rows:
            return
        if self._spec.prediction or self._spec.probability:
            yield from self._labelled(rows, without_versions(seen), until)
        else:
            yield from self._metrics(rows, seen, until)

    def _metrics(
        self, rows: list[Mapping[str, Any]], seen: Collection[str], until: datetime
    ) -> Iterator[Batch | Unusable]:
        spec, there = self._spec, list(rows[0])
        at_column = self._time(there)
        counted = column(spec.rows, there, ROWS_COLUMNS)
        found: list[Batch] = []
        for number, row in enumerate(rows, 1):
            at = moment(row[at_column])
            if at is None:
                yield Unusable(f"row {number}", f"row {number} has no time but {row[at_column]!r}", later=True)
                continue
            version = whole(row.get(spec.version)) if spec.version else None
            name = at.isoformat() + (f"#{version}" if spec.version else "")
            if name in seen:
                continue
            values = numbers(row, (at_column, counted, spec.version or None))
            rows_here = whole(row[counted]) if counted else None
            found.append(Batch(name, at, min(at, until), metrics=values, rows=rows_here or 0, version=version))
        yield from sorted(found, key=lambda b: b.at)

    def _labelled(self, rows: list[Mapping[str, Any]], seen: set[str], until: datetime) -> Iterator[Batch | Unusable]:
        spec, there = self._spec, list(rows[0])
        named = [n for n in (spec.batch, spec.label, spec.prediction, spec.probability, spec.version) if n]
        self._require(named, there)
        at_column = column(spec.time, there, TIME_COLUMNS)
        groups = [(str(name), list(part)) for name, part in groupby(rows, key=lambda row: row[spec.batch])]
        for name, part in groups[:-1]:
            if name in seen:
                continue
            times = [m for row in part if (m := moment(row[at_column or spec.batch])) is not None]
            at = max(times, default=until)
            wanted = (*named, *(s for s in spec.slices if s in there))
            columns = {n: np.array([_text(row[n]) for row in part], dtype=object) for n in wanted}
            yield from answered(name, spec, columns, at=at, arrived=min(at, until))

    def _time(self, there: list[str]) -> str:
        found = column(self._spec.time, there, TIME_COLUMNS)
        if found is None:
            self._require([self._spec.time or "time"], there)
        return str(found)

    def _require(self, names: list[str], there: list[str]) -> None:
        missing = [name for name in names if name not in there]
        if missing:
            raise ProductionError(
                f"The query on {self._where} returns no column {missing[0]!r}; it returns {', '.join(there[:8])}.",
                advice="Give the column this name in the query, or name it in monitor.sources.",
            )

    @property
    def _where(self) -> str:
        try:
            return redact(make_url(self._spec.where).render_as_string(hide_password=True))
        except ArgumentError:
            return "the database"

    def _rows(self, since: datetime) -> list[Mapping[str, Any]]:
        deadline = time.monotonic() + self._spec.timeout
        engine: Engine | None = None
        try:
            url = make_url(self._spec.where)
            engine = _engine(url, self._spec.timeout)
            with engine.connect() as connection:
                lite = url.get_backend_name() == "sqlite"
                if lite:
                    _stop_at(connection, deadline)
                given = {"since": since.replace(tzinfo=None).isoformat(" ") if lite else since}
                query = text(self._spec.query)
                bound = {k: v for k, v in given.items() if k in query._bindparams}  # noqa: SLF001 - no public name
                found = connection.execute(query, bound).mappings().fetchmany(MOST_ROWS + 1)
        except (SQLAlchemyError, ModuleNotFoundError, ValueError) as error:
            late = " within its deadline" if time.monotonic() >= deadline else ""
            said = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
            raise ProductionError(
                f"The query on {self._where} was not answered{late}: {said}.", advice="Correct monitor.sources."
            ) from error
        finally:
            if engine is not None:
                engine.dispose()
        if len(found) > MOST_ROWS:
            raise ProductionError(
                f"The query on {self._where} returns more than {MOST_ROWS:,} rows.",
                advice="Let it return only new ones: WHERE … > :since.",
            )
        return [dict(row) for row in found]


def _engine(url: URL, timeout: float) -> Engine:
    """Return an engine whose connections cannot write."""
    if url.get_backend_name() == "sqlite":
        if not url.database:
            raise ValueError("name the file, as in sqlite:///quality.db")
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        return create_engine(url, poolclass=NullPool, connect_args={"timeout": timeout})
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"{url.get_backend_name()} is neither postgresql nor sqlite")
    url = url.set(drivername="postgresql+psycopg")
    options = f"-c default_transaction_read_only=on -c statement_timeout={max(int(timeout * 1000), 1)}"
    settings = {"connect_timeout": max(int(timeout), 1), "options": options}
    return create_engine(url, poolclass=NullPool, connect_args=settings)


def _stop_at(connection: Connection, deadline: float) -> None:
    """Let SQLite give up at the deadline."""
    raw: Any = connection.connection.driver_connection
    raw.set_progress_handler(lambda: int(time.monotonic() >= deadline), STEPS_A_CHECK)


def _text(value: Any) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN is missing as well
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
