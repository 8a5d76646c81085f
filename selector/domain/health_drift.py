"""Do the inputs still look like those the champion was chosen on? PSI with a limit that knows how many rows there are.

Under no change PSI is about chi2(bins - 1) (1/n + 1/m), so that a fixed limit such as 0.1 means something else at each
batch size. Drift is told beside the quality, and is never a reason to call a model degraded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

MOST_BINS = 10
MOST_VALUES = 20
PRACTICAL_FLOOR = 0.1
"""A smaller PSI is no news, however many rows prove it."""

FEWEST_ROWS = 30


@dataclass(frozen=True, slots=True)
class Bins:
    """How one feature was spread over the reference rows.

    Attributes:
        edges: inner edges of the bins of a number, ascending; empty for text.
        values: the values of a text that have a bin of their own; empty for a number.
        counts: reference rows per bin: of numbers between the edges, or of each value and of all others; then missing.

    """

    name: str
    edges: tuple[float, ...]
    values: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many reference rows there were."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one feature has moved.

    Attributes:
        psi: population stability index of this batch against the reference, >= 0.
        limit: above, it is more than chance and large enough to matter.

    """

    name: str
    psi: float
    limit: float
    rows: int

    @property
    def drifted(self) -> bool:
        """Whether the feature has moved by more than chance."""
        return self.psi > self.limit


def bins_of(columns: Mapping[str, npt.NDArray[Any]]) -> tuple[Bins, ...]:
    """Return the bins of each feature of the reference rows; features with one value only are left out.

    Args:
        columns: numbers (NaN where missing) or texts (None where missing), each of shape (m,).

    """
    found = [_number_bins(n, c) if c.dtype.kind in "iufb" else _text_bins(n, c) for n, c in columns.items() if len(c)]
    return tuple(b for b in found if sum(count > 0 for count in b.counts) > 1)


def drift(
    bins: Sequence[Bins], columns: Mapping[str, npt.NDArray[Any]], false_alarm_every: float = 365.0
) -> tuple[Drift, ...]:
    """Return PSI and limit of each feature that this batch has, the most moved first.

    The limits make at most one false alarm in `false_alarm_every` batches over all features together. Batches of fewer
    than 30 rows say nothing.
    """
    shared = [b for b in bins if b.name in columns and len(columns[b.name]) >= FEWEST_ROWS]
    found = []
    for one in shared:
        now = _counts(one, columns[one.name])
        n = int(now.sum())
        used = sum(count > 0 for count in one.counts)
        quantile = float(scipy.special.chdtri(max(used - 1, 1), 1.0 / (false_alarm_every * len(shared))))
        limit = max(quantile * (1.0 / n + 1.0 / one.rows), PRACTICAL_FLOOR)
        found.append(Drift(one.name, psi(np.array(one.counts, dtype=np.float64), now), limit, n))
    return tuple(sorted(found, key=lambda d: (d.limit - d.psi, d.name)))


def psi(reference: npt.NDArray[np.float64], now: npt.NDArray[np.float64]) -> float:
    """Return sum (q - p) log(q / p) over bins that either side has; half a row stands in for an empty bin."""
    used = (reference > 0) | (now > 0)
    p, q = (np.where(side[used] > 0, side[used], 0.5) for side in (reference, now))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _number_bins(name: str, column: npt.NDArray[Any]) -> Bins:
    numbers = column.astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return Bins(name, (), (), (0, len(column)))
    quantiles = np.quantile(known, np.arange(1, MOST_BINS) / MOST_BINS)
    edges = tuple(float(e) for e in np.unique(quantiles) if e > known.min())
    empty = Bins(name, edges, (), ())
    return Bins(name, edges, (), tuple(int(c) for c in _counts(empty, column)))


def _text_bins(name: str, column: npt.NDArray[Any]) -> Bins:
    texts = [str(v) for v in column.tolist() if not _missing(v)]
    values, counts = np.unique(np.array(texts, dtype=np.str_), return_counts=True)
    order = sorted(range(len(values)), key=lambda i: (-int(counts[i]), str(values[i])))[:MOST_VALUES]
    kept = tuple(sorted(str(values[i]) for i in order))
    return Bins(name, (), kept, tuple(int(c) for c in _counts(Bins(name, (), kept, ()), column)))


def _counts(bins: Bins, column: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if bins.values:
        position = {value: i for i, value in enumerate(bins.values)}
        others, missing = len(bins.values), len(bins.values) + 1
        where = [missing if _missing(v) else position.get(str(v), others) for v in column.tolist()]
        return np.bincount(where, minlength=missing + 1).astype(np.float64)
    numbers = _numbers(column)
    known = np.isfinite(numbers)
    places = np.searchsorted(np.array(bins.edges), numbers[known], side="right")
    counts = np.bincount(places, minlength=len(bins.edges) + 1)
    return np.append(counts, int((~known).sum())).astype(np.float64)


def _numbers(column: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return numbers; what is none, in a batch where a number was expected, counts as missing."""
    if column.dtype.kind in "iufb":
        return column.astype(np.float64)
    return np.array([_number(v) for v in column.tolist()], dtype=np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
