"""How are a model's answers kept as files that cannot run code and are never half there?"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from selector.adapters.store_records import digest_of
from selector.domain.model import Predictions

SUFFIX = ".npz"
DAY = 86_400.0


class PredictionsFiles:
    """Arrays of predictions as .npz files without pickle, one per model and holdout.

    Args:
        folder: made when the first file is written.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(
        self, model_digest: str, holdout_digest: str, predictions: Predictions, now: datetime | None = None
    ) -> str:
        """Write (or replace) the file and return its sha256 (hex); it is on the disk when this returns.

        Args:
            model_digest: of the model.
            holdout_digest: of the rows.
            predictions: what it answered.
            now: when the file is said to have been used; the computer's time where it is left out.

        Raises:
            OSError: the folder cannot be written to.
            ValueError: an array holds Python objects, which only a pickle could keep.

        """
        content = packed(predictions)
        target = self._path(model_digest, holdout_digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                if now is not None:
                    os.utime(file.fileno(), (now.timestamp(), now.timestamp()))
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
        return hashlib.sha256(content).hexdigest()

    def read(
        self, model_digest: str, holdout_digest: str, file_digest: str, now: datetime | None = None
    ) -> Predictions | None:
        """Return the predictions, or None where the file is gone, cannot be read, or is not what was written.

        Args:
            model_digest: of the model.
            holdout_digest: of the rows.
            file_digest: what `write` returned.
            now: take note of the use in the file's time, once a day at most; nothing is changed where it is left out.

        """
        path = self._path(model_digest, holdout_digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if now is not None:
            _used(path, now)
        if hashlib.sha256(content).hexdigest() != file_digest:
            return None
        try:
            return unpacked(content)
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def drop(self, model_digest: str, holdout_digest: str) -> None:
        """Remove the file if it can be removed; a file that stays is never read without its digest."""
        try:
            self._path(model_digest, holdout_digest).unlink(missing_ok=True)
        except OSError:
            return

    def unused(self, since: datetime) -> frozenset[str]:
        """Return the names of the files that nobody wrote or read since."""
        found = set()
        for folder in _entries(self._folder):
            for entry in _entries(folder):
                if entry.suffix == SUFFIX and self._is_unused(entry, since):
                    found.add(entry.stem)
        return frozenset(found)

    def is_unused(self, model_digest: str, holdout_digest: str, since: datetime) -> bool:
        """Return whether there is a file that nobody wrote or read since."""
        return self._is_unused(self._path(model_digest, holdout_digest), since)

    @staticmethod
    def _is_unused(path: Path, since: datetime) -> bool:
        try:
            return path.stat().st_mtime < since.timestamp()
        except OSError:
            return False

    def _path(self, model_digest: str, holdout_digest: str) -> Path:
        # Hashed, because a digest that came from outside must not choose a path.
        name = self.name(model_digest, holdout_digest)
        return self._folder / name[:2] / f"{name}{SUFFIX}"

    @staticmethod
    def name(model_digest: str, holdout_digest: str) -> str:
        """Return what the file is called, without its ending."""
        return digest_of(model_digest, holdout_digest)


def _used(path: Path, now: datetime) -> None:
    """Take note that the file is in use; a file whose time cannot be set is only forgotten earlier."""
    try:
        if now.timestamp() - path.stat().st_mtime > DAY:
            os.utime(path, (now.timestamp(), now.timestamp()))
    except OSError:
        return


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it is none, or cannot be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def packed(predictions: Predictions) -> bytes:
    """Return the arrays as the bytes of an .npz file without pickle."""
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "classes": np.asarray(predictions.classes, dtype=np.str_),
        "seconds": np.asarray(predictions.seconds, dtype=np.float64),
    }
    if predictions.labels is not None:
        arrays["labels"] = _plain(predictions.labels)
    if predictions.probabilities is not None:
        arrays["probabilities"] = _plain(predictions.probabilities)
    if predictions.timings is not None:
        arrays["timings"] = np.array(predictions.timings, dtype=np.float64).reshape(-1, 2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.ravel()):
        return array.astype(np.str_)
    return np.ascontiguousarray(array)


def unpacked(content: bytes) -> Predictions:
    """Return what `packed` packed.

    Raises:
        ValueError, KeyError, EOFError, zipfile.BadZipFile: these bytes are something else.

    """
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Predictions(
            labels=arrays.get("labels"),
            probabilities=arrays.get("probabilities"),
            classes=tuple(str(name) for name in arrays["classes"]),
            seconds=float(arrays["seconds"]),
            timings=None if (calls := arrays.get("timings")) is None else tuple((int(n), float(s)) for n, s in calls),
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
