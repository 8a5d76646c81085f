"""What is in an MLflow SQLite database of any schema, read with plain SQL from a copy?"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from migrations.stores.files import exists_below, locate, plain_files
from migrations.stores.meta import (
    DELETED_STAGE,
    MODEL_STATUS,
    RUN_STATUS,
    facts_of,
    history_of,
    is_prompt,
    origin_of,
    text_of,
    whole_number,
)
from migrations.stores.model import (
    LeftOut,
    RunHead,
    SourceExperiment,
    SourceRegistered,
    SourceVersion,
    UnreadableStoreError,
)
from migrations.stores.sqlite_tables import SqliteTables
from selector.ports_store import (
    SOURCE_RUN_TAG,
    Measurement,
    ModelUse,
    StoredDataset,
    StoredFiles,
    StoredModel,
    StoredRun,
)

_VERSION: Final = (
    "source", "run_id", "current_stage", "description", "storage_location", "creation_time", "user_id", "run_link",
    "status", "status_message",
)  # fmt: skip
_DATASET: Final = ("dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile")
_RUN: Final = (
    "name", "status", "start_time", "end_time", "artifact_uri", "user_id", "source_type", "source_name",
    "source_version", "entry_point_name",
)  # fmt: skip
_MODEL: Final = (
    "model_id", "name", "status", "model_type", "artifact_location", "lifecycle_stage", "creation_timestamp_ms",
)  # fmt: skip
_MODEL_METRIC: Final = (
    "metric_name", "metric_value", "metric_timestamp_ms", "metric_step", "dataset_name", "dataset_digest",
)  # fmt: skip
HOME: Final = "default"
"""The workspace that everything is in where a database has several or none."""


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
        beside = file.resolve().parent
        self._roots = (beside, *(beside / name for name in ("mlruns", "mlartifacts", "artifacts")), *artifacts)
        self._tables = SqliteTables(file, workspace)
        self._tables.note_the_rest()

    @property
    def left_out(self) -> list[LeftOut]:
        """What could not be read so far."""
        return self._tables.left_out

    def close(self) -> None:
        """Close the copy."""
        self._tables.close()

    def experiments(self) -> tuple[SourceExperiment, ...]:
        """Return all experiments, deleted ones too."""
        return tuple(
            SourceExperiment(
                experiment_id=text_of(row["experiment_id"]),
                name=text_of(row["name"]),
                deleted=row["lifecycle_stage"] == "deleted",
                tags=self._tables.pairs("experiment_tags", experiment_id=row["experiment_id"]),
                created=whole_number(row["creation_time"]),
            )
            for row in self._tables.rows("experiments", ("experiment_id", "name", "lifecycle_stage", "creation_time"))
        )

    def heads(self, experiment_id: str) -> tuple[RunHead, ...]:
        """Return the heads of an experiment's runs."""
        parents = self._parents
        columns = ("run_uuid", "lifecycle_stage", "start_time")
        return tuple(
            RunHead(
                run_id=text_of(row["run_uuid"]),
                experiment_id=experiment_id,
                deleted=row["lifecycle_stage"] == "deleted",
                parent=parents.get(text_of(row["run_uuid"]), ""),
                started=whole_number(row["start_time"]) or 0,
            )
            for row in self._tables.rows("runs", columns, experiment_id=_number(experiment_id))
        )

    @cached_property
    def _parents(self) -> Mapping[str, str]:
        rows = self._tables.rows("tags", ("run_uuid", "value"), key="mlflow.parentRunId")
        return {text_of(row["run_uuid"]): text_of(row["value"]).strip() for row in rows}

    def run(self, head: RunHead) -> StoredRun:
        """Return one run, whole."""
        row = next(self._tables.rows("runs", _RUN, run_uuid=head.run_id), None)
        if row is None:
            raise UnreadableStoreError("its row cannot be read")
        tags = self._tables.pairs("tags", run_uuid=head.run_id)
        uri = text_of(row["artifact_uri"])
        if text_of(row["status"]) not in RUN_STATUS:
            said = f"the status {row['status']!r}" if row["status"] else "no status"
            self._tables.leave("run", head.run_id, f"its row holds {said}; it came as FAILED")
        made = {"source_type": "RUN_OUTPUT", "source_id": head.run_id, "destination_type": "MODEL_OUTPUT"}
        return StoredRun(
            run_id=head.run_id,
            experiment_id=head.experiment_id,
            name=text_of(row["name"]) or tags.get("mlflow.runName", ""),
            status=RUN_STATUS.get(text_of(row["status"]), "FAILED"),
            deleted=head.deleted,
            started=whole_number(row["start_time"]),
            ended=whole_number(row["end_time"]),
            params=self._tables.pairs("params", run_uuid=head.run_id),
            tags=origin_of(row, tags),
            metrics=tuple(self._metrics(head.run_id)),
            datasets=tuple(self._datasets(head.run_id)),
            files=self._files(head.run_id, uri, named=bool(history_of(tags))),
            models=tuple(self._models(source_run_id=head.run_id)),
            outputs=tuple(_output(row) for row in self._tables.rows("inputs", ("destination_id", "step"), **made)),
            address=uri,
        )

    def orphans(self, experiment_id: str) -> Iterator[StoredModel]:
        """Yield the logged models of an experiment that came from no run, or from one that is not in the store."""
        number = _number(experiment_id)
        rows = list(self._tables.rows("logged_models", ("source_run_id",), experiment_id=number))
        for run_id in dict.fromkeys(row["source_run_id"] for row in rows):
            if not run_id or next(self._tables.rows("runs", ("run_uuid",), run_uuid=run_id), None) is None:
                yield from self._models(source_run_id=run_id, experiment_id=number)

    def uses(self) -> Iterator[ModelUse]:
        """Yield what runs have to do with logged models that are not their own."""
        measured = self._tables.measured_elsewhere()
        for (run, model), rows in itertools.groupby(measured, lambda m: (text_of(m["run_id"]), text_of(m["model_id"]))):
            yield ModelUse(run, model, tuple(self._model_metrics(run, rows)))
        columns = ("source_id", "destination_id", "step")
        for row in self._tables.rows("inputs", columns, source_type="RUN_INPUT", destination_type="MODEL_INPUT"):
            yield ModelUse(text_of(row["source_id"]), text_of(row["destination_id"]), used=True)
        for row in self._tables.rows("inputs", columns, source_type="RUN_OUTPUT", destination_type="MODEL_OUTPUT"):
            model, step = _output(row)
            own = next(self._tables.rows("logged_models", ("source_run_id",), model_id=model), None)
            if own is None or own["source_run_id"] != row["source_id"]:
                yield ModelUse(text_of(row["source_id"]), model, made=step)

    def registered(self) -> tuple[SourceRegistered, ...]:
        """Return all registered models, by name; those of a further workspace carry its name too."""
        found: dict[str, SourceRegistered] = {}
        for row in self._tables.rows("registered_models", ("name", "description", "creation_time", "workspace")):
            where = {"name": row["name"]} | ({"workspace": row["workspace"]} if row["workspace"] is not None else {})
            name = text_of(row["name"])
            if text_of(row["workspace"]) not in {"", HOME}:
                name = f"{name} ({row['workspace']})"
                self._tables.leave("name", name, f"it was called {row['name']!r} in the workspace {row['workspace']!r}")
            found[name] = self._registered(name, row, where)
        return tuple(found[name] for name in sorted(found))

    def _registered(self, name: str, row: Mapping[str, Any], where: Mapping[str, Any]) -> SourceRegistered:
        tags = self._tables.pairs("registered_model_tags", **where)
        aliases = self._tables.rows("registered_model_aliases", ("alias", "version"), **where)
        rows = list(self._tables.rows("model_versions", ("version", *_VERSION), **where))
        versions = [self._version(where, v) for v in rows if v["current_stage"] != DELETED_STAGE]
        return SourceRegistered(
            name=name,
            description=text_of(row["description"]),
            tags=tags,
            aliases={text_of(a["alias"]): whole_number(a["version"]) or 0 for a in aliases},
            versions=tuple(sorted(versions, key=lambda version: version.version)),
            last=max((whole_number(v["version"]) or 0 for v in rows), default=0),
            prompt=is_prompt(tags),
            created=whole_number(row["creation_time"]),
        )

    def _version(self, where: Mapping[str, Any], row: Mapping[str, Any]) -> SourceVersion:
        return SourceVersion(
            version=whole_number(row["version"]) or 0,
            source=text_of(row["source"]),
            storage=text_of(row["storage_location"]),
            run_id=text_of(row["run_id"]),
            stage=text_of(row["current_stage"]) or "None",
            description=text_of(row["description"]),
            tags=self._tables.pairs("model_version_tags", version=row["version"], **where),
            created=whole_number(row["creation_time"]),
            facts=facts_of(row),
        )

    def has_files(self, run_id: str, path: str) -> bool | None:
        """Tell whether a path among a run's artifacts exists; None where the run is not in the store."""
        row = next(self._tables.rows("runs", ("artifact_uri",), run_uuid=run_id), None)
        if row is None:
            return None
        place = locate(self._roots, text_of(row["artifact_uri"]), run_id)
        return place is not None and exists_below(place, path)

    def model_named(self, run_id: str, name: str) -> str:
        """Return the id of the newest logged model of that name in a run; "" where there is none."""
        columns = ("model_id", "creation_timestamp_ms", "lifecycle_stage")
        rows = self._tables.rows("logged_models", columns, source_run_id=run_id, name=name)
        found = [(r["creation_timestamp_ms"] or 0, r["model_id"]) for r in rows if r["lifecycle_stage"] != "deleted"]
        return max(found, default=(0, ""))[1]

    def _metrics(self, run_id: str) -> Iterator[Measurement]:
        for row in self._tables.rows("metrics", ("key", "value", "timestamp", "step", "is_nan"), run_uuid=run_id):
            value = math.nan if row["is_nan"] else row["value"]
            try:
                yield _measured(row["key"], value, row["timestamp"], row["step"])
            except (TypeError, ValueError):
                self._tables.leave("metric", f"{run_id} {row['key']}", f"{value!r} is no number", failed=True)

    def _datasets(self, run_id: str) -> Iterator[StoredDataset]:
        where = {"destination_id": run_id, "source_type": "DATASET", "destination_type": "RUN"}
        for link in self._tables.rows("inputs", ("input_uuid", "source_id"), **where):
            for row in self._tables.rows("datasets", ("name", "digest", *_DATASET), dataset_uuid=link["source_id"]):
                yield StoredDataset(
                    name=text_of(row["name"]),
                    digest=text_of(row["digest"]),
                    source_type=text_of(row["dataset_source_type"]),
                    source=text_of(row["dataset_source"]),
                    schema=row["dataset_schema"],
                    profile=row["dataset_profile"],
                    tags=self._tables.pairs("input_tags", "name", input_uuid=link["input_uuid"]),
                )

    def _models(self, **where: Any) -> Iterator[StoredModel]:
        run_id = where["source_run_id"]
        for row in self._tables.rows("logged_models", _MODEL, **where):
            name = text_of(row["model_id"])
            if row["lifecycle_stage"] == "deleted":
                self._tables.leave("logged model", name, "it is deleted")
                continue
            rows = self._tables.rows("logged_model_metrics", _MODEL_METRIC, model_id=name, run_id=run_id)
            place = locate(self._roots, text_of(row["artifact_location"]), name)
            tags = self._tables.pairs("logged_model_tags", "tag_key", "tag_value", model_id=name)
            yield StoredModel(
                model_id=name,
                name=text_of(row["name"]) or "model",
                status=MODEL_STATUS.get(text_of(row["status"]), "READY"),
                model_type=row["model_type"] or None,
                params=self._tables.pairs("logged_model_params", "param_key", "param_value", model_id=name),
                tags=tags | ({SOURCE_RUN_TAG: run_id} if run_id else {}),
                metrics=tuple(self._model_metrics(run_id, rows)),
                files=self._listed("logged model", name, text_of(row["artifact_location"]), place, named=True),
                created=whole_number(row["creation_timestamp_ms"]),
            )

    def _model_metrics(self, run_id: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Measurement]:
        """Yield a logged model's metrics. MLflow keeps NaN as 0 there; the run's own row says which it was."""
        undefined = {
            (row["key"], row["timestamp"], row["step"])
            for row in self._tables.rows("metrics", ("key", "timestamp", "step"), run_uuid=run_id, is_nan=1)
        }
        for row in rows:
            place = (row["metric_name"], row["metric_timestamp_ms"], row["metric_step"])
            value = math.nan if place in undefined and not row["metric_value"] else row["metric_value"]
            yield _measured(place[0], value, *place[1:], row["dataset_name"], row["dataset_digest"])

    def _files(self, run_id: str, uri: str, *, named: bool) -> StoredFiles | None:
        return self._listed("artifacts", run_id, uri, locate(self._roots, uri, run_id), named=named)

    def _listed(self, what: str, name: str, uri: str, place: Path | None, *, named: bool) -> StoredFiles | None:
        if place is None:
            if named:
                reason = f"its files at {uri} are not below {self._roots[0]}; --artifacts names a further folder"
                self._tables.leave(what, name, reason)
            return None
        files, notes = plain_files(place)
        for note in notes:
            self._tables.leave(what, name, note)
        return files


def _measured(key: Any, value: Any, timestamp: Any, step: Any, *dataset: str | None) -> Measurement:
    number = math.nan if value is None else float(value)
    return Measurement(text_of(key), number, whole_number(timestamp) or 0, whole_number(step) or 0, *dataset)


def _output(row: Mapping[str, Any]) -> tuple[str, int]:
    return text_of(row["destination_id"]), whole_number(row["step"]) or 0


def _number(experiment_id: str) -> Any:
    """Return the id as the database holds it."""
    with contextlib.suppress(ValueError):
        return int(experiment_id)
    return experiment_id
