"""Which pip requirements does a model file need, as far as its bytes say?"""

from __future__ import annotations

import functools
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from migrations.model import ModelFile

DISTRIBUTIONS: Final = {
    "sklearn": "scikit-learn", "imblearn": "imbalanced-learn", "umap": "umap-learn",
    "category_encoders": "category-encoders",
    "feature_engine": "feature-engine", "xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost",
    "numpy": "numpy", "pandas": "pandas", "scipy": "scipy", "joblib": "joblib", "hdbscan": "hdbscan",
    "cloudpickle": "cloudpickle", "skops": "skops", "onnx": "onnx", "onnxruntime": "onnxruntime",
    "statsmodels": "statsmodels", "scikit-learn": "scikit-learn",
}  # fmt: skip
_VERSION: Final = re.compile(r"\d+(\.\d+){0,4}((a|b|rc|\.post|\.dev)\d+)*(\+[a-z0-9.]+)?")


def requirements(contents: ModelFile, *more: str) -> tuple[str, ...]:
    """Return pinned requirements, mlflow first.

    A version that the file itself records wins over the installed one; a package that is not installed stays
    unpinned. What looks like no version (the text comes from a foreign file) is not believed.

    Args:
        contents: what is known of the model file.
        more: packages that the flavour needs besides.

    """
    wanted = dict.fromkeys(DISTRIBUTIONS[name] for name in (*contents.packages, *more) if name in DISTRIBUTIONS)
    pinned = [_pin(name, contents.versions.get(name)) for name in sorted(wanted)]
    return (_pin("mlflow", None), *pinned)


def _pin(name: str, recorded: str | None) -> str:
    if recorded and _VERSION.fullmatch(recorded):
        return f"{name}=={recorded}"
    installed = installed_version(name)
    return f"{name}=={installed}" if installed else name


@functools.cache
def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution without importing it; reading it takes milliseconds."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
