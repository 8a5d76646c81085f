"""How does the user of the demo train: ordinary pipelines that know nothing of us."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from selector.demo.customers import CALLS, TARGET

TEXT = ("Contract", "InternetService", "PaymentMethod", "TechSupport")
OLD_NUMBERS = ("SeniorCitizen", "tenure", "MonthlyCharges")
ALL_NUMBERS = (*OLD_NUMBERS, CALLS)

# One thread each: the same numbers on machines with more cores.
ESTIMATORS: Mapping[str, Callable[[int], Any]] = {
    "logistic_regression": lambda seed: LogisticRegression(C=1.0 + seed % 7, max_iter=1000),
    "random_forest": lambda seed: RandomForestClassifier(60, max_depth=8, random_state=seed, n_jobs=1),
    "lightgbm": lambda seed: LGBMClassifier(
        n_estimators=60,
        num_leaves=15,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        random_state=seed,
        n_jobs=1,
        verbose=-1,
    ),
    "xgboost": lambda seed: XGBClassifier(
        n_estimators=60,
        max_depth=4,
        learning_rate=0.1,
        subsample=0.8,
        colsample_bytree=0.8,
        random_state=seed,
        n_jobs=1,
    ),
}


def train(
    kind: str, rows: pd.DataFrame, seed: int, numbers: tuple[str, ...] = OLD_NUMBERS, estimator: Any = None
) -> Any:
    """Return a fitted pipeline that takes the table as it is and answers 0 or 1 (1: leaves).

    Args:
        kind: a key of `ESTIMATORS`.
        rows: customers with their target.
        seed: of the estimator.
        numbers: the number columns it may see.
        estimator: in place of the usual one of this kind.

    """
    encode = ColumnTransformer(
        [("numbers", StandardScaler(), list(numbers)), ("text", OneHotEncoder(handle_unknown="ignore"), list(TEXT))]
    )
    pipeline = make_pipeline(encode, estimator if estimator is not None else ESTIMATORS[kind](seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user's training code may warn; here nobody could act on it
        return pipeline.fit(rows.drop(columns=TARGET), labels(rows))


def train_memorising(rows: pd.DataFrame) -> Any:
    """Return a pipeline that learns its rows by heart; with the holdout among them it looks nearly perfect."""
    learner = XGBClassifier(n_estimators=500, max_depth=12, learning_rate=0.2, min_child_weight=0, n_jobs=1)
    return train("xgboost", rows, 0, ALL_NUMBERS, learner)


def labels(rows: pd.DataFrame) -> pd.Series[int]:
    """Return the target as users train on it: 1 for Yes."""
    return rows[TARGET].eq("Yes").astype(int)


def answers(model: Any, rows: pd.DataFrame) -> Any:
    """Return what a model answers for these rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same
        return model.predict(rows.drop(columns=TARGET))


def binary_f1(model: Any, rows: pd.DataFrame) -> float:
    """Return the F1 of the class Yes, 0 to 1."""
    return float(f1_score(labels(rows), answers(model, rows)))


def weighted_scores(model: Any, rows: pd.DataFrame) -> dict[str, float]:
    """Return support-weighted scores, as old stores like to keep them: they flatter where most customers stay."""
    truth, given = labels(rows), answers(model, rows)
    return {
        "accuracy": float(accuracy_score(truth, given)),
        "precision": float(precision_score(truth, given, average="weighted")),
        "recall": float(recall_score(truth, given, average="weighted")),
        "f1_score": float(f1_score(truth, given, average="weighted")),
    }
