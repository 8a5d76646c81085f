"""Which of the holdout's classes, or which number, does each raw answer of a model mean?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.model import Predictions, Truth, Unscorable
from selector.domain.spellings import (
    Codes,
    UndecodableError,
    class_codes,
    encoded_positions,
    listed,
    match,
    positive_class,
    require_complete,
    require_length,
    some_of,
)

__all__ = ["Answers", "decode", "positive_class"]

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A model's answers in the holdout's own terms.

    Attributes:
        codes: shape (n,); int64 indices into the holdout's classes, or float64 numbers of a regression.
        probability: of the positive class, shape (n,), where the holdout has two classes; of each class of the
            holdout, shape (n, k), where it has more; None where the model gives none. All within [0, 1].
        notes: what had to be assumed, in plain sentences.

    """

    codes: Codes | Floats
    probability: Floats | None = None
    notes: tuple[str, ...] = ()


def decode(truth: Truth, predictions: Predictions, *, threshold: float | None = None) -> Answers | Unscorable:
    """Return the answers in the holdout's terms, or why they cannot be understood.

    Accepted for classes: the spellings themselves (case, blanks and "1.0" for "1" do not matter), 0 and 1 or booleans
    where there are two classes (1 means the positive one, else the second in sorted order), positions 0 to k - 1 among
    the sorted classes (what scikit-learn's LabelEncoder writes), one probability of the positive class per row (what
    native boosters answer), and a column of probabilities per class.

    Args:
        truth: the holdout's labels.
        predictions: what the model answered, in row order.
        threshold: the positive class is answered from this probability on; None: the more probable class, and for
            bare probabilities whatever lies above 0.5.

    """
    try:
        if not truth.classes:
            return Answers(_numbers(truth, predictions))
        return _classes(truth, predictions, threshold)
    except UndecodableError as problem:
        return Unscorable(str(problem))


def _numbers(truth: Truth, predictions: Predictions) -> Floats:
    raw = _column(predictions.labels)
    if raw is None:
        raise UndecodableError("The model gives no numbers, but the holdout's target is a number")
    require_length(len(raw), truth.rows)
    if raw.ndim > 1:
        raise UndecodableError(f"The model gives {raw.shape[1]} numbers per row, but the holdout has one target")
    try:
        numbers = raw.astype(np.float64)
    except (TypeError, ValueError):
        raise UndecodableError(f"The model answers {some_of(raw)}, but the holdout's target is a number") from None
    require_complete(np.isfinite(numbers))
    return numbers


def _classes(truth: Truth, predictions: Predictions, threshold: float | None) -> Answers:
    raw, table, spelled, notes = _column(predictions.labels), predictions.probabilities, predictions.classes, []
    if raw is not None and raw.ndim > 1:
        raw, table = None, raw if table is None else table
    positive = positive_class(truth)
    if raw is not None:
        require_length(len(raw), truth.rows)
        if _bare_probability(raw, truth):
            table, raw = raw.astype(np.float64), None
            notes.append(
                f"The model answers probabilities, taken as those of {truth.classes[positive or 0]!r};"
                f" {'above 0.5' if threshold is None else f'from {threshold:g} on'} counts as that class"
            )
    codes, how = class_codes(raw, truth) if raw is not None else (None, "")
    if how:
        notes.append(how)
    if table is None and codes is None:
        raise UndecodableError("The model gives neither classes nor probabilities")
    probability = None if table is None else _probability(np.asarray(table), spelled, truth, encoded=bool(how))
    codes = _thresholded(codes, probability, positive, threshold, notes)
    if len(truth.classes) > 1 and len(codes) > 1 and bool(np.all(codes == codes[0])):
        notes.append(f"All {len(codes)} answers are {truth.classes[int(codes[0])]!r}")
    if probability is not None and probability.ndim > 1 and len(truth.classes) == 2:  # noqa: PLR2004 - two classes
        probability = np.ascontiguousarray(probability[:, positive or 0])
    return Answers(codes, probability, tuple(notes))


def _thresholded(
    codes: Codes | None, probability: Floats | None, positive: int | None, threshold: float | None, notes: list[str]
) -> Codes:
    """Return the answers, cut at the threshold where one is given and there is something to cut."""
    binary = probability is not None and positive is not None and (probability.ndim == 1 or probability.shape[1] == 2)  # noqa: PLR2004 - two classes
    if threshold is not None and binary and probability is not None and positive is not None:
        column = probability if probability.ndim == 1 else probability[:, positive]
        return np.where(column >= threshold, positive, 1 - positive).astype(np.int64)
    if threshold is not None:
        notes.append(f"The threshold {threshold:g} was not applied: it needs one probability per row, of two classes")
    if codes is not None:
        return codes
    if probability is None:
        raise UndecodableError("The model gives neither classes nor probabilities")
    if probability.ndim == 1:
        return np.where(probability > 0.5, positive or 0, 1 - (positive or 0)).astype(np.int64)  # noqa: PLR2004 - half
    return np.asarray(np.argmax(probability, axis=1), dtype=np.int64)


def _column(labels: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    if labels is None:
        return None
    raw = np.asarray(labels)
    if not 1 <= raw.ndim <= 2:  # noqa: PLR2004 - rows, or rows and columns
        raise UndecodableError(f"The model gives an array of shape {raw.shape}, not one answer per row")
    return raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw  # noqa: PLR2004 - a column vector


def _bare_probability(raw: npt.NDArray[Any], truth: Truth) -> bool:
    """Tell whether these are probabilities: fractions between 0 and 1 that are not all whole numbers."""
    if raw.dtype.kind != "f" or len(truth.classes) != 2 or not len(raw):  # noqa: PLR2004 - two classes
        return False
    require_complete(np.isfinite(raw))
    return bool(np.any(raw != np.rint(raw))) and bool(raw.min() >= 0.0) and bool(raw.max() <= 1.0)


def _probability(table: npt.NDArray[Any], spelled: Sequence[str], truth: Truth, *, encoded: bool) -> Floats:
    """Return checked probabilities: (n,) of the positive class, or (n, k) in the order of the holdout's classes."""
    try:
        table = table.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise UndecodableError(f"The model's probabilities are no numbers: {some_of(table.ravel())}") from None
    if not 1 <= table.ndim <= 2:  # noqa: PLR2004 - rows, or rows and columns
        raise UndecodableError(
            f"The model's probabilities have shape {table.shape}, not one row per row of the holdout"
        )
    require_length(len(table), truth.rows)
    require_complete(np.isfinite(table) if table.ndim == 1 else np.isfinite(table).all(axis=1))
    if table.size and (table.min() < -_TOLERANCE or table.max() > 1.0 + _TOLERANCE):
        worst = table.min() if table.min() < -_TOLERANCE else table.max()
        raise UndecodableError(f"The model's probabilities leave the range from 0 to 1: {worst:g}")
    table = np.clip(table, 0.0, 1.0)
    if table.ndim == 1 or table.shape[1] == 1:
        if len(truth.classes) != 2:  # noqa: PLR2004 - two classes
            raise UndecodableError(
                f"The model gives one probability per row, but the holdout has {len(truth.classes)} classes"
            )
        return table.reshape(-1)
    return _aligned(table, spelled, truth, encoded=encoded)


def _aligned(table: Floats, spelled: Sequence[str], truth: Truth, *, encoded: bool) -> Floats:
    """Put the columns into the order of the holdout's classes; a class unknown to the model gets probability 0."""
    if spelled and len(spelled) != table.shape[1]:
        raise UndecodableError(f"The model names {len(spelled)} classes, but gives {table.shape[1]} probabilities")
    if not spelled and table.shape[1] != len(truth.classes):
        raise UndecodableError(
            f"The model gives {table.shape[1]} probabilities per row, but the holdout has {len(truth.classes)} classes"
        )
    names = list(spelled) or ([str(i) for i in range(table.shape[1])] if encoded else list(truth.classes))
    columns = [c[0] if (c := match([name], truth.classes)) else None for name in names]
    if all(c is None for c in columns):
        columns = list(encoded_positions(names, truth)[0] or columns)
    if all(c is None for c in columns):
        raise UndecodableError(
            f"The model knows the classes {listed(names)}, but the holdout's are {listed(truth.classes)}"
        )
    if columns == list(range(len(truth.classes))):
        return table
    out = np.zeros((len(table), len(truth.classes)))
    for source, column in enumerate(columns):
        if column is not None:
            out[:, column] = table[:, source]
    return out
