"""How sure are we that a challenger is better than the incumbent, judged on the same rows?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from selector.domain.outcomes import Outcome

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired test of two models on the same rows.

    Attributes:
        lead: by how much the challenger is better, in the metric's unit; negative where it is worse.
        se: standard error of the lead, >= 0.
        n_eff: rows (or groups) that really tell the two apart: (sum D^2)^2 / sum D^4; 0 for identical answers.
        disagreements: rows with different answers; for metrics of numbers, rows that pull differently.
        p: probability of a lead this large by luck if the true lead were at most the margin, 0 to 1.
        low: lower end of the two-sided interval of the lead.
        high: upper end of it.
        t: (lead - margin) / se; 0 for identical answers.

    """

    lead: float
    se: float
    n_eff: float
    disagreements: int
    p: float
    low: float
    high: float
    t: float


def compare(
    challenger: Outcome,
    incumbent: Outcome,
    *,
    groups: npt.NDArray[np.int64] | None = None,
    margin: float = 0.0,
    confidence: float = 0.95,
) -> Comparison:
    """Return the one-sided paired t test on influence differences, with n_eff - 1 degrees of freedom.

    With t instead of z the size stays near its nominal level down to 0.025 % wherever n_eff is at least about 20.

    Args:
        challenger: its outcome.
        incumbent: its outcome for the same metric on the same rows in the same order.
        groups: shape (n,), codes of rows that belong together (a customer, a day); their differences are added up
            first, because rows of one group do not count as independent.
        margin: the true lead that has to be exceeded, in the metric's unit.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: the outcomes have different metrics or row counts.

    """
    if challenger.metric.name != incumbent.metric.name or challenger.metric.average != incumbent.metric.average:
        raise ValueError(f"{challenger.metric.label()} cannot be compared with {incumbent.metric.label()}")
    if challenger.rows != incumbent.rows:
        raise ValueError(f"models judged on {challenger.rows} and {incumbent.rows} rows cannot be compared")
    lead = challenger.metric.lead(challenger.value, incumbent.value)
    difference = oriented(challenger) - oriented(incumbent)
    disagreements = _disagreements(challenger, incumbent, difference)
    if same_answers(challenger, incumbent):
        return Comparison(lead=0.0, se=0.0, n_eff=0.0, disagreements=0, p=1.0, low=0.0, high=0.0, t=0.0)
    if not difference.any():
        # No row pulls differently, as with a perfect model against a hopeless one: a lead without any measure of luck.
        return Comparison(lead, se=0.0, n_eff=0.0, disagreements=disagreements, p=1.0, low=lead, high=lead, t=0.0)
    sums = group_sums(difference, groups)
    se, n_eff = _spread(sums, challenger.rows)
    if not math.isfinite(se):
        return Comparison(lead, se, n_eff, disagreements, 1.0, -math.inf, math.inf, 0.0)
    t = (lead - margin) / se
    reach = student_quantile(0.5 + confidence / 2.0, n_eff - 1.0) * se
    return Comparison(lead, se, n_eff, disagreements, student_tail(t, n_eff - 1.0), lead - reach, lead + reach, t)


def needed_lead(comparison: Comparison, alpha: float, k: float) -> float:
    """Return the lead from which p * k <= alpha, with this pair's spread; 0 for identical answers.

    Args:
        comparison: of the challenger with the incumbent.
        alpha: 1 - confidence, between 0 and 0.5.
        k: how many challengers count, >= 1.

    """
    return _times_se(student_quantile(1.0 - alpha / k, comparison.n_eff - 1.0, tail=alpha / k), comparison.se)


def rows_needed(comparison: Comparison, rows: int, alpha: float, k: float, power: float = 0.8) -> int | None:
    """Return how many labelled rows would prove a lead of this size, `power` of the time; None where it leads not.

    n = (z_(alpha/k) + z_power)^2 Var(D) / lead^2, the usual sample size formula with Var(D) = rows * se^2.

    Args:
        comparison: of the challenger with the incumbent.
        rows: how many rows it was made on.
        alpha: 1 - confidence.
        k: how many challengers count, >= 1.
        power: chance of proving a true lead of this size.

    """
    if comparison.lead <= 0.0 or not 0.0 < comparison.se < math.inf:
        return None
    z = -float(scipy.special.ndtri(alpha / k)) + float(scipy.special.ndtri(power))
    return math.ceil((z * comparison.se / comparison.lead) ** 2 * rows)


def same_answers(a: Outcome, b: Outcome) -> bool:
    """Return whether the metric saw the same answers of both models."""
    return bool(a.digest) and a.digest == b.digest


def oriented(outcome: Outcome) -> Floats:
    """Return the influences with signs that agree between models.

    Only a target band turns signs: what brings a model below it nearer takes one above it farther away. A sign that
    all models share (of losses, where smaller is better) changes no variance and no correlation.
    """
    if outcome.metric.target is None:
        return outcome.influence
    low, high = outcome.metric.target
    return outcome.influence * (float(outcome.value < low) - float(outcome.value > high))


def group_sums(values: Floats, groups: npt.NDArray[np.int64] | None) -> Floats:
    """Return the sum of each group that occurs, or the values themselves where there are no groups."""
    if groups is None:
        return values
    if groups.size and (groups.min() < 0 or groups.max() > 4 * groups.size):
        groups = np.unique(groups, return_inverse=True)[1]
    occurs = np.bincount(groups) > 0
    return np.asarray(np.bincount(groups, weights=values)[occurs], dtype=np.float64)


def student_tail(t: float, degrees: float) -> float:
    """Return P(T > t) for Student's t; with no degrees of freedom left, the limit 1/2."""
    if degrees <= 0.0:
        return 0.5
    return float(scipy.special.stdtr(degrees, -t))


def student_quantile(level: float, degrees: float, *, tail: float | None = None) -> float:
    """Return the quantile of Student's t at `level`; `tail` = 1 - level keeps digits where that is tiny."""
    if degrees <= 0.0:
        return math.inf
    return -float(scipy.special.stdtrit(degrees, 1.0 - level if tail is None else tail))


def _spread(sums: Floats, rows: int) -> tuple[float, float]:
    """Return the standard error of the mean of D over rows, and n_eff."""
    centred = sums - sums.mean()
    square = centred * centred
    total = float(square.sum())
    if len(sums) < 2 or total <= 0.0:  # noqa: PLR2004 - one row or group has no spread
        return math.inf, min(1.0, float(len(sums)))
    n = len(sums)
    return math.sqrt(total * n / (n - 1)) / rows, total * total / float(square @ square)


def _disagreements(a: Outcome, b: Outcome, difference: Floats) -> int:
    if a.answers is not None and b.answers is not None and a.confusion is not None:
        return int(np.count_nonzero(a.answers != b.answers))
    return int(np.count_nonzero(difference))


def _times_se(quantile: float, se: float) -> float:
    return 0.0 if se == 0.0 else quantile * se
