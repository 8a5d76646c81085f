"""Is this place of an MLflow store, which is carried as a whole rather than model by model?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from migrations.byte_source import open_regular
from migrations.known_files import KnownFiles

SUFFIXES: Final = frozenset({".db", ".sqlite", ".sqlite3"})
MAGIC: Final = b"SQLite format 3\x00"
SIGN: Final = b"experiment_pk"
"""The name of a constraint that MLflow's schema has had since 0.9 (mlflow/store/tracking/dbmodels)."""
LOOKED_INTO: Final = 4 << 20
_RUN: Final = re.compile(r"[0-9a-f]{32}")


def is_mlflow_database(file: Path, known: KnownFiles) -> bool:
    """Return whether a file is a SQLite database with MLflow's schema; it is read as bytes and never opened as one."""
    if file.suffix.lower() not in SUFFIXES:
        return False
    try:
        return bool(known.ask("mlflow database", file, _has_schema))
    except OSError:
        return False


def _has_schema(file: Path) -> bool:
    with open_regular(file) as stream:
        data = stream.read(LOOKED_INTO)
    return data.startswith(MAGIC) and SIGN in data


def store_of(folder: Path) -> Path:
    """Return the root of the file store that a folder with a meta.yaml belongs to, whichever others are missing.

    Args:
        folder: of an experiment, a run, a logged or a registered model.

    """
    above = folder.parent
    if _RUN.fullmatch(folder.name):
        return above.parent
    if above.name == "models":
        return above.parent.parent if folder.name.startswith("m-") else above.parent
    return above
