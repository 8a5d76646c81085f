"""How do the features get to the workers? Once into an unnamed file, which each worker gets for reading only."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selector.ports import Features


@contextmanager
def spooled(features: Features) -> Iterator[str]:
    """Write all batches to a file without a name and yield a path under which this process can open it for reading.

    Layout: per batch 8 bytes of length (little-endian), then the Arrow IPC stream. Memory is bounded by one batch.
    Reading the holdout once for all models also means that all are judged on the very same bytes.
    """
    with tempfile.TemporaryFile(prefix="mlflow-selector-") as file:
        for batch in features.batches():
            file.write(struct.pack("<Q", len(batch)))
            file.write(batch)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def opened(path: str) -> int:
    """Return a fresh read-only descriptor: a worker cannot write through it, nor move another's position."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
