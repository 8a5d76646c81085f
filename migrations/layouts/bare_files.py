"""The last layout: model files that nothing else explains, one entry each; what is no model is named and ignored."""

from __future__ import annotations

from typing import Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.layouts.layout import Reading
from migrations.layouts.model_folder import called
from migrations.model import Unreadable


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
                drafts.append(Draft(called(folder, path), path, (name,)))
        if not told:
            return None
        return Reading(tuple(drafts), frozenset(told), unreadable=tuple(ignored))


LAYOUT: Final = BareFiles()
