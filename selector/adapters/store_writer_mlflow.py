"""How does a whole MLflow store get into another through MLflow's own client, run by run?"""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import MissingError
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow_import import (
    METRICS_PER_CALL,
    MOST_PARAM,
    MOST_TAG,
    PARAMS_PER_CALL,
    accepted_texts,
    create_experiment,
)
from selector.adapters.registry_mlflow_runs import ALL_RUNS, PAGE, all_models, all_runs
from selector.adapters.registry_mlflow_values import PROMPT_TAG, moment, version_value
from selector.adapters.store_files_mlflow import upload_files
from selector.adapters.store_values_mlflow import (
    HISTORY_TAG,
    Said,
    accepted_names,
    groups_of,
    mlflow_metric,
    place_of,
    readable_history,
    slices_of,
    texts_for_mlflow,
    versions_of,
)
from selector.domain.model import BATCH_TAG, RegisteredModel
from selector.errors import MlflowRefusedError
from selector.ports_store import (
    SOURCE_CREATED_TAG,
    SOURCE_MODEL_TAG,
    SOURCE_RUN_TAG,
    UNDONE_TAG,
    UNENDED,
    WHOLE_TAG,
    Carried,
    CarriedRun,
    Measurement,
    ModelUse,
    PresentExperiment,
    StoredModel,
    StoredRun,
    WrittenStoredRun,
)

NAME_TAG = "mlflow.runName"
MOST_EXPERIMENT_TAG = 5000
TAGS_PER_CALL = 100
MOST_NAME = 250


class MlflowStoreWriter:
    """Implements `selector.ports_store.StoreWriter` through one connection.

    Args:
        connection: where MLflow is.

    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._together = threading.local()

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
            if UNDONE_TAG in tags:
                continue
            whole = info.status not in UNENDED or WHOLE_TAG in tags
            one = CarriedRun(info.run_id, str(info.experiment_id), whole, info.lifecycle_stage == "deleted")
            runs[tags[SOURCE_RUN_TAG]] = (*runs.get(tags[SOURCE_RUN_TAG], ()), one)
        whole_runs = {run.run_id for copies in runs.values() for run in copies if run.whole}
        models = {
            model.tags[SOURCE_MODEL_TAG]: model.model_id
            for model in all_models(self._connection, ids)
            if SOURCE_MODEL_TAG in model.tags
            and (model.source_run_id in whole_runs if model.source_run_id else _is_whole(model))
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
        if run.models or run.datasets or (run.files is not None and run.files.names):
            return self._write(run, experiment_id)

        # Handing each call to a thread of its own, and waiting for it, costs more than a small call itself.
        def all_of_it(client: Any) -> WrittenStoredRun:
            self._together.client = client
            return self._write(run, experiment_id)

        calls = 3 + len(run.metrics) // METRICS_PER_CALL + len(run.params) // PARAMS_PER_CALL
        return self._connection.ask("write a run", all_of_it, seconds=calls * self._connection.call_seconds)

    def _ask(self, doing: str, question: Callable[[Any], Any]) -> Any:
        """Call MLflow: by itself, or as one of several calls that wait for their end together."""
        client = getattr(self._together, "client", None)
        return self._connection.ask(doing, question) if client is None else question(client)

    def _write(self, run: StoredRun, experiment_id: str) -> WrittenStoredRun:
        said = Said()
        tags = texts_for_mlflow("tag", {k: v for k, v in run.tags.items() if k != NAME_TAG}, MOST_TAG, said.changed)
        params = texts_for_mlflow("param", run.params, MOST_PARAM, said.changed)
        history = tags.pop(HISTORY_TAG, None)
        first, *more_tags = groups_of(tags, TAGS_PER_CALL) or [{}]
        begun = run.started or 1  # 0 would mean "now"
        made = self._ask(
            "create a run",
            lambda client: client.create_run(
                experiment_id, start_time=begun, tags=first, run_name=(run.name or run.run_id)[:MOST_NAME]
            ),
        )
        run_id = made.info.run_id
        models = {model.model_id: self._create_model(model, experiment_id, run_id, said) for model in run.models}
        # The run's own text is read, for what was cut to MLflow's length is no JSON.
        later = {HISTORY_TAG: readable_history(run.tags[HISTORY_TAG], run_id, models)} if history is not None else {}
        for some in more_tags:
            later |= some
        self._log(run_id, self._metrics(run.metrics, run.models, models, said), params, later)
        self._datasets(run_id, run, said)
        if run.files is not None:
            upload_files(self._connection, run.files, str(made.info.artifact_uri), said)
        self._outputs(run_id, [(models[model], step) for model, step in run.outputs if model in models])
        self._end(run_id, run)
        return WrittenStoredRun(run_id, models, tuple(said.changed), tuple(said.lost))

    def write_model(self, model: StoredModel, experiment_id: str) -> WrittenStoredRun:
        """Write a logged model that came from no run."""
        said = Said()
        model_id = self._create_model(model, experiment_id, None, said)
        return WrittenStoredRun("", {model.model_id: model_id}, tuple(said.changed), tuple(said.lost))

    def use(self, use: ModelUse) -> None:
        """Link a logged model to another run than its own; again changes nothing."""
        entities = mlflow_module("mlflow.entities")
        if use.metrics:
            names = accepted_names(use.metrics, Said())
            metrics = [mlflow_metric(entities, replace(one, key=names[one.key]), use.model_id) for one in use.metrics]
            self._log(use.run_id, metrics, {}, {})
        if not use.used and use.made is None:
            return
        run = self._connection.ask("get a run", lambda client: client.get_run(use.run_id))
        if use.used and use.model_id not in {one.model_id for one in run.inputs.model_inputs}:
            inputs = [entities.LoggedModelInput(use.model_id)]
            self._connection.ask("link a model", lambda client: client.log_inputs(use.run_id, models=inputs))
        known = run.outputs.model_outputs if run.outputs else ()
        if use.made is not None and use.model_id not in {one.model_id for one in known}:
            self._outputs(use.run_id, [(use.model_id, use.made)])

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

    def take_back(self, run_ids: Sequence[str], batch: str) -> Mapping[str, str]:
        """Delete runs with their logged models, and the batch's logged models without a run, and forget them."""
        failed: dict[str, str] = {}
        gone = set(run_ids)
        for model in list(all_models(self._connection, [one.experiment_id for one in self.experiments()])):
            if model.source_run_id in gone or (not model.source_run_id and model.tags.get(BATCH_TAG) == batch):
                question = operator.methodcaller("delete_logged_model", model.model_id)
                self._connection.ask("delete a logged model", question)
        for run_id in run_ids:
            try:
                self._connection.ask("mark a run", operator.methodcaller("set_tag", run_id, UNDONE_TAG, "yes"))
                self._connection.ask("delete a run", operator.methodcaller("delete_run", run_id))
            except MlflowRefusedError as error:
                failed[run_id] = error.message
        return failed

    def artifact_uri(self, run_id: str) -> str:
        """Return where the run's artifacts are."""
        return str(self._connection.ask("get a run", lambda client: client.get_run(run_id)).info.artifact_uri)

    def prompt(self, name: str) -> RegisteredModel | None:
        """Return a prompt, or what an interrupted import made of it; None where there is nothing of that name."""
        if self._connection.absent(self._connection.registry_uri):
            return None
        ask, quoted = self._connection.ask, name.replace("'", "''")
        where = f"name='{quoted}' AND tags.`{PROMPT_TAG}` = 'true'"
        found = ask("find a prompt", lambda client: client.search_registered_models(where))
        try:
            model = found[0] if found else ask("get a model", lambda client: client.get_registered_model(name))
        except MissingError:
            return None
        versions = [
            version_value(version)
            for prompt in (True, False)
            for version in ask("search versions", operator.methodcaller(*versions_of(name, prompt=prompt)))
        ]
        aliases = {alias: int(number) for alias, number in dict(model.aliases or {}).items()}
        own = dict(model.tags or {}) | ({PROMPT_TAG: "true"} if found else {})
        return RegisteredModel(name, tuple(sorted(versions, key=lambda one: one.version)), aliases, own)

    def describe(self, name: str, version: int | None, text: str) -> None:
        """Set the description of a registered model, or of one version."""
        if version is None:
            question = operator.methodcaller("update_registered_model", name, description=text)
        else:
            question = operator.methodcaller("update_model_version", name, str(version), description=text)
        self._connection.ask("describe a model", question)

    def _create_model(self, model: StoredModel, experiment_id: str, run_id: str | None, said: Said) -> str:
        tags = texts_for_mlflow("model tag", model.tags, MOST_TAG, said.changed) | {SOURCE_MODEL_TAG: model.model_id}
        created = moment(model.created)
        if created is not None:
            tags[SOURCE_CREATED_TAG] = created.isoformat(timespec="milliseconds")
        params = texts_for_mlflow("model param", model.params, MOST_PARAM, said.changed)
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
            upload_files(self._connection, model.files, str(made.artifact_location), said)
        if model.status in {"READY", "FAILED"}:
            question = operator.methodcaller("finalize_logged_model", made.model_id, model.status)
            self._connection.ask("finish a logged model", question)
        elif run_id is None:
            question = operator.methodcaller("set_logged_model_tags", made.model_id, {WHOLE_TAG: "yes"})
            self._connection.ask("mark a logged model", question)
        return str(made.model_id)

    def _metrics(
        self, metrics: Sequence[Measurement], from_run: Sequence[StoredModel], models: Mapping[str, str], said: Said
    ) -> list[Any]:
        """Return MLflow's metrics: those of a logged model name it, and stand for the run's equal ones."""
        entities = mlflow_module("mlflow.entities")
        own = [(models[model.model_id], one) for model in from_run for one in model.metrics]
        names = accepted_names([*metrics, *(one for _, one in own)], said)
        linked = {place_of(one) for _, one in own}
        plain = (
            [(None, one) for one in metrics if place_of(one) not in linked] if linked else [(None, m) for m in metrics]
        )
        return [mlflow_metric(entities, replace(one, key=names[one.key]), model) for model, one in (*plain, *own)]

    def _log(self, run_id: str, metrics: Sequence[Any], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log within MLflow's limits per call: 1,000 metrics, 100 params, 100 tags, 1,000 of all."""
        entities = mlflow_module("mlflow.entities")
        told = [entities.Param(key, value) for key, value in params.items()]
        marked = [entities.RunTag(key, value) for key, value in tags.items()]
        room = METRICS_PER_CALL if not told and not marked else METRICS_PER_CALL - PARAMS_PER_CALL - TAGS_PER_CALL
        slices = (slices_of(metrics, room), slices_of(told, PARAMS_PER_CALL), slices_of(marked, TAGS_PER_CALL))
        for some_metrics, some_params, some_tags in itertools.zip_longest(*slices, fillvalue=()):
            batch = {"metrics": some_metrics, "params": some_params, "tags": some_tags}
            self._ask("log a batch", operator.methodcaller("log_batch", run_id, **batch))

    def _datasets(self, run_id: str, run: StoredRun, said: Said) -> None:
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
            said.lost.append(f"its datasets: {error.message}")

    def _outputs(self, run_id: str, made: Sequence[tuple[str, int]]) -> None:
        if made:
            entities = mlflow_module("mlflow.entities")
            outputs = [entities.LoggedModelOutput(model_id, step) for model_id, step in made]
            self._connection.ask("link models to a run", lambda client: client.log_outputs(run_id, outputs))

    def _end(self, run_id: str, run: StoredRun) -> None:
        if run.status not in UNENDED:
            ask = operator.methodcaller("set_terminated", run_id, run.status, run.ended or run.started or 1)
            self._ask("finish a run", ask)
            return
        if run.status == "SCHEDULED":
            self._ask("set a status", lambda client: client.update_run(run_id, status="SCHEDULED"))
        self._ask("mark a run", lambda client: client.set_tag(run_id, WHOLE_TAG, "yes"))


def _is_whole(model: Any) -> bool:
    """Tell whether a logged model without a run is all there."""
    return str(model.status) in {"READY", "FAILED"} or WHOLE_TAG in model.tags
