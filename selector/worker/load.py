"""How is the model in this file loaded? Each format by the library that wrote it, into one thing that predicts.

Runs only in the confined process: pickles execute what their author wrote.
"""

from __future__ import annotations

import json
import mmap
import pickle
import time
from pathlib import Path
from typing import Any, Protocol

import joblib
import lightgbm
import pandas as pd
import skops.io
import xgboost

from selector.worker.answer import Answer, UnusableError
from selector.worker.booster import LightgbmBooster, XgboostBooster
from selector.worker.estimator import Estimator
from selector.worker.frame import chosen
from selector.worker.values import as_labels

TRUSTED_PACKAGES = ("sklearn", "numpy", "scipy", "lightgbm", "xgboost", "collections", "builtins")


class Predictor(Protocol):
    """A loaded model."""

    def predict(self, frame: pd.DataFrame) -> tuple[Answer, float]:
        """Answer one batch; also say how many seconds the model's own predict took."""
        ...


def load(kind: str, folder: Path, file: str, columns: list[str] | None) -> Predictor:
    """Load the model.

    Args:
        kind: lightgbm, xgboost, xgboost-sklearn, skops, pickle or pyfunc, as the parent read it from the MLmodel.
        folder: the model's folder.
        file: the model file below it; unused for pyfunc.
        columns: the input columns of the MLmodel's signature; None where it has none.

    Returns:
        What predicts.

    Raises:
        UnusableError: with the reason in one sentence. Any other exception is the model's.

    """
    if kind == "pyfunc":
        return PythonFunction(folder, columns)
    path = folder / file
    if path.stat().st_size == 0:
        raise UnusableError(f"the model file {file} is empty")
    loaders = {
        "lightgbm": lambda: lightgbm.Booster(model_file=str(path)),
        "xgboost": lambda: xgboost.Booster(model_file=str(path)),
        "xgboost-sklearn": lambda: _xgboost_estimator(path),
        "skops": lambda: _skops(path),
        "pickle": lambda: _pickle(path),
    }
    model: Any = loaders[kind]()
    if isinstance(model, lightgbm.Booster):
        return LightgbmBooster(model)
    if isinstance(model, xgboost.Booster):
        return XgboostBooster(model)
    if not callable(getattr(model, "predict", None)):
        raise UnusableError(f"the file {file} holds a {type(model).__name__}, which has no predict")
    return Estimator(model, columns)


class PythonFunction:
    """A model of any other MLflow flavour, through MLflow's own loader."""

    def __init__(self, folder: Path, columns: list[str] | None) -> None:
        """Load it."""
        import mlflow.pyfunc  # noqa: PLC0415  costs as much as all others; imported before confinement where it is needed

        self._model, self._columns = mlflow.pyfunc.load_model(str(folder)), columns

    def predict(self, frame: pd.DataFrame) -> tuple[Answer, float]:
        """Answer one batch with labels; pyfunc gives no probabilities."""
        rows = chosen(frame, self._columns)
        begin = time.perf_counter()
        raw = self._model.predict(rows)
        return Answer(as_labels(raw, len(frame))), time.perf_counter() - begin


def _xgboost_estimator(path: Path) -> Any:
    """Load what XGBClassifier or XGBRegressor saved; the file says which of them it was."""
    kind = json.loads(xgboost.Booster(model_file=str(path)).attr("scikit_learn") or "{}").get("_estimator_type")
    model: Any = xgboost.XGBRegressor() if kind == "regressor" else xgboost.XGBClassifier()
    model.load_model(str(path))
    model.set_params(n_jobs=1)
    return model


def _skops(path: Path) -> Any:
    """Load with our own list of trusted packages; the list that the MLmodel carries is its author's."""
    asked = skops.io.get_untrusted_types(file=path)
    foreign = [name for name in asked if name.split(".")[0] not in TRUSTED_PACKAGES]
    if foreign:
        raise UnusableError(f"the skops file asks for {foreign[0]}, which is in no trusted package")
    return skops.io.load(path, trusted=asked)


def _pickle(path: Path) -> Any:
    """Load a pickle, or whatever joblib wrote, compressed or not."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        plain = content[:1] == b"\x80" and content.find(b"NumpyArrayWrapper") < 0
    if not plain:
        return joblib.load(path)
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301  confined, see above
