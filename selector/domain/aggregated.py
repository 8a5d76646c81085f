"""Which of a metric's logged values counts: the last, the best, or the one of a step?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from selector.domain.logged import MLFLOW_INFINITY
from selector.domain.metric import Metric

Logging = tuple[int, int, float]
"""One logged value: its step, its time in milliseconds since 1970, and the value."""


def aggregated(metric: Metric, history: Sequence[Logging]) -> float | None:
    """Return the value that counts by the metric's aggregation.

    The last value is MLflow's: of the largest step, among equal steps of the latest time, then the largest. The best
    one respects the direction; NaN and infinities are never the best.

    Args:
        metric: with its aggregation and direction.
        history: all logged values of one key of one run, in any order.

    Returns:
        NaN where only unusable values were logged, None where there is none that the aggregation asks for.

    """
    if isinstance(metric.aggregation, int):
        history = [entry for entry in history if entry[0] == metric.aggregation]
    if not history:
        return None
    if metric.aggregation != "best":
        return max(history, key=_order)[2]
    usable = [entry for entry in history if math.isfinite(entry[2]) and abs(entry[2]) < MLFLOW_INFINITY]
    if not usable:
        return math.nan
    return max(usable, key=lambda entry: (metric.lead(entry[2], 0.0), -entry[0]))[2]


def _order(entry: Logging) -> tuple[int, int, float]:
    step, time, value = entry
    return step, time, -math.inf if math.isnan(value) else value
