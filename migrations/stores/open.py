"""Which kind of store is at this place?"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from migrations.stores.file_store import MODELS, TRASH, FileStore
from migrations.stores.file_tree import META
from migrations.stores.model import SourceStore, UnreadableStoreError
from migrations.stores.sqlite_copy import is_sqlite
from migrations.stores.sqlite_store import SqliteStore
from selector.errors import UsageError

_LOOKS: Final = "name the folder mlruns or the database file itself"


@contextmanager
def open_store(source: str, spool: Path, artifacts: tuple[Path, ...] = ()) -> Iterator[SourceStore]:
    """Open an MLflow file store or SQLite database for reading.

    Args:
        source: a path, file:…, or sqlite:///….
        spool: where the copy of a database may lie meanwhile.
        artifacts: further folders that may hold artifacts.

    Raises:
        UsageError: there is no such store.

    """
    path = _path(source)
    if path.is_dir():
        yield FileStore(path, artifacts)
    elif path.is_file():
        if not is_sqlite(path):
            raise UsageError(f"{path} is no SQLite database", advice=_LOOKS)
        spool.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=spool, prefix="store-") as folder:
            try:
                store = SqliteStore(path, Path(folder), artifacts)
            except UnreadableStoreError as error:
                raise UsageError(str(error), advice=_LOOKS) from None
            try:
                yield store
            finally:
                store.close()
    else:
        raise UsageError(f"there is no store at {path}", advice=_LOOKS)


def _path(source: str) -> Path:
    scheme, colon, rest = source.partition(":")
    if colon and scheme == "sqlite":
        return Path(rest.removeprefix("///").partition("?")[0]).absolute()
    if colon and scheme == "file":
        return _one_inside(Path(urllib.parse.unquote(urllib.parse.urlsplit(source).path)).absolute())
    if "://" in source:
        advice = "a server's store is carried from its database file or its folder mlruns"
        raise UsageError(f"{source} is neither a folder nor a SQLite file", advice=advice)
    return _one_inside(Path(source).absolute())


def _one_inside(path: Path) -> Path:
    """Return the only store in a folder that is none itself, else the path as it is."""
    own = any((path / name).is_dir() for name in (TRASH, MODELS)) or any(path.glob(f"*/{META}"))
    inside = [place for place in ("mlruns", "mlflow.db") if (path / place).exists()]
    if not inside or (own and any(path.glob(f"*/{META}"))):
        return path
    if len(inside) > 1:
        raise UsageError(f"{path} holds {' and '.join(inside)} and is no store itself", advice=_LOOKS)
    chosen = path / inside[0]
    return _one_inside(chosen) if chosen.is_dir() else chosen
