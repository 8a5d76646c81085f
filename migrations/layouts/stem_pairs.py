"""The layout `<stem>_model.pkl` beside `<stem>_metrics.json`: model and numbers belong together by their stem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.neighbours import neighbours
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.names import ALGORITHMS, MODEL_FOLDERS, family

_WORDS: Final = r"(metrics|metadata|meta|info|results|report|training_metadata)"
_MODELS: Final = r"(model|classifier|regressor|clf|pipeline|estimator)"
_DOCUMENT: Final = re.compile(rf"[_\-.]{_WORDS}$|^{_WORDS}[_\-.]", re.IGNORECASE)
_MODEL: Final = re.compile(rf"[_\-.]{_MODELS}$|^{_MODELS}[_\-.]", re.IGNORECASE)
GENERIC: Final = frozenset(
    {"model", "best", "final", "training", "all", "comparison", "summary", "test", "train", "metadata", "metrics", ""}
)


def stem_of(name: str) -> str:
    """Return what a model file's name shares with the names of its documents."""
    return _MODEL.sub("", name.rpartition(".")[0])


class StemPairs:
    """Several models in one flat folder, each with documents of its own, there or in a folder of results beside it."""

    name = "stem-pairs"

    def read(self, folder: Folder) -> Reading | None:
        """Claim the models that have a document with their stem, and preprocessors with that stem."""
        told = folder.model_files()
        models = [name for name, what in told.items() if what.role in {"model", "unknown", "pointer"}]
        if not models:
            return _without_files(folder) if folder.path.name.lower() in MODEL_FOLDERS and not told else None
        documents = _documents(folder)
        elsewhere = _elsewhere(folder) if folder.path.name.lower() in MODEL_FOLDERS else {}
        drafts, used = [], set()
        for name in models:
            stem = stem_of(name)
            own, record = tuple(sorted(documents.get(stem, ()), key=_weight)), elsewhere.get(stem)
            if stem.lower() in GENERIC or not (own or record):
                continue
            beside = tuple(
                other
                for other, o in told.items()
                if other.startswith(f"{stem}_") and o.role in {"preprocessor", "data"}
            )
            note = (f"the numbers are from {record[0]}",) if record and not own else ()
            held = record[1] if record and not own else {}
            drafts.append(Draft(stem, folder.files[name], (name, *beside), own, held, notes=note))
            used |= {name, *beside, *own}
        return Reading(tuple(drafts), frozenset(used)) if drafts else None


def _without_files(folder: Folder) -> Reading | None:
    """List the models that have a document called after them and their algorithm, although no file of any is here."""
    missing = []
    for stem, names in _documents(folder).items():
        for name in names:
            try:
                read = folder.document(name)
            except UnreadableJsonError:
                continue
            metrics = read_metrics(read).values if isinstance(read, dict) and family(stem) in ALGORITHMS else {}
            if metrics:
                reason = f"no model file ({name} has its numbers)"
                missing.append(Unreadable(stem, folder.path / name, reason, model_type=stem, metrics=metrics))
    return Reading(used=frozenset(u.path.name for u in missing), unreadable=tuple(missing)) if missing else None


def _documents(folder: Folder) -> dict[str, list[str]]:
    """Return the documents of a folder by the stem that they share with a model."""
    found: dict[str, list[str]] = {}
    for name in folder.document_names():
        stem = _MODEL.sub("", _DOCUMENT.sub("", name.rpartition(".")[0]))
        if stem.lower() not in GENERIC:
            found.setdefault(stem, []).append(name)
    return found


def _elsewhere(folder: Folder) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return documents with metrics in the folders beside this one, by stem; a stem that occurs twice is nobody's."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    twice = set()
    for home in neighbours(folder):
        for stem, names in _documents(home).items():
            for name in names:
                try:
                    read = home.document(name)
                except UnreadableJsonError:
                    continue
                if isinstance(read, dict) and read_metrics(read).values:
                    twice |= {stem} & found.keys()
                    found[stem] = (f"{home.path.name}/{name}", read)
    return {stem: record for stem, record in found.items() if stem not in twice}


def _weight(name: str) -> tuple[bool, str]:
    """Metadata before metrics, then by name."""
    return "meta" not in name.lower(), name


LAYOUT: Final = StemPairs()
