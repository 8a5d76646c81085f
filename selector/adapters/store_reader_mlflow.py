"""What does MLflow keep of a store that was carried into it, in the words of the store?"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import MissingError, within
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow_import import MOST_PARAM, MOST_TAG, UPLOAD_SECONDS
from selector.adapters.registry_mlflow_runs import ALL_RUNS, IDS, PAGE
from selector.adapters.registry_mlflow_values import PROMPT_TAG
from selector.adapters.store_values_mlflow import Said, accepted_names, place_of, texts_for_mlflow, versions_of
from selector.adapters.store_writer_mlflow import MOST_NAME, MlflowStoreWriter
from selector.ports_store import UNENDED, Carried, Measurement, StoredDataset, StoredModel, StoredRun

LARGEST_VALUE = 1.7976931348623157e308
"""What MLflow keeps of infinity in a database."""


class MlflowStoreReader:
    """Implements `selector.ports_store_read.StoreReader` through one connection.

    Args:
        connection: where MLflow is.

    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._experiments: list[str] = []

    def carried(self) -> Carried:
        """Return what imports of any store carried."""
        writer = MlflowStoreWriter(self._connection)
        self._experiments = [one.experiment_id for one in writer.experiments()]
        return writer.carried()

    def as_kept(self, run: StoredRun) -> StoredRun:
        """Return the run of a store as MLflow can keep it."""
        said = Said()
        models = tuple(self.model_as_kept(model) for model in run.models)
        names = accepted_names([*run.metrics, *(one for model in run.models for one in model.metrics)], said)
        kept = [
            _kept(replace(one, key=names[one.key], dataset_name=None, dataset_digest=None))
            for one in (*run.metrics, *(one for model in run.models for one in model.metrics))
        ]
        return replace(
            run,
            name=(run.name or run.run_id)[:MOST_NAME],
            started=run.started or 1,
            ended=None if run.status in UNENDED else run.ended or run.started or 1,
            params=texts_for_mlflow("param", run.params, MOST_PARAM, said.changed),
            tags=texts_for_mlflow("tag", run.tags, MOST_TAG, said.changed),
            metrics=tuple({place_of(one): one for one in kept}.values()),
            models=models,
        )

    def model_as_kept(self, model: StoredModel) -> StoredModel:
        """Return the logged model of a store as MLflow can keep it; it keeps no NaN there, but 0."""
        said = Said()
        names = accepted_names(model.metrics, said)
        kept = [_kept(replace(one, key=names[one.key])) for one in model.metrics]
        numbers = [replace(one, value=0.0) if math.isnan(one.value) else one for one in kept]
        return replace(
            model,
            params=texts_for_mlflow("param", model.params, MOST_PARAM, said.changed),
            tags=texts_for_mlflow("tag", model.tags, MOST_TAG, said.changed),
            metrics=tuple({(place_of(one), one.dataset_digest): one for one in numbers}.values()),
        )

    def runs(self, run_ids: Sequence[str]) -> Mapping[str, StoredRun]:
        """Return the runs that exist by id, whatever their lifecycle."""
        wanted = [run_id for run_id in dict.fromkeys(run_ids) if run_id and "'" not in run_id]
        if not self._experiments:
            self.carried()
        found: dict[str, StoredRun] = {}
        for start in range(0, len(wanted), IDS):
            listed = ", ".join(f"'{run_id}'" for run_id in wanted[start : start + IDS])
            question = operator.methodcaller(
                "search_runs",
                self._experiments,
                filter_string=f"attributes.run_id IN ({listed})",
                run_view_type=ALL_RUNS,
                max_results=PAGE,
            )
            page = self._connection.ask("search runs by id", question)
            found |= {run.info.run_id: _run(run) for run in page}
        return found

    def run(self, run_id: str) -> StoredRun | None:
        """Return one run with the models that it used."""
        try:
            return _run(self._connection.ask("get a run", lambda client: client.get_run(run_id)))
        except MissingError:
            return None

    def history(self, run_id: str, key: str) -> Sequence[tuple[int, int, float]]:
        """Return everything logged under a metric's key, as (timestamp, step, value)."""
        question = operator.methodcaller("get_metric_history", run_id, key)
        found = self._connection.ask("read a metric's history", question, seconds=UPLOAD_SECONDS)
        return [(int(m.timestamp), int(m.step), float(m.value)) for m in found]

    def model(self, model_id: str) -> StoredModel | None:
        """Return a logged model without its files; None where it is gone."""
        try:
            found = self._connection.ask("get a logged model", lambda client: client.get_logged_model(model_id))
        except MissingError:
            return None
        return StoredModel(
            model_id=model_id,
            name=found.name,
            status=str(found.status),
            model_type=found.model_type or None,
            params=dict(found.params or {}),
            tags=dict(found.tags or {}),
            metrics=tuple(_measurement(one) for one in found.metrics or ()),
        )

    def files(self, run_id: str, model_id: str, into: Path) -> Path:
        """Return a folder with the artifacts, copied where they are remote."""
        if model_id:
            found = self._connection.ask("get a logged model", lambda client: client.get_logged_model(model_id))
            location = str(found.artifact_location)
        else:
            run = self._connection.ask("get a run", lambda client: client.get_run(run_id))
            location = str(run.info.artifact_uri)
        registry = mlflow_module("mlflow.store.artifact.artifact_repository_registry")
        repository = registry.get_artifact_repository(location, tracking_uri=self._connection.uri)
        if location.startswith("file:") or ("://" not in location and ":/" not in location):
            folder = Path(repository.artifact_dir)
            return folder if folder.is_dir() else into
        download = operator.methodcaller("download_artifacts", "", str(into))
        return Path(
            within(UPLOAD_SECONDS, self._connection.uri, "download artifacts", lambda: str(download(repository)))
        )

    def descriptions(self, name: str, *, prompt: bool = False) -> tuple[str, Mapping[int, str]]:
        """Return the description of a registered model, and that of each version that has one."""
        if prompt:
            where = f"name='{name}' AND tags.`{PROMPT_TAG}` = 'true'"
            (model,) = self._connection.ask("find a prompt", lambda client: client.search_registered_models(where))
        else:
            model = self._connection.ask("get a model", lambda client: client.get_registered_model(name))
        question = operator.methodcaller(*versions_of(name, prompt=prompt), max_results=10_000)
        versions = self._connection.ask("search model versions", question)
        return model.description or "", {int(v.version): v.description for v in versions if v.description}


def _run(run: Any) -> StoredRun:
    info, data = run.info, run.data
    outputs = run.outputs.model_outputs if run.outputs else ()
    inputs = run.inputs.model_inputs if run.inputs else ()
    return StoredRun(
        run_id=info.run_id,
        experiment_id=str(info.experiment_id),
        name=info.run_name or "",
        status=info.status,
        deleted=info.lifecycle_stage == "deleted",
        started=info.start_time,
        ended=info.end_time,
        params=dict(data.params),
        tags=dict(data.tags),
        # MLflow's public `metrics` keeps neither time nor step.
        metrics=tuple(_measurement(one) for one in data._metric_objs),  # noqa: SLF001 - see above
        datasets=tuple(_dataset(one) for one in (run.inputs.dataset_inputs if run.inputs else ())),
        outputs=tuple((one.model_id, int(one.step or 0)) for one in outputs),
        inputs=tuple(one.model_id for one in inputs or ()),
        address=info.artifact_uri or "",
    )


def _dataset(one: Any) -> StoredDataset:
    found = one.dataset
    return StoredDataset(
        name=found.name,
        digest=found.digest,
        source_type=found.source_type,
        source=found.source,
        schema=found.schema or None,
        profile=found.profile or None,
        tags={tag.key: tag.value for tag in one.tags},
    )


def _measurement(one: Any) -> Measurement:
    return Measurement(
        one.key,
        float(one.value),
        int(one.timestamp),
        int(one.step),
        one.dataset_name or None,
        one.dataset_digest or None,
    )


def _kept(one: Measurement) -> Measurement:
    value = math.copysign(LARGEST_VALUE, one.value) if math.isinf(one.value) else one.value
    return replace(one, value=value, timestamp=max(one.timestamp, 0))
