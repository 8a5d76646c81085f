"""How does a whole MLflow store get into another through MLflow's own client, run by run?"""

from __future__ import annotations

import functools
import itertools
import json
import operator
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import within
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow_import import (
    METRICS_PER_CALL,
    MOST_PARAM,
    MOST_TAG,
    PARAMS_PER_CALL,
    UPLOAD_SECONDS,
    accepted_texts,
    create_experiment,
)
from selector.adapters.registry_mlflow_runs import ALL_RUNS, PAGE, all_models, all_runs
from selector.errors import MlflowRefusedError
from selector.ports_store import (
    SOURCE_MODEL_TAG,
    SOURCE_RUN_TAG,
    UNENDED,
    WHOLE_TAG,
    Carried,
    CarriedRun,
    Measurement,
    PresentExperiment,
    StoredFiles,
    StoredModel,
    StoredRun,
    WrittenStoredRun,
)

HISTORY_TAG = "mlflow.log-model.history"
NAME_TAG = "mlflow.runName"
MOST_EXPERIMENT_TAG = 5000
TAGS_PER_CALL = 100


class MlflowStoreWriter:
    """Implements `selector.ports_store.StoreWriter` through one connection.

    Args:
        connection: where MLflow is.

    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def experiments(self) -> tuple[PresentExperiment, ...]:
        """Return all experiments, deleted ones too; a database that is still to be made begins with its Default."""
        if self._connection.absent():
            return (PresentExperiment("0", "Default"),)
        found: list[PresentExperiment] = []
        token: str | None = None
        while True:
            question = operator.methodcaller(
                "search_experiments", view_type=ALL_RUNS, max_results=PAGE, page_token=token
            )
            page = self._connection.ask("list experiments", question)
            found += [
                PresentExperiment(str(e.experiment_id), e.name, e.lifecycle_stage == "deleted", dict(e.tags or {}))
                for e in page
            ]
            token = page.token
            if not token:
                return tuple(found)

    def carried(self) -> Carried:
        """Return what earlier imports carried, in O(pages) calls."""
        if self._connection.absent():
            return Carried()
        ids = [experiment.experiment_id for experiment in self.experiments()]
        runs: dict[str, tuple[CarriedRun, ...]] = {}
        for run in all_runs(self._connection, ids, f"tags.\"{SOURCE_RUN_TAG}\" != ''", deleted_too=True):
            info, tags = run.info, run.data.tags
            whole = info.status not in UNENDED or WHOLE_TAG in tags
            one = CarriedRun(info.run_id, str(info.experiment_id), whole, info.lifecycle_stage == "deleted")
            runs[tags[SOURCE_RUN_TAG]] = (*runs.get(tags[SOURCE_RUN_TAG], ()), one)
        whole_runs = {run.run_id for copies in runs.values() for run in copies if run.whole}
        models = {
            model.tags[SOURCE_MODEL_TAG]: model.model_id
            for model in (all_models(self._connection, ids) if runs else ())
            if SOURCE_MODEL_TAG in model.tags and model.source_run_id in whole_runs
        }
        return Carried(runs, models)

    def create_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """Create an experiment and return its id."""
        number = create_experiment(self._connection, name)
        self.tag_experiment(number, tags)
        return number

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an experiment that is not deleted."""
        for key, value in accepted_texts(tags, MOST_EXPERIMENT_TAG, {}, []).items():
            question = operator.methodcaller("set_experiment_tag", experiment_id, key, value)
            self._connection.ask("tag an experiment", question)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment with its runs."""
        self._connection.ask("delete an experiment", lambda client: client.delete_experiment(experiment_id))

    def write(self, run: StoredRun, experiment_id: str) -> WrittenStoredRun:
        """Write one run; it is RUNNING until all of it is there."""
        left_out: list[str] = []
        tags = _texts("tag", {k: v for k, v in run.tags.items() if k != NAME_TAG}, MOST_TAG, left_out)
        params = _texts("param", run.params, MOST_PARAM, left_out)
        history = tags.pop(HISTORY_TAG, None)
        begun = run.started or 1  # 0 would mean "now"
        made = self._connection.ask(
            "create a run",
            lambda client: client.create_run(
                experiment_id, start_time=begun, tags=tags, run_name=run.name or run.run_id
            ),
        )
        run_id = made.info.run_id
        models = {model.model_id: self._create_model(model, experiment_id, run_id, left_out) for model in run.models}
        # The run's own text is read, for what was cut to MLflow's length is no JSON.
        later = {HISTORY_TAG: readable_history(run.tags[HISTORY_TAG], run_id, models)} if history is not None else {}
        self._log(run_id, self._metrics(run, models, left_out), params, later)
        self._datasets(run_id, run, left_out)
        if run.files is not None:
            self._upload(run.files, str(made.info.artifact_uri), left_out)
        self._outputs(run_id, models)
        self._end(run_id, run)
        return WrittenStoredRun(run_id, models, tuple(left_out))

    def measure(self, run_id: str, model_id: str, metrics: Sequence[Measurement]) -> None:
        """Log measurements of a logged model into another run than its own."""
        entities = mlflow_module("mlflow.entities")
        self._log(run_id, [_metric(entities, one, model_id) for one in metrics], {}, {})

    def discard(self, run_id: str) -> None:
        """Delete a half-written run and its logged models."""
        run = self._connection.ask("get a run", lambda client: client.get_run(run_id))
        found = all_models(self._connection, [str(run.info.experiment_id)])
        for model in [model for model in found if model.source_run_id == run_id]:
            question = operator.methodcaller("delete_logged_model", model.model_id)
            self._connection.ask("delete a logged model", question)
        self.delete_run(run_id)

    def delete_run(self, run_id: str) -> None:
        """Delete a run; harmless where it is deleted."""
        run = self._connection.ask("get a run", lambda client: client.get_run(run_id))
        if run.info.lifecycle_stage != "deleted":
            self._connection.ask("delete a run", lambda client: client.delete_run(run_id))

    def artifact_uri(self, run_id: str) -> str:
        """Return where the run's artifacts are."""
        return str(self._connection.ask("get a run", lambda client: client.get_run(run_id)).info.artifact_uri)

    def describe(self, name: str, version: int | None, text: str) -> None:
        """Set the description of a registered model, or of one version."""
        if version is None:
            question = operator.methodcaller("update_registered_model", name, description=text)
        else:
            question = operator.methodcaller("update_model_version", name, str(version), description=text)
        self._connection.ask("describe a model", question)

    def _create_model(self, model: StoredModel, experiment_id: str, run_id: str, left_out: list[str]) -> str:
        tags = _texts("model tag", model.tags, MOST_TAG, left_out) | {SOURCE_MODEL_TAG: model.model_id}
        params = _texts("model param", model.params, MOST_PARAM, left_out)
        made = self._connection.ask(
            "create a logged model",
            lambda client: client.create_logged_model(
                experiment_id,
                name=model.name,
                source_run_id=run_id,
                tags=tags,
                params=params,
                model_type=model.model_type,
            ),
        )
        if model.files is not None:
            self._upload(model.files, str(made.artifact_location), left_out)
        status = model.status
        if status in {"READY", "FAILED"}:
            question = operator.methodcaller("finalize_logged_model", made.model_id, status)
            self._connection.ask("finish a logged model", question)
        return str(made.model_id)

    def _metrics(self, run: StoredRun, models: Mapping[str, str], left_out: list[str]) -> list[Any]:
        """Return MLflow's metrics: those of a logged model name it, and stand for the run's equal ones."""
        entities = mlflow_module("mlflow.entities")
        renamed: dict[str, str] = {}
        measured = [(None, one) for one in run.metrics]
        own = [(models[model.model_id], one) for model in run.models for one in model.metrics]
        keys = accepted_texts({one.key: one.key for _, one in (*measured, *own)}, MOST_TAG, renamed, [])
        names = {original: accepted for accepted, original in keys.items()}
        left_out += [f"metric {original!r} is called {name!r}" for name, original in renamed.items()]
        linked = {_place(one) for _, one in own}
        plain = [(model, one) for model, one in measured if _place(one) not in linked]
        return [_metric(entities, replace(one, key=names[one.key]), model) for model, one in (*plain, *own)]

    def _log(self, run_id: str, metrics: Sequence[Any], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log within MLflow's limits per call: 1,000 metrics, 100 params, 100 tags, 1,000 of all."""
        entities = mlflow_module("mlflow.entities")
        told = [entities.Param(key, value) for key, value in params.items()]
        marked = [entities.RunTag(key, value) for key, value in tags.items()]
        room = METRICS_PER_CALL if not told and not marked else METRICS_PER_CALL - PARAMS_PER_CALL - TAGS_PER_CALL
        slices = (_slices(metrics, room), _slices(told, PARAMS_PER_CALL), _slices(marked, TAGS_PER_CALL))
        for some_metrics, some_params, some_tags in itertools.zip_longest(*slices, fillvalue=()):
            batch = {"metrics": some_metrics, "params": some_params, "tags": some_tags}
            self._connection.ask("log a batch", operator.methodcaller("log_batch", run_id, **batch))

    def _datasets(self, run_id: str, run: StoredRun, left_out: list[str]) -> None:
        if not run.datasets:
            return
        entities = mlflow_module("mlflow.entities")
        inputs = [
            entities.DatasetInput(
                entities.Dataset(d.name, d.digest, d.source_type, d.source, d.schema, d.profile),
                [entities.InputTag(key, value) for key, value in d.tags.items()],
            )
            for d in run.datasets
        ]
        try:
            self._connection.ask("log datasets", lambda client: client.log_inputs(run_id, inputs))
        except MlflowRefusedError as error:
            left_out.append(f"its datasets: {error.message}")

    def _outputs(self, run_id: str, models: Mapping[str, str]) -> None:
        if models:
            entities = mlflow_module("mlflow.entities")
            outputs = [entities.LoggedModelOutput(model_id, 0) for model_id in models.values()]
            self._connection.ask("link models to a run", lambda client: client.log_outputs(run_id, outputs))

    def _end(self, run_id: str, run: StoredRun) -> None:
        if run.status not in UNENDED:
            ask = operator.methodcaller("set_terminated", run_id, run.status, run.ended or run.started or 1)
            self._connection.ask("finish a run", ask)
            return
        if run.status == "SCHEDULED":
            self._connection.ask("set a status", lambda client: client.update_run(run_id, status="SCHEDULED"))
        self._connection.ask("mark a run", lambda client: client.set_tag(run_id, WHOLE_TAG, "yes"))

    def _upload(self, files: StoredFiles, location: str, left_out: list[str]) -> None:
        """Copy plain files one by one; MLflow would follow links in a folder. A file that cannot be read is named."""
        registry = mlflow_module("mlflow.store.artifact.artifact_repository_registry")
        repository = registry.get_artifact_repository(location, tracking_uri=self._connection.uri)
        for name in files.names:
            file, folder = str(files.root / name), posixpath.dirname(name) or None
            upload = functools.partial(repository.log_artifact, file, folder)
            try:
                with (files.root / name).open("rb"):
                    pass
            except OSError as error:
                left_out.append(f"its file {name}: {error.strerror or error}")
                continue
            try:
                within(UPLOAD_SECONDS, self._connection.uri, "upload a file", upload)
            except MlflowRefusedError as error:
                left_out.append(f"its file {name}: {error.message}")


def readable_history(text: str, run_id: str, models: Mapping[str, str]) -> str:
    """Return the tag in which MLflow 2 keeps a run's models, with the ids of today, and as JSON whatever its length."""
    try:
        entries = json.loads(text)
    except ValueError:
        return text[:MOST_TAG]
    if not isinstance(entries, list):
        return text[:MOST_TAG]
    known = [entry | {"run_id": run_id} for entry in entries if isinstance(entry, dict)]
    for entry in known:
        if entry.get("model_id") in models:
            entry["model_id"] = models[entry["model_id"]]
    short = [
        {key: entry[key] for key in ("run_id", "artifact_path", "utc_time_created", "model_id") if key in entry}
        for entry in known
    ]
    for form in (known, short, *(short[-keep:] for keep in range(len(short) - 1, 0, -1))):
        said = json.dumps(form)
        if len(said) <= MOST_TAG:
            return said
    return "[]"


def _texts(what: str, texts: Mapping[str, str], most: int, left_out: list[str]) -> dict[str, str]:
    """Return params or tags as MLflow accepts them, and say what had to be changed."""
    renamed: dict[str, str] = {}
    cut: list[str] = []
    found = accepted_texts(texts, most, renamed, cut)
    left_out += [f"{what} {original!r} is called {name!r}" for name, original in renamed.items()]
    left_out += [f"{what} {one} was cut at {most} characters" for one in cut if not one.startswith(HISTORY_TAG)]
    return found


def _place(one: Measurement) -> tuple[Any, ...]:
    return (one.key, one.timestamp, one.step, repr(one.value))


def _metric(entities: Any, one: Measurement, model_id: str | None) -> Any:
    return entities.Metric(
        one.key,
        one.value,
        max(one.timestamp, 0),  # MLflow refuses metrics before 1970
        one.step,
        model_id=model_id,
        dataset_name=one.dataset_name if model_id else None,
        dataset_digest=one.dataset_digest if model_id else None,
    )


def _slices(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
