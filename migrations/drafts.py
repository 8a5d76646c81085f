"""How does what a layout found become a staged model, or a reason why not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

from migrations.digests import fingerprint as fingerprint_of
from migrations.folder import Folder
from migrations.known_files import KnownFiles, stamp
from migrations.metrics import Metrics, read_metrics
from migrations.mlflow_folder import files_below, read_mlmodel, tree_fingerprint
from migrations.model import Attachment, ModelFile, StagedModel, Unreadable
from migrations.names import stage_of
from migrations.periods import Period, period_of
from migrations.record import BadDocumentError, recorded
from migrations.timestamps import read_times
from migrations.wording import class_to_type
from selector.domain.model import NOTHING

TYPE_KEYS: Final = (
    "model_class", "model_type", "algorithm", "type", "estimator", "model_name", "winner_model", "best_model",
    "framework",
)  # fmt: skip
PARAM_CONTAINERS: Final = (
    "hyperparameters", "params", "parameters", "best_params", "model_params", "hdbscan_params", "umap_params", "config",
)  # fmt: skip
TAG_KEYS: Final = (
    "model_id", "model_name", "model_class", "version", "model_version", "stage", "created_by", "description", "run_id",
    "experiment_id", "promoted_from", "target", "dataset", "dataset_version", "data_path", "data_sha256", "author",
    "status", "registry_alias", "model_hash", "threshold", "optimal_threshold",
)  # fmt: skip
PATH_KEYS: Final = (
    "model_path", "model_file", "filename", "primary_filename", "file", "path", "artifact_path", "artifact",
    "model_artifact", "artifact_file", "model_filename", "pipeline_path", "file_path", "filepath",
)  # fmt: skip
NOTHING_HERE: Final = "no model file"
MAX_PARAMS: Final = 500
MAX_TEXT: Final = 5000
_USUAL_NAMES: Final = ("model", "pipeline", "best_model", "champion", "classifier", "regressor", "final_model")


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry as a layout sees it, before anything is judged.

    Attributes:
        name: the legacy name.
        path: the folder or file that identifies the entry.
        candidates: names (in the folder) of files that may be the model.
        documents: names of JSON files about it, the one that counts most first.
        record: metadata that stands in a registry file rather than in a file of its own.
        model_type: what the layout reads from names.
        home: the folder of the files, where it is another than the one that was read.
        mlflow: a subfolder (or ".") that is an MLflow model folder.
        tags: facts that the layout reads from names and places; recorded ones win.
        beside: names of further files that go with the model as they are.
        by_name: the name may carry the time.

    """

    name: str
    path: Path
    candidates: tuple[str, ...]
    documents: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    model_type: str = ""
    mlflow: Path | None = None
    home: Folder | None = None
    notes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    beside: tuple[str, ...] = ()
    by_name: bool = True


@dataclass(frozen=True, slots=True)
class _Held:
    """The bytes of a model as they were read."""

    path: Path
    fingerprint: str
    size: int
    modified: float
    attachments: tuple[Attachment, ...] = ()
    period: Period | None = None


def settle(draft: Draft, folder: Folder, timezone: tzinfo = UTC) -> StagedModel | Unreadable:
    """Judge one draft: read its documents, choose the model file by its bytes, fingerprint it.

    Args:
        draft: what a layout found.
        folder: the folder with the draft's files.
        timezone: for recorded times without a zone.

    Returns:
        A staged model, or the reason why there is none. Never raises for a bad entry.

    """
    told = {name: what for name in draft.candidates if (what := folder.tell(name)) is not None}
    try:
        read, notes = recorded(draft.documents, folder, (draft.name, draft.model_type, *_stems(told)))
    except BadDocumentError as error:
        chosen = _choose(told, draft.record)
        return _unreadable(draft, {}, str(error), told[chosen] if chosen else None, timezone)
    document = {**read, **draft.record}
    draft = replace(draft, notes=(*draft.notes, *notes), tags=_placed(draft, folder))
    period = _period(draft, folder)
    chosen = _choose(told, document)
    contents = told.get(chosen) if chosen else None
    if draft.mlflow is not None:
        return _settle_folder(draft, document, timezone, period, folder.known)
    if chosen is None or contents is None:
        return _unreadable(draft, document, _nothing(told, folder), None, timezone)
    if contents.reason or contents.role != "model":
        reason = f"{chosen} {contents.reason or 'is no model'}"
        return _unreadable(draft, document, reason, contents, timezone)
    path = folder.files[chosen]
    try:
        fingerprint, size, modified = folder.known.ask("digest", path, fingerprint_of)
    except OSError as error:
        return _unreadable(draft, document, f"{chosen} cannot be read: {error.strerror or error}", contents, timezone)
    attachments = tuple(
        Attachment(folder.files[name], what.contains or what.format)
        for name, what in told.items()
        if name != chosen and what.role in {"preprocessor", "data", "model"} and not what.damaged
    )
    beside = tuple(Attachment(folder.files[n], _contains(folder.tell(n))) for n in draft.beside if n in folder.files)
    held = _Held(path, fingerprint, size, modified, (*attachments, *beside), period)
    return _staged(draft, document, contents, held, timezone)


def _stems(told: Mapping[str, ModelFile]) -> Iterator[str]:
    """Yield what the models among the files are called."""
    return (name.rpartition(".")[0] for name, what in told.items() if what.role == "model")


def _contains(told: ModelFile | None) -> str:
    return (told.contains or told.format) if told else "a file beside it"


def _above(draft: Draft, folder: Folder) -> tuple[str, ...]:
    """Return the names of the entry and of the folders on the way to it, the nearest first."""
    home = draft.path if draft.path.is_relative_to(folder.root) else folder.path
    return (*reversed(home.relative_to(folder.root).parts), folder.root.name)


def _placed(draft: Draft, folder: Folder) -> Mapping[str, str]:
    """Add the stage that a folder on the way to the entry is called after."""
    stage = next((stage for part in _above(draft, folder) if (stage := stage_of(part))), "")
    return {**({"stage_folder": stage} if stage else {}), **draft.tags}


def _period(draft: Draft, folder: Folder) -> Period | None:
    """Return the quarter, month or day that a folder on the way to the entry is called after."""
    return next((period for part in _above(draft, folder) if (period := period_of(part))), None)


def _choose(told: Mapping[str, ModelFile], document: Mapping[str, Any]) -> str | None:
    """Choose the file that is the model: models by their bytes, then the declared name, then usual names.

    A broken file that is declared or called the model stays the choice, with its reason: what is recorded is about
    it, not about a whole file that happens to lie beside it.
    """
    declared = {base_name(value) for key in PATH_KEYS if isinstance(value := document.get(key), str)}

    def rank(name: str) -> tuple[bool, bool, int, bool, str]:
        what = told[name]
        named = name in declared or _calls_itself(name)
        model = what.role == "model" or (named and what.role in {"unknown", "pointer"})
        stem = name.partition(".")[0].lower()
        usual = _USUAL_NAMES.index(stem) if stem in _USUAL_NAMES else len(_USUAL_NAMES)
        return not model, name not in declared, usual, bool(what.reason), name

    worthy = [
        name for name, what in told.items() if what.role in {"model", "pointer", "unknown"} or _calls_itself(name)
    ]
    return min(worthy, key=rank, default=None)


def _calls_itself(name: str) -> bool:
    """Return whether the name claims to be the model, so that anything else in it is worth a reason."""
    stem = name.partition(".")[0].lower()
    return stem in _USUAL_NAMES or stem.endswith("_model")


def base_name(recorded: str) -> str:
    """Return the file name of a path that was recorded on some other machine, with slashes of either kind."""
    return recorded.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _nothing(told: Mapping[str, ModelFile], folder: Folder) -> str:
    """Say why there is no model file."""
    for name, kind in folder.others.items():
        if name.partition(".")[0].lower() in _USUAL_NAMES:
            return f"{name} is {kind}, which is not followed or opened"
    if told:
        found = ", ".join(f"{name} ({what.contains or what.format})" for name, what in told.items())
        return f"no model file, only {found}"
    return NOTHING_HERE


def _settle_folder(
    draft: Draft, document: Mapping[str, Any], timezone: tzinfo, period: Period | None, known: KnownFiles
) -> StagedModel | Unreadable:
    """An MLflow model folder goes as it is; its fingerprint covers all of its files."""
    path = draft.mlflow
    if path is None:
        raise TypeError("the draft names no MLflow model folder")
    contents, fingerprint, size, modified = _tree(path, known)
    if contents.reason:
        return _unreadable(draft, document, contents.reason, contents, timezone)
    if created := _logged_at(path):
        document = {**document, "utc_time_created": created}
    return _staged(draft, document, contents, _Held(path, fingerprint, size, modified, period=period), timezone)


def _logged_at(folder: Path) -> str:
    """Return when MLflow wrote the folder, as its MLmodel says; the zone is in the key there."""
    try:
        created = read_mlmodel(folder).get("utc_time_created")
    except (OSError, ValueError):
        return ""
    return f"{created}+00:00" if created else ""


def _tree(path: Path, known: KnownFiles) -> tuple[ModelFile, str, int, float]:
    """Fingerprint a folder, from memory where none of its files has changed."""
    try:
        stamps = tuple((name, stamp(file)) for name, file in files_below(path))
    except (OSError, ValueError):
        return tree_fingerprint(path)
    held: tuple[ModelFile, str, int, float] | None = known.recall("tree", str(path), stamps)
    if held is None:
        held = tree_fingerprint(path)
        if all(told is not None and known.settled(told) for _, told in stamps):
            known.keep("tree", str(path), stamps, held)
    return held


def _staged(
    draft: Draft, document: Mapping[str, Any], contents: ModelFile, held: _Held, timezone: tzinfo
) -> StagedModel:
    metrics = read_metrics(document)
    started, created, time_notes = read_times(
        document, draft.name if draft.by_name else "", held.modified, timezone, held.period if draft.by_name else None
    )
    beside = tuple(f"{a.path.name} ({a.contains}) goes with it" for a in held.attachments)
    native = contents.model_class in {"lightgbm.basic.Booster", "xgboost.core.Booster"}
    if native and any("preprocessor" in a.contains or "Transformer" in a.contains for a in held.attachments):
        beside = (*beside, "the booster expects columns that the attached preprocessor has already transformed")
    return StagedModel(
        name=draft.name,
        path=draft.path,
        model_file=held.path,
        contents=contents,
        model_type=_model_type(draft, document, contents),
        created_at=created,
        started_at=started,
        fingerprint=held.fingerprint,
        size=held.size,
        metrics=metrics.values,
        container=metrics.container,
        percent=metrics.percent,
        params=_params(document),
        tags={**draft.tags, **_tags(document)},
        attachments=held.attachments,
        notes=(*draft.notes, *_metric_notes(metrics), *time_notes, *contents.notes, *beside),
    )


def _metric_notes(metrics: Metrics) -> tuple[str, ...]:
    return metrics.notes or ("no metrics are recorded",)


def _unreadable(
    draft: Draft, document: Mapping[str, Any], reason: str, contents: ModelFile | None, timezone: tzinfo
) -> Unreadable:
    created = read_times(document, draft.name, 0, timezone)[1]
    return Unreadable(
        draft.name,
        draft.path,
        reason,
        contents.format if contents else "",
        _model_type(draft, document, contents),
        read_metrics(document).values,
        created if created.timestamp() > 0 else None,
    )


def _model_type(draft: Draft, document: Mapping[str, Any], contents: ModelFile | None) -> str:
    """Recorded type, else the name's, else the class in the bytes."""
    for key in TYPE_KEYS:
        value = document.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:200]
    if draft.model_type:
        return draft.model_type
    return class_to_type(contents.model_class) if contents and contents.model_class else ""


def _params(document: Mapping[str, Any]) -> Mapping[str, str]:
    """Return recorded hyperparameters as MLflow params."""
    for container in PARAM_CONTAINERS:
        held = document.get(container)
        if isinstance(held, dict) and held:
            return dict([(str(k), _text(v)) for k, v in held.items() if v is not None][:MAX_PARAMS])
    return NOTHING


def _tags(document: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what the document says about the model itself, for tags under the prefix `legacy.`."""
    return {
        key: _text(document[key])
        for key in TAG_KEYS
        if isinstance(document.get(key), str | int | float) and str(document[key]).strip()
    }


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else repr(value))[:MAX_TEXT]
