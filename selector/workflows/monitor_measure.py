"""What does one batch of production say? Labelled rows with answers, rows that the champion answers, or metrics."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.health import Reference
from selector.domain.health_drift import Drift, drift
from selector.domain.health_policy import MonitorPolicy
from selector.domain.health_readings import Measured, logged_reading, read_batch
from selector.domain.health_watch import Reading
from selector.domain.metric import Metric
from selector.domain.model import Candidate, Predictions, Truth, Unscorable
from selector.domain.spellings import UndecodableError, class_codes
from selector.errors import MlflowUnreachableError, SelectorError
from selector.ports import Features, ScoreJob
from selector.ports_production import Batch
from selector.workflows.fetched import fetch_job
from selector.workflows.house import House, Setup
from selector.workflows.monitor_reference import feature_columns, watched_metric
from selector.workflows.observe import threshold_of

BARE = "a value without rows or standard_error proves nothing; name its rows, or use rule: plain"
MOST_SLICES = 50
"""Values of one column beyond this are not watched one by one."""


@dataclass(slots=True, eq=False)
class Champion:
    """The champion, fetched when a batch needs its answers, and once only."""

    house: House
    candidate: Candidate
    spool: Path
    fetched: ScoreJob | Unscorable | None = None

    def answer(self, features: Features) -> Predictions | Unscorable:
        """Return what the champion answers for these rows, scored in confinement."""
        if self.fetched is None:
            self.fetched = self._fetch()
        if isinstance(self.fetched, Unscorable):
            return self.fetched
        for scored in self.house.scorer.score([self.fetched], features):
            return scored.result
        return Unscorable("the champion was not scored", transient=True)

    def _fetch(self) -> ScoreJob | Unscorable:
        try:
            return fetch_job(self.house, self.candidate.uri, self.spool, "the champion")
        except MlflowUnreachableError:
            raise
        except (SelectorError, OSError) as error:
            return Unscorable(f"the champion's files cannot be read: {error}", transient=True)


@contextmanager
def fetching(house: House, candidate: Candidate) -> Iterator[Champion]:
    """Keep room for the champion's files, and clear it away."""
    house.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    spool = Path(tempfile.mkdtemp(dir=house.spool, prefix="watch-"))
    try:
        yield Champion(house, candidate, spool)
    finally:
        shutil.rmtree(spool, ignore_errors=True)


@dataclass(frozen=True, slots=True, eq=False)
class Watching:
    """What is needed to measure a batch."""

    setup: Setup
    policy: MonitorPolicy
    reference: Reference
    champion: Champion
    keys: tuple[str, ...] = field(default=())

    @property
    def metric(self) -> Metric:
        """What is watched, its averaging settled as far as it can be."""
        return watched_metric(self.setup, self.policy, self.reference.classes, self.reference.positive)

    @property
    def further(self) -> tuple[tuple[str, Metric], ...]:
        """What is watched besides, by the name of its floor."""
        known = self.reference.classes, self.reference.positive
        return tuple(
            (name, watched_metric(self.setup, replace(self.policy, metric=metric), *known))
            for name, metric, _ in self.policy.floors
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The rows of a batch whose label and answer both mean something, and what the champion answered.

    Attributes:
        threshold: the champion's; see `decode`.
        classes: of the reference; empty for a regression, or where nobody knows them yet.
        kept: shape (rows of the batch,), which of its rows these are.

    """

    truth: Truth
    answers: Predictions
    threshold: float | None
    classes: tuple[str, ...]
    positive: int | None
    kept: npt.NDArray[np.bool_]

    def of_batch(self, answers: Predictions) -> Predictions:
        """Return answers to all rows of the batch, cut to these rows."""
        return answers if self.kept.all() else _only(answers, self.kept)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One batch, measured.

    Attributes:
        drift: of its inputs; None where it has none.
        judged: its rows; None where it holds metrics only.
        notes: which rows were left out.

    """

    measured: Measured
    drift: tuple[Drift, ...] | None = None
    judged: Judged | None = None
    notes: tuple[str, ...] = ()


def measure_batch(watching: Watching, batch: Batch, key: str) -> Seen | Unscorable:
    """Return what a batch says, or why it says nothing.

    Args:
        watching: the champion and its reference.
        batch: as its source gave it.
        key: the key of the metric, where the batch holds metrics; "" for the usual spellings.

    """
    reference = watching.reference
    if batch.labels is None:
        return _logged(watching, batch, key)
    answers, made = _answers(watching, batch), _truth(batch, watching)
    if isinstance(answers, Unscorable):
        return answers
    if isinstance(made, Unscorable):
        return made
    truth, answers, kept, notes = _understood(made, answers)
    threshold = threshold_of(watching.setup, watching.champion.candidate)
    measured = read_batch(
        watching.metric,
        truth,
        answers,
        threshold=threshold,
        per_class=bool(watching.policy.per_class),
        name=reference.name,
    )
    if isinstance(measured, Unscorable):
        return measured
    measured = _with_further(watching, measured, truth, answers, threshold)
    moved = None
    if watching.policy.drift and reference.bins and batch.features is not None:
        columns = feature_columns(batch.features, batch.features.rows)
        moved = drift(reference.bins, columns, watching.policy.patience.false_alarm_every)
    judged = Judged(truth, answers, threshold, reference.classes, reference.positive, kept)
    return Seen(measured, moved, judged, (*batch.notes, *notes))


def _logged(watching: Watching, batch: Batch, key: str) -> Seen | Unscorable:
    reference = watching.reference
    prevalence = reference.counts.prevalence if reference.counts else None
    found = logged_reading(
        watching.metric, batch.metrics, key=key, rows=batch.rows, name=reference.name, prevalence=prevalence
    )
    if isinstance(found, Unscorable):
        return found
    bare = found.of is None and found.standard_error is None and not watching.policy.patience.plain
    notes = (*batch.notes, BARE) if bare else batch.notes
    further = [
        logged_reading(metric, batch.metrics, rows=batch.rows, name=name, prevalence=prevalence)
        for name, metric in watching.further
    ]
    return Seen(Measured((found, *(r for r in further if isinstance(r, Reading))), batch.rows), notes=notes)


def _with_further(
    watching: Watching, measured: Measured, truth: Truth, answers: Predictions, threshold: float | None
) -> Measured:
    """Add the metrics that are watched besides the model's own; one that cannot be had of these rows is left out."""
    whole = replace(truth, slices={})
    found = [read_batch(metric, whole, answers, threshold=threshold, name=name) for name, metric in watching.further]
    further = [one.readings[0] for one in found if isinstance(one, Measured)]
    return replace(measured, readings=(*measured.readings, *further))


def _answers(watching: Watching, batch: Batch) -> Predictions | Unscorable:
    if batch.predictions is not None:
        return batch.predictions
    if batch.features is None:
        return Unscorable("it holds neither answers nor features")
    return watching.champion.answer(batch.features)


def _truth(batch: Batch, watching: Watching) -> tuple[Truth, npt.NDArray[np.bool_], tuple[str, ...]] | Unscorable:
    """Return the labels in the holdout's classes, and which rows they are of; rows with other labels are left out."""
    labels: npt.NDArray[Any] = np.asarray(batch.labels, dtype=object)
    holdout = watching.setup.holdout
    classes, positive = watching.reference.classes, watching.reference.positive
    regression = not classes and (
        watching.metric.average is None and _all_numbers(labels) and not _of_classes(watching)
    )
    if not classes and not regression:
        classes = tuple(sorted({str(v) for v in labels}))
        wanted = holdout.positive if holdout else None
        positive = classes.index(wanted) if wanted in classes else None
    codes, strange = _numbers(labels) if regression else _codes(labels, Truth("", np.array([]), classes, positive))
    kept = np.isfinite(codes)
    if not kept.any():
        return Unscorable(
            f"its labels are none of {', '.join(classes[:8])}" if classes else "its labels are no numbers"
        )
    notes = (f"{int((~kept).sum())} rows have labels that mean nothing: {', '.join(strange)}",) if strange else ()
    settled = codes[kept] if regression else codes[kept].astype(np.int64)
    slices = {name: mask[kept] for name, mask in _slices(batch).items()}
    return Truth(batch.id, settled, classes, positive, slices=slices), kept, notes


def _understood(
    made: tuple[Truth, npt.NDArray[np.bool_], tuple[str, ...]], answers: Predictions
) -> tuple[Truth, Predictions, npt.NDArray[np.bool_], tuple[str, ...]]:
    """Return the rows whose label and answer both mean something; answers in words are spelled as the labels are."""
    truth, kept, notes = made
    answers = answers if kept.all() else _only(answers, kept)
    if answers.labels is None or not truth.classes or answers.labels.dtype.kind not in "UO":
        return truth, answers, kept, notes
    codes, strange = _codes(answers.labels.astype(object), truth)
    known = np.isfinite(codes)
    if not strange or not known.any():
        return truth, answers, kept, notes
    slices = {name: mask[known] for name, mask in truth.slices.items()}
    words = np.array(truth.classes)[codes[known].astype(np.int64)]
    left = replace(_only(answers, known), labels=words)
    said = f"{int((~known).sum())} rows have answers that mean nothing: {', '.join(strange)}"
    both = kept.copy()
    both[kept] = known
    return replace(truth, labels=truth.labels[known], slices=slices), left, both, (*notes, said)


def _of_classes(watching: Watching) -> bool:
    return watching.metric.name in {"accuracy", "f1", "precision", "recall", "roc_auc", "log_loss", "brier"}


def _codes(labels: npt.NDArray[Any], truth: Truth) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return class codes, NaN for labels that are no class, and what those were."""
    known: dict[str, float] = {}
    strange: list[str] = []
    for value in dict.fromkeys(labels.tolist()):
        try:
            known[value] = float(class_codes(np.array([value], dtype=object), truth)[0][0])
        except UndecodableError:
            known[value] = np.nan
            strange.append(repr(value)[:40])
    return np.array([known[v] for v in labels.tolist()], dtype=np.float64), strange[:5]


def _numbers(labels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], list[str]]:
    found: list[float] = []
    strange: list[str] = []
    for value in labels.tolist():
        try:
            found.append(float(value))
        except ValueError:
            found.append(np.nan)
            strange.append(repr(value)[:40])
    return np.array(found, dtype=np.float64), strange[:5]


def _all_numbers(labels: npt.NDArray[Any]) -> bool:
    return not _numbers(labels)[1]


def _slices(batch: Batch) -> dict[str, npt.NDArray[np.bool_]]:
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for column, values in batch.slices.items():
        distinct: Sequence[str] = sorted({str(v) for v in values if v is not None})[:MOST_SLICES]
        found |= {f"{column}={value}": np.array([v == value for v in values], dtype=np.bool_) for value in distinct}
    return found


def _only(answers: Predictions, kept: npt.NDArray[np.bool_]) -> Predictions:
    def cut(column: npt.NDArray[Any] | None) -> Any:
        return None if column is None else np.asarray(column)[kept]

    return replace(answers, labels=cut(answers.labels), probabilities=cut(answers.probabilities))
