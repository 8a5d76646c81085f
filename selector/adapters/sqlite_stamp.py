"""Has a SQLite database been written to, told without opening it?"""

from __future__ import annotations

from pathlib import Path

_BESIDE = ("", "-journal", "-wal")


def stamp(file: Path) -> tuple[float, str]:
    """Return when the database was last written (seconds since 1970; 0: missing), and what differs after each write.

    The text is made of size, time and inode of the file and of the journals beside it. Empty journals count for
    nothing: readers make and remove them. The files are never opened: closing them would drop the locks that SQLite
    holds in this very process (its documentation, "How To Corrupt An SQLite Database File", 2.2).
    """
    file = file.resolve()  # SQLite keeps its journals beside the file that a link leads to
    newest, parts = 0.0, []
    for suffix in _BESIDE:
        try:
            found = file.with_name(file.name + suffix).stat()
        except OSError:
            continue
        if found.st_size:
            newest = max(newest, found.st_mtime)
            parts.append(f"{suffix or file.name}:{found.st_size}:{found.st_mtime_ns}:{found.st_ino}")
    return newest, " ".join(parts)
