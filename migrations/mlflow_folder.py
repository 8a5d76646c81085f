"""Is this folder a whole MLflow model, and which bytes does it consist of?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.byte_source import open_regular
from migrations.folder import list_folder
from migrations.model import ModelFile
from migrations.yaml_files import load_yaml

MAX_FILES: Final = 2000
MAX_MLMODEL: Final = 4 << 20
MAX_DEPTH: Final = 8
_DATA_KEYS: Final = ("model_path", "data", "pickled_model", "python_model")
_CHUNK: Final = 1 << 20


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Return the parsed MLmodel of a folder.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML mapping with flavors.

    """
    with open_regular(folder / "MLmodel") as stream:
        text = stream.read(MAX_MLMODEL)
    try:
        loaded = load_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError("MLmodel is no YAML") from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("flavors"), dict):
        raise ValueError("MLmodel names no flavors")  # noqa: TRY004  a file's content is wrong, not a caller's type
    return loaded


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (relative name, path) of all regular files below a folder, in order.

    Raises:
        OSError: something cannot be read.
        ValueError: there is a link or a device in it, or it is too large to be one model.

    """
    todo, count = [(folder, 0)], 0
    while todo:
        here, depth = todo.pop()
        listing = list_folder(here, folder)
        if listing.others:
            name, kind = next(iter(listing.others.items()))
            raise ValueError(f"{name} is {kind}")
        if depth >= MAX_DEPTH and listing.folders:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} folders")
        todo.extend((here / name, depth + 1) for name in reversed(listing.folders))
        for path in listing.files.values():
            count += 1
            if count > MAX_FILES:
                raise ValueError(f"it has more than {MAX_FILES} files")
            yield path.relative_to(folder).as_posix(), path


def tree_fingerprint(folder: Path) -> tuple[ModelFile, str, int, float]:
    """Tell what an MLflow model folder is and fingerprint all of its files.

    Returns:
        (what it is, sha256 over names and bytes, size in bytes, newest modification time in epoch seconds).

    """
    try:
        flavors = read_mlmodel(folder)["flavors"]
        digest, size, modified = hashlib.sha256(), 0, 0.0
        names = set()
        for name, path in files_below(folder):
            names.add(name)
            inner = hashlib.sha256()
            with open_regular(path) as stream:
                while piece := stream.read(_CHUNK):
                    inner.update(piece)
                    size += len(piece)
            modified = max(modified, path.lstat().st_mtime)
            digest.update(f"{len(name)}:{name}:{inner.hexdigest()}\n".encode("utf-8", "surrogateescape"))
    except OSError as error:
        return ModelFile("mlflow", "unknown", f"cannot be read: {error.strerror or error}"), "", 0, 0.0
    except ValueError as error:
        return ModelFile("mlflow", "unknown", f"is no usable MLflow model: {error}"), "", 0, 0.0
    missing = _missing(flavors, names)
    own = sorted(name for name in flavors if name != "python_function")
    flavor = own[0] if own else "python_function"
    reason = f"no model file: MLmodel names {missing}, which is not there" if missing else ""
    contents = ModelFile(
        "mlflow", "model", reason, damaged=bool(missing), contains=f"MLflow model ({flavor})",
        model_class=_model_class(flavors.get(flavor)) or flavor, packages=(),
    )  # fmt: skip
    return contents, digest.hexdigest(), size, modified


def _missing(flavors: dict[str, Any], names: set[str]) -> str:
    """Return a file that a flavor needs and that is not in the folder."""
    for flavor in flavors.values():
        if not isinstance(flavor, dict):
            continue
        for key in _DATA_KEYS:
            value = flavor.get(key)
            if isinstance(value, str) and value not in {"", "."}:
                clean = value.strip("/")
                if clean not in names and not any(name.startswith(f"{clean}/") for name in names):
                    return value
    return ""


def _model_class(flavor: Any) -> str | None:
    value = flavor.get("model_class") if isinstance(flavor, dict) else None
    return value if isinstance(value, str) else None
