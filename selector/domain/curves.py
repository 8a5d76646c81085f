"""How do precision and recall trade off: curves of a two-class model on the holdout, thinned without changing shape."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selector.domain.answers import positive_class
from selector.domain.model import Truth

MOST_POINTS = 200
"""A drawing 300 px wide shows no more; a report with ten thousand points would be slow to open."""

Points = tuple[tuple[float, float], ...]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curves:
    """Both curves of one model; every coordinate lies in [0, 1].

    Attributes:
        precision_recall: (recall, precision), recall rising; at most `MOST_POINTS` points.
        roc: (false positive rate, true positive rate), from (0, 0) to (1, 1); at most `MOST_POINTS` points.
        average_precision: sum of precision times the step in recall, of the full curve.
        roc_auc: area under the full ROC curve; ties count half.
        prevalence: the (weighted) share of positive rows: the precision of saying "yes" to every row.

    """

    precision_recall: Points
    roc: Points
    average_precision: float
    roc_auc: float
    prevalence: float


def curves(truth: Truth, probability: npt.NDArray[np.float64] | None) -> Curves | None:
    """Return both curves, or None where there are no two classes, no probabilities, or only one class in the rows.

    Args:
        truth: labels of a two-class holdout; without a positive class the second of the two classes counts as it.
        probability: shape (n,), of the positive class, in row order; any rising score will do.

    """
    positive = positive_class(truth)
    if positive is None or probability is None or len(truth.classes) != 2:  # noqa: PLR2004 - two classes
        return None
    if probability.shape != (truth.rows,) or not np.isfinite(probability).all():
        return None
    weights = np.ones(truth.rows) if truth.weights is None else truth.weights
    yes = np.where(truth.labels == positive, weights, 0.0)
    no = weights - yes
    return _curves(probability, yes, no) if yes.any() and no.any() else None


def _curves(scores: _Floats, yes: _Floats, no: _Floats) -> Curves:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(yes[order])[last_of_tie]
    alarms = np.cumsum(no[order])[last_of_tie]
    kept = hits + alarms > 0
    recall = hits[kept] / hits[-1]
    precision = hits[kept] / (hits + alarms)[kept]
    caught = np.concatenate(([0.0], hits / hits[-1]))
    false = np.concatenate(([0.0], alarms / alarms[-1]))
    steps = np.diff(np.concatenate(([0.0], recall)))
    return Curves(
        precision_recall=thinned(np.concatenate(([0.0], recall)), np.concatenate((precision[:1], precision))),
        roc=thinned(false, caught),
        average_precision=float(np.sum(steps * precision)),
        roc_auc=float(np.trapezoid(caught, false)),
        prevalence=float(hits[-1] / (hits[-1] + alarms[-1])),
    )


def thinned(x: npt.ArrayLike, y: npt.ArrayLike, most: int = MOST_POINTS) -> Points:
    """Return at most `most` of the points, both ends among them, so that the polyline keeps its shape.

    The point farthest from the polyline so far is added, again and again: the Ramer-Douglas-Peucker rule, stopped by
    number instead of by tolerance. Points on a straight line are never added.

    Args:
        x: shape (n,).
        y: shape (n,).
        most: at least 2.

    """
    points = np.column_stack((np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)))
    if len(points) == 0:
        return ()
    chosen = {0, len(points) - 1}
    waiting: list[tuple[float, int, int, int]] = []
    _offer(waiting, points, 0, len(points) - 1)
    while waiting and len(chosen) < most:
        distance, first, middle, last = heapq.heappop(waiting)
        if -distance <= 1e-12:  # noqa: PLR2004 - rounding noise around a straight line
            break
        chosen.add(middle)
        _offer(waiting, points, first, middle)
        _offer(waiting, points, middle, last)
    return tuple((float(points[i, 0]), float(points[i, 1])) for i in sorted(chosen))


def _offer(waiting: list[tuple[float, int, int, int]], points: _Floats, first: int, last: int) -> None:
    """Add the point between `first` and `last` that lies farthest from the line through them."""
    if last - first < 2:  # noqa: PLR2004 - neighbours have nothing between them
        return
    between = points[first + 1 : last] - points[first]
    along = points[last] - points[first]
    length = float(np.hypot(along[0], along[1]))
    if length > 0:
        distances = np.abs(between[:, 0] * along[1] - between[:, 1] * along[0]) / length
    else:
        distances = np.hypot(between[:, 0], between[:, 1])
    farthest = int(np.argmax(distances))
    heapq.heappush(waiting, (-float(distances[farthest]), first, first + 1 + farthest, last))
