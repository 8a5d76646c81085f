"""How does a legacy model file become an MLflow model folder, byte for byte, without being unpickled?"""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.byte_source import open_regular
from migrations.joblib_envelope import envelope
from migrations.mlflow_folder import files_below, tree_fingerprint
from migrations.model import StagedModel
from migrations.pickle_contents import CLUSTERERS
from migrations.requirements import installed_version, requirements
from selector.errors import StagingError

EXTRA: Final = "extra"
_CHUNK: Final = 1 << 20
_DUMPER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True)
class _Form:
    """How one format is laid out: MLflow's flavours, the file's name in the folder, packages, bytes around the file."""

    flavors: Mapping[str, Any]
    file: str
    packages: tuple[str, ...] = ()
    before: bytes = b""
    after: bytes = field(default=b"")


def model_folder(staged: StagedModel, into: Path) -> Path:
    """Write the folder that `mlflow.pyfunc.load_model` loads.

    The model's bytes are copied, not linked: whoever owns the legacy store may change its files later. While they
    are copied they are hashed again, so what is in MLflow is what was scanned.

    Args:
        staged: a scanned model.
        into: a folder to be made.

    Returns:
        `into`, with MLmodel, requirements.txt, conda.yaml, python_env.yaml, the model file, and attachments under
        `extra/`.

    Raises:
        StagingError: a file cannot be read any more, or has changed since the scan.

    """
    try:
        into.mkdir(parents=True)
        if staged.format == "mlflow":
            return _copy_tree(staged, into)
        form = _FORMS[staged.format](staged)
        _copy_checked(staged, into / form.file, form)
        for attachment in staged.attachments:
            _copy(attachment.path, into / EXTRA / attachment.path.name)
        pins = requirements(staged.contents, *form.packages)
        _environment(into, pins)
        _mlmodel(staged, into, form)
    except OSError as error:
        raise StagingError(
            f"{staged.model_file.name} cannot be copied: {error.strerror or error}.",
            advice="Look whether it still exists and may be read, and import again.",
        ) from error
    return into


def _pickle(staged: StagedModel) -> _Form:
    """scikit-learn's flavour loads any pickle whose object has `predict`; joblib files go into an envelope first."""
    contents = staged.contents
    before, after = envelope(staged.size, contents.member) if contents.needs_loader else (b"", b"")
    cloud = "cloudpickle" in contents.packages
    packages = ("sklearn", *(("joblib",) if contents.needs_loader else ()))
    flavors: dict[str, Any] = {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": "predict"},
        "sklearn": {
            "code": None,
            "pickled_model": "model.pkl",
            "serialization_format": "cloudpickle" if cloud else "pickle",
            "sklearn_version": contents.versions.get("scikit-learn") or installed_version("scikit-learn"),
            "skops_trusted_types": None,
        },
    }
    if contents.model_class and contents.model_class.rpartition(".")[2] in CLUSTERERS:
        del flavors["python_function"]  # mlflow.pyfunc refuses a model without predict
    return _Form(flavors, "model.pkl", packages, before, after)


def _skops(staged: StagedModel) -> _Form:
    flavors = {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops", "predict_fn": "predict"},
        "sklearn": {
            "code": None,
            "pickled_model": "model.skops",
            "serialization_format": "skops",
            "sklearn_version": installed_version("scikit-learn"),
            "skops_trusted_types": list(staged.contents.trusted),
        },
    }
    return _Form(flavors, "model.skops", ("sklearn", "skops"))


def _lightgbm(_: StagedModel) -> _Form:
    flavors = {
        "lightgbm": {
            "code": None,
            "data": "model.lgb",
            "lgb_version": installed_version("lightgbm"),
            "model_class": "lightgbm.basic.Booster",
        },
        "python_function": {"data": "model.lgb", "loader_module": "mlflow.lightgbm"},
    }
    return _Form(flavors, "model.lgb", ("lightgbm",))


def _xgboost(staged: StagedModel) -> _Form:
    encoding = staged.format.rpartition("-")[2]
    flavors = {
        "python_function": {"data": f"model.{encoding}", "loader_module": "mlflow.xgboost"},
        "xgboost": {
            "code": None,
            "data": f"model.{encoding}",
            "model_class": "xgboost.core.Booster",
            "model_format": encoding,
            "xgb_version": installed_version("xgboost"),
        },
    }
    return _Form(flavors, f"model.{encoding}", ("xgboost",))


def _catboost(_: StagedModel) -> _Form:
    flavors = {
        "catboost": {
            "catboost_version": installed_version("catboost"),
            "code": None,
            "data": "model.cb",
            "model_type": "CatBoost",
            "save_format": "cbm",
        },
        "python_function": {"data": "model.cb", "loader_module": "mlflow.catboost"},
    }
    return _Form(flavors, "model.cb", ("catboost",))


def _onnx(_: StagedModel) -> _Form:
    flavors = {
        "onnx": {
            "code": None,
            "data": "model.onnx",
            "onnx_session_options": None,
            "onnx_version": installed_version("onnx"),
            "providers": ["CPUExecutionProvider"],
        },
        "python_function": {"data": "model.onnx", "loader_module": "mlflow.onnx"},
    }
    return _Form(flavors, "model.onnx", ("onnx", "onnxruntime"))


_FORMS: Final[Mapping[str, Callable[[StagedModel], _Form]]] = {
    "pickle": _pickle, "joblib": _pickle, "skops": _skops, "lightgbm-text": _lightgbm,
    "xgboost-json": _xgboost, "xgboost-ubj": _xgboost, "catboost": _catboost, "onnx": _onnx,
}  # fmt: skip


def _copy_checked(staged: StagedModel, target: Path, form: _Form) -> None:
    """Copy the model file and compare its hash with the fingerprint of the scan."""
    digest, size = hashlib.sha256(), 0
    with open_regular(staged.model_file) as source, target.open("xb") as out:
        out.write(form.before)
        while piece := source.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
            out.write(piece)
            if size > staged.size:
                break
        out.write(form.after)
    if digest.hexdigest() != staged.fingerprint:
        raise _changed(staged)


def _changed(staged: StagedModel) -> StagingError:
    return StagingError(
        f"{staged.model_file.name} changed while it was imported.", advice="Import again when it is complete."
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_regular(source) as held, target.open("xb") as out:
        shutil.copyfileobj(held, out, _CHUNK)


def _copy_tree(staged: StagedModel, into: Path) -> Path:
    """Copy an MLflow model folder as it is and compare the copy's fingerprint."""
    try:
        for name, path in files_below(staged.model_file):
            _copy(path, into / name)
    except ValueError as error:
        raise _changed(staged) from error
    if tree_fingerprint(into)[1] != staged.fingerprint:
        raise _changed(staged)
    return into


def _environment(into: Path, pins: tuple[str, ...]) -> None:
    """Write the three files from which MLflow builds environments."""
    python = platform.python_version()
    (into / "requirements.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": list(pins)}],
        "name": "mlflow-env",
    }
    _dump(into / "conda.yaml", conda)
    venv = {
        "python": python,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    _dump(into / "python_env.yaml", venv)


def _mlmodel(staged: StagedModel, into: Path, form: _Form) -> None:
    """Write MLmodel with the keys that MLflow 3 writes."""
    flavors = dict(form.flavors)
    if "python_function" in flavors:
        flavors["python_function"] = {
            **flavors["python_function"],
            "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            "python_version": platform.python_version(),
        }
    document = {
        "flavors": flavors,
        "mlflow_version": installed_version("mlflow") or installed_version("mlflow-skinny"),
        "model_id": None,
        "model_size_bytes": sum(path.stat().st_size for path in into.rglob("*") if path.is_file()),
        "model_uuid": staged.fingerprint[:32],
        "prompts": None,
        "utc_time_created": staged.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    _dump(into / "MLmodel", document)


def _dump(path: Path, document: Mapping[str, Any]) -> None:
    text = yaml.dump(dict(document), Dumper=_DUMPER, sort_keys=True, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
