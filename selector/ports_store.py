"""What does carrying a whole MLflow store need from the world: its values, and the port that writes them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from selector.domain.model import NOTHING, RegisteredModel

SOURCE_RUN_TAG = "selector.source_run"
SOURCE_MODEL_TAG = "selector.source_model"
SOURCE_EXPERIMENT_TAG = "selector.source_experiment"
SOURCE_VERSION_TAG = "selector.source_version"
CARRYING_TAG = "selector.carrying"
"""On experiments and registered models: "yes" while an import is at work, "no" after it ended."""

WHOLE_TAG = "selector.carried"
"""On what ends as it began (runs that were RUNNING, models that were PENDING): set last, so that half-written ones can
be told from it."""

SOURCE_CREATED_TAG = "selector.source_created"
"""On experiments, models and versions: when made in their store, ISO 8601; MLflow itself says when they came."""

UNDONE_TAG = "selector.undone"
"""On deleted runs whose import was taken back: the next import carries them again."""

SOURCE_ARTIFACTS_TAG = "selector.source_artifacts"
"""On runs whose files are not with their store: the address that the store gives for them."""

UNENDED = frozenset({"RUNNING", "SCHEDULED"})


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of one metric.

    Attributes:
        timestamp: milliseconds since 1970.

    """

    key: str
    value: float
    timestamp: int
    step: int = 0
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset that a run names as its input."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """Plain files below a folder, by their names relative to it; links and devices are not among them."""

    root: Path
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A logged model of MLflow 3.

    Attributes:
        model_id: in the store that it comes from.
        status: READY, PENDING or FAILED.
        metrics: measured in the run that logged it.
        created: milliseconds since 1970; None where the store holds none.

    """

    model_id: str
    name: str
    status: str = "READY"
    model_type: str | None = None
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    metrics: tuple[Measurement, ...] = ()
    files: StoredFiles | None = None
    created: int | None = None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run of an MLflow store, whole.

    Attributes:
        run_id: in the store that it comes from.
        status: MLflow's word: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        started: milliseconds since 1970; None where the store holds none.
        ended: the same.
        metrics: the full history, no two equal.
        files: its artifacts; None where there are none.
        models: the logged models that came from it.
        outputs: ids of the logged models that it says it made, with the step.
        inputs: ids of the logged models that it used, where it was read back; a store tells them as `ModelUse`.
        address: where its artifacts were, as written in the store.

    """

    run_id: str
    experiment_id: str
    name: str = ""
    status: str = "FINISHED"
    deleted: bool = False
    started: int | None = None
    ended: int | None = None
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    metrics: tuple[Measurement, ...] = ()
    datasets: tuple[StoredDataset, ...] = ()
    files: StoredFiles | None = None
    models: tuple[StoredModel, ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()
    inputs: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True, slots=True)
class PresentExperiment:
    """An experiment that is in MLflow already, deleted or not."""

    experiment_id: str
    name: str
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class CarriedRun:
    """A run in MLflow that came from a store.

    Attributes:
        whole: False where an import was interrupted in the middle of it.

    """

    run_id: str
    experiment_id: str
    whole: bool = True
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What earlier imports carried: runs (all copies of each, by the id in the store), and logged models."""

    runs: Mapping[str, tuple[CarriedRun, ...]] = field(default_factory=lambda: NOTHING)
    models: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class WrittenStoredRun:
    """What a StoredRun became.

    Attributes:
        models: new id of each logged model, by the id in its store.
        left_out: what was changed, as sentences.
        lost: what could not be written though it should have been, as sentences.

    """

    run_id: str
    models: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    left_out: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What one run has to do with a logged model that came from another run, or from none.

    Attributes:
        metrics: measured of the model in this run.
        used: it is an input of the run.
        made: the step at which the run says it made it; None where it does not.

    """

    run_id: str
    model_id: str
    metrics: tuple[Measurement, ...] = ()
    used: bool = False
    made: int | None = None


class StoreWriter(Protocol):
    """The part of MLflow that a whole store is carried into; versions, stages and aliases go through the registry.

    Every method raises MlflowUnreachableError within its own deadline, and MlflowRefusedError where MLflow says no.
    """

    def experiments(self) -> Sequence[PresentExperiment]:
        """Return all experiments, deleted ones too."""
        ...

    def carried(self) -> Carried:
        """Return what earlier imports of any store carried."""
        ...

    def create_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """Create an experiment and return its id."""
        ...

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an experiment that is not deleted."""
        ...

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment with its runs (MLflow keeps both restorable)."""
        ...

    def write(self, run: StoredRun, experiment_id: str) -> WrittenStoredRun:
        """Write one run with its artifacts and models; it gets its end status last. It is never written as deleted."""
        ...

    def write_model(self, model: StoredModel, experiment_id: str) -> WrittenStoredRun:
        """Write a logged model that came from no run; `run_id` of what is returned is empty."""
        ...

    def use(self, use: ModelUse) -> None:
        """Link a logged model to another run than its own; both ids are the new ones. Again changes nothing."""
        ...

    def discard(self, run_id: str) -> None:
        """Delete a run that was left half-written, and its logged models; harmless where they are gone."""
        ...

    def delete_run(self, run_id: str) -> None:
        """Delete a run (MLflow keeps it restorable); harmless where it is deleted."""
        ...

    def take_back(self, run_ids: Sequence[str], batch: str) -> Mapping[str, str]:
        """Delete runs with their logged models, and the batch's logged models without a run, and forget them.

        Returns:
            Why a run could not be deleted, by its id.

        """
        ...

    def artifact_uri(self, run_id: str) -> str:
        """Return where the run's artifacts are."""
        ...

    def prompt(self, name: str) -> RegisteredModel | None:
        """Return a prompt as the registered model that MLflow keeps it as, or what an interrupted import made of it.

        None where there is nothing of that name. MLflow takes no writes to a registered model once it is marked as
        a prompt, so the mark comes last.
        """
        ...

    def describe(self, name: str, version: int | None, text: str) -> None:
        """Set the description of a registered model, or of one version."""
        ...
