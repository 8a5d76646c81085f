"""Is this a usable answer? Bytes from a process that a foreign model may control, checked one by one.

The layout is described in selector/worker/answer.py. Nothing here is unpickled; sizes are checked before reading on.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from selector.domain.model import Predictions, Unscorable

MAGIC = b"MSA1"
MAX_HEADER = 1 << 20
MAX_CLASSES = 1_000
MAX_CLASS_NAME = 1_000
MAX_CALLS = 1_000
ROUNDING = 1e-9
_NONSENSE = "the model's process sent something that is no answer"


class Answer:
    """Collects the bytes of one answer, never more than one for the given rows can have.

    Args:
        rows: how many predictions are expected.
        max_bytes: most bytes of numbers to keep.
        note: a self-test's findings are expected, a header alone, and no predictions.

    """

    def __init__(self, rows: int, max_bytes: int, *, note: bool = False) -> None:
        """Start empty."""
        self._rows, self._max_bytes, self._note = rows, max_bytes, note
        self._content = bytearray()
        self._header: dict[str, Any] | None = None
        self._begin, self._length = 0, 8 + MAX_HEADER
        self.problem = ""

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; `problem` says where they cannot belong to an answer, and they are dropped then."""
        if self.problem:
            return
        self._content += chunk
        if self._header is None:
            self._read_header()
        if self._header is not None and len(self._content) > self._length:
            self.problem = f"{_NONSENSE}: more than {self._rows:,} predictions"
        if self.problem:
            self._content.clear()

    def header(self) -> dict[str, Any] | None:
        """Return the header once it has come and is JSON."""
        return None if self.problem else self._header

    def result(self, wall_seconds: float) -> Predictions | Unscorable | None:
        """Return the checked answer; None where nothing, or only a part, has come.

        Args:
            wall_seconds: how long the job took as we saw it; the worker's own figure is never believed beyond it.

        """
        if self.problem:
            return Unscorable(self.problem)
        header = self._header
        if header is None:
            return None
        if "failure" in header:
            return Unscorable(_one_line(str(header["failure"])))
        if len(self._content) != self._length:
            return None
        try:
            return self._predictions(header, wall_seconds)
        except _RefusedError as refused:
            return Unscorable(str(refused))

    def _read_header(self) -> None:
        content = self._content
        if content[:4] != MAGIC[: len(content[:4])]:
            self.problem = _NONSENSE
            return
        if len(content) < 8:  # noqa: PLR2004  magic and length
            return
        size = int.from_bytes(content[4:8], "little")
        if size > MAX_HEADER:
            self.problem = f"{_NONSENSE}: a header of {size:,} bytes"
            return
        if len(content) < 8 + size:
            return
        try:
            header = json.loads(bytes(content[8 : 8 + size]))
            self._begin = 8 + size
            self._length = self._begin + (0 if self._note else _expected_bytes(header, self._rows, self._max_bytes))
            self._header = header
        except (ValueError, RecursionError):
            self.problem = f"{_NONSENSE}: the header is not JSON"
        except _RefusedError as refused:
            self.problem = str(refused)

    def _predictions(self, header: dict[str, Any], wall_seconds: float) -> Predictions:
        body, rows = bytes(self._content[self._begin :]), self._rows
        labels = None
        if header["labels"] is not None:
            labels = _labels(np.frombuffer(body[: 8 * rows], "<f8" if header["labels"] == "<f8" else "<i8"), header)
            body = body[8 * rows :]
        probabilities = None
        if header["columns"] is not None:
            probabilities = np.frombuffer(body, "<f8").reshape(rows, header["columns"]).astype(np.float64)
            if not (
                np.isfinite(probabilities).all() and (np.abs(probabilities - 0.5) <= 0.5 + ROUNDING).all()
            ):  # in [0, 1]
                raise _RefusedError("the model gives probabilities that are not numbers between 0 and 1")
            probabilities = np.clip(probabilities, 0.0, 1.0)
        seconds = header.get("seconds")
        believed = float(seconds) if isinstance(seconds, (int, float)) and math.isfinite(seconds) else wall_seconds
        classes = tuple(header["classes"])
        timings = _timings(header.get("timings"), wall_seconds)
        return Predictions(labels, probabilities, classes, min(max(believed, 0.0), wall_seconds), timings)


class _RefusedError(Exception):
    """The answer breaks a rule; the message says which."""


def _expected_bytes(header: Any, rows: int, max_bytes: int) -> int:
    """Return how many bytes of numbers must follow this header."""
    if not isinstance(header, dict):
        raise _RefusedError(f"{_NONSENSE}: the header is no object")
    if "failure" in header:
        return 0
    labels, columns, classes = header.get("labels"), header.get("columns"), header.get("classes")
    if labels not in (None, "<i8", "<f8", "text") or (labels is None and columns is None):
        raise _RefusedError(f"{_NONSENSE}: neither labels nor probabilities")
    if not _is_count(header.get("rows")) or header["rows"] != rows:
        raise _RefusedError(f"the model answers for {str(header.get('rows'))[:40]} rows instead of {rows:,}")
    if columns is not None and not (_is_count(columns) and 1 <= columns <= MAX_CLASSES):
        raise _RefusedError(
            f"the model gives {str(columns)[:40]} probabilities a row; 1 to {MAX_CLASSES:,} are possible"
        )
    if not _is_names(classes) or (columns is not None and classes and len(classes) != columns):
        raise _RefusedError("the model's class labels do not fit its probabilities")
    if labels == "text" and not (header.get("vocabulary") and _is_names(header["vocabulary"])):
        raise _RefusedError(f"{_NONSENSE}: labels without their texts")
    expected = 8 * rows * ((labels is not None) + (columns or 0))
    if expected > max_bytes:
        raise _RefusedError(f"the model's answer has {expected:,} bytes; at most {max_bytes:,} are read")
    return expected


def _labels(numbers: Any, header: dict[str, Any]) -> Any:
    if header["labels"] == "text":
        vocabulary = np.array(header["vocabulary"], dtype=str)
        if numbers.min(initial=0) < 0 or numbers.max(initial=0) >= len(vocabulary):
            raise _RefusedError(f"{_NONSENSE}: a label outside its own list")
        return vocabulary[numbers]
    if header["labels"] == "<f8":
        missing = int(np.count_nonzero(~np.isfinite(numbers)))
        if missing:
            raise _RefusedError(f"the model answers with {missing:,} labels that are not finite numbers")
        return numbers.astype(np.float64)
    return numbers.astype(np.int64)


def _timings(calls: Any, wall_seconds: float) -> tuple[tuple[int, float], ...] | None:
    """Return the timed calls; none of them where one is odd, or where together they took longer than the job."""
    if not isinstance(calls, list):
        return None
    fine = len(calls) <= MAX_CALLS and all(
        isinstance(call, list)
        and len(call) == 2  # noqa: PLR2004 - rows and seconds
        and _is_count(call[0])
        and call[0] >= 1
        and isinstance(call[1], float)
        and 0.0 <= call[1] <= wall_seconds
        for call in calls
    )
    if not fine or sum(call[1] for call in calls) > wall_seconds:
        return ()
    return tuple((int(rows), float(seconds)) for rows, seconds in calls)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_CLASSES
        and all(isinstance(name, str) and len(name) <= MAX_CLASS_NAME for name in value)
    )


def _one_line(sentence: str) -> str:
    """Return text from a foreign model as one printable line of bounded length."""
    printable = "".join(character if character.isprintable() else " " for character in sentence[:2_000])
    return " ".join(printable.split())[:500] or "the model failed without a word"
