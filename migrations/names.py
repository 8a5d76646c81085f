"""How are models called, and which spellings mean the same model, a stage, a version, or a pointer?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

ROW_NAMES: Final = (
    "Model", "model", "model_name", "Model Name", "model name", "Model_Name", "Algorithm", "algorithm", "Classifier",
    "classifier", "name", "Name", "estimator", "Estimator", "model_type", "Modelo", "modelo", "Modele", "modele",
    "Modèle", "modèle", "Modell", "modell", "Modello", "modello", "Algoritmo", "algoritmo", "Algorithme", "Algorithmus",
    "模型", "Модель", "", "Unnamed: 0", "index",
)  # fmt: skip
MODEL_FOLDERS: Final = frozenset(
    {"models", "model", "saved_models", "model_store", "artifacts", "trained_models", "ml_models", "modelos", "modelo",
     "modeles", "modèles", "modelle", "modelli", "artefatos", "artefactos", "模型"}
)  # fmt: skip
"""What people call the folder of all their models, which says nothing about one of them."""
SAYS_NOTHING: Final = frozenset(
    {"model", "pipeline", "classifier", "regressor", "estimator", "clf", "modelo", "modele"}
)
VERSION: Final = re.compile(r"(v|version[_\-]?)?\d+([._]\d+)*|.*[_\-]v\d+([._]\d+)*", re.IGNORECASE)
_STAGE: Final = re.compile(
    r"(.*[_\-])?(?P<stage>staging|production|prod|archived?|champion|challenger|current|latest|best|candidate|rollback"
    r"|previous|retired|shadow|deployed|active|canary|development|dev)([_\-]models?)?",
    re.IGNORECASE,
)
POINTER: Final = re.compile(
    r"(.*[_\-/])?(latest|current|best|champion|final|active|deployed|production|prod|newest)([_\-]?(model|pipeline))?",
    re.IGNORECASE,
)
"""What people call a second copy of a model that has a name of its own."""
_HELPER: Final = re.compile(
    r"scaler|encoder|vectori[sz]er|preprocess|imputer|transformer|tfidf|umap|pca|mapping|threshold", re.IGNORECASE
)
_OTHER_HELPER: Final = re.compile(
    r"label|feature|column|(^|[_\-])(ohe|le|data|dataset|train|test|x|y)([_\-]|$)", re.IGNORECASE
)
_ENDING: Final = re.compile(r"(model|classifier|regressor|clf|pipeline|estimator)+$")
_BEGINNING: Final = re.compile(r"^model[oel]?(?=[a-z0-9])")
_SHORT: Final = {
    "rf": "randomforest", "lr": "logisticregression", "logreg": "logisticregression", "logistic": "logisticregression",
    "dt": "decisiontree", "gb": "gradientboosting", "gbm": "gradientboosting", "xgb": "xgboost", "lgb": "lightgbm",
    "lgbm": "lightgbm", "cat": "catboost", "knn": "kneighbors", "kneighbours": "kneighbors",
    "knearestneighbors": "kneighbors", "nb": "naivebayes", "gaussiannb": "naivebayes", "svc": "svm",
    "supportvectormachine": "svm", "supportvector": "svm", "mlp": "neuralnetwork", "et": "extratrees",
}  # fmt: skip
ALGORITHMS: Final = frozenset(_SHORT.values()) | {
    "linearregression", "ridge", "lasso", "elasticnet", "adaboost", "histgradientboosting", "isolationforest",
    "supportvectorclassifier", "stacking", "voting", "lstm", "gru", "prophet", "arima", "sarima",
}  # fmt: skip
"""What says of a name that a model is meant, where no file of it is here."""


def plain(name: str) -> str:
    """Reduce a name to its letters and digits, lower-case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=4096)
def reduced(name: str) -> str:
    """Reduce a name to what its spellings share: `Random Forest`, `random_forest_model`, `RandomForestClassifier`."""
    short = plain(name)
    return _BEGINNING.sub("", _ENDING.sub("", short) or short)


@lru_cache(maxsize=4096)
def family(name: str) -> str:
    """Reduce a name further, to its algorithm: `rf` and `RandomForestClassifier` are both randomforest."""
    short = reduced(name)
    return _SHORT.get(short, short)


def row_name(row: Mapping[Any, Any]) -> str:
    """Return what a row of a table calls its model; empty where it has no such column."""
    return next((str(row[key]) for key in ROW_NAMES if isinstance(row.get(key), str) and row[key]), "")


def goes_with_a_model(stem: str) -> bool:
    """Return whether a file is called like what goes with a model; asked only where the bytes cannot tell."""
    says_model = re.search(r"model|classifier|regressor|pipeline", stem, re.IGNORECASE)
    return bool(_HELPER.search(stem)) or (says_model is None and bool(_OTHER_HELPER.search(stem)))


def stage_of(folder_name: str) -> str:
    """Return the stage that a folder's name tells, in lower case; empty where it tells none."""
    found = _STAGE.fullmatch(folder_name)
    return found["stage"].lower() if found else ""
