"""What do nearly all models need? Imported once by the fork server, so that a worker starts in milliseconds."""

from __future__ import annotations

import importlib

USUAL = (
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.feature_selection",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
    "cloudpickle",
)


def preload() -> None:
    """Import the usual modules; selector.worker.load has brought LightGBM, XGBoost, skops and pandas already."""
    for name in USUAL:
        importlib.import_module(name)
