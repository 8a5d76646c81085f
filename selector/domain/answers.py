"""Which of the holdout's classes, or which number, does each raw answer of a model mean?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.model import Predictions, Truth, Unscorable

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-6
_SHOWN = 5
_SMALL = 100_000


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


class _UndecodableError(ValueError):
    """Carries the sentence of an Unscorable out of the steps below."""


def positive_class(truth: Truth) -> int | None:
    """Return the index of the positive class: the one given, else the second of two, else None."""
    if truth.positive is not None:
        return truth.positive
    return 1 if len(truth.classes) == 2 else None  # noqa: PLR2004 - two classes are what "binary" means


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
    except _UndecodableError as problem:
        return Unscorable(str(problem))


def _numbers(truth: Truth, predictions: Predictions) -> Floats:
    raw = _column(predictions.labels)
    if raw is None:
        raise _UndecodableError("The model gives no numbers, but the holdout's target is a number")
    _same_length(len(raw), truth.rows)
    if raw.ndim > 1:
        raise _UndecodableError(f"The model gives {raw.shape[1]} numbers per row, but the holdout has one target")
    try:
        numbers = raw.astype(np.float64)
    except (TypeError, ValueError):
        raise _UndecodableError(f"The model answers {_some(raw)}, but the holdout's target is a number") from None
    _complete(np.isfinite(numbers))
    return numbers


def _classes(truth: Truth, predictions: Predictions, threshold: float | None) -> Answers:
    raw, table, spelled, notes = _column(predictions.labels), predictions.probabilities, predictions.classes, []
    if raw is not None and raw.ndim > 1:
        raw, table = None, raw if table is None else table
    positive = positive_class(truth)
    if raw is not None:
        _same_length(len(raw), truth.rows)
        if _bare_probability(raw, truth):
            table, raw = raw.astype(np.float64), None
            notes.append(
                f"The model answers probabilities, taken as those of {truth.classes[positive or 0]!r};"
                f" {'above 0.5' if threshold is None else f'from {threshold:g} on'} counts as that class"
            )
    codes, how = _codes(raw, truth) if raw is not None else (None, "")
    if how:
        notes.append(how)
    if table is None and codes is None:
        raise _UndecodableError("The model gives neither classes nor probabilities")
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
        raise _UndecodableError("The model gives neither classes nor probabilities")
    if probability.ndim == 1:
        return np.where(probability > 0.5, positive or 0, 1 - (positive or 0)).astype(np.int64)  # noqa: PLR2004 - half
    return np.asarray(np.argmax(probability, axis=1), dtype=np.int64)


def _column(labels: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    if labels is None:
        return None
    raw = np.asarray(labels)
    if not 1 <= raw.ndim <= 2:  # noqa: PLR2004 - rows, or rows and columns
        raise _UndecodableError(f"The model gives an array of shape {raw.shape}, not one answer per row")
    return raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw  # noqa: PLR2004 - a column vector


def _bare_probability(raw: npt.NDArray[Any], truth: Truth) -> bool:
    """Tell whether these are probabilities: fractions between 0 and 1 that are not all whole numbers."""
    if raw.dtype.kind != "f" or len(truth.classes) != 2 or not len(raw):  # noqa: PLR2004 - two classes
        return False
    _complete(np.isfinite(raw))
    return bool(np.any(raw != np.rint(raw))) and bool(raw.min() >= 0.0) and bool(raw.max() <= 1.0)


def _codes(raw: npt.NDArray[Any], truth: Truth) -> tuple[Codes, str]:
    """Return the index into the classes per row, and what had to be assumed ("" where nothing)."""
    if raw.dtype.kind == "f":
        _complete(np.isfinite(raw))
    values, where = _distinct(raw)
    found = _match([_spelling(v) for v in values], truth.classes)
    how = ""
    if found is None:
        found, how = _encoded(values, truth)
    if found is None:
        known = [_spelling(c) for c in truth.classes]
        strange = [v for v in values if _match([_spelling(v)], tuple(known)) is None]
        raise _UndecodableError(
            f"The model answers {_listed([str(v) for v in strange or values])},"
            f" but the holdout's classes are {_listed(truth.classes)}"
        )
    return np.asarray(found, dtype=np.int64)[where], how


def _distinct(raw: npt.NDArray[Any]) -> tuple[list[Any], Codes]:
    """Return the distinct values and, per row, the position of its value."""
    if raw.dtype.kind in "biuf":
        return _distinct_numbers(raw)
    rows = raw.tolist()
    missing = sum(v is None or (isinstance(v, float) and math.isnan(v)) for v in rows)
    if missing:
        raise _UndecodableError(f"The model gives no answer for {missing} of {len(rows)} rows")
    position: dict[tuple[type, Any], int] = {}
    try:
        where = np.fromiter((position.setdefault((type(v), v), len(position)) for v in rows), np.int64, len(rows))
    except TypeError:  # lists, arrays or dictionaries as answers
        raise _UndecodableError(f"The model's answers are no class labels, such as {_some(raw[:1])}") from None
    return [value for _, value in position], where


def _distinct_numbers(raw: npt.NDArray[Any]) -> tuple[list[Any], Codes]:
    """Count instead of sorting where the numbers are small whole ones, as class codes are: ten times as fast."""
    whole = raw.astype(np.int64) if raw.size and max(abs(float(raw.min())), abs(float(raw.max()))) < _SMALL else None
    if whole is None or not np.array_equal(whole, raw):
        values, where = np.unique(raw, return_inverse=True)
        return values.tolist(), where.astype(np.int64)
    low = int(whole.min())
    occurs = np.bincount(whole - low) > 0
    place = np.cumsum(occurs) - 1
    values = (np.flatnonzero(occurs) + low).astype(raw.dtype)
    return values.tolist(), np.asarray(place[whole - low], dtype=np.int64)


def _spelling(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _as_number(text: str) -> str:
    """Return one spelling for all spellings of a number: "1.0", "01" and " 1" are "1.0"."""
    folded = text.strip().casefold()
    try:
        return repr(float(folded) + 0.0)
    except ValueError:
        return folded


def _as_flag(text: str) -> str:
    return {"true": "1.0", "false": "0.0"}.get(_as_number(text), _as_number(text))


_LOOKS: tuple[Callable[[str], str], ...] = (str, _as_number, _as_flag)
"""Ways to look at a spelling, from literal to lenient."""


def _match(values: Sequence[str], classes: Sequence[str]) -> list[int] | None:
    """Return the class index of every value under the strictest look that knows all of them, or None."""
    for look in _LOOKS:
        known = {look(c): i for i, c in enumerate(classes)}
        if len(known) == len(classes) and all(look(v) in known for v in values):
            return [known[look(v)] for v in values]
    return None


def _encoded(values: Sequence[Any], truth: Truth) -> tuple[list[int] | None, str]:
    """Read 0/1 or positions 0 to k - 1 where the holdout's classes are words."""
    if any(_is_number(c) for c in truth.classes):
        return None, ""
    numbers = [_as_flag(_spelling(v)) for v in values]
    places = {repr(float(i)): i for i in range(len(truth.classes))}
    if any(n not in places for n in numbers):
        return None, ""
    positive = positive_class(truth)
    if len(truth.classes) == 2 and positive is not None:  # noqa: PLR2004 - two classes
        how = f"The model answers 0 and 1; 1 is taken as {truth.classes[positive]!r}"
        return [positive if places[n] else 1 - positive for n in numbers], how
    how = f"The model answers numbers, taken as positions among the sorted classes {_listed(truth.classes)}"
    return [places[n] for n in numbers], how


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _probability(table: npt.NDArray[Any], spelled: Sequence[str], truth: Truth, *, encoded: bool) -> Floats:
    """Return checked probabilities: (n,) of the positive class, or (n, k) in the order of the holdout's classes."""
    try:
        table = table.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise _UndecodableError(f"The model's probabilities are no numbers: {_some(table.ravel())}") from None
    if not 1 <= table.ndim <= 2:  # noqa: PLR2004 - rows, or rows and columns
        raise _UndecodableError(
            f"The model's probabilities have shape {table.shape}, not one row per row of the holdout"
        )
    _same_length(len(table), truth.rows)
    _complete(np.isfinite(table) if table.ndim == 1 else np.isfinite(table).all(axis=1))
    if table.size and (table.min() < -_TOLERANCE or table.max() > 1.0 + _TOLERANCE):
        worst = table.min() if table.min() < -_TOLERANCE else table.max()
        raise _UndecodableError(f"The model's probabilities leave the range from 0 to 1: {worst:g}")
    table = np.clip(table, 0.0, 1.0)
    if table.ndim == 1 or table.shape[1] == 1:
        if len(truth.classes) != 2:  # noqa: PLR2004 - two classes
            raise _UndecodableError(
                f"The model gives one probability per row, but the holdout has {len(truth.classes)} classes"
            )
        return table.reshape(-1)
    return _aligned(table, spelled, truth, encoded=encoded)


def _aligned(table: Floats, spelled: Sequence[str], truth: Truth, *, encoded: bool) -> Floats:
    """Put the columns into the order of the holdout's classes; a class unknown to the model gets probability 0."""
    if spelled and len(spelled) != table.shape[1]:
        raise _UndecodableError(f"The model names {len(spelled)} classes, but gives {table.shape[1]} probabilities")
    if not spelled and table.shape[1] != len(truth.classes):
        raise _UndecodableError(
            f"The model gives {table.shape[1]} probabilities per row, but the holdout has {len(truth.classes)} classes"
        )
    names = list(spelled) or ([str(i) for i in range(table.shape[1])] if encoded else list(truth.classes))
    columns = [c[0] if (c := _match([name], truth.classes)) else None for name in names]
    if all(c is None for c in columns):
        columns = list(_encoded(names, truth)[0] or columns)
    if all(c is None for c in columns):
        raise _UndecodableError(
            f"The model knows the classes {_listed(names)}, but the holdout's are {_listed(truth.classes)}"
        )
    if columns == list(range(len(truth.classes))):
        return table
    out = np.zeros((len(table), len(truth.classes)))
    for source, column in enumerate(columns):
        if column is not None:
            out[:, column] = table[:, source]
    return out


def _same_length(answers: int, rows: int) -> None:
    if answers != rows:
        raise _UndecodableError(f"The model gives {answers} answers for {rows} rows")


def _complete(finite: npt.NDArray[np.bool_]) -> None:
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise _UndecodableError(
            f"The model gives NaN or an infinity in {len(bad)} of {len(finite)} rows, first in row {int(bad[0]) + 1}"
        )


def _some(values: npt.NDArray[Any]) -> str:
    return _listed(list(dict.fromkeys(str(v) for v in values[:1000].tolist())))


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(repr(w[:40]) for w in words[:_SHOWN])
    return f"{shown} and {len(words) - _SHOWN} more" if len(words) > _SHOWN else shown
