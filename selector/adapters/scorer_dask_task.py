"""What does a node of a Dask cluster do with one model? The same as this computer would: it asks a confined worker.

Plain bytes come in and go out, so that neither side has to unpickle what the other one got from a model.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.adapters.predictions_files import packed
from selector.adapters.scorer_confined import ConfinedScorer
from selector.domain.model import Unscorable
from selector.errors import SelectorError
from selector.ports import ScoreJob

ANSWERED, FAILED = b"A", b"F"
_scorers: dict[str, ConfinedScorer] = {}
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class BytesOfRows:
    """The holdout's features as they came over the network. Implements ports.Features."""

    columns: tuple[str, ...]
    rows: int
    parts: Sequence[bytes]

    def batches(self) -> Iterator[bytes]:
        """Yield the Arrow IPC streams in order."""
        yield from self.parts


def score_here(model: bytes, features: bytes, order: str) -> bytes:
    """Score one model on this node.

    Args:
        model: its folder, see `folder_packed`.
        features: see `features_packed`.
        order: JSON with columns, rows, timed and the limits.

    Returns:
        ANSWERED and an .npz, or FAILED and JSON with reason and transient. Nothing is raised: an exception would travel
        as a pickle.

    """
    try:
        told = json.loads(order)
        with tempfile.TemporaryDirectory(prefix="mlflow-selector-") as folder:
            folder_unpacked(model, Path(folder))
            job = ScoreJob("model", Path(folder), timed=bool(told["timed"]))
            rows = BytesOfRows(tuple(told["columns"]), int(told["rows"]), features_unpacked(features))
            (scored,) = _scorer(told["limits"]).score([job], rows)
    except Exception as error:  # noqa: BLE001 - reported to the one who asked, as plain text
        return _failed(f"the node could not score it: {type(error).__name__}: {error}", transient=True)
    if isinstance(scored.result, Unscorable):
        return _failed(scored.result.reason, transient=scored.result.transient)
    return ANSWERED + packed(scored.result)


def about_here(limits: dict[str, Any]) -> str:
    """Return JSON about this node: revision and confinement of its scorer, or the error of its self-test."""
    scorer = _scorer(limits)
    try:
        return json.dumps({"revision": scorer.revision, "confinement": scorer.self_test()})
    except SelectorError as error:
        return json.dumps({"error": error.message, "advice": error.advice})


def folder_packed(folder: Path) -> bytes:
    """Return the regular files below a folder as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.add(path, arcname=str(path.relative_to(folder)), recursive=False)
    return buffer.getvalue()


def folder_unpacked(content: bytes, folder: Path) -> None:
    """Write the files of `folder_packed` below a folder; nothing lands outside it."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        archive.extractall(folder, filter="data")


def features_packed(parts: Sequence[bytes]) -> bytes:
    """Return several byte strings as one, each with its length before it (8 bytes, little-endian)."""
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def features_unpacked(content: bytes) -> tuple[bytes, ...]:
    """Return the byte strings of `features_packed`."""
    parts, at = [], 0
    while at < len(content):
        end = at + 8 + int.from_bytes(content[at : at + 8], "little")
        parts.append(content[at + 8 : end])
        at = end
    return tuple(parts)


def _scorer(limits: dict[str, Any]) -> ConfinedScorer:
    """Return this process's scorer for these limits; its fork server lives on between models."""
    key = json.dumps(limits, sort_keys=True)
    with _guard:
        if key not in _scorers:
            _scorers[key] = ConfinedScorer(1, **limits)
        return _scorers[key]


def _failed(reason: str, *, transient: bool) -> bytes:
    return FAILED + json.dumps({"reason": reason, "transient": transient}).encode()
