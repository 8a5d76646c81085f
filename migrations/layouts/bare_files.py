"""The last layout: model files that nothing else explains, one entry each; what is no model is named and ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.layouts.layout import Reading
from migrations.layouts.model_folder import ROOTS
from migrations.model import Unreadable
from migrations.names import POINTER, SAYS_NOTHING, stage_of


class BareFiles:
    """Loose files: `models/best_model.joblib`, `lightgbm_model.txt`."""

    name = "bare-files"

    def read(self, folder: Folder) -> Reading | None:
        """Make an entry of every file that has to do with models."""
        told = folder.model_files()
        drafts, ignored = [], []
        for name, what in told.items():
            path = folder.files[name]
            if what.role in {"preprocessor", "data"}:
                reason = what.reason or "is no model"
                ignored.append(Unreadable(path.stem, path, f"{name} {reason}", what.format, ignored=True))
            else:
                drafts.append(Draft(_name(folder, path), path, (name,)))
        if not told:
            return None
        return Reading(tuple(drafts), frozenset(told), unreadable=tuple(ignored))


def _name(folder: Folder, path: Path) -> str:
    """Call a file after its folder where its own name only says that it is a model."""
    stem = Path(path.stem).stem if path.suffix == ".dvc" else path.stem
    telling = folder.path != folder.root and folder.path.name.lower() not in ROOTS
    if telling and stem.lower() in SAYS_NOTHING and folder.model_count() <= 1:
        return folder.path.name
    pointer = POINTER.fullmatch(stem) is not None and not stage_of(folder.path.name)
    return f"{folder.path.name}/{stem}" if telling and pointer else stem


LAYOUT: Final = BareFiles()
