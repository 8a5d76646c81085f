"""Where do models come from that were scanned in a private copy of their folder?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from migrations.model import Scan


def as_found(found: Scan, found_at: Mapping[Path, Path]) -> Scan:
    """Return the scan with each entry where people know it; the bytes are still read from the copy.

    Args:
        found: a scan of copies.
        found_at: the folder that each copy stands for.

    """

    def place(path: Path) -> Path:
        copy = next((above for above in (path, *path.parents) if above in found_at), None)
        return path if copy is None else found_at[copy] / path.relative_to(copy)

    def words(text: str) -> str:
        for copy, origin in found_at.items():
            text = text.replace(str(copy), str(origin))
        return text

    models = (replace(m, path=place(m.path), notes=tuple(map(words, m.notes))) for m in found.models)
    unreadable = (replace(u, path=place(u.path), reason=words(u.reason)) for u in found.unreadable)
    return Scan(tuple(models), tuple(unreadable), tuple(map(words, found.notes)))
