"""How would this model be loaded? Told from its MLmodel alone, cheapest and safest format first."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.adapters.mlmodel_lint import is_inside

NEEDED_MODULES = {
    "catboost": "catboost",
    "fastai": "fastai",
    "h2o": "h2o",
    "keras": "keras",
    "onnx": "onnxruntime",
    "pmdarima": "pmdarima",
    "prophet": "prophet",
    "pytorch": "torch",
    "spacy": "spacy",
    "spark": "pyspark",
    "statsmodels": "statsmodels",
    "tensorflow": "tensorflow",
    "transformers": "transformers",
}
"""Which installed module a flavour that MLflow itself loads cannot do without."""


class UnplannableError(Exception):
    """No way to load the model; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class LoadingPlan:
    """What the worker is told.

    Attributes:
        kind: lightgbm, xgboost, xgboost-sklearn, skops, pickle or pyfunc.
        file: the model file relative to the folder; empty for pyfunc.
        imports: modules to import before confinement.
        columns: input columns of the signature, or None.

    """

    kind: str
    file: str = ""
    imports: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None


def plan(folder: Path, mlmodel: dict[str, Any]) -> LoadingPlan:
    """Choose how to load the model.

    Raises:
        UnplannableError: the file is missing, or a package is not installed.

    """
    flavors, columns = mlmodel["flavors"], _signature_columns(mlmodel)
    for name, chosen in (("lightgbm", _lightgbm), ("xgboost", _xgboost), ("sklearn", _sklearn)):
        if isinstance(flavors.get(name), dict):
            kind, file = chosen(flavors[name])
            if not isinstance(file, str) or not is_inside(file):
                raise UnplannableError(f"the MLmodel names no model file for the flavor '{name}'")
            if not (folder / file).is_file():
                raise UnplannableError(f"the model file {file} is missing")
            return LoadingPlan(kind, file, columns=columns)
    if "python_function" not in flavors:
        raise UnplannableError(f"no known flavor is among the model's: {', '.join(map(str, flavors)) or 'none'}")
    needed = next((module for flavor, module in NEEDED_MODULES.items() if flavor in flavors), None)
    if needed is not None and importlib.util.find_spec(needed) is None:
        raise UnplannableError(f"the model needs the Python package '{needed}', which is not installed")
    return LoadingPlan("pyfunc", imports=("mlflow.pyfunc", *([needed] if needed else [])), columns=columns)


def _lightgbm(flavor: dict[str, Any]) -> tuple[str, Any]:
    file = flavor.get("data", "")
    if str(flavor.get("model_class", "")).endswith("Booster") or str(file).endswith((".lgb", ".txt")):
        return "lightgbm", file
    return ("skops" if str(file).endswith(".skops") else "pickle"), file


def _xgboost(flavor: dict[str, Any]) -> tuple[str, Any]:
    file, kind = flavor.get("data", ""), str(flavor.get("model_class", ""))
    if str(file).endswith((".pkl", ".pickle", ".joblib")):
        return "pickle", file
    return ("xgboost-sklearn" if ".sklearn." in kind else "xgboost"), file


def _sklearn(flavor: dict[str, Any]) -> tuple[str, Any]:
    return ("skops" if flavor.get("serialization_format") == "skops" else "pickle"), flavor.get("pickled_model")


def _signature_columns(mlmodel: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the names of the signature's input columns; None where it has none or is not to be understood."""
    signature = mlmodel.get("signature")
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        columns = json.loads(inputs) if isinstance(inputs, str) else None
    except ValueError:
        return None
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        return None
    names = [column.get("name") for column in columns]
    return tuple(names) if names and all(isinstance(name, str) for name in names) else None
