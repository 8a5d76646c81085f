"""How strongly do batches speak for a metric below its floor, or above it again?

The detector is the Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo (2024), a sum of e-processes that starts
anew at every batch: M <- (M + 1) LR, with E[LR | past] <= 1 while the metric keeps its floor. An alarm at M >= N then
comes on average at most once in N batches, whatever their sizes. Several alternatives are mixed by their mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

DROPS = (0.02, 0.05, 0.10, 0.20)
"""By how much a metric may have fallen below its floor; each is one alternative of the mixture."""

RISES = (0.02, 0.05, 0.10)
"""By how much a recovered metric may lie above its floor."""

SIGNALS = (0.25, 0.5, 1.0, 2.0)
"""For values with a standard error: how many of them the metric may lie on the wrong side."""

NEAREST = 0.1
"""An alternative comes no nearer to 0 or 1 than a tenth of the floor's own distance."""

NOTHING_YET = -math.inf
"""The logarithm of no evidence at all."""

Evidence = tuple[float, ...]
"""Logarithms of M, one per alternative."""


def fresh(alternatives: Sequence[float]) -> Evidence:
    """Return the evidence before the first batch."""
    return (NOTHING_YET,) * len(alternatives)


def advance(evidence: Evidence, log_ratios: Sequence[float]) -> Evidence:
    """Return the evidence after one more batch: log of (M + 1) LR."""
    return tuple(_add_one(m) + ratio for m, ratio in zip(evidence, log_ratios, strict=True))


def strength(evidence: Evidence) -> float:
    """Return log of mean(M); compare it with log N."""
    top = max(evidence)
    if top == NOTHING_YET:
        return NOTHING_YET
    return top + math.log(sum(math.exp(m - top) for m in evidence) / len(evidence))


def share_drop(hits: int, of: int, floor: float, *, f1: bool) -> Evidence:
    """Return log LR of each drop, for a batch in which `hits` of `of` rows were right.

    Args:
        hits: true positives for F1, precision and recall; right answers for accuracy.
        of: TP + FP + FN for F1, TP + FP for precision, TP + FN for recall, all rows for accuracy.
        floor: the metric's floor, strictly between 0 and 1.
        f1: the metric is F1, which follows from the share F* = TP / (TP + FP + FN) as 2 F* / (1 + F*).

    """
    return _share_ratios(hits, of, floor, [max(floor - d, floor * NEAREST) for d in DROPS], f1=f1)


def share_rise(hits: int, of: int, floor: float, *, f1: bool) -> Evidence:
    """Return log LR of each rise; see `share_drop`."""
    nearest = 1.0 - (1.0 - floor) * NEAREST
    return _share_ratios(hits, of, floor, [min(floor + d, nearest) for d in RISES], f1=f1)


def value_drop(z: float) -> Evidence:
    """Return log LR of each signal for one value, `z` standard errors better than the floor (negative: worse)."""
    return tuple(-signal * z - signal * signal / 2.0 for signal in SIGNALS)


def value_rise(z: float) -> Evidence:
    """Return log LR of each signal in favour of a value above the floor; see `value_drop`."""
    return value_drop(-z)


def as_share(value: float, *, f1: bool) -> float:
    """Return the share of rows behind a value: F1 / (2 - F1) for F1, else the value itself."""
    return value / (2.0 - value) if f1 else value


def _share_ratios(hits: int, of: int, floor: float, alternatives: Sequence[float], *, f1: bool) -> Evidence:
    null = as_share(floor, f1=f1)
    shares = [as_share(value, f1=f1) for value in alternatives]
    return tuple(
        hits * math.log(share / null) + (of - hits) * math.log((1.0 - share) / (1.0 - null)) for share in shares
    )


def _add_one(log_m: float) -> float:
    """Return log(M + 1), without overflow."""
    return log_m + math.log1p(math.exp(-log_m)) if log_m > 0.0 else math.log1p(math.exp(log_m))
