"""What does a model score by another metric, on a slice of the rows, or for one class? Each is computed once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.answers import Answers, decode, positive_class
from selector.domain.metric import Metric, resolve_average
from selector.domain.model import Candidate, Predictions, Truth, Unscorable
from selector.domain.outcomes import Outcome, measure
from selector.domain.snapshot import Snapshot

Score = Outcome | Unscorable
OF_PROBABILITIES = frozenset({"roc_auc", "average_precision", "log_loss", "brier"})
OF_ONE_CLASS = frozenset({"f1", "precision", "recall", "accuracy", "roc_auc", "average_precision"})
"""Metrics that can set one class against the rest."""

_NO_ANSWERS = Unscorable("it was not scored")


class Scores:
    """Scores of the candidates of one look.

    Args:
        snapshot: with the answers of each candidate.
        metric: what candidates are ranked by, with its averaging settled; its scores are there already.

    """

    def __init__(self, snapshot: Snapshot, metric: Metric) -> None:
        self._snapshot = snapshot
        self._metric = metric
        self._known: dict[tuple[Any, ...], Score] = {}
        self._decoded: dict[tuple[int, float | None], Answers | Unscorable] = {}
        self._truths: dict[tuple[str, str], Truth] = {}

    def settled(self, metric: Metric) -> Metric:
        """Return the metric with its averaging settled by the holdout's classes."""
        truth = self._snapshot.truth
        if truth is None:
            return metric
        return resolve_average(
            metric, truth.classes, truth.classes[truth.positive] if truth.positive is not None else None
        )

    def on_all_rows(self, candidate: Candidate, metric: Metric) -> Score:
        """Return the score on the whole holdout, or why there is none."""
        metric = self.settled(metric)
        if metric == replace(self._metric, keys=metric.keys, aggregation=metric.aggregation):
            return self._snapshot.outcomes.get(candidate.uri, _NO_ANSWERS)
        return self._once(candidate, metric, "all", "")

    def on_slice(self, candidate: Candidate, metric: Metric, name: str) -> Score:
        """Return the score on one of the holdout's slices, or why there is none."""
        return self._once(candidate, self.settled(metric), "slice", name)

    def of_class(self, candidate: Candidate, metric: Metric, name: str) -> Score:
        """Return the score for one class against the rest, or why there is none."""
        return self._once(candidate, replace(metric, average="binary" if metric.average else None), "class", name)

    def groups(self, kind: str, name: str) -> npt.NDArray[np.int64] | None:
        """Return which rows of a slice (or of all rows) belong together."""
        truth = self._truths.get((kind, name), self._snapshot.truth)
        return truth.groups if truth else None

    def _once(self, candidate: Candidate, metric: Metric, kind: str, name: str) -> Score:
        answer = self._snapshot.answers.get(candidate.uri, _NO_ANSWERS)
        if isinstance(answer, Unscorable) or self._snapshot.truth is None:
            return answer if isinstance(answer, Unscorable) else _NO_ANSWERS
        threshold = self._snapshot.thresholds.get(candidate.uri)
        key = (id(answer), threshold, metric, kind, name)
        if key not in self._known:
            self._known[key] = self._scored(answer, threshold, metric, kind, name)
        return self._known[key]

    def _scored(self, answer: Predictions, threshold: float | None, metric: Metric, kind: str, name: str) -> Score:
        truth = self._snapshot.truth
        if truth is None or kind == "all":
            return measure(metric, truth, answer, threshold=threshold) if truth else _NO_ANSWERS
        decoded = self._decode(answer, threshold, truth)
        if isinstance(decoded, Unscorable):
            return decoded
        if metric.name in OF_PROBABILITIES and decoded.probability is None:
            return Unscorable(f"The model gives no probabilities, which {metric.label()} needs")
        if kind == "slice":
            mask = truth.slices[name]
            return measure(metric, self._part(truth, name, mask), _plain(decoded, truth, metric, mask))
        index = truth.classes.index(name)
        return measure(metric, self._against_the_rest(truth, name, index), _one_class(decoded, truth, metric, index))

    def _decode(self, answer: Predictions, threshold: float | None, truth: Truth) -> Answers | Unscorable:
        """Understand the answers on all rows; on a part of them alone they could be taken for something else."""
        key = (id(answer), threshold)
        if key not in self._decoded:
            self._decoded[key] = decode(truth, answer, threshold=threshold)
        return self._decoded[key]

    def _part(self, truth: Truth, name: str, mask: npt.NDArray[np.bool_]) -> Truth:
        key = ("slice", name)
        if key not in self._truths:
            self._truths[key] = replace(
                truth,
                labels=truth.labels[mask],
                weights=None if truth.weights is None else truth.weights[mask],
                groups=None if truth.groups is None else truth.groups[mask],
                slices={},
            )
        return self._truths[key]

    def _against_the_rest(self, truth: Truth, name: str, index: int) -> Truth:
        key = ("class", name)
        if key not in self._truths:
            own = (truth.labels == index).astype(np.int64)
            self._truths[key] = replace(truth, labels=own, classes=("rest", "this"), positive=1, slices={})
        return self._truths[key]


def _plain(decoded: Answers, truth: Truth, metric: Metric, mask: npt.NDArray[np.bool_]) -> Predictions:
    """Return the answers for some of the rows, in the holdout's own terms."""
    if not truth.classes:
        return Predictions(decoded.codes[mask])
    if metric.name in OF_PROBABILITIES:
        return Predictions(None, _columns(decoded, truth)[mask], truth.classes)
    return Predictions(np.array(truth.classes)[decoded.codes[mask].astype(np.int64)])


def _one_class(decoded: Answers, truth: Truth, metric: Metric, index: int) -> Predictions:
    """Return the answers as this class or the rest."""
    if metric.name in OF_PROBABILITIES:
        own = _columns(decoded, truth)[:, index]
        return Predictions(None, np.column_stack((1.0 - own, own)), ("rest", "this"))
    return Predictions(np.where(decoded.codes == index, "this", "rest"))


def _columns(decoded: Answers, truth: Truth) -> npt.NDArray[np.float64]:
    """Return one column of probabilities per class of the holdout."""
    probability = decoded.probability
    if probability is None:
        raise ValueError("there are no probabilities")
    if probability.ndim > 1:
        return probability
    pair = (1.0 - probability, probability)
    return np.column_stack(pair if positive_class(truth) == 1 else pair[::-1])
