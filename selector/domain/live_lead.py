"""Is a challenger better than the champion on the labels of production, whenever somebody looks?

Labels arrive in batches, and somebody looks after each of them. A test made for one look would promote for nothing in
30 of 100 cases; the confidence sequence used here holds at all looks together (Waudby-Smith, Arbour, Sinha, Kennedy and
Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from selector.domain.comparison import oriented
from selector.domain.influence_classes import class_metric
from selector.domain.live import Cell, LiveChallenger, LiveLead, Sums
from selector.domain.metric import Metric
from selector.domain.outcomes import Outcome

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Valued = Callable[[Codes, Codes, Codes], tuple[float, Floats]]

TUNED_FOR = 3_000
"""Labelled rows at which the interval is as narrow as it can be; elsewhere it is a little wider, never wrong."""

FEWEST_APART = 30.0
"""Effective rows that tell two models apart, below which the normal approximation is not trusted."""

FEWEST_IN_BATCH = 30
"""Batches of metrics that are no counts need so many rows for their spread to mean something."""


def joint(truth: Codes, champion: Codes, challenger: Codes) -> tuple[Cell, ...]:
    """Return how many rows have each label and pair of answers.

    Args:
        truth: shape (n,), class codes from 0 on.
        champion: shape (n,), what the champion answered.
        challenger: shape (n,), what the challenger answered.

    """
    triples, counts = np.unique(np.column_stack((truth, champion, challenger)), axis=0, return_counts=True)
    return tuple((int(t), int(a), int(b), int(n)) for (t, a, b), n in zip(triples, counts, strict=True))


def with_cells(challenger: LiveChallenger, cells: tuple[Cell, ...]) -> LiveChallenger:
    """Return the challenger after one more batch of a metric that is made of counts."""
    found: dict[tuple[int, int, int], int] = {(t, a, b): n for t, a, b, n in challenger.cells}
    for t, a, b, n in cells:
        found[t, a, b] = found.get((t, a, b), 0) + n
    together = tuple((t, a, b, n) for (t, a, b), n in sorted(found.items()))
    rows = challenger.rows + sum(n for *_, n in cells)
    return replace(challenger, cells=together, rows=rows, batches=challenger.batches + 1)


def with_outcomes(challenger: LiveChallenger, own: Outcome, champion: Outcome) -> LiveChallenger:
    """Return the challenger after one more batch of any other metric, measured for both on the same rows.

    A batch of fewer than FEWEST_IN_BATCH rows changes nothing.

    Raises:
        ValueError: the outcomes are not of the same rows.

    """
    if own.rows != champion.rows:
        raise ValueError(f"models judged on {own.rows} and {champion.rows} rows cannot be compared")
    n = own.rows
    if n < FEWEST_IN_BATCH:
        return challenger
    apart = oriented(own) - oriented(champion)
    square = (apart - apart.mean()) ** 2
    before = challenger.sums
    sums = Sums(
        rows=before.rows + n,
        lead=before.lead + n * own.metric.lead(own.value, champion.value),
        champion=before.champion + n * champion.value,
        challenger=before.challenger + n * own.value,
        square=before.square + float(square.sum()),
        fourth=before.fourth + float(square @ square),
    )
    return replace(challenger, sums=sums, rows=challenger.rows + n, batches=challenger.batches + 1)


def live_lead(
    challenger: LiveChallenger, metric: Metric, *, classes: int, positive: int | None, alpha: float
) -> LiveLead | None:
    """Return the lead so far with an interval that holds at all looks; None before anything was measured.

    Args:
        challenger: what it and the champion answered so far.
        metric: its averaging settled.
        classes: how many there are; 0 for a metric that is not made of counts.
        positive: index of the positive class.
        alpha: the chance that the interval is wrong at any look, on either side; between 0 and 0.5.

    """
    if challenger.cells:
        own, other, rows, square, fourth = _of_cells(challenger.cells, _valued(metric, classes, positive))
        lead = metric.lead(own, other)
    elif challenger.sums.rows:
        sums = challenger.sums
        rows, square, fourth = sums.rows, sums.square, sums.fourth
        lead, own, other = sums.lead / rows, sums.challenger / rows, sums.champion / rows
    else:
        return None
    apart = square * square / fourth if fourth > 0.0 else 0.0
    if apart < FEWEST_APART:
        return LiveLead(lead, -math.inf, math.inf, rows, apart, other, own)
    reach = reach_at(rows, math.sqrt(square / rows), alpha)
    return LiveLead(lead, lead - reach, lead + reach, rows, apart, other, own)


def reach_at(rows: int, spread: float, alpha: float) -> float:
    """Return how far a mean may stray from the truth to one side at any of all looks, with probability 1 - alpha.

    sd * sqrt(2 (n r + 1) / (n^2 r) * ln(1 + sqrt(n r + 1) / (2 alpha))), the one-sided asymptotic confidence sequence
    (proposition 2.2 of the paper above), with r such that it is narrowest at TUNED_FOR rows.

    Args:
        rows: n, >= 1.
        spread: standard deviation of one row's difference.
        alpha: between 0 and 0.5.

    """
    loose = -2.0 * math.log(2.0 * alpha)
    r = (loose + math.log(loose + 1.0)) / TUNED_FOR
    scaled = rows * r + 1.0
    return spread * math.sqrt(2.0 * scaled / (rows * rows * r) * math.log1p(math.sqrt(scaled) / (2.0 * alpha)))


def _of_cells(cells: tuple[Cell, ...], valued: Valued) -> tuple[float, float, int, float, float]:
    """Return the challenger's value, the champion's, rows, and the sums of D squared and D to the fourth."""
    t, a, b, n = np.array(cells, dtype=np.int64).T
    rows = int(n.sum())
    champion, pull_a = valued(t, a, n)
    own, pull_b = valued(t, b, n)
    apart = pull_b[t, b] - pull_a[t, a]
    square = (apart - float(apart @ n) / rows) ** 2
    return own, champion, rows, float(square @ n), float((square * square) @ n)


def _valued(metric: Metric, classes: int, positive: int | None) -> Valued:
    """Return what gives a metric's value and its influence table for labels, answers and numbers of rows."""

    def value(truth: Codes, answers: Codes, rows: Codes) -> tuple[float, Floats]:
        size = max(classes, int(max(truth.max(), answers.max())) + 1)
        flat = np.bincount(truth * size + answers, weights=rows, minlength=size * size)
        confusion: Floats = flat.reshape(size, size).astype(np.float64)
        present = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
        return class_metric(metric, confusion, present, positive)

    return value
