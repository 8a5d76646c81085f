"""The layout of a DVC pipeline: dvc.lock says which metrics and parameters belong to which model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.byte_source import open_regular
from migrations.documents import TABLES, YAMLS
from migrations.drafts import Draft
from migrations.folder import Folder, list_folder
from migrations.formats import MODEL_SUFFIXES
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.names import goes_with_a_model
from migrations.record import about
from migrations.yaml_files import load_yaml

MAX_LOCK: Final = 4 << 20
MAX_STAGES: Final = 1000
_DOCUMENTS: Final = TABLES | YAMLS | {".json"}


class DvcFiles:
    """`dvc.lock` beside `models/model.pkl` and `metrics.json`: outputs of one stage, or of the stage that evaluates."""

    name = "dvc-pipelines"

    def read(self, folder: Folder) -> Reading | None:
        """Bind models to the metrics of their stage; models that are not here are named with their DVC digest."""
        if "dvc.lock" not in folder.files:
            return None
        try:
            stages = _stages(folder.files["dvc.lock"])
        except (OSError, yaml.YAMLError, ValueError) as error:
            return Reading(notes=(f"{folder.path / 'dvc.lock'} cannot be read: {error}".splitlines()[0],))
        drafts: list[Draft] = []
        missing: list[Unreadable] = []
        for stage, model, digest in _models(stages):
            record, notes = _record(folder, stages, stage, model)
            home = _home(folder, model)
            name = Path(model).name
            if home is None or (name not in home.files and f"{name}.dvc" not in home.files):
                reason = f"no model file ({model} is kept by DVC as {digest or 'no digest'}; dvc pull brings it)"
                read = read_metrics(record)
                missing.append(Unreadable(Path(model).stem, folder.path / model, reason, metrics=read.values))
            elif name in home.files and record and _unexplained(home):
                documents = about(home) if home.model_count() == 1 and home.path != folder.path else ()
                beside = tuple(home.model_files()) if home.model_count() == 1 else (name,)
                draft = Draft(
                    Path(model).stem, home.files[name], beside, documents, record, home=home, notes=notes,
                    tags={"dvc_stage": stage},
                )  # fmt: skip
                drafts.append(draft)
        used = frozenset(
            name for draft in drafts if draft.home and draft.home.path == folder.path for name in draft.candidates
        )
        return Reading(tuple(drafts), used, unreadable=tuple(missing)) if drafts or missing else None


def _stages(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the stages of a dvc.lock by name."""
    with open_regular(path) as stream:
        data = stream.read(MAX_LOCK + 1)
    if len(data) > MAX_LOCK:
        raise ValueError(f"it is larger than {MAX_LOCK >> 20} MB")
    read = load_yaml(data)
    stages = read.get("stages", read) if isinstance(read, dict) else {}
    items = stages.items() if isinstance(stages, dict) else ()
    named = {str(name): stage for name, stage in items if isinstance(stage, dict)}
    return dict(list(named.items())[:MAX_STAGES])


def _outputs(stage: Mapping[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """Yield (path, digest) of a stage's outs, metrics or deps."""
    held = stage.get(key)
    for item in held if isinstance(held, list) else ():
        path = item.get("path") if isinstance(item, dict) else item
        if isinstance(path, str):
            yield path, str(item.get("md5") or item.get("hash") or "") if isinstance(item, dict) else ""


def _models(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield (stage, path, digest) of outputs that are called like models and not like what goes with them."""
    for name, stage in stages.items():
        for path, digest in _outputs(stage, "outs"):
            if Path(path).suffix.lower() in MODEL_SUFFIXES and not goes_with_a_model(Path(path).stem):
                yield name, path, digest


def _record(
    folder: Folder, stages: Mapping[str, Mapping[str, Any]], stage: str, model: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the metrics of the stages that evaluate the model, else of the one that made it, and its parameters."""
    judges = [name for name, held in stages.items() if any(path == model for path, _ in _outputs(held, "deps"))]
    for name in (*judges, stage):
        for key in ("metrics", "outs"):
            for path, _ in _outputs(stages[name], key):
                read = _document(folder, path)
                if read is not None and read_metrics(read).values:
                    return {**read, **_params(stages[stage])}, (
                        f"the numbers are from {path}, stage {name} of dvc.lock",
                    )
    return {}, ()


def _document(folder: Folder, path: str) -> dict[str, Any] | None:
    home = _home(folder, path)
    name = Path(path).name
    if home is None or name not in home.files or Path(name).suffix.lower() not in _DOCUMENTS:
        return None
    try:
        read = home.document(name)
    except UnreadableJsonError:
        return None
    if isinstance(read, list) and len(read) == 1:
        read = read[0]
    return read if isinstance(read, dict) else None


def _params(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the lock records, by their own names."""
    held = stage.get("params")
    files = held.values() if isinstance(held, dict) else ()
    flat = {str(key): value for file in files if isinstance(file, dict) for key, value in file.items()}
    return {"hyperparameters": flat} if flat else {}


def _unexplained(home: Folder) -> bool:
    """Return whether nothing beside the model has numbers of its own, which would be nearer to it."""
    for name in about(home):
        try:
            read = home.document(name)
        except UnreadableJsonError:
            continue
        if isinstance(read, dict) and read_metrics(read).values and "dvc.lock" not in home.files:
            return False
    return True


def _home(folder: Folder, recorded: str) -> Folder | None:
    """Return the folder of a path that is relative to dvc.lock; None where it leads out or through a link."""
    here = folder
    for part in Path(recorded).parts[:-1]:
        if part not in here.folders:
            return None
        try:
            here = list_folder(here.path / part, folder.root, folder.known)
        except OSError:
            return None
    return here


LAYOUT: Final = DvcFiles()
