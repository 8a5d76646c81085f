"""How is a SQLite database read without a single write to it, not even to the files beside it?"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Final

from migrations.byte_source import open_regular
from migrations.stores.model import UnreadableStoreError

MAGIC: Final = b"SQLite format 3\x00"
TRIES: Final = 3
_BESIDE: Final = ("", "-wal", "-journal")


def is_sqlite(path: Path) -> bool:
    """Tell whether a file begins as SQLite databases do."""
    try:
        with open_regular(path) as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def copied(path: Path, folder: Path) -> sqlite3.Connection:
    """Copy a database with its log or journal and open the copy.

    SQLite itself would make files beside a database that it only reads. A database that changes while it is copied is
    copied again.

    Raises:
        UnreadableStoreError: it cannot be read, keeps changing, or is damaged.

    """
    target = folder / "source.db"
    try:
        for _ in range(TRIES):
            before = _stamps(path)
            for suffix in _BESIDE:
                _copy(Path(f"{path}{suffix}"), Path(f"{target}{suffix}"))
            if _stamps(path) == before:
                break
        else:
            raise UnreadableStoreError(f"{path} is being written to; stop what writes to it")
        connection = sqlite3.connect(target)
        connection.text_factory = _text
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise UnreadableStoreError(f"{path} cannot be read: {error}") from None
    return connection


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    if source.exists():
        with open_regular(source) as stream, target.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)


def _stamps(path: Path) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for suffix in _BESIDE:
        file = Path(f"{path}{suffix}")
        status = file.stat() if file.exists() else None
        found.append((status.st_size, status.st_mtime_ns) if status else None)
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
