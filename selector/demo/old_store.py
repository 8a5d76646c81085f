"""What does a store of models look like before MLflow: folders of pickles and metadata, with the usual accidents?"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from selector.demo.training import train, train_memorising, weighted_scores

KNOWN_ROWS = 1500
"""How many customers the team knew when it trained these models."""

COPY = "xgboost_20250820_110548"
LEAKED = "xgboost_20250826_013058"
WITHOUT_SCORE = "random_forest_20250828_141228"
CUT_OFF = "xgboost_20250829_005702"
WITHOUT_MODEL = "lightgbm_20250829_012024"
ORIGINAL = "xgboost_20250819_103412"
PLAIN = (
    "logistic_regression_20250818_091204",
    "random_forest_20250818_091539",
    "lightgbm_20250819_103027",
    ORIGINAL,
)
IMPORTABLE = (*PLAIN, COPY, LEAKED, WITHOUT_SCORE)
BROKEN = (CUT_OFF, WITHOUT_MODEL)


@dataclass(frozen=True, slots=True)
class Left:
    """One folder of the store.

    Attributes:
        pickled: the bytes of model.pkl; None where the file is missing.
        scores: what its metadata says.

    """

    name: str
    pickled: bytes | None
    scores: dict[str, float]


def kind_of(name: str) -> str:
    """Return the kind of model that a folder's name begins with."""
    return name.rsplit("_", 2)[0]


def build_store(staging: Path, train_rows: pd.DataFrame, holdout: pd.DataFrame) -> int:
    """Write the store below a folder that is made here, and return how many folders it has."""
    count = 0
    for left in _left(train_rows.iloc[:KNOWN_ROWS], holdout):
        folder = staging / left.name
        folder.mkdir(parents=True)
        if left.pickled is not None:
            (folder / "model.pkl").write_bytes(left.pickled)
        (folder / "metadata.json").write_text(json.dumps(_metadata(left), indent=2), encoding="utf-8")
        count += 1
    return count


def _left(known: pd.DataFrame, holdout: pd.DataFrame) -> Iterator[Left]:
    """Train what is there; nothing in here is loaded again, the pickles are only written."""

    def scored(name: str, model: Any) -> Left:
        return Left(name, pickle.dumps(model), weighted_scores(model, holdout))

    fitted = {name: scored(name, train(kind_of(name), known, 42)) for name in PLAIN}
    yield from fitted.values()
    original = fitted[ORIGINAL]
    yield Left(COPY, original.pickled, original.scores)
    yield scored(LEAKED, train_memorising(pd.concat([known, holdout])))
    forest = train("random_forest", known, 7)
    yield Left(WITHOUT_SCORE, pickle.dumps(forest), {"f1_score": math.nan})
    yield Left(CUT_OFF, (original.pickled or b"")[:1000], original.scores)
    yield Left(WITHOUT_MODEL, None, fitted["lightgbm_20250819_103027"].scores)


def _metadata(left: Left) -> dict[str, Any]:
    stamp = left.name[-15:]
    day, time = stamp[:8], stamp[9:]
    return {
        "model_id": left.name,
        "model_type": kind_of(left.name),
        "stage": "staging",
        "registered_at": f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}",
        "performance_metrics": left.scores,
        "created_by": "mlflow-selector demo",
    }
