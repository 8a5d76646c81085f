"""What value has a metric of ranked scores, and how much does each row pull on it: ROC AUC and average precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def roc_auc(score: Floats, positive: Flags, weight: Floats) -> tuple[float, Floats]:
    """Return the area under the ROC curve and d AUC / d weight per row times the total weight (weighted mean 0).

    Placements by mid-ranks in O(n log n), as in DeLong et al. 1988 and Sun & Xu 2014; a tie counts half.

    Args:
        score: shape (n,), larger means more probably positive.
        positive: shape (n,), both kinds must carry weight.
        weight: shape (n,), >= 0.

    """
    order, group = _tie_groups(score)
    w, flag = weight[order], positive[order]
    up = np.bincount(group, weights=w * flag)
    down = np.bincount(group, weights=w * ~flag)
    total_up, total_down = up.sum(), down.sum()
    below = (np.cumsum(down) - 0.5 * down) / total_down
    above = (total_up - np.cumsum(up) + 0.5 * up) / total_up
    area = float(up @ below / total_up)
    pull = np.where(flag, (below[group] - area) / total_up, (above[group] - area) / total_down)
    return area, _unsorted(pull * w.sum(), order)


def average_precision(score: Floats, positive: Flags, weight: Floats) -> tuple[float, Floats]:
    """Return sum (R_g - R_(g-1)) P_g over distinct scores, and its influence per row as in `roc_auc`.

    With A and B the weight of positives and of all rows down to tie group g, the value is sum tp_g A_g / B_g over the
    weight of all positives; each row pulls on its own group's term and on the precision of all lower groups.

    """
    order, group = _tie_groups(-score)
    w, flag = weight[order], positive[order]
    up = np.bincount(group, weights=w * flag)
    every = np.bincount(group, weights=w)
    a, b = np.cumsum(up), np.cumsum(every)
    inverse = np.divide(1.0, b, out=np.zeros_like(b), where=b > 0.0)
    precision = a * inverse
    value = float(up @ precision / up.sum())
    lower = np.cumsum((up * precision * inverse)[::-1])[::-1]
    raised = precision + np.cumsum((up * inverse)[::-1])[::-1] - lower
    pull = np.where(flag, raised[group] - value, -lower[group]) / up.sum()
    return value, _unsorted(pull * w.sum(), order)


def _tie_groups(score: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ascending order of the rows, and for the sorted rows the number of their group of equal scores."""
    order = np.argsort(score, kind="stable").astype(np.int64, copy=False)
    sorted_score = score[order]
    step = np.empty(len(order), dtype=bool)
    step[:1] = False
    np.not_equal(sorted_score[1:], sorted_score[:-1], out=step[1:])
    return order, np.cumsum(step).astype(np.int64, copy=False)


def _unsorted(values: Floats, order: npt.NDArray[np.int64]) -> Floats:
    out = np.empty_like(values)
    out[order] = values
    return out
