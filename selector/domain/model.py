"""Which nouns does everything else speak of: runs, versions, candidates, predictions, the snapshot of one look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

NOTHING: Mapping[str, Any] = MappingProxyType({})

STATUS_TAG = "selector.status"
DECISION_TAG = "selector.decision"
SCORES_TAG = "selector.scores"
HOLDOUT_TAG = "selector.holdout"
REASON_TAG = "selector.reason"
MANAGED_TAG = "selector.managed"
LEASE_TAG = "selector.lease"
PUT_ASIDE = frozenset({"quarantined", "rejected"})
"""Values of the status tag that keep a version from being promoted."""

FINGERPRINT_TAG = "selector.fingerprint"
SOURCE_TAG = "selector.source"
COPY_OF_TAG = "selector.copy_of"
BATCH_TAG = "selector.batch"


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model as MLflow keeps it: what `models:/m-…` (MLflow 3) or `runs:/ID/path` (MLflow 2) names.

    Attributes:
        uri: what `mlflow.artifacts.download_artifacts(artifact_uri=…)` understands.
        name: the name it was logged under, for example "model".
        metrics: values linked to this very model (MLflow 3); empty where MLflow links none.
        ready: False while MLflow says PENDING, or when it says FAILED.

    """

    uri: str
    name: str = "model"
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    datasets: frozenset[str] = frozenset()
    ready: bool = True
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One MLflow run as it was when we looked.

    Attributes:
        status: MLflow's word: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        metrics: the last value of each key; NaN and infinities are kept as they are.
        datasets: digests of the datasets in the run's inputs that are not training data.
        outputs: how many models the run says that it logged, also where `models` was not read.

    """

    run_id: str
    name: str
    experiment: str
    status: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    models: tuple[LoggedModel, ...] = ()
    datasets: frozenset[str] = frozenset()
    outputs: int = 0

    @property
    def several(self) -> bool:
        """Whether it logged several models, so that its metrics may be about any of them."""
        return max(len(self.models), self.outputs) > 1


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model. `run_id` is None where MLflow holds none (or an empty string)."""

    version: int
    source: str
    run_id: str | None = None
    status: str = "READY"
    stage: str = "None"
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model: its versions (any order), and which version each alias points at."""

    name: str
    versions: tuple[ModelVersion, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    def version(self, number: int | None) -> ModelVersion | None:
        """Return the version with this number, or None (aliases can point at versions that are gone)."""
        return next((v for v in self.versions if v.version == number), None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may compete: a model of a run, with the version it is registered as, if it is.

    Attributes:
        uri: what would be loaded and scored, and what a new version would be made from.
        name: the run's name, or "version N" where there is no run.
        run: the run it came from; None for a version without one.
        version: the registered version; None while it is not registered.
        metrics: the model's own metrics where MLflow links them, else its run's.
        set_aside: why another one competes for it, so that it need not be scored; empty for one that competes itself.
        trials: how many other trials of one tuning run it was chosen from by its logged value.

    """

    uri: str
    name: str
    run: Run | None = None
    version: ModelVersion | None = None
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    datasets: frozenset[str] = frozenset()
    ready: bool = True
    set_aside: str = ""
    trials: int = 0

    @property
    def run_id(self) -> str | None:
        """The run's id, also for a version whose run is gone."""
        if self.run is not None:
            return self.run.run_id
        return self.version.run_id if self.version else None

    @property
    def number(self) -> int | None:
        """The version's number, or None while it is not registered."""
        return self.version.version if self.version else None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The labels of the holdout, in row order. They never leave the parent process.

    Attributes:
        digest: sha256 (hex) of the holdout's content; identifies the rows everything is judged on.
        labels: shape (n,); class codes (index into `classes`) as int64, or float64 targets of a regression.
        classes: the class labels as the holdout spells them, sorted; empty for a regression.
        positive: index into `classes` of the positive class; None where there is none.
        weights: shape (n,), >= 0, or None.
        groups: shape (n,) int64 codes of clustered rows (customer, day), or None.
        slices: name of a slice, such as "region=north", to a boolean mask of shape (n,).

    """

    digest: str
    labels: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    classes: tuple[str, ...] = ()
    positive: int | None = None
    weights: npt.NDArray[np.float64] | None = None
    groups: npt.NDArray[np.int64] | None = None
    slices: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=lambda: NOTHING)

    @property
    def rows(self) -> int:
        """How many labelled rows there are."""
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model answered for the holdout's rows, in row order: plain arrays, as the worker sent them.

    Attributes:
        labels: shape (n,) of str, int64 or float64: the raw answer of `predict`; None where only probabilities came.
        probabilities: shape (n, k) float64 in [0, 1], one column per entry of `classes`; None where the model has none.
        classes: the model's own class labels as text, in column order; empty where unknown.
        seconds: wall time of predicting all rows.
        timings: rows and seconds of single calls, made to measure latency; None where nobody asked for them.

    """

    labels: npt.NDArray[Any] | None
    probabilities: npt.NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()
    seconds: float = 0.0
    timings: tuple[tuple[int, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Unscorable:
    """Why a model could not be scored, in one plain sentence."""

    reason: str
    transient: bool = False
