"""Which nouns does an import speak of: model files, staged models, plans and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from selector.domain.model import NOTHING

Role = Literal["model", "preprocessor", "data", "pointer", "metadata", "unknown"]
Status = Literal["new", "imported", "already", "failed", "ignored"]

MODEL_TYPE_TAG = "model_type"
DESCRIPTION_TAG = "mlflow.note.content"
LEGACY_PREFIX = "legacy."
FORMAT_TAG = "selector.format"
NOTES_TAG = "selector.notes"
PERCENT_TAG = "selector.percent"
REGISTERED_AS_TAG = "selector.registered_as"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a file is, told from its bytes without running any of them.

    Attributes:
        format: pickle, joblib, lightgbm-text, xgboost-json, xgboost-ubj, catboost, onnx, skops, keras, mlflow, …
        role: a model that predicts, a preprocessor, plain data, a pointer to bytes elsewhere, or not known.
        reason: why it cannot be imported, in plain words, without the file's name; empty where it can.
        damaged: True where the reason is that bytes are missing or wrong.
        contains: what is inside, for people: "Pipeline ending in XGBClassifier".
        model_class: dotted name of the class that predicts, where there is one.
        packages: top-level Python packages that loading needs.
        versions: package to version, where the file itself says so.
        member: the key under which a pickled dict holds the model.
        needs_loader: True where MLflow's own flavours cannot read the file and a small loader has to go with it.
        trusted: type names that a skops file needs and that we trust.

    """

    format: str
    role: Role
    reason: str = ""
    damaged: bool = False
    contains: str = ""
    model_class: str | None = None
    packages: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    member: str | None = None
    needs_loader: bool = False
    trusted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that lies beside a model and goes with it."""

    path: Path
    contains: str


@dataclass(frozen=True, slots=True)
class StagedModel:
    """One model of a legacy store that can be imported.

    Attributes:
        name: the legacy name; becomes the run's name.
        path: the folder or file as found; identifies the entry.
        model_file: the file with the bytes (a folder for an MLflow model folder).
        metrics: keys and values as recorded; NaN is kept, percent stays percent.
        container: where the metrics stood in their document; empty where there are none.
        percent: keys of metrics whose values can only be percentages.
        alias: to be set for its version, where nothing has it yet; empty for none.
        stage: to be set for its version; empty for none.
        created_at: aware; becomes the end of the run.
        started_at: aware, not later than created_at; becomes the start of the run.
        fingerprint: sha256 (hex) of the model file's bytes.
        size: bytes of the model file.
        notes: every choice that was made, as sentences.

    """

    name: str
    path: Path
    model_file: Path
    contents: ModelFile
    model_type: str
    created_at: datetime
    started_at: datetime
    fingerprint: str
    size: int
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()
    container: str = ""
    percent: tuple[str, ...] = ()
    alias: str = ""
    stage: str = ""

    @property
    def format(self) -> str:
        """The format of the model file."""
        return self.contents.format

    @property
    def source(self) -> str:
        """The original path as text; surrogates of undecodable names are escaped."""
        return str(self.path).encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One entry that cannot be imported (or, with `ignored`, is no model at all), with the reason in plain words."""

    name: str
    path: Path
    reason: str
    format: str = ""
    model_type: str = ""
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    created_at: datetime | None = None
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What a legacy tree holds: models oldest first, everything else by path; notes about the walk itself."""

    models: tuple[StagedModel, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """What is to be done with one staged model.

    Attributes:
        status: new or already (failed and ignored entries stay Unreadable).
        reason: why, in plain words.
        run_id: for already: the run that it became.
        model_uri: for already: that run's model, where it has one.
        copy_of: run id of the first import of the same bytes, where that is known already.
        copy_of_entry: index in `ImportPlan.entries` of the first entry with the same bytes in this very plan.
        leftovers: runs that an interrupted import of this very entry left unfinished.

    """

    staged: StagedModel
    status: Literal["new", "already"]
    reason: str = ""
    run_id: str | None = None
    model_uri: str | None = None
    copy_of: str | None = None
    copy_of_entry: int | None = None
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Everything that an import will do, in the order in which it will do it."""

    model: str
    experiment: str
    batch: str
    entries: tuple[PlanEntry, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of one entry of a legacy store.

    Attributes:
        status: new (scan or dry run), imported, already, failed or ignored.
        run_id: the run in MLflow; None where there is none.
        version: the version of the registered model; None where there is none.
        planned: what was to be imported; None for what cannot be.

    """

    name: str
    path: Path
    status: Status
    reason: str = ""
    format: str = ""
    model_type: str = ""
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    created_at: datetime | None = None
    fingerprint: str | None = None
    run_id: str | None = None
    version: int | None = None
    copy_of: str | None = None
    notes: tuple[str, ...] = ()
    planned: StagedModel | None = None


@dataclass(frozen=True, slots=True)
class UndoOutcome:
    """What became of one run of a batch that is taken back.

    Attributes:
        status: undone, or refused because something still points at its version.
        versions: versions of `model` that belong to the run.

    """

    run_id: str
    name: str
    model: str
    versions: tuple[int, ...]
    status: Literal["undone", "refused", "failed"]
    reason: str = ""
