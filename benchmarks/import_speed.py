"""How fast is an import beside a script with `mlflow.sklearn.log_model`, and beside the bare client calls?

    python benchmarks/import_speed.py [--models 7] [--rounds 5] [--skip-log-model]

Builds a store of small real models, then imports it into fresh SQLite databases of MLflow in three ways: with
`migrations`, with a script that unpickles each model and calls `log_model` with an input example, and with nothing
but the client calls that an import cannot do without. Prints seconds and two ratios. A ratio says how many times as
fast our import is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import pickle
import shutil
import statistics
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from migrations.importer import LegacyImporter
from migrations.mlmodel import model_folder
from migrations.scan import scan
from selector.adapters.registry_mlflow import MlflowRegistry

START = datetime(2025, 8, 20, 10, 46, 3, tzinfo=UTC)


class Clock:
    """The time of day."""

    def now(self) -> datetime:
        """Return it in UTC."""
        return datetime.now(UTC)


def build(store: Path, count: int) -> pd.DataFrame:
    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(200, 8)), columns=[f"x{n}" for n in range(8)])
    labels = (frame["x0"] + random.normal(size=200) > 0).astype(int)
    for index in range(count):
        at = START + timedelta(minutes=index)
        folder = store / f"logistic_{at:%Y%m%d_%H%M%S}"
        folder.mkdir(parents=True)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 + index)).fit(frame, labels)
        (folder / "model.pkl").write_bytes(pickle.dumps(model))
        scores = {"f1_score": 0.7, "accuracy": 0.8, "precision": 0.7, "recall": 0.8, "roc_auc": 0.85}
        document = {"model_type": "logistic", "registered_at": at.isoformat(), "performance_metrics": scores}
        (folder / "metadata.json").write_text(json.dumps(document))
    return frame


def make_tables(uri: str) -> None:
    mlflow.MlflowClient(uri, uri).search_experiments()


def fresh(template: Path) -> str:
    """Return the URI of a database that MLflow has made its tables in."""
    folder = Path(tempfile.mkdtemp(dir=template.parent))
    shutil.copyfile(template, folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"


def ours(store: Path, uri: str) -> float:
    registry = MlflowRegistry(uri)
    registry.check()
    registry.experiments()
    begun = time.perf_counter()
    outcomes = LegacyImporter(registry, registry, Clock()).import_folder(store, "churn", "legacy")
    seconds = time.perf_counter() - begun
    assert all(outcome.status == "imported" for outcome in outcomes), outcomes
    return seconds


def with_log_model(store: Path, uri: str, example: pd.DataFrame) -> float:
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    mlflow.set_experiment(experiment_id=client.create_experiment("legacy", (store.parent / "artifacts").as_uri()))
    begun = time.perf_counter()
    for folder in sorted(store.iterdir()):
        document = json.loads((folder / "metadata.json").read_text())
        with mlflow.start_run(run_name=folder.name):
            mlflow.log_metrics(document["performance_metrics"])
            with (folder / "model.pkl").open("rb") as file:
                model = pickle.load(file)
            form = {"serialization_format": "cloudpickle"}
            mlflow.sklearn.log_model(model, name="model", registered_model_name="churn", input_example=example, **form)
    return time.perf_counter() - begun


def with_bare_calls(store: Path, uri: str) -> float:
    """Do what every import has to do: the run, the logged model with its files, the version."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    client.search_experiments()
    staged = scan([store]).models
    folders = [(one, model_folder(one, Path(tempfile.mkdtemp()) / "model")) for one in staged]
    begun = time.perf_counter()
    experiment = client.create_experiment("legacy", (store.parent / f"bare-{time.time_ns()}").as_uri())
    client.create_registered_model("churn")
    for one, folder in folders:
        stamp = int(one.created_at.timestamp() * 1000)
        tags = {"selector.fingerprint": one.fingerprint, "selector.source": one.source}
        run_id = client.create_run(experiment, start_time=stamp, tags=tags, run_name=one.name).info.run_id
        model = client.create_logged_model(experiment, name="model", source_run_id=run_id)
        metrics = [Metric(key, value, stamp, 0, model_id=model.model_id) for key, value in one.metrics.items()]
        client.log_batch(run_id, metrics=metrics)
        get_artifact_repository(model.artifact_location).log_artifacts(str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        client.set_terminated(run_id, "FINISHED", stamp)
        source = f"models:/{model.model_id}"
        client.create_model_version("churn", source, run_id, tags, await_creation_for=0, model_id=model.model_id)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-log-model", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as scratch:
        store, template = Path(scratch) / "staging", Path(scratch) / "template.db"
        frame = build(store, arguments.models)
        make_tables(f"sqlite:///{template}")
        mine, bare = [], []
        for _ in range(arguments.rounds + 1):  # the first round loads what is loaded once, and is not counted
            mine.append(ours(store, fresh(template)))
            bare.append(with_bare_calls(store, fresh(template)))
        mine_s, bare_s = statistics.median(mine[1:]), statistics.median(bare[1:])
        print(f"{arguments.models} models, median of {arguments.rounds} rounds")
        print(f"our import        {mine_s:8.3f} s  {1000 * mine_s / arguments.models:8.1f} ms a model")
        print(f"bare client calls {bare_s:8.3f} s  ratio {bare_s / mine_s:6.2f} (at least 0.8 wanted)")
        if not arguments.skip_log_model:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                logged_s = with_log_model(store, fresh(template), frame.head(5))
            print(f"log_model script  {logged_s:8.3f} s  ratio {logged_s / mine_s:6.1f} (at least 50 wanted)")


if __name__ == "__main__":
    main()
