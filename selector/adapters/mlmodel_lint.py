"""Is this MLmodel free of traps? Read as text before anything is loaded.

`mlflow.pyfunc.load_model` imports whatever `loader_module` names and runs `model_code_path` and `code` (seen with
MLflow 3.17.2, even where pickles are forbidden), so these are refused here. Path traversal through MLflow's files has
a list of CVEs (2023-1177, 2023-6730, 2024-1483, 2024-1558).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from selector.mlmodel import UnreadableMlmodelError, read_mlmodel

FLAVOURS = frozenset(
    {
        "catboost",
        "diviner",
        "fastai",
        "h2o",
        "johnsnowlabs",
        "keras",
        "lightgbm",
        "onnx",
        "paddle",
        "pmdarima",
        "prophet",
        "pytorch",
        "sklearn",
        "spacy",
        "spark",
        "statsmodels",
        "tensorflow",
        "transformers",
        "xgboost",
    }
)
CODE_KEYS = ("code", "model_code_path", "code_path", "code_paths", "python_model", "artifacts")
PATH_KEYS = frozenset(
    {
        "artifact_path",
        "code",
        "conda",
        "data",
        "mlflow_input_example_path",
        "model_binary",
        "model_code_path",
        "model_config",
        "model_data",
        "model_path",
        "path",
        "pickled_model",
        "pipeline_artifacts",
        "python_model",
        "saved_input_example_info",
        "virtualenv",
    }
)


def lint(folder: Path, *, allow_code: bool = False) -> str | None:
    """Return in one plain sentence why the model in this folder must not be loaded; None where it may be.

    Args:
        folder: holds MLmodel and the files it names.
        allow_code: let models bring their own Python code; they still run confined.

    """
    try:
        mlmodel = read_mlmodel(folder)
    except UnreadableMlmodelError as error:
        return f"the model cannot be read: {error}"
    found = _foreign_entries(folder) or _paths(mlmodel)
    return found if found or allow_code else _own_code(mlmodel["flavors"])


def _own_code(flavors: dict[str, Any]) -> str | None:
    advice = "own code is refused"
    for name, flavor in flavors.items():
        if not isinstance(flavor, dict):
            return f"its MLmodel is odd: the flavor '{name}' holds no settings"
        for key in CODE_KEYS:
            if flavor.get(key):
                return f"the model brings its own Python code ('{key}' of the flavor '{name}'); {advice}"
    module = flavors.get("python_function", {}).get("loader_module")
    if module is not None and not _is_flavour(module):
        return (
            f"the model wants to be loaded by '{str(module)[:100]}', which is none of MLflow's own flavours; {advice}"
        )
    return None


def _is_flavour(module: Any) -> bool:
    return isinstance(module, str) and module.startswith("mlflow.") and module.removeprefix("mlflow.") in FLAVOURS


def _paths(mlmodel: dict[str, Any]) -> str | None:
    # MLflow notes there where the model was logged to, as an absolute URI; nothing is loaded from it.
    loaded = {key: value for key, value in mlmodel.items() if key != "artifact_path"}
    for key, value in _settings(loaded):
        if key in PATH_KEYS and isinstance(value, str) and not is_inside(value):
            return f"its MLmodel names a path outside of the model ('{key}: {value[:200]}')"
    return None


def is_inside(path: str) -> bool:
    """Tell whether a relative path stays below the folder it is relative to."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    absolute = path.startswith(("/", "\\", "~")) or path[1:2] == ":" or "://" in path
    return bool(path) and "\0" not in path and not absolute and ".." not in parts


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value at any depth; YAML aliases are visited once."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        if isinstance(current, dict):
            seen.add(id(current))
            yield from ((str(key), item) for key, item in current.items())
            waiting.extend(current.values())
        elif isinstance(current, list):
            seen.add(id(current))
            waiting.extend(current)


def _foreign_entries(folder: Path) -> str | None:
    """Refuse links and whatever is neither file nor folder."""
    for root, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode) and not path.resolve().is_relative_to(folder.resolve()):
                return f"the model's folder holds a link that leads out of it ('{path.relative_to(folder)}')"
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                return f"the model's folder holds '{path.relative_to(folder)}', which is neither file nor folder"
    return None
