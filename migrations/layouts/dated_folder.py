"""The layout `<tenant>/<2024_q3>/{hdbscan_model.pkl, umap_model.pkl, model_metadata.json}`: one model per period."""

from __future__ import annotations

from typing import Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.layouts.layout import Reading
from migrations.layouts.model_folder import describes_one
from migrations.layouts.staging_folder import not_read
from migrations.periods import period_of
from migrations.record import about

ROOTS: Final = frozenset(
    {"models", "model", "artifacts", "saved_models", "model_store", "outputs", "monthly", "quarterly"}
)


class DatedFolder:
    """A folder called after a quarter, a month or a day, with one model and whatever has to go with it."""

    name = "dated-folders"

    def read(self, folder: Folder) -> Reading | None:
        """Claim the folder where it holds one model (or documents about one); transformers and arrays go with it."""
        period = period_of(folder.path.name)
        if period is None:
            return None
        told = folder.model_files()
        models = [name for name, what in told.items() if what.role in {"model", "unknown", "pointer"}]
        documents = about(folder)
        if len(models) > 1 or (not models and (folder.folders or not describes_one(folder, documents))):
            return None
        arrays = tuple(name for name in folder.files if name.endswith((".npy", ".npz")))
        parent = folder.path.parent
        named = parent.name.lower() not in ROOTS and folder.path != folder.root
        tags = {"period": period.text, **({"group": parent.name} if named else {})}
        draft = Draft(
            name=f"{parent.name}/{folder.path.name}" if named else folder.path.name,
            path=folder.path,
            candidates=tuple(told),
            documents=documents,
            beside=arrays,
            tags=tags,
            notes=not_read(folder),
        )
        return Reading((draft,), frozenset({*told, *documents, *arrays}))


LAYOUT: Final = DatedFolder()
