"""What is in an MLflow SQLite database of any schema, read with plain SQL from a copy?"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from migrations.stores.files import folder_below, locate, plain_files
from migrations.stores.meta import DELETED_STAGE, MODEL_STATUS, RUN_STATUS, history_of, is_prompt, text_of, whole_number
from migrations.stores.model import (
    LeftOut,
    RunHead,
    SourceExperiment,
    SourceRegistered,
    SourceVersion,
    UnreadableStoreError,
)
from migrations.stores.sqlite_copy import copied
from selector.ports_store import Measurement, StoredDataset, StoredFiles, StoredModel, StoredRun

_LOOKED_UP_BY: Final = {
    "metrics": "run_uuid",
    "params": "run_uuid",
    "tags": "run_uuid",
    "inputs": "destination_id",
    "input_tags": "input_uuid",
    "datasets": "dataset_uuid",
    "logged_models": "source_run_id",
    "logged_model_metrics": "model_id",
    "model_version_tags": "name",
}


class SqliteStore:
    """Implements `migrations.stores.model.SourceStore` for a SQLite file.

    Args:
        file: the database; only read, byte by byte.
        workspace: a private folder for the copy.
        artifacts: further folders that may hold artifacts.

    Raises:
        UnreadableStoreError: the file cannot be read, or is not MLflow's.

    """

    def __init__(self, file: Path, workspace: Path, artifacts: tuple[Path, ...] = ()) -> None:
        self.path = str(file)
        self.left_out: list[LeftOut] = []
        self._roots = (
            file.parent,
            *(file.parent / name for name in ("mlruns", "mlartifacts", "artifacts")),
            *artifacts,
        )
        self._db = copied(file, workspace)
        self._db.row_factory = sqlite3.Row
        if not {"experiments", "runs"} <= set(self._tables):
            self.close()
            raise UnreadableStoreError(f"{file} is no MLflow database: it has no tables experiments and runs")
        for table, column in _LOOKED_UP_BY.items():
            if column in self._tables.get(table, ()):
                self._db.execute(f'CREATE INDEX IF NOT EXISTS "by_{table}" ON "{table}" ("{column}")')

    def close(self) -> None:
        """Close the copy."""
        self._db.close()

    @cached_property
    def _tables(self) -> Mapping[str, frozenset[str]]:
        """Columns by table: schemas of five years differ in both."""
        names = [row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: frozenset(row[1] for row in self._db.execute(f'PRAGMA table_info("{name}")')) for name in names}

    def _rows(self, table: str, columns: Sequence[str], **where: Any) -> Iterator[Mapping[str, Any]]:
        """Yield rows with these columns, None for columns that the schema does not have; nothing without the table."""
        known = self._tables.get(table, frozenset())
        if not known or not set(where) <= known:
            return
        wanted = ", ".join(f'"{c}"' if c in known else f'NULL AS "{c}"' for c in columns)
        asked = " AND ".join(f'"{column}" IS ?' for column in where)
        question = f'SELECT {wanted} FROM "{table}"' + (f" WHERE {asked}" if asked else "")  # noqa: S608 - our own names
        try:
            yield from (dict(row) for row in self._db.execute(question, tuple(where.values())))
        except sqlite3.Error as error:
            self._leave("table", table, f"cannot be read: {error}")

    def _pairs(self, table: str, key: str = "key", value: str = "value", **where: Any) -> dict[str, str]:
        return {text_of(row[key]): text_of(row[value]) for row in self._rows(table, (key, value), **where)}

    def experiments(self) -> tuple[SourceExperiment, ...]:
        """Return all experiments, deleted ones too."""
        return tuple(
            SourceExperiment(
                experiment_id=text_of(row["experiment_id"]),
                name=text_of(row["name"]),
                deleted=row["lifecycle_stage"] == "deleted",
                tags=self._pairs("experiment_tags", experiment_id=row["experiment_id"]),
            )
            for row in self._rows("experiments", ("experiment_id", "name", "lifecycle_stage"))
        )

    def heads(self, experiment_id: str) -> tuple[RunHead, ...]:
        """Return the heads of an experiment's runs."""
        parents = self._parents
        return tuple(
            RunHead(
                run_id=text_of(row["run_uuid"]),
                experiment_id=experiment_id,
                deleted=row["lifecycle_stage"] == "deleted",
                parent=parents.get(text_of(row["run_uuid"]), ""),
                started=whole_number(row["start_time"]) or 0,
            )
            for row in self._rows(
                "runs", ("run_uuid", "lifecycle_stage", "start_time"), experiment_id=_number(experiment_id)
            )
        )

    @cached_property
    def _parents(self) -> Mapping[str, str]:
        rows = self._rows("tags", ("run_uuid", "value"), key="mlflow.parentRunId")
        return {text_of(row["run_uuid"]): text_of(row["value"]).strip() for row in rows}

    def run(self, head: RunHead) -> StoredRun:
        """Return one run, whole."""
        columns = ("name", "status", "start_time", "end_time", "artifact_uri", "user_id")
        row = next(self._rows("runs", columns, run_uuid=head.run_id), None)
        if row is None:
            raise UnreadableStoreError("its row cannot be read")
        tags = self._pairs("tags", run_uuid=head.run_id)
        uri = text_of(row["artifact_uri"])
        user = text_of(row["user_id"])
        return StoredRun(
            run_id=head.run_id,
            experiment_id=head.experiment_id,
            name=text_of(row["name"]) or tags.get("mlflow.runName", ""),
            status=RUN_STATUS.get(text_of(row["status"]), "FAILED"),
            deleted=head.deleted,
            started=whole_number(row["start_time"]),
            ended=whole_number(row["end_time"]),
            params=self._pairs("params", run_uuid=head.run_id),
            tags={"mlflow.user": user, **tags} if user else tags,
            metrics=tuple(self._metrics(head.run_id)),
            datasets=tuple(self._datasets(head.run_id)),
            files=self._files(head.run_id, uri, named=bool(history_of(tags))),
            models=tuple(self._models(head.run_id, experiment_id=None)),
        )

    def orphans(self, experiment_id: str) -> tuple[StoredModel, ...]:
        """Return the logged models of an experiment that came from no run."""
        return tuple(self._models(None, experiment_id=_number(experiment_id)))

    def registered(self) -> tuple[SourceRegistered, ...]:
        """Return all registered models, by name."""
        found = []
        for row in self._rows("registered_models", ("name", "description")):
            name = text_of(row["name"])
            tags = self._pairs("registered_model_tags", name=name)
            aliases = self._rows("registered_model_aliases", ("alias", "version"), name=name)
            rows = list(self._rows("model_versions", ("version", *_VERSION), name=name))
            versions = [self._version(name, v) for v in rows if v["current_stage"] != DELETED_STAGE]
            found.append(
                SourceRegistered(
                    name=name,
                    description=text_of(row["description"]),
                    tags=tags,
                    aliases={text_of(a["alias"]): whole_number(a["version"]) or 0 for a in aliases},
                    versions=tuple(sorted(versions, key=lambda version: version.version)),
                    last=max((whole_number(v["version"]) or 0 for v in rows), default=0),
                    prompt=is_prompt(tags),
                )
            )
        return tuple(sorted(found, key=lambda model: model.name))

    def _version(self, name: str, row: Mapping[str, Any]) -> SourceVersion:
        tags = self._pairs("model_version_tags", name=name, version=row["version"])
        return SourceVersion(
            version=whole_number(row["version"]) or 0,
            source=text_of(row["source"]),
            storage=text_of(row["storage_location"]),
            run_id=text_of(row["run_id"]),
            stage=text_of(row["current_stage"]) or "None",
            description=text_of(row["description"]),
            tags=tags,
        )

    def has_files(self, run_id: str, path: str) -> bool:
        """Tell whether a path among a run's artifacts exists."""
        uri = next((text_of(row["artifact_uri"]) for row in self._rows("runs", ("artifact_uri",), run_uuid=run_id)), "")
        place = locate(self._roots, uri, run_id)
        return place is not None and folder_below(place, Path(path).parts) is not None

    def _metrics(self, run_id: str) -> Iterator[Measurement]:
        for row in self._rows("metrics", ("key", "value", "timestamp", "step", "is_nan"), run_uuid=run_id):
            yield _measured(row["key"], math.nan if row["is_nan"] else row["value"], row["timestamp"], row["step"])

    def _datasets(self, run_id: str) -> Iterator[StoredDataset]:
        for link in self._rows(
            "inputs", ("input_uuid", "source_id"), destination_id=run_id, source_type="DATASET", destination_type="RUN"
        ):
            for row in self._rows("datasets", ("name", "digest", *_DATASET), dataset_uuid=link["source_id"]):
                yield StoredDataset(
                    name=text_of(row["name"]),
                    digest=text_of(row["digest"]),
                    source_type=text_of(row["dataset_source_type"]),
                    source=text_of(row["dataset_source"]),
                    schema=row["dataset_schema"],
                    profile=row["dataset_profile"],
                    tags=self._pairs("input_tags", "name", input_uuid=link["input_uuid"]),
                )

    def _models(self, run_id: str | None, *, experiment_id: Any) -> Iterator[StoredModel]:
        where = {"source_run_id": run_id} if run_id else {"source_run_id": None, "experiment_id": experiment_id}
        for row in self._rows("logged_models", ("model_id", *_MODEL), **where):
            name = text_of(row["model_id"])
            if row["lifecycle_stage"] == "deleted":
                self._leave("logged model", name, "it is deleted")
                continue
            measured = [
                (text_of(m["run_id"]), _measured(*(m[column] for column in _MODEL_METRIC)))
                for m in self._rows("logged_model_metrics", ("run_id", *_MODEL_METRIC), model_id=name)
            ]
            place = locate(self._roots, text_of(row["artifact_location"]), name)
            yield StoredModel(
                model_id=name,
                name=text_of(row["name"]) or "model",
                status=MODEL_STATUS.get(text_of(row["status"]), "READY"),
                model_type=row["model_type"],
                params=self._pairs("logged_model_params", "param_key", "param_value", model_id=name),
                tags=self._pairs("logged_model_tags", "tag_key", "tag_value", model_id=name),
                metrics=tuple(m for run, m in measured if run == run_id),
                elsewhere=tuple((run, m) for run, m in measured if run != run_id),
                files=self._listed("logged model", name, text_of(row["artifact_location"]), place, named=True),
            )

    def _files(self, run_id: str, uri: str, *, named: bool) -> StoredFiles | None:
        return self._listed("artifacts", run_id, uri, locate(self._roots, uri, run_id), named=named)

    def _listed(self, what: str, name: str, uri: str, place: Path | None, *, named: bool) -> StoredFiles | None:
        if place is None:
            if named:
                self._leave(what, name, f"its files at {uri} are not below {self._roots[0]}")
            return None
        files, notes = plain_files(place)
        for note in notes:
            self._leave(what, name, note)
        return files

    def _leave(self, what: str, name: str, reason: str) -> None:
        self.left_out.append(LeftOut(what, name, reason))


_VERSION: Final = ("source", "run_id", "current_stage", "description", "storage_location")
_DATASET: Final = ("dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile")
_MODEL: Final = ("name", "status", "model_type", "artifact_location", "lifecycle_stage")
_MODEL_METRIC: Final = (
    "metric_name", "metric_value", "metric_timestamp_ms", "metric_step", "dataset_name", "dataset_digest",
)  # fmt: skip


def _measured(key: Any, value: Any, timestamp: Any, step: Any, *dataset: str | None) -> Measurement:
    number = math.nan if value is None else float(value)
    return Measurement(text_of(key), number, whole_number(timestamp) or 0, whole_number(step) or 0, *dataset)


def _number(experiment_id: str) -> Any:
    """Return the id as the database holds it."""
    with contextlib.suppress(ValueError):
        return int(experiment_id)
    return experiment_id
