"""Which metrics are known by name: their directions, ranges, labels and usual spellings?"""

from __future__ import annotations

import math
from typing import Literal

Direction = Literal["maximize", "minimize", "target"]

RECOMPUTED: dict[str, tuple[Direction, float, float]] = {
    "f1": ("maximize", 0.0, 1.0),
    "accuracy": ("maximize", 0.0, 1.0),
    "precision": ("maximize", 0.0, 1.0),
    "recall": ("maximize", 0.0, 1.0),
    "roc_auc": ("maximize", 0.0, 1.0),
    "average_precision": ("maximize", 0.0, 1.0),
    "log_loss": ("minimize", 0.0, math.inf),
    "brier": ("minimize", 0.0, 2.0),
    "mae": ("minimize", 0.0, math.inf),
    "rmse": ("minimize", 0.0, math.inf),
    "mape": ("minimize", 0.0, math.inf),
    "pinball": ("minimize", 0.0, math.inf),
}

"""Metrics that are computed here from labels and predictions: direction, smallest and largest valid value."""

LOGGED_ONLY: dict[str, tuple[Direction, float, float]] = {
    "balanced_accuracy": ("maximize", 0.0, 1.0),
    "matthews_corrcoef": ("maximize", -1.0, 1.0),
    "silhouette_score": ("maximize", -1.0, 1.0),
    "calinski_harabasz_score": ("maximize", 0.0, math.inf),
    "davies_bouldin_score": ("minimize", 0.0, math.inf),
    "r2": ("maximize", -math.inf, 1.0),
    "mse": ("minimize", 0.0, math.inf),
}
"""Metrics that nothing here recomputes, but whose direction and range are beyond doubt."""

_SYNONYMS = {
    "f1_score": "f1",
    "f_score": "f1",
    "acc": "accuracy",
    "accuracy_score": "accuracy",
    "precision_score": "precision",
    "recall_score": "recall",
    "sensitivity": "recall",
    "auc": "roc_auc",
    "roc": "roc_auc",
    "auroc": "roc_auc",
    "roc_auc_score": "roc_auc",
    "pr_auc": "average_precision",
    "precision_recall_auc": "average_precision",
    "average_precision_score": "average_precision",
    "logloss": "log_loss",
    "cross_entropy": "log_loss",
    "brier_score": "brier",
    "brier_score_loss": "brier",
    "brier_loss": "brier",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "mean_absolute_percentage_error": "mape",
    "pinball_loss": "pinball",
    "mean_pinball_loss": "pinball",
    "quantile_loss": "pinball",
    "silhouette": "silhouette_score",
    "mcc": "matthews_corrcoef",
    "calinski_harabasz": "calinski_harabasz_score",
    "davies_bouldin": "davies_bouldin_score",
    "r2_score": "r2",
    "mean_squared_error": "mse",
}

LABELS = {
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "mae": "MAE",
    "rmse": "RMSE",
    "mape": "MAPE",
    "pinball": "pinball loss",
}


def canonical_name(name: str) -> str:
    """Return the known name behind a usual spelling ("F1 Score" -> "f1"), or `name` itself, stripped."""
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    key = _SYNONYMS.get(key, key)
    return key if key in RECOMPUTED or key in LOGGED_ONLY else name.strip()
