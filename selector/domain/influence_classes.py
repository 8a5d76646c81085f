"""What value has a metric of class answers, and how much does each cell of the confusion matrix pull on it?

Everything follows from the matrix: a row's influence depends only on its (true, answered) cell. Takahashi et al. 2022
derive the same variances for micro and macro F1 with the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selector.domain.metric import Metric

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ratios:
    """One ratio per class: F1, precision or recall.

    Attributes:
        value: shape (k,), the ratio of each class; 0 where it is 0/0.
        scale: shape (k,), 1 / mean of the denominator; 0 where it is 0/0.

    """

    value: Floats
    scale: Floats


def class_metric(
    metric: Metric, cells: Floats, present: npt.NDArray[np.bool_], positive: int | None
) -> tuple[float, Floats]:
    """Return the value and the influence of one row in each cell, shape (k, k), weighted mean 0.

    Args:
        metric: accuracy, or F1, precision or recall with a settled averaging.
        cells: shape (k, k), total weight of the rows with this true class (first index) and this answer (second).
        present: shape (k,), classes that occur among labels or answers; macro averages over these, as scikit-learn.
        positive: index of the positive class for binary averaging.

    """
    shares = cells / cells.sum()
    if metric.name == "accuracy" or metric.average == "micro":
        value = float(np.trace(shares))
        return value, np.eye(len(shares)) - value
    ratios = _ratios(metric.name, shares)
    coefficient = _coefficients(metric, shares, present, positive)
    value = float(coefficient @ ratios.value)
    table = _influence(metric.name, ratios, coefficient)
    if metric.average == "weighted":
        # The class shares are estimated from the same rows, so they pull on the value as well.
        table += (ratios.value - value)[:, np.newaxis]
    return value, table


def _ratios(name: str, shares: Floats) -> Ratios:
    hit, true, answered = np.diag(shares), shares.sum(axis=1), shares.sum(axis=0)
    numerator = 2.0 * hit if name == "f1" else hit
    denominator = {"f1": true + answered, "precision": answered, "recall": true}[name]
    scale = np.divide(1.0, denominator, out=np.zeros_like(denominator), where=denominator > 0.0)
    return Ratios(numerator * scale, scale)


def _coefficients(metric: Metric, shares: Floats, present: npt.NDArray[np.bool_], positive: int | None) -> Floats:
    """Return the weight of each class's ratio in the value; they sum to 1."""
    if metric.average == "weighted":
        return np.asarray(shares.sum(axis=1), dtype=np.float64)
    if metric.average == "macro":
        return np.asarray(present / present.sum(), dtype=np.float64)
    chosen = np.zeros(len(shares))
    chosen[positive if positive is not None else -1] = 1.0
    return chosen


def _influence(name: str, ratios: Ratios, coefficient: Floats) -> Floats:
    """Return sum over classes of c * (u - r v) / mean(v), of which only the true and the answered class are not 0."""
    hit = coefficient * ratios.scale
    cost = hit * ratios.value
    if name == "f1":
        return np.diag(2.0 * hit) - cost[:, np.newaxis] - cost[np.newaxis, :]
    if name == "precision":
        return np.diag(hit) - cost[np.newaxis, :]
    return np.diag(hit) - cost[:, np.newaxis]
