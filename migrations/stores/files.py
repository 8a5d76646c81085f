"""Where in a store are the files that a foreign address names, and which of them may be read?"""

from __future__ import annotations

import os
import re
import stat
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from migrations.byte_source import open_regular
from selector.ports_store import StoredFiles

MOST_FILES: Final = 100_000
MOST_NAMES: Final = 1_000_000

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]+):(.*)$", re.DOTALL)
_DRIVE = re.compile(r"^[A-Za-z]:$")


def address_parts(address: str) -> tuple[str, ...]:
    r"""Return the folders of an address of any machine: file:///C:/a%20b, C:\a, /mnt/a, ./a, mlflow-artifacts:/1/r.

    What stands before a step upwards is dropped, for only the end of the address can be found below a store.
    """
    match = _SCHEME.match(address)
    path = match[2] if match else address
    if match:
        if path.startswith("//"):
            path = path[2:].partition("/")[2]
        path = urllib.parse.unquote(path)
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        parts = parts[len(parts) - parts[::-1].index("..") :]
    return tuple(part for part in parts if not _DRIVE.match(part) and "\0" not in part)


def locate(roots: Sequence[Path], address: str, name: str) -> Path | None:
    """Return the folder below one of the roots that an address names, by its longest end that exists.

    Args:
        roots: folders that may hold it, best first.
        address: as written on the machine that wrote it.
        name: a run's or model's id; an end without it could name anything and is not followed.

    """
    parts = address_parts(address)
    empty: Path | None = None
    for start in range(len(parts)):
        if name not in parts[start:]:
            break
        for root in roots:
            found = folder_below(root, parts[start:])
            if found is not None and not is_empty(found):
                return found
            empty = empty or found
    return empty


def is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing, or cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def folder_below(root: Path, parts: Iterable[str]) -> Path | None:
    """Return a folder below the root that is reached through folders only; None where a link or nothing is there."""
    path = root
    for part in parts:
        path = path / part
        try:
            if part == ".." or not stat.S_ISDIR(path.lstat().st_mode):
                return None
        except (OSError, ValueError):
            return None
    return path


def exists_below(root: Path, path: str) -> bool:
    """Tell whether a folder or plain file is there, reached through folders only."""
    parts = Path(path).parts
    if not parts:
        return True
    folder = folder_below(root, parts[:-1])
    try:
        return folder is not None and stat.S_IFMT((folder / parts[-1]).lstat().st_mode) in {stat.S_IFDIR, stat.S_IFREG}
    except (OSError, ValueError):
        return False


def plain_files(root: Path) -> tuple[StoredFiles, tuple[str, ...]]:
    """Return the plain files below a folder, sorted, and a sentence about each entry that is something else."""
    names: list[str] = []
    notes: list[str] = []
    for entry in walk(root):
        name = os.path.relpath(entry.path, root)
        if not entry.is_file(follow_symlinks=False):
            kind = "a link, which is not followed" if entry.is_symlink() else "no plain file"
            notes.append(f"{name} is {kind}")
        elif len(names) >= MOST_FILES:
            notes.append(f"there are more than {MOST_FILES:,} files")
            break
        else:
            names.append(name)
    return StoredFiles(root, tuple(sorted(names))), tuple(notes)


def walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder but folders; links are not followed, unreadable folders skipped."""
    folders = [str(root)]
    seen = 0
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_NAMES:
                return
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield entry


def read_text(path: Path, most: int) -> str:
    """Return a small regular file as text; bytes that are no UTF-8 are replaced.

    Raises:
        OSError: it cannot be read, is a link or no regular file, or is larger than `most` bytes.

    """
    with open_regular(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise OSError(f"{path.name} is larger than {most:,} bytes")
    return data.decode("utf-8-sig", "replace")
