"""Which bytes does a file hold, and since when?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from migrations.byte_source import open_regular

_CHUNK: Final = 1 << 20


def fingerprint(path: Path) -> tuple[str, int, float]:
    """Return (sha256, bytes, modification time) of a file, read once.

    Raises:
        OSError: it cannot be read.

    """
    digest = hashlib.sha256()
    size = 0
    with open_regular(path) as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
        return digest.hexdigest(), size, os.fstat(stream.fileno()).st_mtime
