"""Why has the metric fallen: is the model worse, or is it only asked about other cases? And what, without labels?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selector.domain.health_evidence import DROPS, share_drop


@dataclass(frozen=True, slots=True)
class Counts:
    """Right and wrong answers of a two-class model, at least 0 each."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Add batches."""
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def rows(self) -> int:
        """All rows."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def prevalence(self) -> float:
        """The share of positives; NaN without rows."""
        return (self.tp + self.fn) / self.rows if self.rows else math.nan

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN where the model never answers the positive class."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else math.nan

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN without positives."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else math.nan

    @property
    def false_positive_rate(self) -> float:
        """FP / (FP + TN); NaN without negatives."""
        return self.fp / (self.fp + self.tn) if self.fp + self.tn else math.nan

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN without any of them."""
        of = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / of if of else math.nan

    def f1_at(self, prevalence: float) -> float:
        """Return F1 if the positives were this frequent and the model as good as it is on either class."""
        tpr, fpr = self.recall, self.false_positive_rate
        below = prevalence * tpr + (1.0 - prevalence) * fpr + prevalence
        return 2.0 * prevalence * tpr / below if below > 0.0 else math.nan


def explanation(now: Counts, reference: Counts | None, floor: float) -> str:
    """Return one or two sentences that separate a changed mix of cases from a worse model; "" where nothing tells.

    Args:
        now: the batches since the change.
        reference: the rows that the champion was chosen on.
        floor: of F1.

    """
    if not now.rows or math.isnan(now.f1):
        return ""
    said = f"precision {_percent(now.precision)}, recall {_percent(now.recall)}, {now.prevalence:.0%} positives"
    if reference is None or not reference.rows:
        return f"Since then: {said}."
    then = f"precision {_percent(reference.precision)}, recall {_percent(reference.recall)}"
    text = f"Since then: {said}; when it was chosen: {then}, {reference.prevalence:.0%} positives."
    at_old = now.f1_at(reference.prevalence)
    if math.isnan(at_old):
        return text
    if now.f1 < floor <= at_old:
        return f"{text} With as many positives as then, F1 would be {at_old:.3f}: the mix changed, not the model."
    return f"{text} With as many positives as then, F1 would be {at_old:.3f}: the model itself is worse."


def change_point(shares: Sequence[tuple[int, int]], floor: float, *, f1: bool) -> int:
    """Return the index of the batch from which a metric below the floor is most likely, for (hits, of) per batch.

    The start of the run with the largest likelihood ratio, over all drops. 0 for an empty sequence.
    """
    best, where = -math.inf, 0
    ratios = [share_drop(hits, of, floor, f1=f1) for hits, of in shares]
    for d in range(len(DROPS)):
        total = 0.0
        for index in range(len(ratios) - 1, -1, -1):
            total += ratios[index][d]
            if total > best:
                best, where = total, index
    return where


def estimated_f1(probability: npt.NDArray[np.float64], answers: npt.NDArray[np.bool_]) -> float:
    """Return F1 as the model's own probabilities expect it, without labels: 2 sum p y / (sum p + sum y).

    The closed form of confidence-based performance estimation. It needs calibrated probabilities and cannot see that
    the same inputs now mean something else, so it is shown as an estimate and never alarms.

    Args:
        probability: of the positive class, shape (n,), in [0, 1].
        answers: whether the model answered the positive class, shape (n,).

    """
    of = float(probability.sum()) + float(np.count_nonzero(answers))
    return 2.0 * float(probability[answers].sum()) / of if of > 0.0 else math.nan


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{share:.0%}"
