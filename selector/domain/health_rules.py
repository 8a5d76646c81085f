"""How often would a rule alarm for nothing? Batches between false alarms, so that a plain rule shows its price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import scipy

from selector.domain.health_evidence import as_share
from selector.domain.health_watch import Kind

FEWEST_VALUES = 8


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How long a rule stays quiet although nothing is wrong.

    Attributes:
        every: batches from one false alarm to the next, on average; at least this many where `bound` is True.
        bound: the number is a guarantee or a lower bound, not an average.
        rows: rows per batch that count for the metric (TP + FP + FN for F1), which the number holds for; 0 where it
            was taken from how the values vary.
        at: the true value of the metric that it holds for.

    """

    every: float
    bound: bool
    rows: int
    at: float

    @property
    def words(self) -> str:
        """Say it in a few words."""
        about = "at least " if self.bound else ""
        such = f"of {self.rows:,} such rows" if self.rows else "that vary as these do"
        batches = f"{_count(self.every)} batches {such}"
        return f"a false alarm every {about}{batches} at a true {self.at:.3f}"


def plain_rule(kind: Kind, floor: float, at: float, rows: int, in_a_row: int, *, error: float = 0.0) -> FalseAlarms:
    """Return the price of "alarm when `in_a_row` batches lie below the floor", while the metric truly is `at`.

    Shares are exact binomials; other values are taken as normal with the standard error of one batch.

    Args:
        kind: what is compared.
        floor: the limit.
        at: true value, usually the score at promotion.
        rows: rows per batch that count for the metric.
        in_a_row: batches that have to lie below the floor, one after another.
        error: standard error of one batch's value; for shares it is not looked at.

    """
    if kind in ("f1", "share"):
        limit, share = (as_share(v, f1=kind == "f1") for v in (floor, at))
        below = _binomial_below(limit * rows, rows, share)
    elif error > 0.0:
        away = (floor - at) / error * (-1.0 if kind == "lower" else 1.0)
        below = float(scipy.special.ndtr(away))
    else:
        worse = at > floor if kind == "lower" else at < floor
        below = 1.0 if worse else 0.0
    return FalseAlarms(_run_of(below, in_a_row), bound=False, rows=rows, at=at)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation of one value, from the steps between neighbours, so that a trend adds little.

    None for fewer than eight values.
    """
    if len(values) < FEWEST_VALUES:
        return None
    steps = [b - a for a, b in pairwise(values)]
    return math.sqrt(sum(s * s for s in steps) / len(steps) / 2.0)


def _binomial_below(limit: float, n: int, share: float) -> float:
    """Return P(X < limit) for X ~ Binomial(n, share)."""
    most = math.ceil(limit - 1e-9) - 1
    if most < 0:
        return 0.0
    return float(scipy.special.bdtr(most, n, share)) if most < n else 1.0


def _run_of(p: float, k: int) -> float:
    """Return the mean number of trials until k successes in a row."""
    if p <= 0.0:
        return math.inf
    return float(k) if p >= 1.0 else (1.0 - p**k) / ((1.0 - p) * p**k)


def _count(batches: float) -> str:
    if not math.isfinite(batches) or batches > 1e6:  # noqa: PLR2004 - nobody waits for a million batches
        return "million or more"
    return f"{batches:,.0f}" if batches >= 10 else f"{batches:.1f}"  # noqa: PLR2004 - small numbers need a decimal
