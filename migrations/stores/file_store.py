"""What is in an MLflow file store (mlruns/), read without MLflow, which would write into it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.stores.files import folder_below, is_empty, locate, plain_files, read_text, walk
from migrations.stores.meta import (
    DELETED_STAGE,
    MODEL_STATUS,
    RUN_STATUS,
    aliases_of,
    history_of,
    is_prompt,
    model_metric_lines,
    run_metric_lines,
    text_of,
    whole_number,
)
from migrations.stores.model import (
    LeftOut,
    RunHead,
    SourceExperiment,
    SourceRegistered,
    SourceVersion,
    UnreadableStoreError,
)
from selector.ports_store import Measurement, StoredDataset, StoredFiles, StoredModel, StoredRun

META: Final = "meta.yaml"
TRASH: Final = ".trash"
MODELS: Final = "models"
MOST_META: Final = 4 << 20
MOST_VALUE: Final = 1 << 20
MOST_METRIC: Final = 256 << 20
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VERSION = re.compile(r"version-(\d{1,9})")


class FileStore:
    """Implements `migrations.stores.model.SourceStore` for a folder.

    Args:
        root: the folder that holds one folder per experiment.
        artifacts: further folders that may hold artifacts.

    """

    def __init__(self, root: Path, artifacts: tuple[Path, ...] = ()) -> None:
        self.path = str(root)
        self.left_out: list[LeftOut] = []
        self._root = root
        trash = root / TRASH
        self._roots = (root, root.parent, root.parent / "mlartifacts", trash, *artifacts)

    @cached_property
    def _experiments(self) -> Mapping[str, tuple[Path, SourceExperiment]]:
        """Experiments by id, with their folders."""
        found: dict[str, tuple[Path, SourceExperiment]] = {}
        for folder in (*_folders(self._root), *_folders(self._root / TRASH)):
            if folder.name in {TRASH, MODELS} and not (folder / META).is_file():
                continue
            try:
                meta = _meta(folder)
            except UnreadableStoreError as error:
                self._leave("experiment", folder.name, str(error))
                continue
            number = text_of(meta.get("experiment_id")) or folder.name
            if number in found:
                self._leave("experiment", folder.name, f"experiment {number} is there twice")
                continue
            deleted = text_of(meta.get("lifecycle_stage")) == "deleted" or folder.parent.name == TRASH
            name = text_of(meta.get("name")) or number
            found[number] = folder, SourceExperiment(number, name, deleted, self._values(folder / "tags"))
        return found

    def experiments(self) -> tuple[SourceExperiment, ...]:
        """Return all experiments, deleted ones too."""
        return tuple(experiment for _, experiment in self._experiments.values())

    def heads(self, experiment_id: str) -> tuple[RunHead, ...]:
        """Return the heads of an experiment's runs; a folder without a readable meta.yaml is noted."""
        heads = []
        for folder in _folders(self._experiments[experiment_id][0]):
            if folder.name in {"tags", "datasets", "traces", MODELS} and not (folder / META).exists():
                continue
            try:
                meta = _meta(folder)
            except UnreadableStoreError as error:
                self._leave("run", folder.name, str(error))
                continue
            if not {"run_id", "run_uuid"} & set(meta):
                continue
            deleted = text_of(meta.get("lifecycle_stage")) == "deleted"
            parent = self._value(folder / "tags" / "mlflow.parentRunId")
            started = whole_number(meta.get("start_time")) or 0
            heads.append(RunHead(folder.name, experiment_id, deleted, parent.strip(), started))
        return tuple(heads)

    def run(self, head: RunHead) -> StoredRun:
        """Return one run, whole."""
        folder = self._experiments[head.experiment_id][0] / head.run_id
        meta = _meta(folder)
        tags = self._values(folder / "tags")
        models = self._models(head.experiment_id).get(head.run_id, ())
        return StoredRun(
            run_id=head.run_id,
            experiment_id=head.experiment_id,
            name=text_of(meta.get("run_name")) or text_of(meta.get("name")) or tags.get("mlflow.runName", ""),
            status=RUN_STATUS.get(text_of(meta.get("status")), "FAILED"),
            deleted=head.deleted,
            started=whole_number(meta.get("start_time")),
            ended=whole_number(meta.get("end_time")),
            params=self._values(folder / "params"),
            tags={"mlflow.user": text_of(meta.get("user_id")), **tags} if meta.get("user_id") else tags,
            metrics=tuple(self._metrics(folder / "metrics", head.run_id)),
            datasets=tuple(self._datasets(folder)),
            files=self._files(head.run_id, text_of(meta.get("artifact_uri")), folder, named=bool(history_of(tags))),
            models=tuple(self._model(path, head.run_id) for path in models),
        )

    def orphans(self, experiment_id: str) -> tuple[StoredModel, ...]:
        """Return the logged models of an experiment that came from no run."""
        return tuple(self._model(path, "") for path in self._models(experiment_id).get("", ()))

    def registered(self) -> tuple[SourceRegistered, ...]:
        """Return all registered models, by name."""
        found = []
        for folder in _folders(self._root / MODELS):
            if folder.name.startswith("m-") and not any(_folders(folder)):
                continue
            try:
                found.append(self._registered(folder))
            except UnreadableStoreError as error:
                self._leave("model", folder.name, str(error))
        return tuple(sorted(found, key=lambda model: model.name))

    def has_files(self, run_id: str, path: str) -> bool:
        """Tell whether a path among a run's artifacts exists."""
        for folder, _ in self._experiments.values():
            if (folder / run_id / META).is_file():
                uri = text_of(_meta(folder / run_id).get("artifact_uri"))
                place = self._place(run_id, uri, folder / run_id)
                return place is not None and folder_below(place, Path(path).parts) is not None
        return False

    def _registered(self, folder: Path) -> SourceRegistered:
        meta = _meta(folder)
        tags = self._values(folder / "tags")
        versions: list[SourceVersion] = []
        last = 0
        for place in _folders(folder):
            match = _VERSION.fullmatch(place.name)
            if match is None:
                continue
            last = max(last, int(match[1]))
            try:
                version = self._version(place, int(match[1]))
            except UnreadableStoreError as error:
                self._leave("version", f"{folder.name} {match[1]}", str(error))
                continue
            if version.stage != DELETED_STAGE:
                versions.append(version)
        told = aliases_of(meta.get("aliases")) | aliases_of(self._values(folder / "aliases"))
        return SourceRegistered(
            name=text_of(meta.get("name")) or folder.name,
            description=text_of(meta.get("description")),
            tags=tags,
            aliases=told,
            versions=tuple(sorted(versions, key=lambda version: version.version)),
            last=last,
            prompt=is_prompt(tags),
        )

    def _version(self, folder: Path, number: int) -> SourceVersion:
        meta = _meta(folder)
        return SourceVersion(
            version=whole_number(meta.get("version")) or number,
            source=text_of(meta.get("source")),
            storage=text_of(meta.get("storage_location")),
            run_id=text_of(meta.get("run_id")),
            stage=text_of(meta.get("current_stage")) or "None",
            description=text_of(meta.get("description")),
            model_id=text_of(meta.get("model_id")),
            tags=self._values(folder / "tags"),
        )

    def _models(self, experiment_id: str) -> Mapping[str, list[Path]]:
        """Return the folders of logged models by the run that they came from."""
        if experiment_id not in self._model_folders:
            groups: dict[str, list[Path]] = {}
            for folder in _folders(self._experiments[experiment_id][0] / MODELS):
                try:
                    meta = _meta(folder)
                except UnreadableStoreError as error:
                    self._leave("logged model", folder.name, str(error))
                    continue
                if text_of(meta.get("lifecycle_stage")) == "deleted":
                    self._leave("logged model", folder.name, "it is deleted")
                    continue
                groups.setdefault(text_of(meta.get("source_run_id")), []).append(folder)
            self._model_folders[experiment_id] = groups
        return self._model_folders[experiment_id]

    @cached_property
    def _model_folders(self) -> dict[str, Mapping[str, list[Path]]]:
        return {}

    def _model(self, folder: Path, run_id: str) -> StoredModel:
        meta = _meta(folder)
        own: list[Measurement] = []
        elsewhere: list[tuple[str, Measurement]] = []
        for key, text in self._texts(folder / "metrics", MOST_METRIC):
            lines, bad = model_metric_lines(key, text)
            if bad:
                self._leave("metric", f"{folder.name} {key}", f"{bad} lines are malformed")
            for run, measured in lines:
                (own.append(measured) if run == run_id else elsewhere.append((run, measured)))
        place = locate(self._roots, text_of(meta.get("artifact_location")), folder.name)
        inside = folder_below(folder, ("artifacts",))
        return StoredModel(
            model_id=folder.name,
            name=text_of(meta.get("name")) or "model",
            status=MODEL_STATUS.get(text_of(meta.get("status")), "READY"),
            model_type=text_of(meta.get("model_type")) or None,
            params=self._values(folder / "params"),
            tags=self._values(folder / "tags"),
            metrics=tuple(own),
            elsewhere=tuple(elsewhere),
            files=self._listed(folder.name, inside or place),
        )

    def _metrics(self, folder: Path, run_id: str) -> Iterator[Measurement]:
        for key, text in self._texts(folder, MOST_METRIC):
            measured, bad = run_metric_lines(key, text)
            if bad:
                self._leave("metric", f"{run_id} {key}", f"{bad} lines are malformed")
            yield from measured

    def _datasets(self, folder: Path) -> Iterator[StoredDataset]:
        for place in _folders(folder / "inputs"):
            try:
                link = _meta(place)
                if text_of(link.get("source_type")) != "DATASET":
                    continue
                meta = _meta(folder.parent / "datasets" / Path(text_of(link.get("source_id"))).name)
            except UnreadableStoreError as error:
                self._leave("dataset", f"{folder.name} {place.name}", str(error))
                continue
            tags = link.get("tags")
            yield StoredDataset(
                name=text_of(meta.get("name")),
                digest=text_of(meta.get("digest")),
                source_type=text_of(meta.get("source_type")),
                source=text_of(meta.get("source")),
                schema=text_of(meta.get("schema")) or None,
                profile=text_of(meta.get("profile")) or None,
                tags={str(k): text_of(v) for k, v in tags.items()} if isinstance(tags, dict) else {},
            )

    def _place(self, run_id: str, uri: str, folder: Path) -> Path | None:
        """Return the folder with a run's artifacts: its own where that holds any, else where its address leads."""
        own = folder_below(folder, ("artifacts",))
        if own is not None and not is_empty(own):
            return own
        return locate(self._roots, uri, run_id) or own

    def _files(self, run_id: str, uri: str, folder: Path, *, named: bool) -> StoredFiles | None:
        place = self._place(run_id, uri, folder)
        if place is None and named:
            self._leave("artifacts", run_id, f"{uri} is not below {self.path}")
        return self._listed(run_id, place)

    def _listed(self, name: str, place: Path | None) -> StoredFiles | None:
        if place is None:
            return None
        files, notes = plain_files(place)
        for note in notes:
            self._leave("artifacts", name, note)
        return files

    def _values(self, folder: Path) -> dict[str, str]:
        """Return the texts of a folder with one file per key."""
        return dict(self._texts(folder, MOST_VALUE))

    def _value(self, path: Path) -> str:
        try:
            return read_text(path, MOST_VALUE)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            self._leave("file", str(path.relative_to(self._root)), str(error.strerror or error))
            return ""

    def _texts(self, folder: Path, most: int) -> Iterator[tuple[str, str]]:
        """Yield key and text of each file below a folder; keys may have slashes."""
        if folder_below(folder.parent, (folder.name,)) is None:
            return
        for entry in walk(folder):
            path = Path(entry.path)
            try:
                yield path.relative_to(folder).as_posix(), read_text(path, most)
            except OSError as error:
                reason = "a link, which is not followed" if entry.is_symlink() else str(error.strerror or error)
                self._leave("file", str(path.relative_to(self._root)), reason)

    def _leave(self, what: str, name: str, reason: str) -> None:
        self.left_out.append(LeftOut(what, name, reason))


def _folders(folder: Path) -> Iterator[Path]:
    """Yield the real folders in a folder, by name; nothing where there is none."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    yield from (path for path in entries if path.is_dir() and not path.is_symlink())


def _meta(folder: Path) -> Mapping[str, Any]:
    """Return a folder's meta.yaml; raise UnreadableStoreError where it is missing or broken."""
    try:
        # The loader is YAML's safe one, with or without its C parser.
        found = yaml.load(read_text(folder / META, MOST_META), Loader=_SafeLoader)  # noqa: S506 - see above
    except FileNotFoundError:
        raise UnreadableStoreError(f"it has no {META}") from None
    except OSError as error:
        raise UnreadableStoreError(f"its {META} cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableStoreError(f"its {META} is broken: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise UnreadableStoreError(f"its {META} is empty or no mapping")
    return found
