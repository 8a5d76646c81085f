"""Which adapter writes to which place: folders of this computer are ours to replace, other addresses are MLflow's."""

from __future__ import annotations

from pathlib import Path

from selector.adapters.exports_files import FileExports
from selector.adapters.exports_mlflow import MlflowExports
from selector.ports_exports import Exported, Exports


class ChosenExports:
    """Implements ports_exports.Exports for folders and addresses.

    Args:
        elsewhere: writes to what is no folder of this computer.

    """

    def __init__(self, elsewhere: MlflowExports) -> None:
        self._folders, self._elsewhere = FileExports(), elsewhere

    def read(self, where: str) -> Exported | None:
        """Return what the place holds."""
        return self._of(where).read(where)

    def write(self, where: str, folder: Path, exported: Exported) -> None:
        """Replace what the place holds."""
        self._of(where).write(where, folder, exported)

    def _of(self, where: str) -> Exports:
        return self._folders if Path(where).is_absolute() else self._elsewhere
