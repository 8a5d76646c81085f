"""What did earlier scans learn about a file, and is it still the same file?"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from migrations.json_files import UnreadableJsonError

Told = TypeVar("Told")
Stamp = tuple[int, int, int, int]

MOST: Final = 200_000
MAX_DOCUMENT: Final = 64 << 10
"""Larger documents are parsed again: their contents would cost more memory than time."""

YOUNG_NS: Final = 2_000_000_000
"""A file that changed less than this before it was read may change again within the same tick of the file system's
clock; what is learned about it is not kept."""


class KnownFiles:
    """Keeps answers about files by path, for as long as size, times and inode stay as they were.

    Only `os.lstat` is called for a file that is known. Not safe for use by several threads at once.

    Args:
        most: answers that are kept; the ones asked for longest ago go first.
        now_ns: the time in nanoseconds since 1970, in the file system's clock.

    """

    def __init__(self, most: int = MOST, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._most, self._now_ns = most, now_ns
        self._kept: OrderedDict[tuple[str, str], tuple[Any, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def ask(self, what: str, path: Path, read: Callable[[Path], Told]) -> Told:
        """Return what `read` says about the file, from memory where the file has not changed.

        Args:
            what: which question it is.
            path: a file.
            read: answers it; an UnreadableJsonError is an answer too, anything else raised is not remembered.

        """
        before = stamp(path)
        key = (what, os.fspath(path))
        held = self._kept.get(key)
        if held is not None and before is not None and held[0] == before:
            self._kept.move_to_end(key)
            if isinstance(held[1], UnreadableJsonError):
                raise held[1]
            return cast("Told", held[1])
        started = self._now_ns()
        try:
            answer: Any = read(path)
        except UnreadableJsonError as error:
            self._keep(key, path, before, error, started)
            raise
        self._keep(key, path, before, answer, started)
        return cast("Told", answer)

    def recall(self, what: str, key: str, stamps: Any) -> Any:
        """Return what was kept with `keep` for exactly these stamps, else None."""
        held = self._kept.get((what, key))
        if held is None or held[0] != stamps:
            return None
        self._kept.move_to_end((what, key))
        return held[1]

    def keep(self, what: str, key: str, stamps: Any, answer: Any) -> None:
        """Remember an answer about several files together."""
        self._kept[what, key] = (stamps, answer)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def settled(self, stamps: Stamp) -> bool:
        """Return whether a file's last change lies far enough back for its stamp to show the next one."""
        return max(stamps[1], stamps[2]) < self._now_ns() - YOUNG_NS

    def _keep(self, key: tuple[str, str], path: Path, before: Stamp | None, answer: Any, started: int) -> None:
        large = key[0] == "document" and before is not None and before[0] > MAX_DOCUMENT
        if large or before is None or stamp(path) != before or max(before[1], before[2]) >= started - YOUNG_NS:
            self._kept.pop(key, None)
            return
        self.keep(*key, before, answer)


def stamp(path: Path) -> Stamp | None:
    """Return (size, modified, changed, inode) of a file, times in nanoseconds; None where it is gone."""
    try:
        return stamp_of(path.lstat())
    except OSError:
        return None


def stamp_of(status: os.stat_result) -> Stamp:
    """Return (size, modified, changed, inode)."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
