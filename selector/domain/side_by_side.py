"""How do two models differ on the same rows: the lead with its interval, and which rows only one of them gets right?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selector.domain.comparison import Comparison, compare
from selector.domain.metric import Metric, known_metrics, metric
from selector.domain.model import Truth
from selector.domain.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Pair:
    """One model against the first one.

    Attributes:
        versus: the paired comparison.
        fixed: rows that this one answers rightly and the first one wrongly; None where answers are numbers.
        broken: rows that the first one answers rightly and this one wrongly; None where answers are numbers.

    """

    versus: Comparison
    fixed: int | None
    broken: int | None


def against(first: Outcome, other: Outcome, truth: Truth) -> Pair:
    """Compare a model with the first one, on the rows of the holdout.

    Raises:
        ValueError: the outcomes have different metrics or row counts.

    """
    versus = compare(other, first, groups=truth.groups)
    if first.answers is None or other.answers is None:
        return Pair(versus, None, None)
    was, now = first.answers == truth.labels, other.answers == truth.labels
    return Pair(versus, int(np.sum(~was & now)), int(np.sum(was & ~now)))


def further_metrics(asked: Metric) -> tuple[Metric, ...]:
    """Return all other metrics that can be computed from answers; whether these answers allow them shows later."""
    found = [metric(name, quantile=asked.quantile) for name in known_metrics() if name != asked.name]
    averaged = {"f1", "precision", "recall"}
    return tuple(replace(m, average=asked.average) if m.name in averaged and asked.average else m for m in found)
