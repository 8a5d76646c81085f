"""What is in an MLflow file store (mlruns/), read without MLflow, which would write into it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from migrations.stores.file_registry import registered_models
from migrations.stores.file_tree import META, FileTree, MissingMetaError, meta_of
from migrations.stores.files import exists_below, folder_below, is_empty, locate, plain_files
from migrations.stores.meta import (
    MODEL_STATUS,
    RUN_STATUS,
    history_of,
    model_metric_lines,
    origin_of,
    run_metric_lines,
    text_of,
    whole_number,
)
from migrations.stores.model import LeftOut, RunHead, SourceExperiment, SourceRegistered, UnreadableStoreError
from selector.ports_store import (
    SOURCE_RUN_TAG,
    Measurement,
    ModelUse,
    StoredDataset,
    StoredFiles,
    StoredModel,
    StoredRun,
)

TRASH: Final = ".trash"
MODELS: Final = "models"
TRACES: Final = "traces"
MOST_METRIC: Final = 256 << 20
_NO_RUNS: Final = frozenset({"tags", "datasets", "assessments", TRACES, MODELS})


class FileStore:
    """Implements `migrations.stores.model.SourceStore` for a folder.

    Args:
        root: the folder that holds one folder per experiment.
        artifacts: further folders that may hold artifacts.

    """

    def __init__(self, root: Path, artifacts: tuple[Path, ...] = ()) -> None:
        self.path = str(root)
        self._root = root
        self._tree = FileTree(root)
        self._model_folders: dict[str, Mapping[str, list[Path]]] = {}
        beside = root.resolve().parent
        self._roots = (root, beside, beside / "mlartifacts", root / TRASH, *artifacts)

    @property
    def left_out(self) -> list[LeftOut]:
        """What could not be read so far."""
        return self._tree.left_out

    @cached_property
    def _experiments(self) -> Mapping[str, tuple[Path, SourceExperiment]]:
        """Experiments by id, with their folders."""
        found: dict[str, tuple[Path, SourceExperiment]] = {}
        for folder in (*self._tree.folders(self._root), *self._tree.folders(self._root / TRASH)):
            if folder.name in {TRASH, MODELS} and not (folder / META).is_file():
                continue
            experiment = self._experiment(folder)
            if experiment is None:
                continue
            number = experiment.experiment_id
            if number in found:
                reason = f"experiment {number} is there twice; the one in {found[number][0]} was taken"
                self._tree.leave("experiment", folder.name, reason, failed=_has_runs(folder))
                continue
            found[number] = folder, experiment
        return found

    def _experiment(self, folder: Path) -> SourceExperiment | None:
        """Return what a folder says; one without a readable meta.yaml is an experiment only if it holds runs."""
        meta: Mapping[str, Any] = {}
        try:
            meta = meta_of(folder)
        except UnreadableStoreError as error:
            if any(folder.glob(f"*/{META}")) and not _has_runs(folder):
                reason = f"another store lies in this folder; carry it too: migrate store {folder}"
                self._tree.leave("store", folder.name, reason)
                return None
            if not _has_runs(folder):
                self._tree.leave("experiment", folder.name, str(error), failed=not isinstance(error, MissingMetaError))
                return None
            self._tree.leave("experiment", folder.name, f"{error}; its runs come in an experiment of that name")
        else:
            if {"run_id", "run_uuid", "trace_id", "model_id"} & set(meta):
                reason = f"its {META} is that of another entry, not of an experiment"
                self._tree.leave("experiment", folder.name, reason, failed=True)
                return None
            if not meta.get("name"):
                reason = f"its {META} is cut off; it came as 'experiment {folder.name}'"
                self._tree.leave("experiment", folder.name, reason)
        return SourceExperiment(
            experiment_id=text_of(meta.get("experiment_id")) or folder.name,
            name=text_of(meta.get("name")) or f"experiment {folder.name}",
            deleted=text_of(meta.get("lifecycle_stage")) == "deleted" or folder.parent.name == TRASH,
            tags=self._tree.values(folder / "tags"),
            created=whole_number(meta.get("creation_time")),
        )

    def experiments(self) -> tuple[SourceExperiment, ...]:
        """Return all experiments, deleted ones too."""
        return tuple(experiment for _, experiment in self._experiments.values())

    def heads(self, experiment_id: str) -> tuple[RunHead, ...]:
        """Return the heads of an experiment's runs; a folder without a readable meta.yaml is noted."""
        heads = []
        for folder in self._tree.folders(self._experiments[experiment_id][0]):
            if folder.name in _NO_RUNS and not (folder / META).exists():
                traces = sum(1 for _ in self._tree.folders(folder)) if folder.name == TRACES else 0
                if traces:
                    self._tree.leave("traces", f"experiment {experiment_id}", f"{traces} traces are not carried")
                continue
            try:
                meta = meta_of(folder)
            except UnreadableStoreError as error:
                self._tree.leave("run", folder.name, str(error), failed=not isinstance(error, MissingMetaError))
                continue
            if not {"run_id", "run_uuid"} & set(meta):
                self._tree.leave("run", folder.name, f"its {META} is cut off, or not that of a run", failed=True)
                continue
            deleted = text_of(meta.get("lifecycle_stage")) == "deleted"
            parent = self._tree.value(folder / "tags" / "mlflow.parentRunId")
            started = whole_number(meta.get("start_time")) or 0
            heads.append(RunHead(folder.name, experiment_id, deleted, parent.strip(), started))
        return tuple(heads)

    def run(self, head: RunHead) -> StoredRun:
        """Return one run, whole."""
        folder = self._experiments[head.experiment_id][0] / head.run_id
        meta = meta_of(folder)
        tags = self._tree.values(folder / "tags")
        models = self._models(head.experiment_id).get(head.run_id, ())
        uri = text_of(meta.get("artifact_uri"))
        if text_of(meta.get("status")) not in RUN_STATUS:
            said = f"the status {meta['status']!r}" if meta.get("status") else "no status"
            self._tree.leave("run", head.run_id, f"its {META} holds {said}; it came as FAILED")
        return StoredRun(
            run_id=head.run_id,
            experiment_id=head.experiment_id,
            name=text_of(meta.get("run_name")) or text_of(meta.get("name")) or tags.get("mlflow.runName", ""),
            status=RUN_STATUS.get(text_of(meta.get("status")), "FAILED"),
            deleted=head.deleted,
            started=whole_number(meta.get("start_time")),
            ended=whole_number(meta.get("end_time")),
            params=self._tree.values(folder / "params"),
            tags=origin_of(meta, tags),
            metrics=tuple(self._metrics(folder / "metrics", head.run_id)),
            datasets=tuple(self._datasets(folder)),
            files=self._files(head.run_id, uri, folder, named=bool(history_of(tags))),
            models=tuple(self._model(path, head.run_id) for path in models),
            outputs=tuple((path.name, step) for path, step in self._outputs(folder)),
            address=uri,
        )

    def orphans(self, experiment_id: str) -> Iterator[StoredModel]:
        """Yield the logged models of an experiment that came from no run, or from one that is not in the store."""
        folder = self._experiments[experiment_id][0]
        for run_id, paths in self._models(experiment_id).items():
            if not run_id or not (folder / Path(run_id).name / META).is_file():
                yield from (self._model(path, run_id) for path in paths)

    def uses(self) -> Iterator[ModelUse]:
        """Yield what runs have to do with logged models that are not their own."""
        for number, (experiment, _) in self._experiments.items():
            own: dict[str, str] = {}
            for run_id, paths in self._models(number).items():
                for path in paths:
                    own[path.name] = run_id
                    for run, measured in self._measured_elsewhere(path, run_id).items():
                        yield ModelUse(run, path.name, tuple(measured))
            for place in experiment.glob("*/inputs"):
                yield from (ModelUse(place.parent.name, model, used=True) for model in self._inputs(place))
            for place in experiment.glob("*/outputs"):
                for path, step in self._outputs(place.parent):
                    if own.get(path.name) != place.parent.name:
                        yield ModelUse(place.parent.name, path.name, made=step)

    def registered(self) -> tuple[SourceRegistered, ...]:
        """Return all registered models, by name."""
        return registered_models(self._tree, self._root / MODELS)

    def has_files(self, run_id: str, path: str) -> bool | None:
        """Tell whether a path among a run's artifacts exists; None where the run is not in the store."""
        for folder, _ in self._experiments.values():
            if (folder / run_id / META).is_file():
                uri = text_of(meta_of(folder / run_id).get("artifact_uri"))
                place = self._place(run_id, uri, folder / run_id)
                return place is not None and exists_below(place, path)
        return None

    def model_named(self, run_id: str, name: str) -> str:
        """Return the id of the newest logged model of that name in a run; "" where there is none."""
        found = [
            (whole_number(meta.get("creation_timestamp")) or 0, path.name)
            for number in self._experiments
            for path in self._models(number).get(run_id, ())
            if text_of((meta := meta_of(path)).get("name")) == name
        ]
        return max(found, default=(0, ""))[1]

    def _models(self, experiment_id: str) -> Mapping[str, list[Path]]:
        """Return the folders of logged models by the run that they came from."""
        if experiment_id not in self._model_folders:
            groups: dict[str, list[Path]] = {}
            for folder in self._tree.folders(self._experiments[experiment_id][0] / MODELS):
                try:
                    meta = meta_of(folder)
                except UnreadableStoreError as error:
                    failed = not isinstance(error, MissingMetaError)
                    self._tree.leave("logged model", folder.name, str(error), failed=failed)
                    continue
                if text_of(meta.get("lifecycle_stage")) == "deleted":
                    self._tree.leave("logged model", folder.name, "it is deleted")
                    continue
                groups.setdefault(text_of(meta.get("source_run_id")), []).append(folder)
            self._model_folders[experiment_id] = groups
        return self._model_folders[experiment_id]

    def _model(self, folder: Path, run_id: str) -> StoredModel:
        meta = meta_of(folder)
        own: list[Measurement] = []
        for key, text in self._tree.texts(folder / "metrics", MOST_METRIC):
            lines, bad = model_metric_lines(key, text)
            if bad:
                self._tree.leave("metric", f"{folder.name} {key}", f"{bad} lines are malformed")
            own += [measured for run, measured in lines if run == run_id]
        uri = text_of(meta.get("artifact_location"))
        inside = folder_below(folder, ("artifacts",))
        place = inside if inside is not None and not is_empty(inside) else locate(self._roots, uri, folder.name)
        return StoredModel(
            model_id=folder.name,
            name=text_of(meta.get("name")) or "model",
            status=MODEL_STATUS.get(text_of(meta.get("status")), "READY"),
            model_type=text_of(meta.get("model_type")) or None,
            params=self._tree.values(folder / "params"),
            tags=self._tree.values(folder / "tags") | ({SOURCE_RUN_TAG: run_id} if run_id else {}),
            metrics=tuple(own),
            files=self._listed(folder.name, place or inside),
            created=whole_number(meta.get("creation_timestamp")),
        )

    def _measured_elsewhere(self, folder: Path, run_id: str) -> Mapping[str, list[Measurement]]:
        """Return what other runs measured of a logged model; malformed lines are noted with the model itself."""
        found: dict[str, list[Measurement]] = {}
        for key, text in self._tree.texts(folder / "metrics", MOST_METRIC):
            for run, measured in model_metric_lines(key, text)[0]:
                if run != run_id:
                    found.setdefault(run, []).append(measured)
        return found

    def _metrics(self, folder: Path, run_id: str) -> Iterator[Measurement]:
        for key, text in self._tree.texts(folder, MOST_METRIC):
            measured, bad = run_metric_lines(key, text)
            if bad:
                self._tree.leave("metric", f"{run_id} {key}", f"{bad} lines are malformed")
            elif not measured:
                self._tree.leave("metric", f"{run_id} {key}", "its file is empty")
            yield from measured

    def _datasets(self, folder: Path) -> Iterator[StoredDataset]:
        for place in self._tree.folders(folder / "inputs"):
            try:
                link = meta_of(place)
                if text_of(link.get("source_type")) not in {"DATASET", "1"}:
                    continue
                meta = meta_of(folder.parent / "datasets" / Path(text_of(link.get("source_id"))).name)
            except UnreadableStoreError as error:
                self._tree.leave("dataset", f"{folder.name} {place.name}", str(error), failed=True)
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

    def _inputs(self, folder: Path) -> Iterator[str]:
        """Yield the logged models that a run used; what is unreadable is noted with the run's datasets."""
        for place in self._tree.folders(folder):
            try:
                link = meta_of(place)
            except UnreadableStoreError:
                continue
            if text_of(link.get("source_type")) in {"MODEL", "2"}:
                yield text_of(link.get("source_id"))

    def _outputs(self, folder: Path) -> Iterator[tuple[Path, int]]:
        """Yield the logged models that a run says it made, with the step."""
        for place in self._tree.folders(folder / "outputs"):
            try:
                yield place, whole_number(meta_of(place).get("step")) or 0
            except UnreadableStoreError as error:
                self._tree.leave("output", f"{folder.name} {place.name}", str(error), failed=True)

    def _place(self, run_id: str, uri: str, folder: Path) -> Path | None:
        """Return the folder with a run's artifacts: its own where that holds any, else where its address leads."""
        own = folder_below(folder, ("artifacts",))
        if own is not None and not is_empty(own):
            return own
        return locate(self._roots, uri, run_id) or own

    def _files(self, run_id: str, uri: str, folder: Path, *, named: bool) -> StoredFiles | None:
        place = self._place(run_id, uri, folder)
        if place is None and named:
            self._tree.leave("artifacts", run_id, f"{uri} is not below {self.path}")
        return self._listed(run_id, place)

    def _listed(self, name: str, place: Path | None) -> StoredFiles | None:
        if place is None:
            return None
        files, notes = plain_files(place)
        for note in notes:
            self._tree.leave("artifacts", name, note)
        return files


def _has_runs(folder: Path) -> bool:
    """Tell whether a folder holds a run; only as much is read as is needed to know."""
    for path in folder.glob(f"*/{META}"):
        try:
            if {"run_id", "run_uuid"} & set(meta_of(path.parent)):
                return True
        except UnreadableStoreError:
            continue
    return False
