"""Which class does each distinct value that a model answered mean: spellings, numbers, flags, encoded positions?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.model import Truth

Codes = npt.NDArray[np.int64]

_SHOWN = 5
_SMALL = 100_000
_FEW = 16


class UndecodableError(ValueError):
    """Answers that mean nothing on this holdout; its sentence becomes the reason of an Unscorable."""


def positive_class(truth: Truth) -> int | None:
    """Return the index of the positive class: the one given, else the second of two, else None."""
    if truth.positive is not None:
        return truth.positive
    return 1 if len(truth.classes) == 2 else None  # noqa: PLR2004 - two classes are what "binary" means


def class_codes(raw: npt.NDArray[Any], truth: Truth) -> tuple[Codes, str]:
    """Return the index into the classes per row, and what had to be assumed ("" where nothing).

    Raises:
        UndecodableError: a value means no class of the holdout, or is missing.

    """
    if raw.dtype.kind == "f":
        require_complete(np.isfinite(raw))
    values, where = _distinct(raw)
    found = match([_spelling(v) for v in values], truth.classes)
    how = ""
    if found is None:
        found, how = encoded_positions(values, truth)
    if found is None:
        known = [_spelling(c) for c in truth.classes]
        strange = [v for v in values if match([_spelling(v)], tuple(known)) is None]
        raise UndecodableError(
            f"The model answers {listed([str(v) for v in strange or values])},"
            f" but the holdout's classes are {listed(truth.classes)}"
        )
    return np.asarray(found, dtype=np.int64)[where], how


def _distinct(raw: npt.NDArray[Any]) -> tuple[list[Any], Codes]:
    """Return the distinct values and, per row, the position of its value."""
    if raw.dtype.kind in "biuf":
        return _distinct_numbers(raw)
    if raw.dtype.kind in "US" and (found := _distinct_words(raw)):
        return found
    rows = raw.tolist()
    if set(map(type, rows)) & {type(None), float}:
        missing = sum(v is None or (isinstance(v, float) and math.isnan(v)) for v in rows)
        if missing:
            raise UndecodableError(f"The model gives no answer for {missing} of {len(rows)} rows")
    try:
        position = {value: i for i, value in enumerate(dict.fromkeys(rows))}
    except TypeError:  # lists, arrays or dictionaries as answers
        raise UndecodableError(f"The model's answers are no class labels, such as {some_of(raw[:1])}") from None
    return list(position), np.fromiter(map(position.__getitem__, rows), np.int64, len(rows))


def _distinct_words(raw: npt.NDArray[Any]) -> tuple[list[Any], Codes] | None:
    """Compare whole columns with one word after the other, which is quick for few words; None where they are many."""
    values: list[Any] = []
    where = np.full(len(raw), -1, dtype=np.int64)
    first = 0
    while first < len(raw) and len(values) < _FEW:
        where[raw == raw[first]] = len(values)
        values.append(raw[first])
        first += int(np.argmax(where[first:] < 0)) if where[first:].min() < 0 else len(raw)
    return (values, where) if first >= len(raw) else None


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


def match(values: Sequence[str], classes: Sequence[str]) -> list[int] | None:
    """Return the class index of every value under the strictest look that knows all of them, or None."""
    for look in _LOOKS:
        known = {look(c): i for i, c in enumerate(classes)}
        if len(known) == len(classes) and all(look(v) in known for v in values):
            return [known[look(v)] for v in values]
    return None


def encoded_positions(values: Sequence[Any], truth: Truth) -> tuple[list[int] | None, str]:
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
    how = f"The model answers numbers, taken as positions among the sorted classes {listed(truth.classes)}"
    return [places[n] for n in numbers], how


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def require_length(answers: int, rows: int) -> None:
    """Raise UndecodableError unless there is one answer per row."""
    if answers != rows:
        raise UndecodableError(f"The model gives {answers} answers for {rows} rows")


def require_complete(finite: npt.NDArray[np.bool_]) -> None:
    """Raise UndecodableError unless every row, shape (n,), is finite."""
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise UndecodableError(
            f"The model gives NaN or an infinity in {len(bad)} of {len(finite)} rows, first in row {int(bad[0]) + 1}"
        )


def some_of(values: npt.NDArray[Any]) -> str:
    """Return the first distinct values of an array for a sentence."""
    return listed(list(dict.fromkeys(str(v) for v in values[:1000].tolist())))


def listed(words: Sequence[str]) -> str:
    """Return up to five words, quoted and cut, for a sentence."""
    shown = ", ".join(repr(w[:40]) for w in words[:_SHOWN])
    return f"{shown} and {len(words) - _SHOWN} more" if len(words) > _SHOWN else shown
