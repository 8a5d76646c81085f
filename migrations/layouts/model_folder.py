"""The layout of one model per folder: stages (production), versions (v1, 1.0.0), tasks, or a flat `models/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from migrations.drafts import PATH_KEYS, TYPE_KEYS, Draft, base_name
from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.neighbours import NEIGHBOURS, neighbours
from migrations.layouts.staging_folder import not_read
from migrations.metrics import read_metrics
from migrations.model import ModelFile
from migrations.names import MODEL_FOLDERS, POINTER, SAYS_NOTHING, VERSION, family, stage_of
from migrations.periods import period_of
from migrations.record import DOCUMENTS, about
from migrations.wording import class_to_type

MODEL_KEYS: Final = frozenset(
    {"model_type", "model_name", "model_id", "model_path", "model_class", "model_version", "algorithm", "metrics",
     "performance_metrics", "performance", "hyperparameters", "f1", "f1_score", "accuracy", "test_metrics",
     "winner_model", "best_model", "model_params", "feature_columns"}
)  # fmt: skip
ROOTS: Final = MODEL_FOLDERS | {"outputs", "deployment"}
ELSEWHERE: Final = frozenset(
    {*NEIGHBOURS, "eval", "docs", "config", "configs", "data", "tests"} - {"artifacts", "outputs"}
)
KNOWN: Final = frozenset({*DOCUMENTS, "run.json"})
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2}[T_ ])?\d{2}[\-.]\d{2}[\-.]\d{2}(\.\d+Z?)?")
"""A folder called after the time of a run alone: `2025-01-02/12-34-56`, `model.pickle/2025-01-02T03.04.05.678Z`."""
BEST_KEYS: Final = ("best_model", "best_model_name", "selected_model", "champion", "winner", "best")


class ModelFolder:
    """A folder with one model and the documents about it; in a stage or version folder, `model.*` is the one."""

    name = "model-folders"

    def read(self, folder: Folder) -> Reading | None:
        """Claim a folder where a document and one model, or a document that speaks of a model, lie together."""
        told = folder.model_files()
        models = [name for name, what in told.items() if what.role in {"model", "unknown", "pointer"}]
        documents = tuple(name for name in about(folder) if name in KNOWN or _speaks(folder, name))
        named = bool(stage_of(folder.path.name)) or VERSION.fullmatch(folder.path.name) is not None
        count = max(len(models), folder.model_count())
        if count > 1 and documents and not named and len(models) == count and _one_model(folder, models):
            return _with_copies(folder, told, models, documents)
        if count > 1 and not (named and documents and any(name.startswith("model.") for name in models)):
            return self._one_of_several(folder, told, documents, count) if documents else None
        if not models and (folder.model_count() or not describes_one(folder, documents)):
            return None
        if not documents and models and not named:
            return _with_neighbours(folder, models[0], tuple(told)) if count == 1 else None
        if not documents and not (named and models):
            return None
        path = folder.files[models[0]] if models and _is_root(folder) else folder.path
        draft = Draft(_name(folder, models), path, tuple(told), documents, notes=not_read(folder))
        return Reading((draft,), frozenset({*told, *documents}))

    def _one_of_several(
        self, folder: Folder, told: Mapping[str, ModelFile], documents: tuple[str, ...], count: int
    ) -> Reading | None:
        """Bind the documents to the model that they declare: by its file, its name, or its class."""
        drafts: dict[str, tuple[str, ...]] = {}
        notes = []
        for document in documents:
            owner = _owner(folder, told, document)
            if owner:
                drafts[owner] = (*drafts.get(owner, ()), document)
            else:
                notes.append(f"{document} in {folder.path} may be about any of {count} models and is not read")
        made = tuple(
            Draft(owner.rpartition(".")[0], folder.files[owner], (owner,), own, notes=(f"{own[0]} names {owner}",))
            for owner, own in drafts.items()
        )
        return Reading(
            made, frozenset({*drafts, *(name for own in drafts.values() for name in own)}), notes=tuple(notes)
        )


def _one_model(folder: Folder, models: list[str]) -> bool:
    """Return whether all files have the same bytes: model.pkl and best_model.pkl, written one after the other."""
    return len({folder.stamps[name][0] for name in models}) == 1 and len({folder.digest(name) for name in models}) == 1


def _with_copies(
    folder: Folder, told: Mapping[str, ModelFile], models: list[str], documents: tuple[str, ...]
) -> Reading:
    """Take the documents for the first, and list each copy without any: it will be tied to the first."""
    first, *others = sorted(models, key=lambda name: (POINTER.fullmatch(name.partition(".")[0]) is not None, name))
    rest = tuple(name for name in told if name not in others)
    stem = first.partition(".")[0]
    drafts = [Draft(stem, folder.files[first], rest, documents, {"model_file": first}, notes=not_read(folder))]
    drafts += [Draft(name.partition(".")[0], folder.files[name], (name,)) for name in others]
    return Reading(tuple(drafts), frozenset({*told, *documents}))


def describes_one(folder: Folder, documents: tuple[str, ...]) -> bool:
    """Return whether documents without a model describe one that should be here, rather than one that is elsewhere."""
    places = {folder.path.name.lower(), folder.path.parent.name.lower() if folder.path != folder.root else ""}
    if (
        places & ELSEWHERE
        or folder.path.parent.suffix in {".json", ".csv", ".yaml", ".yml"}
        or any(name.lower() in ROOTS for name in folder.folders)
    ):
        return False
    named = bool(stage_of(folder.path.name) or VERSION.fullmatch(folder.path.name) or period_of(folder.path.name))
    named = named or (folder.path != folder.root and folder.path.parent.name.lower() in MODEL_FOLDERS)
    known = [name for name in documents if name in DOCUMENTS or (named and "meta" in name.lower())]
    return any(_speaks(folder, name, freely=named) for name in known)


def _owner(folder: Folder, told: Mapping[str, ModelFile], document: str) -> str:
    """Return the only model that a document declares; empty where it is none or several."""
    try:
        read: Any = folder.document(document)
    except UnreadableJsonError:
        return ""
    if not isinstance(read, dict) or not read_metrics(read).values:
        return ""
    models = {name: what for name, what in told.items() if what.role == "model"}
    declared = {base_name(value) for key in PATH_KEYS if isinstance(value := read.get(key), str)}
    by_file = [name for name in models if name in declared]
    words = [str(read[key]) for key in (*BEST_KEYS, *TYPE_KEYS) if isinstance(read.get(key), str)]
    families = {family(word) for word in words}
    by_name = [name for name in models if family(name.rpartition(".")[0]) in families]
    by_class = [
        n for n, what in models.items() if what.model_class and family(class_to_type(what.model_class)) in families
    ]
    best = [name for name in models if name.partition(".")[0].lower() in {"best_model", "model"}]
    about_best = document.lower() in {"model_metadata.json", "metadata.json", "best_model_metadata.json"}
    for found in (by_file, by_name, by_class, best if about_best else []):
        if len(found) == 1:
            return found[0]
    return ""


def _with_neighbours(folder: Folder, model: str, candidates: tuple[str, ...]) -> Reading | None:
    """Bind the only model of a flat folder to the only document with metrics in the folders beside it."""
    if not _is_root(folder):
        return None
    found = [
        (home, name, read)
        for home in neighbours(folder)
        for name in about(home)
        if isinstance(read := _read(home, name), dict) and read_metrics(read).values
    ]
    if len(found) != 1:
        return None
    home, name, read = found[0]
    note = (f"the numbers are from {home.path / name}, the only ones near the only model",)
    draft = Draft(model.rpartition(".")[0], folder.files[model], candidates, record=read, notes=note)
    return Reading((draft,), frozenset(candidates))


def _read(folder: Folder, name: str) -> Any:
    try:
        return folder.document(name)
    except UnreadableJsonError:
        return None


def _speaks(folder: Folder, name: str, *, freely: bool = True) -> bool:
    """Return whether a document is about a model; a damaged one in a folder of models counts."""
    try:
        document: Any = folder.document(name)
    except UnreadableJsonError:
        return True
    if isinstance(document, list):
        return len(document) == 1 and isinstance(document[0], dict)
    return isinstance(document, dict) and (
        bool(MODEL_KEYS & {str(key) for key in document}) or (freely and bool(read_metrics(document).values))
    )


def _is_root(folder: Folder) -> bool:
    return folder.path.name.lower() in ROOTS


def _name(folder: Folder, models: list[str]) -> str:
    """Stage and version folders are called after their model's folder too; a flat folder after its file."""
    here = folder.path
    if _is_root(folder):
        return models[0].partition(".")[0] if models else here.name
    generic = stage_of(here.name) or VERSION.fullmatch(here.name) or _MOMENT.fullmatch(here.name)
    if not generic or here == folder.root or here.parent.name.lower() in ROOTS | {""}:
        return here.name
    above = here.parent
    if _MOMENT.fullmatch(above.name) and above != folder.root:
        return f"{above.parent.name}/{above.name}/{here.name}"
    return f"{above.name}/{here.name}"


def called(folder: Folder, path: Path) -> str:
    """Call a file after its folder where its own name only says that it is a model."""
    stem = Path(path.stem).stem if path.suffix == ".dvc" else path.stem
    if folder.path == folder.root or _is_root(folder):
        return stem
    generic = stem.lower() in SAYS_NOTHING or _MOMENT.fullmatch(folder.path.name)
    if generic and folder.model_count() <= 1:
        return _name(folder, [path.name])
    pointer = POINTER.fullmatch(stem) is not None and not stage_of(folder.path.name)
    return f"{folder.path.name}/{stem}" if pointer else stem


LAYOUT: Final = ModelFolder()
