"""How does the user of the demo log models: plain MLflow, as in any training script?"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from selector.adapters.mlflow_import import mlflow_module

PACKAGES = ("scikit-learn", "lightgbm", "xgboost", "pandas")


@contextmanager
def own_mlflow(tracking_uri: str) -> Iterator[None]:
    """Point MLflow's process-wide settings at the demo's own MLflow, whatever the environment says; undo it after."""
    before = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("MLFLOW_")}
    try:
        mlflow = mlflow_module("mlflow")
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        yield
    finally:
        for forget in ("set_tracking_uri", "set_registry_uri"):
            if "mlflow" in sys.modules:
                getattr(sys.modules["mlflow"], forget)(None)
        for key in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            os.environ.pop(key, None)
        os.environ.update(before)


def log(experiment: str, name: str, model: Any, metrics: Mapping[str, float], params: Mapping[str, object]) -> str:
    """Log one finished run with its model, as a training script does, and return the run's id."""
    mlflow, flavor = mlflow_module("mlflow"), mlflow_module("mlflow.sklearn")
    known = mlflow.get_experiment_by_name(experiment)
    place = known.experiment_id if known else mlflow.create_experiment(experiment)
    with warnings.catch_warnings(), mlflow.start_run(experiment_id=place, run_name=name) as run:
        warnings.simplefilter("ignore")  # MLflow's advice to authors of models
        mlflow.log_params(dict(params))
        mlflow.log_metrics(dict(metrics))
        # Requirements are named because MLflow would otherwise start a process that finds them out, for seconds.
        needed = [f"{package}=={version(package)}" for package in PACKAGES]
        flavor.log_model(model, name="model", serialization_format="cloudpickle", pip_requirements=needed)
    return str(run.info.run_id)
