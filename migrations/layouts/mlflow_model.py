"""The layout of a folder with an MLmodel file: it is one MLflow model already and goes as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.layouts.layout import Reading
from migrations.record import about


class MlflowModel:
    """A folder that `mlflow.<flavour>.save_model` wrote."""

    name = "mlflow-models"

    def read(self, folder: Folder) -> Reading | None:
        """Claim the folder as one unit."""
        if "MLmodel" not in folder.files:
            return None
        plain = folder.path.name in {"model", "artifacts"} and folder.path != folder.root
        draft = Draft(
            name=f"{_owner(folder).name}/{folder.path.name}" if plain else folder.path.name,
            path=folder.path,
            candidates=(),
            documents=about(folder),
            mlflow=folder.path,
        )
        return Reading((draft,), frozenset(folder.files), whole=True)


def _owner(folder: Folder) -> Path:
    """Return the folder that the model is called after: a run's, rather than its artifacts'."""
    parent = folder.path.parent
    return parent.parent if parent.name == "artifacts" and parent != folder.root else parent


LAYOUT: Final = MlflowModel()
