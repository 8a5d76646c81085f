"""The layout of an AutoGluon predictor: many pickles that only work together, so none of them is a model by itself."""

from __future__ import annotations

from typing import Final

from migrations.folder import Folder
from migrations.layouts.layout import Reading
from migrations.model import Unreadable

FILES: Final = frozenset({"predictor.pkl", "learner.pkl"})


class AutogluonFolder:
    """A folder that `autogluon.tabular.TabularPredictor` (or its kin for text and time series) wrote."""

    name = "autogluon-predictors"

    def read(self, folder: Folder) -> Reading | None:
        """Claim the folder as one unit and say why it stays where it is."""
        if not folder.files.keys() >= FILES:
            return None
        what = "an AutoGluon predictor, a folder of models that work only together"
        reason = f"{folder.path.name} is {what}; importing these is not supported"
        refused = Unreadable(folder.path.name, folder.path, reason, "autogluon", "autogluon")
        return Reading(used=frozenset(folder.files), whole=True, unreadable=(refused,))


LAYOUT: Final = AutogluonFolder()
