"""How does an imported run get into MLflow whole, with its original times, or visibly not at all?"""

from __future__ import annotations

import hashlib
import itertools
import json
import operator
import posixpath
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import within
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow_artifacts import MODEL_FILE, SERVER_ADVICE
from selector.adapters.registry_mlflow_runs import read_experiments
from selector.adapters.registry_mlflow_values import milliseconds
from selector.domain.model import FINGERPRINT_TAG, Run
from selector.errors import MlflowRefusedError, SelectorError
from selector.ports import NewRun, WrittenRun

METRICS_PER_CALL = 1000
PARAMS_PER_CALL = 100
MOST_PARAM = 6000
MOST_TAG = 8000
MOST_KEY = 250
CUT_TAG = "selector.cut"
RENAMED_TAG = "selector.renamed"
UPLOAD_SECONDS = 600.0

_FORBIDDEN = re.compile(r"[^/\w.\- :]")


class ImportIntoMlflow:
    """Writes runs through one connection; experiments are looked up once.

    Args:
        connection: where MLflow is.

    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._experiments: dict[str, str] = {}

    def imported(self, experiment: str) -> Mapping[str, tuple[Run, ...]]:
        """Return the experiment's runs with a fingerprint tag by fingerprint, oldest first.

        A run that an import left unfinished has status RUNNING; a deleted one has status DELETED.
        """
        if self._connection.absent():
            return {}
        found = self._connection.ask("find an experiment", lambda client: client.get_experiment_by_name(experiment))
        if found is None:
            return {}
        runs = read_experiments(
            self._connection, {found.experiment_id: found.name}, f"tags.\"{FINGERPRINT_TAG}\" != ''", deleted_too=True
        )
        groups: dict[str, list[Run]] = {}
        for run in reversed(runs):
            groups.setdefault(run.tags[FINGERPRINT_TAG], []).append(run)
        return {fingerprint: tuple(group) for fingerprint, group in groups.items()}

    def write(self, new: NewRun) -> WrittenRun:
        """Write one run. It is FINISHED only when all of it is there; after a crash it stays RUNNING, with its tags."""
        if new.model_folder is not None and not (new.model_folder / MODEL_FILE).is_file():
            raise MlflowRefusedError(f"{new.model_folder} holds no {MODEL_FILE} file, so it is no model.")
        entities = mlflow_module("mlflow.entities")
        metrics, params, tags = acceptable(new)
        number = self._experiment_id(new.experiment)
        started = new.started_at or new.ended_at
        ended = new.ended_at or new.started_at
        begun = milliseconds(started) if started else None
        run = self._connection.ask(
            "create a run",
            lambda client: client.create_run(number, start_time=begun, tags=tags, run_name=new.name or None),
        )
        run_id = run.info.run_id
        model = self._create_model(new, number, run_id) if new.model_folder else None
        model_id = model.model_id if model else None
        stamp = max(milliseconds(ended), 0) if ended else int(time.time() * 1000)  # MLflow refuses metrics before 1970
        self._log(run_id, _measured(entities, metrics, stamp, model_id), _named(entities, params))
        if model is not None:
            self._upload(new, model.artifact_location)
            self._connection.ask("finish a model", lambda client: client.finalize_logged_model(model_id, "READY"))
            outputs = [entities.LoggedModelOutput(model_id, 0)]
            self._connection.ask("link a model to its run", lambda client: client.log_outputs(run_id, outputs))
        self._connection.ask(
            "finish a run",
            lambda client: client.set_terminated(run_id, "FINISHED", milliseconds(ended) if ended else None),
        )
        return WrittenRun(run_id, f"models:/{model_id}" if model_id else None)

    def delete_run(self, run_id: str) -> None:
        """Delete a run; harmless where it is deleted already."""
        run = self._connection.ask("get a run", lambda client: client.get_run(run_id))
        if run.info.lifecycle_stage != "deleted":
            self._connection.ask("delete a run", lambda client: client.delete_run(run_id))

    def _create_model(self, new: NewRun, experiment_id: str, run_id: str) -> Any:
        return self._connection.ask(
            "create a model",
            lambda client: client.create_logged_model(experiment_id, name=new.model_name, source_run_id=run_id),
        )

    def _log(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any]) -> None:
        """Log within MLflow's limits per call: 1,000 metrics, 100 params, 1,000 of both."""
        rows = itertools.zip_longest(
            _slices(metrics, METRICS_PER_CALL - PARAMS_PER_CALL), _slices(params, PARAMS_PER_CALL), fillvalue=()
        )
        for some_metrics, some_params in rows:
            batch = {"metrics": some_metrics, "params": some_params}
            self._connection.ask("log metrics and params", operator.methodcaller("log_batch", run_id, **batch))

    def _upload(self, new: NewRun, location: str) -> None:
        folder = str(new.model_folder)
        registry = mlflow_module("mlflow.store.artifact.artifact_repository_registry")

        def upload() -> None:
            registry.get_artifact_repository(location, tracking_uri=self._connection.uri).log_artifacts(folder)

        within(UPLOAD_SECONDS, self._connection.uri, "upload a model's files", upload)

    def _experiment_id(self, name: str) -> str:
        if name not in self._experiments:
            found = self._connection.ask("find an experiment", lambda client: client.get_experiment_by_name(name))
            if found is not None and found.lifecycle_stage == "deleted":
                raise MlflowRefusedError(
                    f"The experiment {name!r} is deleted in MLflow.",
                    advice="Restore it in MLflow's interface, or import into another experiment.",
                )
            if found is not None and found.artifact_location.startswith("mlflow-artifacts:"):
                self._refuse_served(name)
            self._experiments[name] = found.experiment_id if found else create_experiment(self._connection, name)
        return self._experiments[name]

    def _refuse_served(self, name: str) -> None:
        if not self._connection.over_http:
            message = f"The artifacts of the experiment {name!r} are kept by an MLflow server."
            raise MlflowRefusedError(message, advice=SERVER_ADVICE)


def create_experiment(connection: Connection, name: str) -> str:
    """Create an experiment where it is missing, and return its id.

    Raises:
        MlflowRefusedError: a bare database server does not say where artifacts belong.

    """
    root = connection.artifact_root
    if root is None and not connection.over_http and connection.uri.startswith(("postgres", "mysql")):
        raise MlflowRefusedError(
            f"The experiment {name!r} is missing, and a bare database does not say where its artifacts belong.",
            advice="Create the experiment yourself, or put `mlflow server` in front of the database.",
        )
    words = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    place = (root / f"{words}-{digest}").as_uri() if root else None
    try:
        return str(connection.ask("create an experiment", lambda client: client.create_experiment(name, place)))
    except SelectorError:
        # Another importer may have made it in between; only then is the refusal nothing.
        found = connection.ask("find an experiment", lambda client: client.get_experiment_by_name(name))
        if found is None:
            raise
        return str(found.experiment_id)


def acceptable(new: NewRun) -> tuple[dict[str, float], dict[str, str], dict[str, str]]:
    """Return metrics, params and tags as MLflow accepts them; what was changed is said in two tags.

    MLflow refuses some characters in keys, and cuts long values without a word.
    """
    renamed: dict[str, str] = {}
    cut: list[str] = []
    metrics = {accepted: new.metrics[key] for key, accepted in _accepted_keys(new.metrics, renamed).items()}
    params = accepted_texts(new.params, MOST_PARAM, renamed, cut)
    tags = accepted_texts(new.tags, MOST_TAG, renamed, cut)
    if renamed:
        tags[RENAMED_TAG] = json.dumps(renamed, ensure_ascii=False)[:MOST_TAG]
    if cut:
        tags[CUT_TAG] = ", ".join(cut)[:MOST_TAG]
    return metrics, params, tags


def accepted_texts(texts: Mapping[str, str], most: int, renamed: dict[str, str], cut: list[str]) -> dict[str, str]:
    """Return params or tags as MLflow accepts them.

    Args:
        texts: by key.
        most: longest value that MLflow keeps, in characters.
        renamed: gets the original of each key that had to be changed, by its new name.
        cut: gets a word on each value that had to be shortened.

    """
    return {accepted: _short(key, texts[key], most, cut) for key, accepted in _accepted_keys(texts, renamed).items()}


def _accepted_keys(keys: Iterable[str], renamed: dict[str, str]) -> dict[str, str]:
    """Return, for each key, one that MLflow accepts; no two become the same. Remember those that differ."""
    cleaned = {key: _cleaned(key) for key in keys}
    found = {key: key for key, clean in cleaned.items() if key == clean}
    for key, clean in cleaned.items():
        if key == clean:
            continue
        taken = clean in found.values()
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        found[key] = f"{clean[: MOST_KEY - 9]}_{digest}" if taken else clean
        renamed[found[key]] = key
    return found


def _cleaned(key: str) -> str:
    clean = _FORBIDDEN.sub("_", key)[:MOST_KEY]
    if not clean or posixpath.normpath(clean) != clean or clean.startswith(("/", "..")) or clean == ".":
        clean = clean.replace("/", "_").replace(".", "_") or "_"
    return clean


def _short(key: str, value: str, most: int, cut: list[str]) -> str:
    if len(value) <= most:
        return value
    cut.append(f"{key} ({len(value)} characters)")
    return value[:most]


def _measured(entities: Any, metrics: Mapping[str, float], stamp: int, model_id: str | None) -> list[Any]:
    return [entities.Metric(key, float(value), stamp, 0, model_id=model_id) for key, value in metrics.items()]


def _named(entities: Any, params: Mapping[str, str]) -> list[Any]:
    return [entities.Param(key, value) for key, value in params.items()]


def _slices(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
