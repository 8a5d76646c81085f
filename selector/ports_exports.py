"""Where does the champion lie for consumers that do not speak MLflow, and what do we know of what lies there?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

RECORD = "selector.json"
"""The file beside the model's own ones, or above them, that says what a place holds."""

MAKER = "mlflow-selector"
"""What stands in it under "made_by", which comes first."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Which version a place holds; it stands beside the model's files in selector.json.

    Attributes:
        source: where the version's files come from, without secrets: numbers start again where a model is made anew.
        decision: that made it champion; None where somebody else did.
        digest: sha256 over all files of the model, as a promotion compares it.
        at: when it was fetched for this.

    """

    model: str
    version: int
    run_id: str | None
    source: str
    decision: str | None
    digest: str
    at: datetime


class Exports(Protocol):
    """Folders, or prefixes of an artifact store, that hold one model each and are replaced whole."""

    def read(self, where: str) -> Exported | None:
        """Return what the place holds; None where there is nothing, or not all of it any more. No file is hashed.

        Raises:
            ExportError: something lies there that we did not make, or it cannot be read now.

        """
        ...

    def write(self, where: str, folder: Path, exported: Exported) -> None:
        """Put the folder's files there in place of what we put there before, whole or not at all.

        What was there stays readable for those who have begun to read it, until the next replacement.

        Raises:
            ExportError: something lies there that we did not make, or it cannot be written now; nothing has changed.
            ExportBusyError: somebody else writes there just now.

        """
        ...
