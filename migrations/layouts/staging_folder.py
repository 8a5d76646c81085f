"""The layout `<type>_<YYYYMMDD_HHMMSS>/{metadata.json, model.*}`: every such folder is one model."""

from __future__ import annotations

import re
from typing import Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.layouts.layout import Reading
from migrations.record import DOCUMENTS, about

STAMPED: Final = re.compile(r"(?P<type>.+?)[_\-]\d{8}[_\-T]?\d{6}")


class StagingFolder:
    """A folder whose name ends in a stamp, with or without metadata, with or without a model."""

    name = "staging-folders"

    def read(self, folder: Folder) -> Reading | None:
        """Claim the folder as one unit."""
        found = STAMPED.fullmatch(folder.path.name)
        if not found:
            return None
        candidates = tuple(folder.model_files())
        mlflow = None
        if not candidates and "model" in folder.folders and (folder.path / "model" / "MLmodel").is_file():
            mlflow = folder.path / "model"
        draft = Draft(
            name=folder.path.name,
            path=folder.path,
            candidates=candidates,
            documents=about(folder),
            model_type=found["type"],
            mlflow=mlflow,
            notes=not_read(folder),
        )
        return Reading((draft,), frozenset(folder.files), whole=True)


def not_read(folder: Folder) -> tuple[str, ...]:
    """Say which documents are there and are not read, because they are links or pipes."""
    return tuple(f"{name} is {folder.others[name]} and is not read" for name in DOCUMENTS if name in folder.others)


LAYOUT: Final = StagingFolder()
