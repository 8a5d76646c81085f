"""Where do the holdout's bytes come from? A local path, or a URI that pyarrow or fsspec understands."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from selector.errors import HoldoutError

CHUNK = 1 << 20


class Source:
    """One file of labelled rows.

    Args:
        data: a path, relative to `base` unless absolute, or a URI such as s3://bucket/holdout.parquet.
        base: what relative paths are relative to.

    Raises:
        HoldoutError: there is no such file, or nothing installed understands the URI.

    """

    def __init__(self, data: str, base: Path) -> None:
        """Find the file; nothing is read yet."""
        self.name = without_secrets(data)
        self._filesystem, self._path = _located(data, base, self.name)

    @property
    def suffix(self) -> str:
        """The last extension in lower case, such as ".csv"."""
        return Path(self._path).suffix.lower()

    def open(self) -> BinaryIO:
        """Open for reading from anywhere in the file."""
        try:
            return cast("BinaryIO", self._filesystem.open_input_file(self._path))
        except OSError as error:
            raise HoldoutError(f"The holdout {self.name} cannot be read: {error}.") from error

    def state(self) -> tuple[int, int]:
        """Return size (bytes) and modification time (ns), to notice a file that changes while it is in use."""
        info = self._filesystem.get_file_info(self._path)
        return int(info.size or 0), int(info.mtime_ns or 0)


class Hashing:
    """A file object that hashes what is read from it, in order."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin at the file's start."""
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read and hash; all that is left where the size is negative."""
        chunk = self._file.read() if size is None or size < 0 else self._file.read(size)
        self._digest.update(chunk)
        return chunk

    def __iter__(self) -> Hashing:
        """Satisfy pandas, which asks for it and then calls `read`."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece."""
        chunk = self.read(CHUNK)
        if not chunk:
            raise StopIteration
        return chunk

    def digest(self) -> str:
        """Read what is left and return the sha256 of all bytes, in hex."""
        while self.read(CHUNK):
            pass
        return self._digest.hexdigest()


def without_secrets(data: str) -> str:
    """Return the path or URI without user, password and query."""
    if "://" not in data:
        return data
    parts = urlsplit(data)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _located(data: str, base: Path, name: str) -> tuple[Any, str]:
    import pyarrow.fs  # noqa: PLC0415  tens of milliseconds that only a holdout needs

    if "://" not in data or data.startswith("file://"):
        path = Path(urlsplit(data).path) if data.startswith("file://") else base / Path(data).expanduser()
        _require_file(path, name)
        return pyarrow.fs.LocalFileSystem(), str(path.resolve())
    try:
        filesystem, path_there = pyarrow.fs.FileSystem.from_uri(data)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, ImportError):
        filesystem, path_there = _through_fsspec(data, name)
    except OSError as error:
        raise HoldoutError(f"The holdout {name} cannot be reached: {error}.") from error
    try:
        found = filesystem.get_file_info(path_there)
    except OSError as error:
        raise HoldoutError(f"The holdout {name} cannot be reached: {error}.") from error
    if found.type != pyarrow.fs.FileType.File:
        raise HoldoutError(f"There is no holdout file {name}.", advice="Correct `holdout.data` in the configuration.")
    return filesystem, path_there


def _through_fsspec(data: str, name: str) -> tuple[Any, str]:
    import pyarrow.fs  # noqa: PLC0415  see above

    scheme = urlsplit(data).scheme
    advice = f"Install fsspec with the package for {scheme}:// (such as s3fs, gcsfs, adlfs), or copy the file here."
    try:
        import fsspec  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: PLC0415  optional

        filesystem, path = fsspec.core.url_to_fs(data)
    except (ImportError, ValueError) as error:
        raise HoldoutError(f"Nothing installed here can read {scheme}:// ({name}).", advice=advice) from error
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem)), path


def _require_file(path: Path, name: str) -> None:
    if path.is_file():
        if path.stat().st_size == 0:
            raise HoldoutError(f"The holdout {name} is empty.", advice="Write labelled rows with a header line to it.")
        return
    folder = path.parent
    there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, there, 1)
    if path.exists():
        raise HoldoutError(
            f"The holdout {name} is a folder or device, not a file.", advice="Name one CSV or Parquet file."
        )
    hint = (
        f"Did you mean {near[0]}?"
        if near
        else "Correct `holdout.data`; relative paths are relative to the configuration."
    )
    raise HoldoutError(f"There is no holdout file {name} in {folder}.", advice=hint)
