"""What do the bare numbers of a LightGBM or XGBoost booster mean? Its objective says so."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost

from selector.worker.answer import Answer, UnusableError
from selector.worker.frame import chosen, text_columns, with_categories
from selector.worker.values import as_labels, as_probabilities

LIGHTGBM_TASKS = {
    "binary": "binary",
    "cross_entropy": "binary",
    "xentropy": "binary",
    "multiclass": "classes",
    "multiclassova": "classes",
}
XGBOOST_TASKS = {
    "binary:logistic": "binary",
    "binary:logitraw": "logit",
    "binary:hinge": "labels",
    "multi:softprob": "classes",
    "multi:softmax": "labels",
}


class LightgbmBooster:
    """A LightGBM booster: probabilities of binary and multiclass objectives, else values."""

    def __init__(self, model: lightgbm.Booster) -> None:
        """Read objective and column names from the model."""
        found = re.search(r"^objective=(\w+)", model.model_to_string(num_iteration=1), re.MULTILINE)
        self._model = model
        self._task = LIGHTGBM_TASKS.get(found.group(1) if found else "", "values")
        self._names = training_names(model.feature_name())

    def predict(self, frame: pd.DataFrame) -> tuple[Answer, float]:
        """Answer one batch."""
        rows = as_trained(frame, self._names, self._model.num_feature())
        if self._model.pandas_categorical:
            rows = with_categories(rows, text_columns(rows))
        begin = time.perf_counter()
        raw = np.asarray(self._model.predict(rows, num_threads=1))
        return meaning(self._task, raw, len(frame)), time.perf_counter() - begin


class XgboostBooster:
    """An XGBoost booster: probabilities of logistic and softprob objectives, labels of softmax, else values."""

    def __init__(self, model: xgboost.Booster) -> None:
        """Read objective, column names and which of them are categories from the model."""
        objective = json.loads(model.save_config())["learner"]["objective"]["name"]
        self._model = model
        self._task = XGBOOST_TASKS.get(objective, "values")
        self._names = training_names(model.feature_names)
        kinds = zip(model.feature_names or [], model.feature_types or [], strict=False)
        self._categorical = [name for name, kind in kinds if kind == "c"]

    def predict(self, frame: pd.DataFrame) -> tuple[Answer, float]:
        """Answer one batch."""
        rows = as_trained(frame, self._names, self._model.num_features())
        rows = with_categories(rows, self._categorical)
        begin = time.perf_counter()
        matrix = xgboost.DMatrix(rows, enable_categorical=True, nthread=1)
        raw = np.asarray(self._model.predict(matrix, validate_features=self._names is not None))
        return meaning(self._task, raw, len(frame)), time.perf_counter() - begin


def training_names(names: Any) -> list[str] | None:
    """Return the names a model was trained on; None where there are none, or only LightGBM's Column_0, Column_1."""
    if names is None:
        return None
    found = [str(name) for name in names]
    return None if all(name == f"Column_{i}" for i, name in enumerate(found)) else found


def as_trained(frame: pd.DataFrame, names: list[str] | None, width: int) -> pd.DataFrame:
    """Return the columns the model was trained on.

    Raises:
        UnusableError: a column is missing, or a model without names was trained on another number of columns.

    """
    rows = chosen(frame, names)
    if names is None and rows.shape[1] != width:
        raise UnusableError(
            f"the model was trained on {width} columns without names, the holdout has {rows.shape[1]}; "
            "a preprocessing step may be missing"
        )
    return rows


def meaning(task: str, raw: npt.NDArray[Any], rows: int) -> Answer:
    """Turn a booster's numbers into an answer.

    Args:
        task: binary (probability of class 1), logit, classes (one probability a class), labels, or values.
        raw: what predict returned.
        rows: how many rows were asked for.

    """
    if task == "logit":
        raw = 1.0 / (1.0 + np.exp(-raw.astype(float)))
    if task in ("binary", "logit"):
        positive = as_labels(raw, rows).astype(np.float64)
        return Answer(None, as_probabilities(np.column_stack([1.0 - positive, positive]), rows))
    if task == "classes":
        return Answer(None, as_probabilities(raw, rows))
    labels = as_labels(raw, rows)
    return Answer(labels.astype(np.int64) if task == "labels" else labels)
