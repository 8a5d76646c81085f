"""Between which values does a model's true metric lie?"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy

from selector.domain.comparison import group_sums
from selector.domain.metric import Metric
from selector.domain.outcomes import Outcome

Method = Literal["wilson", "exact"]


def interval(
    outcome: Outcome,
    *,
    confidence: float = 0.95,
    z: float | None = None,
    groups: npt.NDArray[np.int64] | None = None,
    method: Method = "wilson",
) -> tuple[float, float]:
    """Return the two-sided interval of the metric, within the metric's range.

    Where the value follows from one share of rows, the interval is that of the share: Wilson's by default, never far
    below its nominal coverage, or Clopper and Pearson's exact one, never below it and wider. For F1 the share is
    F* = TP / (TP + FP + FN) (Hand, Christen & Kirielle 2021), since F1 = 2 F* / (1 + F*). Elsewhere, and wherever rows
    are weighted or grouped, it is value +- z standard errors.

    Args:
        outcome: the model's score.
        confidence: between 0 and 1.
        z: critical value that replaces the one of `confidence`, for example of `max_t_critical`.
        groups: shape (n,), codes of rows that belong together, or None.
        method: "wilson" or "exact".

    """
    z = -float(scipy.special.ndtri((1.0 - confidence) / 2.0)) if z is None else z
    if outcome.hits is not None and outcome.relevant and groups is None:
        pick = wilson if method == "wilson" else exact
        low, high = pick(outcome.hits, outcome.relevant, z)
        return _from_share(outcome.metric, low), _from_share(outcome.metric, high)
    reach = z * _standard_error(outcome, groups)
    low, high = outcome.value - reach, outcome.value + reach
    return max(low, outcome.metric.low), min(high, outcome.metric.high)


def lower_bound(
    outcome: Outcome, z: float, *, groups: npt.NDArray[np.int64] | None = None, method: Method = "wilson"
) -> float:
    """Return the pessimistic end of the interval at `z`: the lower one, the upper one of a loss, the end off target."""
    low, high = interval(outcome, z=z, groups=groups, method=method)
    if outcome.metric.direction == "target":
        return max(low, high, key=outcome.metric.miss)
    return high if outcome.metric.direction == "minimize" else low


def wilson(hits: int, of: int, z: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share."""
    share, square = hits / of, z * z / of
    middle = (share + square / 2.0) / (1.0 + square)
    reach = z / (1.0 + square) * math.sqrt(share * (1.0 - share) / of + square / (4.0 * of))
    return (0.0 if hits == 0 else max(middle - reach, 0.0)), (1.0 if hits == of else min(middle + reach, 1.0))


def exact(hits: int, of: int, z: float) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of a share, at the two-sided level of `z`."""
    tail = float(scipy.special.ndtr(-z))
    low = 0.0 if hits == 0 else float(scipy.special.betaincinv(hits, of - hits + 1, tail))
    high = 1.0 if hits == of else float(scipy.special.betainccinv(hits + 1, of - hits, tail))
    return low, high


def _from_share(metric: Metric, share: float) -> float:
    return 2.0 * share / (1.0 + share) if metric.name == "f1" and metric.average == "binary" else share


def _standard_error(outcome: Outcome, groups: npt.NDArray[np.int64] | None) -> float:
    if groups is None:
        return outcome.standard_error
    sums = group_sums(outcome.influence, groups)
    if len(sums) < 2:  # noqa: PLR2004 - one group has no spread
        return math.inf
    centred = sums - sums.mean()
    return math.sqrt(float(centred @ centred) * len(sums) / (len(sums) - 1)) / outcome.rows
