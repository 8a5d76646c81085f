"""How does a scikit-learn style estimator answer? Through predict and, where it can, predict_proba."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd

from selector.worker.answer import Answer, UnusableError
from selector.worker.booster import as_trained, training_names
from selector.worker.frame import lacking, text_columns, with_categories
from selector.worker.values import as_class_names, as_labels, as_probabilities


class Estimator:
    """Anything with predict: a pipeline, a classifier, a search, LightGBM's and XGBoost's scikit-learn faces.

    Args:
        model: what the file held.
        columns: the input columns of the MLmodel's signature, for models that keep no names of their own.

    """

    def __init__(self, model: Any, columns: list[str] | None) -> None:
        """Find the column names the model was trained on."""
        self._model = model
        own = _names(model)
        self._names = own if own is not None else columns

    def predict(self, frame: pd.DataFrame) -> tuple[Answer, float]:
        """Answer one batch; a column that only the model's unused parts name may be missing."""
        missing = [name for name in self._names or [] if name not in frame.columns]
        rows = frame if self._names is None else frame[[name for name in self._names if name in frame.columns]]
        rows = self._with_categories(rows)
        given = rows if _takes_frames(self._model) else rows.to_numpy()
        try:
            begin = time.perf_counter()
            raw = self._model.predict(given)
            seconds = time.perf_counter() - begin
        except Exception as error:
            if missing:
                raise UnusableError(lacking(missing)) from error
            as_trained(rows, None, _width(self._model, rows.shape[1]))
            raise
        labels = as_labels(raw, len(frame))
        if not hasattr(self._model, "predict_proba") or getattr(self._model, "classes_", None) is None:
            return Answer(labels), seconds
        probabilities = as_probabilities(self._model.predict_proba(given), len(frame))
        return Answer(labels, probabilities, as_class_names(self._model.classes_)), seconds

    def _with_categories(self, rows: pd.DataFrame) -> pd.DataFrame:
        """LightGBM and XGBoost estimators that were trained on pandas categories get categories."""
        booster = getattr(self._model, "_Booster", None)
        kinds = getattr(self._model, "feature_types", None) or getattr(booster, "feature_types", None)
        if getattr(booster, "pandas_categorical", None) or (kinds and "c" in kinds):
            return with_categories(rows, text_columns(rows))
        return rows


def _names(model: Any) -> list[str] | None:
    """Return the training columns; None where the model was trained on a bare array."""
    try:
        names = getattr(model, "feature_names_in_", None)
    except AttributeError:
        return None
    return training_names(names)


def _width(model: Any, otherwise: int) -> int:
    """Return how many columns the model was trained on, where it knows."""
    try:
        return int(getattr(model, "n_features_in_", otherwise))
    except (AttributeError, TypeError):
        return otherwise


def _takes_frames(model: Any) -> bool:
    """Tell whether a frame may be handed over: a model that was trained on a bare array warns about names, or fails."""
    return _names(model) is not None or hasattr(model, "steps") or not hasattr(model, "n_features_in_")
