"""How sure are we that a challenger is better, where only counts are known and not who was right on which row?

The limits of each model's own share are combined by the method of variance estimates recovery (MOVER; Zou and Donner
2008, Newcombe 1998). For models of different rows its error rate is the stated one. On the same rows the two models'
luck is shared, which counts cannot show: there it errs far to the safe side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy

from selector.domain.intervals import wilson
from selector.domain.metric import Metric
from selector.domain.tables import Table


@dataclass(frozen=True, slots=True)
class Unpaired:
    """A comparison of two models by their counts.

    Attributes:
        lead: by how much the challenger is better, in the metric's unit; negative where it is worse.
        low: one-sided lower limit of the true lead; the lead is shown where it is above 0.
        high: one-sided upper limit of it.

    """

    lead: float
    low: float
    high: float

    @property
    def needed(self) -> float:
        """The lead from which the lower limit would be above 0, with limits as wide as these."""
        return self.lead - self.low


def unpaired(challenger: Table, incumbent: Table, metric: Metric, confidence: float, k: float) -> Unpaired | None:
    """Return the challenger's lead with one-sided limits at 1 - (1 - confidence) / k.

    Args:
        challenger: its counts.
        incumbent: the counts of the one it would replace.
        metric: binary F1, precision or recall, or accuracy.
        confidence: of one promotion, between 0.5 and 1.
        k: how many challengers count, >= 1.

    Returns:
        None where a table does not tell the metric.

    """
    z = -float(scipy.special.ndtri((1.0 - confidence) / k))
    new, old = limits(challenger, metric, z), limits(incumbent, metric, z)
    if new is None or old is None:
        return None
    (new_low, new_value, new_high), (old_low, old_value, old_high) = new, old
    lead = new_value - old_value
    low = lead - math.hypot(new_value - new_low, old_high - old_value)
    high = lead + math.hypot(new_high - new_value, old_value - old_low)
    return Unpaired(lead, low, high)


def limits(table: Table, metric: Metric, z: float) -> tuple[float, float, float] | None:
    """Return Wilson's lower limit of the metric, its value, and the upper limit; None where the table does not tell."""
    share, value = table.share(metric.name), table.value(metric.name)
    if share is None or value is None:
        return None
    low, high = wilson(*share, z)
    if metric.name == "f1":
        low, high = 2.0 * low / (1.0 + low), 2.0 * high / (1.0 + high)
    return low, value, high
