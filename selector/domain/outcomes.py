"""What did a model score on the holdout, and how much does each row pull on that score?

A metric is a number plus one influence value per row, psi_i = n * d metric / d weight_i. Their standard deviation over
sqrt(n) is the metric's standard error; the differences of two models' influences give the paired test.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.answers import Answers, decode, positive_class
from selector.domain.influence_classes import class_metric
from selector.domain.influence_curves import average_precision, roc_auc
from selector.domain.influence_losses import brier, log_loss, mean_loss, number_loss
from selector.domain.metric import Metric, known_metrics, resolve_average
from selector.domain.model import Predictions, Truth, Unscorable

Floats = npt.NDArray[np.float64]

OF_CLASSES = frozenset({"f1", "accuracy", "precision", "recall"})
_OF_CURVES = {"roc_auc": roc_auc, "average_precision": average_precision}
_OF_PROBABILITIES = {"log_loss": log_loss, "brier": brier}


_ROUNDING = 1e-3
"""How far the probabilities of a row may exceed 1 together; answering 1 for every class would be no loss at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One model's score on the holdout.

    Attributes:
        metric: with its averaging settled.
        value: in the metric's unit.
        influence: shape (n,), mean 0, in the metric's unit; row weights are already in it.
        rows: n.
        hits: with `relevant`, the counts behind a value that is a share of rows: TP of TP + FP + FN for binary F1,
            TP of TP + FP for precision, TP of TP + FN for recall, right of all for accuracy; None elsewhere.
        relevant: see `hits`.
        confusion: shape (k, k), rows by true class and answer; None where the metric looks at no classes.
        digest: sha256 (hex) of what the metric saw; equal digests mean the same model in effect.
        notes: what had to be assumed, in plain sentences.
        answers: shape (n,), the answered class in the smallest integers that hold it; None where there is none.

    """

    metric: Metric
    value: float
    influence: Floats
    rows: int
    hits: int | None = None
    relevant: int | None = None
    confusion: npt.NDArray[np.int64] | None = None
    digest: str = ""
    notes: tuple[str, ...] = ()
    answers: npt.NDArray[Any] | None = None

    @property
    def standard_error(self) -> float:
        """Return the standard error of the value, rows taken as independent; infinite for a single row."""
        if self.rows < 2:  # noqa: PLR2004 - one row has no spread
            return math.inf
        return math.sqrt(float(self.influence @ self.influence) / (self.rows - 1) / self.rows)


def measure(
    metric: Metric, truth: Truth, predictions: Predictions, *, threshold: float | None = None
) -> Outcome | Unscorable:
    """Return the score with its influences, or why there is none, in one sentence.

    Values agree with scikit-learn's metric of the same name and sample_weight. O(n) time and memory, O(n log n) for
    the metrics of ranked scores.

    Args:
        metric: one of `known_metrics()`; "auto" averaging is settled from the holdout's classes.
        truth: the labels.
        predictions: the model's raw answers.
        threshold: see `decode`.

    """
    positive_text = truth.classes[truth.positive] if truth.positive is not None and truth.classes else None
    metric = resolve_average(metric, truth.classes, positive_text)
    hindrance = _hindrance(metric, truth)
    if hindrance:
        return Unscorable(hindrance)
    answers = decode(truth, predictions, threshold=threshold)
    if isinstance(answers, Unscorable):
        return answers
    with np.errstate(over="ignore", invalid="ignore"):
        outcome = _scored(metric, truth, answers)
    if isinstance(outcome, Outcome) and not (math.isfinite(outcome.value) and np.isfinite(outcome.influence).all()):
        return Unscorable(f"The {metric.label()} is not finite: the answers are too large to be squared and added")
    return outcome


def _hindrance(metric: Metric, truth: Truth) -> str:
    """Return why this holdout gives no value of this metric, whatever the model; "" where it does."""
    name = metric.label()
    if not metric.recomputed:
        return f"{metric.name!r} cannot be computed from predictions; known metrics: {', '.join(known_metrics())}"
    if truth.rows == 0:
        return "The holdout has no rows"
    if truth.weights is not None and not _usable(truth.weights):
        return "The holdout's weights must be finite, not negative, and not all zero"
    regression = metric.name not in OF_CLASSES | _OF_CURVES.keys() | _OF_PROBABILITIES.keys()
    if regression != (not truth.classes):
        has = "classes" if truth.classes else "numbers"
        return f"{name} needs {'numbers' if regression else 'classes'}, but the holdout's target holds {has}"
    if metric.name == "mape" and bool(np.any(truth.labels == 0)):
        zeros = int(np.count_nonzero(truth.labels == 0))
        return f"MAPE divides by the target, which is 0 in {zeros} of {truth.rows} rows; use mae instead"
    return _one_sided(metric, truth)


def _usable(weights: Floats) -> bool:
    return bool(np.isfinite(weights).all()) and bool(np.all(weights >= 0.0)) and bool(np.any(weights > 0.0))


def _one_sided(metric: Metric, truth: Truth) -> str:
    """Return why a metric that sets one class against the rest has nothing to do here; "" where it has."""
    binary = metric.average == "binary"
    if not binary and metric.name not in _OF_CURVES:
        return ""
    positive = positive_class(truth)
    if positive is None:
        if binary or len(truth.classes) < 2:  # noqa: PLR2004 - two classes
            return (
                f"{metric.label()} needs a positive class; the holdout has {len(truth.classes)} classes and names none"
            )
        return ""
    weights = np.bincount(truth.labels == positive, weights=truth.weights, minlength=2)
    if weights[1] == 0:
        return (
            f"{metric.label()} is undefined: the holdout has no row of the positive class {truth.classes[positive]!r}"
        )
    if weights[0] == 0 and metric.name == "roc_auc":
        return f"{metric.label()} is undefined: every row of the holdout is of class {truth.classes[positive]!r}"
    return ""


def _scored(metric: Metric, truth: Truth, answers: Answers) -> Outcome | Unscorable:
    if metric.name in OF_CLASSES:
        return _of_classes(metric, truth, answers)
    if metric.name in _OF_CURVES or metric.name in _OF_PROBABILITIES:
        if answers.probability is None:
            return Unscorable(f"The model gives no probabilities, which {metric.label()} needs")
        return _of_probabilities(metric, truth, answers, answers.probability)
    target, answer = truth.labels.astype(np.float64), answers.codes.astype(np.float64)
    weight = _weights(truth)
    loss = number_loss(metric.name, target, answer, metric.quantile)
    value, influence = mean_loss(loss, weight, root=metric.name == "rmse")
    influence = _weighed(influence, truth)
    return Outcome(metric, value, influence, truth.rows, digest=_digest(answer), notes=answers.notes)


def _of_classes(metric: Metric, truth: Truth, answers: Answers) -> Outcome:
    k = len(truth.classes)
    cell = truth.labels.astype(np.int64) * k + answers.codes.astype(np.int64)
    confusion = np.bincount(cell, minlength=k * k).reshape(k, k).astype(np.int64)
    cells: Floats = confusion.astype(np.float64)
    if truth.weights is not None:
        cells = np.bincount(cell, weights=truth.weights, minlength=k * k).reshape(k, k).astype(np.float64)
    present = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    positive = positive_class(truth)
    value, table = class_metric(metric, cells, present, positive)
    codes = answers.codes.astype(np.min_scalar_type(max(k - 1, 0)))
    hits, relevant = (None, None) if truth.weights is not None else _counts(metric, confusion, positive)
    notes = answers.notes
    if metric.name == "precision" and metric.average == "binary" and relevant == 0:
        notes = (*notes, "The model never answers the positive class; its precision counts as 0")
    return Outcome(
        metric=metric,
        value=value,
        influence=_weighed(table.ravel()[cell], truth),
        rows=truth.rows,
        hits=hits,
        relevant=relevant,
        confusion=confusion,
        digest=_digest(codes),
        notes=notes,
        answers=codes,
    )


def _counts(metric: Metric, confusion: npt.NDArray[np.int64], positive: int | None) -> tuple[int | None, int | None]:
    """Return the two counts whose share decides the value, where it is a share."""
    if metric.name == "accuracy" or metric.average == "micro":
        return int(np.trace(confusion)), int(confusion.sum())
    if metric.average != "binary" or positive is None:
        return None, None
    hit = int(confusion[positive, positive])
    true, answered = int(confusion[positive].sum()), int(confusion[:, positive].sum())
    return hit, {"f1": true + answered - hit, "precision": answered, "recall": true}[metric.name]


def _of_probabilities(metric: Metric, truth: Truth, answers: Answers, probability: Floats) -> Outcome | Unscorable:
    codes, weight = truth.labels.astype(np.int64), _weights(truth)
    positive = positive_class(truth)
    if metric.name in _OF_PROBABILITIES:
        if probability.ndim == 1:
            codes = (codes == positive).astype(np.int64)
            probability = np.column_stack((1.0 - probability, probability))
        if float(probability.sum(axis=1).max()) > 1.0 + _ROUNDING:
            return Unscorable(f"The model's probabilities add up to more than 1, so its {metric.label()} means nothing")
        value, influence = mean_loss(_OF_PROBABILITIES[metric.name](codes, probability), weight)
        note = ""
    elif positive is not None:
        score = probability if probability.ndim == 1 else probability[:, positive]
        value, influence = _OF_CURVES[metric.name](score, codes == positive, weight)
        note = ""
    else:
        found = _one_versus_rest(metric, codes, probability, weight)
        if found is None:
            return Unscorable(f"The holdout lacks rows of some class, so {metric.label()} of each class is undefined")
        value, influence = found
        note = f"The {metric.label()} is the mean over {len(truth.classes)} classes, each against the rest"
    return Outcome(
        metric=metric,
        value=value,
        influence=_weighed(influence, truth),
        rows=truth.rows,
        digest=_digest(probability),
        notes=(*answers.notes, note) if note else answers.notes,
        answers=answers.codes.astype(np.min_scalar_type(max(len(truth.classes) - 1, 0))),
    )


def _one_versus_rest(
    metric: Metric, codes: npt.NDArray[np.int64], probability: Floats, weight: Floats
) -> tuple[float, Floats] | None:
    k = probability.shape[1]
    counts = np.bincount(codes, weights=weight, minlength=k)
    if bool(np.any(counts == 0.0)):
        return None
    value, influence = 0.0, np.zeros(len(codes))
    for c in range(k):
        own, pull = _OF_CURVES[metric.name](np.ascontiguousarray(probability[:, c]), codes == c, weight)
        value += own / k
        influence += pull / k
    return value, influence


def _weights(truth: Truth) -> Floats:
    return np.ones(truth.rows) if truth.weights is None else truth.weights


def _weighed(influence: Floats, truth: Truth) -> Floats:
    """Multiply by weight over mean weight, so that plain means over rows are right."""
    if truth.weights is None:
        return influence
    return np.asarray(influence * (truth.weights * (truth.rows / truth.weights.sum())))


def _digest(seen: npt.NDArray[Any]) -> str:
    return hashlib.sha256(f"{seen.dtype.kind}{seen.shape}".encode() + np.ascontiguousarray(seen).tobytes()).hexdigest()
