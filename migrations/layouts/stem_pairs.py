"""The layout `<stem>_model.pkl` beside `<stem>_metrics.json`: model and numbers belong together by their stem."""

from __future__ import annotations

import re
from typing import Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.layouts.layout import Reading

_JSON_ENDING: Final = re.compile(r"[_\-.](metrics|metadata|meta|info|results|report|training_metadata)$", re.IGNORECASE)
_MODEL_ENDING: Final = re.compile(r"[_\-.](model|classifier|regressor|clf|pipeline|estimator)$", re.IGNORECASE)
GENERIC: Final = frozenset({"model", "best", "final", "training", "all", ""})


def stem_of(name: str) -> str:
    """Return what a model file's name shares with the names of its documents."""
    return _MODEL_ENDING.sub("", name.rpartition(".")[0])


class StemPairs:
    """Several models in one flat folder, each with documents of its own."""

    name = "stem-pairs"

    def read(self, folder: Folder) -> Reading | None:
        """Claim the models that have a document with their stem, and preprocessors with that stem."""
        told = folder.model_files()
        documents: dict[str, list[str]] = {}
        for name in folder.document_names():
            base = name.rpartition(".")[0]
            stem = _JSON_ENDING.sub("", base)
            if stem.lower() not in GENERIC:
                documents.setdefault(_MODEL_ENDING.sub("", stem), []).append(name)
        drafts, used = [], set()
        for name, what in told.items():
            stem = stem_of(name)
            if what.role not in {"model", "unknown", "pointer"} or stem.lower() in GENERIC or stem not in documents:
                continue
            beside = tuple(
                other
                for other, o in told.items()
                if other.startswith(f"{stem}_") and o.role in {"preprocessor", "data"}
            )
            own = tuple(sorted(documents[stem], key=_weight))
            drafts.append(Draft(stem, folder.files[name], (name, *beside), own))
            used |= {name, *beside, *own}
        return Reading(tuple(drafts), frozenset(used)) if drafts else None


def _weight(name: str) -> tuple[bool, str]:
    """Metadata before metrics, then by name."""
    return "meta" not in name.lower(), name


LAYOUT: Final = StemPairs()
