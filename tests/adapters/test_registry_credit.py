"""Whom does MLflow credit with a metric when a run logs several models, and what do we make of it?

The training code below is real; what MLflow makes of it is not what its author meant.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry

TRAINING = """
import sys
import mlflow, mlflow.sklearn
from sklearn.dummy import DummyClassifier

mlflow.set_tracking_uri(sys.argv[1])
model = DummyClassifier().fit([[0], [1]], [0, 1])

def log(name, **more):
    options = {"pip_requirements": ["scikit-learn"], "serialization_format": "cloudpickle"}
    return mlflow.sklearn.log_model(model, name=name, **options, **more).model_id

def run(name):
    mlflow.create_experiment(name, artifact_location=sys.argv[2])
    mlflow.set_experiment(name)
    return mlflow.start_run(run_name=name)

with run("only one model"):
    mlflow.log_metric("accuracy", 0.9)
    log("only")
    mlflow.log_metric("f1", 0.6)
with run("measured in turn"):
    log("a")
    mlflow.log_metric("f1", 0.6)
    log("b")
    mlflow.log_metric("f1", 0.7)
with run("for the whole run"):
    mlflow.log_metric("before", 0.1)
    log("a")
    log("b")
    mlflow.log_metrics({"f1": 0.9, "auc": 0.8})
with run("with the id"):
    first, second = log("a"), log("b")
    mlflow.log_metric("f1", 0.8, model_id=second)
    mlflow.log_metric("f1", 0.7, model_id=first)
with run("in turn with the id"):
    mlflow.log_metric("f1", 0.6, model_id=log("a"))
    mlflow.log_metric("f1", 0.7, model_id=log("b"))
with run("with the step"):
    log("a", step=1)
    mlflow.log_metric("f1", 0.6, step=1)
    log("b", step=2)
    mlflow.log_metric("f1", 0.7, step=2)
with run("with the active model"):
    log("a")
    mlflow.set_active_model(model_id=log("b"))
    mlflow.log_metric("f1", 0.65)
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory, mlflow_template):
    folder = tmp_path_factory.mktemp("credit")
    shutil.copyfile(mlflow_template, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-W", "ignore", "-c", TRAINING, uri, (folder / "artifacts").as_uri()]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return MlflowRegistry(uri)


@pytest.fixture
def credited(registry):
    """Return the metrics of each model of an experiment's only run, by name."""

    def read(experiment):
        (run,) = registry.runs([experiment])
        assert run.outputs == len(run.models)
        return {model.name: dict(model.metrics) for model in run.models}

    return read


def test_the_only_model_of_a_run_has_what_was_logged_before_and_after_it(credited):
    assert credited("only one model") == {"only": {"accuracy": 0.9, "f1": 0.6}}


def test_of_models_measured_in_turn_none_is_credited_with_anothers_score(registry, credited):
    client = registry._connection._opened()
    number = client.get_experiment_by_name("measured in turn").experiment_id
    found = {m.name: sorted(x.value for x in m.metrics) for m in client.search_logged_models([number])}
    assert found == {"a": [0.6, 0.7], "b": [0.6]}, "MLflow links both scores to the first model and its to the second"

    assert credited("measured in turn") == {"a": {}, "b": {}}


def test_a_score_for_the_whole_run_is_credited_to_none(credited):
    assert credited("for the whole run") == {"a": {}, "b": {}}


@pytest.mark.parametrize(
    ("experiment", "first", "second"),
    [("with the id", 0.7, 0.8), ("in turn with the id", 0.6, 0.7), ("with the step", 0.6, 0.7)],
)
def test_scores_that_are_logged_for_a_model_are_its_own(credited, experiment, first, second):
    assert credited(experiment) == {"a": {"f1": first}, "b": {"f1": second}}


def test_a_score_logged_for_the_active_model_is_its_own(credited):
    assert credited("with the active model") == {"a": {}, "b": {"f1": 0.65}}


def test_a_run_that_is_asked_for_by_id_says_how_many_models_it_logged(registry):
    (run,) = registry.runs(["for the whole run"])
    (found,) = registry.runs_by_id([run.run_id])
    assert (found.models, found.outputs, found.several) == ((), 2, True)
