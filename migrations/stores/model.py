"""Which nouns does carrying a store speak of: what a reader finds, what is planned, what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from selector.domain.model import NOTHING
from selector.ports_store import ModelUse, StoredModel, StoredRun

Status = Literal["new", "imported", "already", "failed"]


class UnreadableStoreError(Exception):
    """One entry of a store cannot be read; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class SourceExperiment:
    """An experiment as its store holds it.

    Attributes:
        created: milliseconds since 1970; None where the store holds none.

    """

    experiment_id: str
    name: str
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    created: int | None = None


@dataclass(frozen=True, slots=True)
class RunHead:
    """What has to be known of every run before the first is written; small, for there may be many.

    Attributes:
        parent: id of the parent run; empty where there is none.
        started: milliseconds since 1970, 0 where unknown.

    """

    run_id: str
    experiment_id: str
    deleted: bool = False
    parent: str = ""
    started: int = 0


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """A version of a registered model as its store holds it.

    Attributes:
        source: what it was made from, as written on the machine that wrote it.
        storage: where its files were, where the store says so apart from the source.
        stage: MLflow's word; "None" where it has none.
        model_id: the logged model that it was made from; empty where unknown.
        created: milliseconds since 1970; None where the store holds none.
        facts: what else the store says of it (user, link to its run, failed status), by our tag's name.

    """

    version: int
    source: str = ""
    storage: str = ""
    run_id: str = ""
    stage: str = "None"
    description: str = ""
    model_id: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    created: int | None = None
    facts: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class SourceRegistered:
    """A registered model as its store holds it; versions in order, without deleted ones.

    Attributes:
        last: the highest number ever given, deleted versions included.
        prompt: it is no model but a prompt.
        created: milliseconds since 1970; None where the store holds none.

    """

    name: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    aliases: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    versions: tuple[SourceVersion, ...] = ()
    last: int = 0
    prompt: bool = False
    created: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was not carried, or was changed, with its reason.

    Attributes:
        what: run, artifacts, experiment, model, version, alias, …
        name: which one.
        failed: it is in the store and should have come; False where it could not come, or came changed.

    """

    what: str
    name: str
    reason: str
    failed: bool = False


class SourceStore(Protocol):
    """Reads one store and never writes to it. What it cannot read it notes in `left_out` and goes on."""

    @property
    def path(self) -> str:
        """Where the store is; identifies it."""
        ...

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What could not be read so far."""
        ...

    def experiments(self) -> tuple[SourceExperiment, ...]:
        """Return all experiments, deleted ones too."""
        ...

    def heads(self, experiment_id: str) -> tuple[RunHead, ...]:
        """Return the heads of an experiment's runs, deleted ones too."""
        ...

    def run(self, head: RunHead) -> StoredRun:
        """Return one run, whole; raise UnreadableStoreError where that cannot be."""
        ...

    def orphans(self, experiment_id: str) -> Iterator[StoredModel]:
        """Yield the logged models of an experiment that came from no run, or from one that is not in the store."""
        ...

    def uses(self) -> Iterator[ModelUse]:
        """Yield what runs have to do with logged models that are not their own."""
        ...

    def registered(self) -> tuple[SourceRegistered, ...]:
        """Return all registered models, by name."""
        ...

    def has_files(self, run_id: str, path: str) -> bool | None:
        """Tell whether a path among a run's artifacts exists; None where the run is not in the store."""
        ...

    def model_named(self, run_id: str, name: str) -> str:
        """Return the id of the newest logged model of that name in a run; "" where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """Where an experiment goes.

    Attributes:
        action: create it, merge into one that is there, or go on with one that an earlier import made.
        target: id in MLflow; None where it is still to be created.
        note: why it is not simply created under its own name; empty where it is.
        interrupted: an import stopped in the middle of it.
        finished: nothing can be written into it any more, for it is deleted.

    """

    source: SourceExperiment
    action: Literal["create", "merge", "again"]
    name: str
    target: str | None = None
    note: str = ""
    interrupted: bool = False
    finished: bool = False


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What is to be done with one run.

    Attributes:
        run_id: in MLflow, for one that is there already.
        leftovers: runs in MLflow that an interrupted import left half-written.
        delete: it is there and only its deletion is missing.

    """

    head: RunHead
    status: Literal["new", "already"]
    run_id: str | None = None
    leftovers: tuple[str, ...] = ()
    delete: bool = False


@dataclass(frozen=True, slots=True)
class StorePlan:
    """Everything that an import of a store will do before it comes to registered models."""

    experiments: tuple[ExperimentPlan, ...] = ()
    runs: tuple[RunPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionOutcome:
    """What became of one version.

    Attributes:
        version: its number in MLflow; None where there is none.

    """

    name: str
    source: SourceVersion
    status: Status
    reason: str = ""
    version: int | None = None
    run_id: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class StoreOutcome:
    """What became of a store.

    Attributes:
        runs: counts of runs by status.

    """

    path: str
    batch: str
    experiments: list[tuple[ExperimentPlan, str | None]] = field(default_factory=list)
    runs: dict[Status, int] = field(default_factory=lambda: {"new": 0, "imported": 0, "already": 0, "failed": 0})
    deleted_runs: int = 0
    versions: list[VersionOutcome] = field(default_factory=list)
    registered: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
