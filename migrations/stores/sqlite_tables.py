"""What do the tables of an MLflow database say, whatever columns its schema has?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from migrations.stores.meta import text_of
from migrations.stores.model import LeftOut, UnreadableStoreError
from migrations.stores.sqlite_copy import copied

_LOOKED_UP_BY: Final = {
    "runs": "experiment_id",
    "metrics": "run_uuid",
    "params": "run_uuid",
    "tags": "run_uuid",
    "inputs": "destination_id",
    "input_tags": "input_uuid",
    "datasets": "dataset_uuid",
    "logged_models": "source_run_id",
    "logged_model_metrics": "model_id",
    "logged_model_params": "model_id",
    "logged_model_tags": "model_id",
    "model_version_tags": "name",
}
_NOT_CARRIED: Final = {
    "trace_info": "traces",
    "assessments": "assessments of traces",
    "evaluation_datasets": "evaluation datasets",
    "label_schemas": "label schemas",
    "scorers": "scorers",
    "issues": "issues",
    "webhooks": "webhooks",
    "endpoints": "gateway endpoints",
    "secrets": "gateway secrets",
    "guardrails": "guardrails",
    "budget_policies": "budget policies",
    "review_queues": "review queues",
    "mcp_servers": "MCP servers",
    "jobs": "jobs",
    "users": "users of the server",
}
"""Tables of things that are neither experiments, runs, models nor their versions."""


class SqliteTables:
    """Reads the tables of a copy, and notes what cannot be read.

    Args:
        file: the database; only read, byte by byte.
        workspace: a private folder for the copy.

    Raises:
        UnreadableStoreError: the file cannot be read, or is not MLflow's.

    """

    def __init__(self, file: Path, workspace: Path) -> None:
        self.left_out: list[LeftOut] = []
        self._db = copied(file, workspace)
        self._db.row_factory = sqlite3.Row
        try:
            known = set(self.columns)
            for table, column in _LOOKED_UP_BY.items():
                if column in self.columns.get(table, ()):
                    self._db.execute(f'CREATE INDEX IF NOT EXISTS "by_{table}" ON "{table}" ("{column}")')
            self._db.commit()
        except sqlite3.Error as error:
            self.close()
            raise UnreadableStoreError(f"{file} cannot be read: {error}") from None
        if not {"experiments", "runs"} <= known:
            self.close()
            raise UnreadableStoreError(f"{file} is no MLflow database: it has no tables experiments and runs")

    def close(self) -> None:
        """Close the copy."""
        self._db.close()

    @cached_property
    def columns(self) -> Mapping[str, frozenset[str]]:
        """Columns by table: schemas of seven years differ in both."""
        names = [row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: frozenset(row[1] for row in self._db.execute(f'PRAGMA table_info("{name}")')) for name in names}

    def rows(self, table: str, columns: Sequence[str], **where: Any) -> Iterator[Mapping[str, Any]]:
        """Yield rows with these columns, None for columns that the schema does not have; nothing without the table."""
        known = self.columns.get(table, frozenset())
        if not known or not set(where) <= known:
            return
        wanted = ", ".join(f'"{c}"' if c in known else f'NULL AS "{c}"' for c in columns)
        asked = " AND ".join(f'"{column}" IS ?' for column in where)
        question = f'SELECT {wanted} FROM "{table}"' + (f" WHERE {asked}" if asked else "")  # noqa: S608 - our own names
        yield from self._answers(table, question, tuple(where.values()))

    def pairs(self, table: str, key: str = "key", value: str = "value", **where: Any) -> dict[str, str]:
        """Return two columns as a mapping of texts."""
        return {text_of(row[key]): text_of(row[value]) for row in self.rows(table, (key, value), **where)}

    def measured_elsewhere(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of logged models' metrics that another run measured than the model's own, run by run."""
        if not {"logged_model_metrics", "logged_models"} <= set(self.columns):
            return
        question = (
            "SELECT m.* FROM logged_model_metrics m JOIN logged_models l ON l.model_id = m.model_id"
            " WHERE m.run_id IS NOT l.source_run_id ORDER BY m.run_id, m.model_id"
        )
        yield from self._answers("logged_model_metrics", question)

    def note_the_rest(self) -> None:
        """Note what the database holds beside experiments, runs and models, and rows that belong to nothing."""
        for table, what in _NOT_CARRIED.items():
            if table in self.columns:
                count = self._count(f'"{table}"')
                if count:
                    self.leave(what, table, f"{count} {what} are not carried")
        homeless = self._count(
            "runs WHERE experiment_id IS NULL OR experiment_id NOT IN (SELECT experiment_id FROM experiments)"
        )
        if homeless:
            self.leave("run", "runs", f"{homeless} runs belong to an experiment that is not there", failed=True)

    def leave(self, what: str, name: str, reason: str, *, failed: bool = False) -> None:
        """Note what is not carried."""
        self.left_out.append(LeftOut(what, name, reason, failed))

    def _count(self, what: str) -> int:
        rows = list(self._answers(what.partition(" ")[0], f"SELECT count(*) AS n FROM {what}"))  # noqa: S608 - our own names
        return int(rows[0]["n"]) if rows else 0

    def _answers(self, table: str, question: str, values: Sequence[Any] = ()) -> Iterator[Mapping[str, Any]]:
        try:
            yield from (dict(row) for row in self._db.execute(question, tuple(values)))
        except sqlite3.Error as error:
            self.leave("table", table, f"cannot be read: {error}", failed=True)
