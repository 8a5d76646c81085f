"""How do the features get to the workers? Once into an unnamed file, which each worker gets for reading only."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selector.errors import ScoringError
from selector.ports import Features


@contextmanager
def spooled(features: Features) -> Iterator[str]:
    """Write all batches to a file without a name and yield a path under which this process can open it for reading.

    Layout: per batch 8 bytes of length (little-endian), then the Arrow IPC stream. Memory is bounded by one batch.
    Reading the holdout once for all models also means that all are judged on the very same bytes.

    Raises:
        ScoringError: the disk is full.

    """
    with tempfile.TemporaryFile(prefix="mlflow-selector-", buffering=0) as file:
        for batch in features.batches():
            _append(file.fileno(), struct.pack("<Q", len(batch)) + batch)
        yield f"/proc/self/fd/{file.fileno()}"


def _append(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise ScoringError(
            f"The holdout's rows cannot be written to {tempfile.gettempdir()}: {error.strerror}.",
            advice="Make room there, or name another folder in TMPDIR.",
        ) from error


def opened(path: str) -> int:
    """Return a fresh read-only descriptor: a worker cannot write through it, nor move another's position."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
