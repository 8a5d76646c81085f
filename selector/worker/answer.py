"""How does the worker say what a model predicted? A short header in JSON, then the bare numbers; nothing to unpickle.

    MAGIC | length of the header, 4 bytes little-endian | header (JSON, UTF-8) | labels | probabilities

The header of predictions: {"labels": "<i8" | "<f8" | "text" | null, "vocabulary": [str], "columns": k | null,
"classes": [str], "seconds": float, "rows": n, "timings": [[rows, seconds]] | null}. Labels are n numbers of 8 bytes
("text": codes into the vocabulary), probabilities n * k float64, row by row.
The header of a failure: {"failure": sentence}.
The parent trusts none of it: see adapters/scorer_answer.py.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"MSA1"
MAX_VOCABULARY = 1_000


class UnusableError(Exception):
    """The model cannot be loaded or its answer cannot be used; the message says why in one plain sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one model said for one batch, or for all rows.

    Attributes:
        labels: shape (n,) int64, float64 or object array of str; None where only probabilities came.
        probabilities: shape (n, k) float64, or None.
        classes: the model's class labels in column order, as text.

    """

    labels: npt.NDArray[Any] | None
    probabilities: npt.NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()


def join(parts: list[Answer]) -> Answer:
    """Put batches together again."""
    labels = [part.labels for part in parts if part.labels is not None]
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Answer(
        np.concatenate(labels) if labels else None,
        np.concatenate(probabilities) if probabilities else None,
        parts[0].classes,
    )


def send(descriptor: int, answer: Answer, seconds: float, timings: list[tuple[int, float]] | None = None) -> None:
    """Write predictions; `timings` are rows and seconds of single calls, where the job asked for them."""
    header: dict[str, Any] = {"labels": None, "vocabulary": [], "columns": None, "classes": list(answer.classes)}
    header |= {"seconds": seconds, "rows": 0, "timings": timings}
    payload = []
    if answer.labels is not None:
        header["rows"] = len(answer.labels)
        header["labels"], header["vocabulary"], numbers = _encoded(answer.labels)
        payload.append(numbers.tobytes())
    if answer.probabilities is not None:
        header["rows"], header["columns"] = answer.probabilities.shape
        payload.append(np.ascontiguousarray(answer.probabilities, dtype="<f8").tobytes())
    _write(descriptor, header, payload)


def send_failure(descriptor: int, sentence: str) -> None:
    """Write why there are no predictions."""
    _write(descriptor, {"failure": sentence[:2_000]}, [])


def send_note(descriptor: int, note: dict[str, Any]) -> None:
    """Write what the self-test found."""
    _write(descriptor, note, [])


def _encoded(labels: npt.NDArray[Any]) -> tuple[str, list[str], npt.NDArray[Any]]:
    if labels.dtype.kind == "i":
        return "<i8", [], labels.astype("<i8")
    if labels.dtype.kind == "f":
        return "<f8", [], labels.astype("<f8")
    vocabulary, codes = np.unique(labels.astype(str), return_inverse=True)
    if len(vocabulary) > MAX_VOCABULARY:
        raise UnusableError(f"the model answers with {len(vocabulary):,} different texts, which are no class labels")
    return "text", [str(word) for word in vocabulary], codes.astype("<i8")


def _write(descriptor: int, header: dict[str, Any], payload: list[bytes]) -> None:
    text = json.dumps(header).encode()
    for part in (MAGIC, struct.pack("<I", len(text)), text, *payload):
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]
