"""The layout of one model per folder: stages (production), versions (v1, 1.0.0), tasks, or a flat `models/`."""

from __future__ import annotations

import re
from typing import Any, Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.staging_folder import DOCUMENTS, not_read

VERSION: Final = re.compile(r"(v|version[_\-]?)?\d+([._]\d+)*", re.IGNORECASE)
STAGES: Final = frozenset(
    {
        "staging",
        "production",
        "archived",
        "champion",
        "challenger",
        "current",
        "latest",
        "best",
        "candidate",
        "rollback",
    }
)
MODEL_KEYS: Final = frozenset(
    {"model_type", "model_name", "model_id", "model_path", "model_class", "model_version", "algorithm", "metrics",
     "performance_metrics", "performance", "hyperparameters", "f1", "f1_score", "accuracy"}
)  # fmt: skip
ROOTS: Final = frozenset({"models", "model", "artifacts", "saved_models", "model_store", "outputs"})


class ModelFolder:
    """A folder with one model and the documents about it; in a stage or version folder, `model.*` is the one."""

    name = "model-folders"

    def read(self, folder: Folder) -> Reading | None:
        """Claim a folder where a document and one model, or a document that speaks of a model, lie together."""
        told = folder.model_files()
        models = [name for name, what in told.items() if what.role in {"model", "unknown", "pointer"}]
        documents = tuple(name for name in DOCUMENTS if name in folder.files and name in folder.json_names())
        named = folder.path.name.lower() in STAGES or VERSION.fullmatch(folder.path.name) is not None
        count = max(len(models), folder.model_count())
        if count > 1 and not (named and documents and any(name.startswith("model.") for name in models)):
            if documents:
                note = f"{documents[0]} in {folder.path} may be about any of {count} models and is not read"
                return Reading(notes=(note,))
            return None
        if not models and not any(self._speaks(folder, name) for name in documents):
            return None
        if not documents and not (named and models):
            return None
        path = folder.files[models[0]] if models and _is_root(folder) else folder.path
        draft = Draft(_name(folder, models), path, tuple(told), documents, notes=not_read(folder))
        return Reading((draft,), frozenset({*told, *documents}))

    def _speaks(self, folder: Folder, name: str) -> bool:
        """Return whether a document is about a model; a damaged one in a folder of models counts."""
        try:
            document: Any = folder.document(name)
        except UnreadableJsonError:
            return True
        return isinstance(document, dict) and bool(MODEL_KEYS & {str(key) for key in document})


def _is_root(folder: Folder) -> bool:
    return folder.path.name.lower() in ROOTS


def _name(folder: Folder, models: list[str]) -> str:
    """Stage and version folders are called after their model's folder too; a flat folder after its file."""
    here = folder.path
    if _is_root(folder):
        return models[0].partition(".")[0] if models else here.name
    generic = here.name.lower() in STAGES or VERSION.fullmatch(here.name)
    if generic and here != folder.root and here.parent.name.lower() not in ROOTS | {""}:
        return f"{here.parent.name}/{here.name}"
    return here.name


LAYOUT: Final = ModelFolder()
