"""What does one labelled batch say of each monitored metric: the model's own, per class, per slice?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.answers import Answers, decode, positive_class
from selector.domain.health_explain import Counts, estimated_f1
from selector.domain.health_watch import Kind, Reading
from selector.domain.logged import NotLogged, logged_value
from selector.domain.metric import Metric, resolve_average
from selector.domain.model import NOTHING, Predictions, Truth, Unscorable
from selector.domain.outcomes import OF_CLASSES, Outcome, measure
from selector.domain.tables import NoTable, Table, rebuild

ERROR_KEYS = ("standard_error", "se", "std_err", "stderr")
FEWEST_ROWS = 2
"""One row has no spread."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One batch, measured.

    Attributes:
        readings: the model's own metric first, then classes and slices.
        counts: the two-by-two table, where there are two classes.
        estimate: F1 as the model's own probabilities expect it; None where it gives none.
        notes: what had to be assumed, in plain sentences.

    """

    readings: tuple[Reading, ...]
    rows: int
    counts: Counts | None = None
    estimate: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A labelled batch of a metric of classes."""

    metric: Metric
    truth: Truth
    predictions: Predictions
    answers: Answers
    threshold: float | None


def read_batch(
    metric: Metric,
    truth: Truth,
    predictions: Predictions,
    *,
    threshold: float | None = None,
    per_class: bool = False,
    name: str = "",
) -> Measured | Unscorable:
    """Return what a labelled batch says, or why it says nothing.

    Args:
        metric: what the champion was chosen by.
        truth: the batch's labels, in the classes of the holdout; its slices are read one by one.
        predictions: what the champion answered.
        threshold: see `decode`.
        per_class: also read each class against the rest.
        name: of the model's own metric; its label where it is left out.

    """
    positive = truth.classes[truth.positive] if truth.positive is not None and truth.classes else None
    metric = resolve_average(metric, truth.classes, positive)
    name = name or metric.label()
    answers = decode(truth, predictions, threshold=threshold)
    if isinstance(answers, Unscorable):
        return answers
    if truth.classes and metric.name in OF_CLASSES:
        return _of_classes(name, _Rows(metric, truth, predictions, answers, threshold), per_class=per_class)
    own = _of_values(metric, truth, predictions, threshold, name)
    if isinstance(own, Unscorable):
        return own
    found = [own]
    for where, mask in truth.slices.items():
        part = _of_values(metric, *_part(truth, predictions, mask), threshold, f"{name} where {where}")
        if isinstance(part, Reading):
            found.append(part)
    return Measured(tuple(found), truth.rows, _counts(truth, answers), _estimate(truth, answers), answers.notes)


def logged_reading(
    metric: Metric,
    metrics: Mapping[str, float],
    *,
    key: str = "",
    rows: int = 0,
    name: str = "",
    prevalence: float | None = None,
) -> Reading | Unscorable:
    """Return what logged values say: counts where they tell them, else the value with its standard error.

    Args:
        metric: what is watched.
        metrics: all that was logged at that moment, by key.
        key: the key that holds the metric; "" for the usual spellings.
        rows: labelled rows behind it; 0 where nobody knows.
        name: of the monitored metric; its label where it is left out.
        prevalence: share of positives on the holdout, which stands in for that of production; None where unknown.

    """
    found = logged_value(replace(metric, keys=(key,), aggregation="last") if key else metric, metrics)
    if isinstance(found, NotLogged):
        return Unscorable(found.reason)
    name, value = name or metric.label(), found.value
    if not metric.valid(value):
        return Unscorable(f"{found.key} is {value:g}, which no {metric.label()} can be")
    table = rebuild(metric, {"example_count": float(rows), **metrics} if rows else metrics, found.key)
    share = table.share(metric.name) if isinstance(table, Table) else None
    if share is not None and (table_rows := _rows_of(table, rows)):
        hits, of = share
        return Reading(name, "f1" if metric.name == "f1" else "share", value, table_rows, hits, of)
    if metric.name == "accuracy" and rows:
        return Reading(name, "share", value, rows, round(value * rows), rows)
    error = next((metrics[k] for k in ERROR_KEYS if k in metrics), None)
    if error is None and rows and prevalence is not None:
        error = implied_error(metric, value, rows, prevalence)
    return Reading(name, kind_of(metric), value, rows, standard_error=_positive(error))


def implied_error(metric: Metric, value: float, rows: int, prevalence: float) -> float | None:
    """Return about the standard error of a binary metric of which only value and rows are known; None for others.

    F1: sqrt(F (1 - F) (2 - F) / (2 n_pos)), precision taken as near recall (within 9 % in five settings). ROC AUC:
    Hanley & McNeil (1982). Precision: as many answers as positives.
    """
    positives = rows * prevalence
    negatives = rows - positives
    if positives < 1.0 or negatives < 1.0:
        return None
    spread = max(value * (1.0 - value), 0.0)
    if metric.name == "f1" and metric.average == "binary":
        return math.sqrt(spread * (2.0 - value) / (2.0 * positives))
    if metric.name in ("precision", "recall") and metric.average == "binary":
        return math.sqrt(spread / positives)
    if metric.name == "roc_auc":
        above, both = value / (2.0 - value) - value**2, 2.0 * value**2 / (1.0 + value) - value**2
        return math.sqrt(
            max(spread + (positives - 1.0) * above + (negatives - 1.0) * both, 0.0) / (positives * negatives)
        )
    return None


def _rows_of(table: Table | NoTable, rows: int) -> int:
    if isinstance(table, NoTable):
        return 0
    return rows or table.tp + table.fp + table.fn + (table.tn or 0)


def kind_of(metric: Metric) -> Kind:
    """Return how values of this metric are judged where no counts are known."""
    return "lower" if metric.direction == "minimize" else "higher"


def _positive(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value > 0.0 else None


def _of_classes(name: str, rows: _Rows, *, per_class: bool) -> Measured:
    metric, truth = rows.metric, rows.truth
    found = [_class_reading(name, rows, None)]
    if per_class:
        confusion, alone = _confusion(truth, rows.answers, None), replace(metric, average="binary")
        own = truth.positive if metric.average == "binary" else None  # that class is the metric itself
        named = [(i, c) for i, c in enumerate(truth.classes) if i != own]
        found += [_share(alone, confusion, i, f"{_alone(metric)} of class {c}") for i, c in named]
    found += [_class_reading(f"{name} where {where}", rows, mask) for where, mask in truth.slices.items()]
    said = tuple(r for r in found if r.value is not None or r.of)
    return Measured(said, truth.rows, _counts(truth, rows.answers), _estimate(truth, rows.answers), rows.answers.notes)


def _class_reading(name: str, rows: _Rows, mask: npt.NDArray[np.bool_] | None) -> Reading:
    """Return exact counts where the metric is one share; value and standard error for averages over classes."""
    metric = rows.metric
    if metric.name == "accuracy" or metric.average in ("binary", "micro"):
        return _share(metric, _confusion(rows.truth, rows.answers, mask), positive_class(rows.truth), name)
    part = (rows.truth, rows.predictions) if mask is None else _part(rows.truth, rows.predictions, mask)
    found = _of_values(metric, *part, rows.threshold, name)
    return found if isinstance(found, Reading) else Reading(name, "higher", None, 0)


def _share(metric: Metric, confusion: npt.NDArray[np.int64], positive: int | None, name: str) -> Reading:
    rows = int(confusion.sum())
    if (metric.name == "accuracy" and metric.average != "binary") or metric.average == "micro" or positive is None:
        hits, of = int(np.trace(confusion)), rows
        return Reading(name, "share", hits / of if of else None, rows, hits, of)
    hits = int(confusion[positive, positive])
    true, said = int(confusion[positive].sum()), int(confusion[:, positive].sum())
    of = {"f1": true + said - hits, "precision": said}.get(metric.name, true)
    if metric.name == "f1":
        return Reading(name, "f1", 2 * hits / (hits + of) if of else None, rows, hits, of)
    return Reading(name, "share", hits / of if of else None, rows, hits, of)


def _alone(metric: Metric) -> str:
    """Return the metric's name for one class; accuracy within a class is its recall."""
    return "recall" if metric.name == "accuracy" else replace(metric, average=None).label()


def _of_values(
    metric: Metric, truth: Truth, predictions: Predictions, threshold: float | None, name: str
) -> Reading | Unscorable:
    if truth.rows < FEWEST_ROWS:
        return Unscorable(f"{truth.rows} rows are too few for {metric.label()}")
    found = measure(metric, truth, predictions, threshold=threshold)
    if not isinstance(found, Outcome):
        return found
    return Reading(name, kind_of(metric), found.value, found.rows, standard_error=_positive(found.standard_error))


def _part(truth: Truth, predictions: Predictions, mask: npt.NDArray[np.bool_]) -> tuple[Truth, Predictions]:
    def cut(column: npt.NDArray[Any] | None) -> Any:
        return None if column is None else np.asarray(column)[mask]

    part = replace(truth, labels=truth.labels[mask], weights=None, groups=None, slices=NOTHING)
    return part, replace(predictions, labels=cut(predictions.labels), probabilities=cut(predictions.probabilities))


def _confusion(truth: Truth, answers: Answers, mask: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.int64]:
    k = len(truth.classes)
    cell = truth.labels.astype(np.int64) * k + answers.codes.astype(np.int64)
    return np.bincount(cell if mask is None else cell[mask], minlength=k * k).reshape(k, k).astype(np.int64)


def _counts(truth: Truth, answers: Answers) -> Counts | None:
    positive = positive_class(truth)
    if positive is None or len(truth.classes) != 2:  # noqa: PLR2004 - a table of two by two
        return None
    table = _confusion(truth, answers, None)
    other = 1 - positive
    return Counts(
        tp=int(table[positive, positive]),
        fp=int(table[other, positive]),
        fn=int(table[positive, other]),
        tn=int(table[other, other]),
    )


def _estimate(truth: Truth, answers: Answers) -> float | None:
    positive = positive_class(truth)
    if positive is None or answers.probability is None or answers.probability.ndim != 1:
        return None
    value = estimated_f1(answers.probability, answers.codes == positive)
    return None if math.isnan(value) else value
