"""Does MLflow hold what a store holds? Everything that was to be carried is read back and compared."""

from __future__ import annotations

import filecmp
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from migrations.stores.compare import PARENT_TAG, Difference, model_differences, run_differences
from migrations.stores.model import (
    RunHead,
    SourceExperiment,
    SourceRegistered,
    SourceStore,
    SourceVersion,
    UnreadableStoreError,
)
from migrations.stores.plan import chosen
from migrations.stores.versions import PROMPT_SOURCE, STAGES, CarryVersions, name_in_mlflow, unknown_address
from migrations.wording import printable
from selector.domain.model import SOURCE_TAG, ModelVersion, RegisteredModel
from selector.errors import MlflowRefusedError
from selector.ports import Progress, Registry
from selector.ports_store import (
    SOURCE_EXPERIMENT_TAG,
    SOURCE_VERSION_TAG,
    ModelUse,
    StoredFiles,
    StoredModel,
    StoredRun,
    StoreWriter,
)
from selector.ports_store_read import StoreReader

RUNS_AT_ONCE: Final = 100
_KINDS: Final = ("experiments", "runs", "files", "logged models", "registered models", "versions", "aliases")
LONGEST_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing that is not in MLflow as it is in the store.

    Attributes:
        what: run, logged model, registered model, version, alias, experiment.
        name: which one, as the store calls it.
        about: what of it.
        wanted: what the store says; None where only MLflow has it.
        found: what MLflow says; None where it is missing.

    """

    what: str
    name: str
    about: str
    wanted: str | None
    found: str | None


@dataclass(slots=True)
class Verified:
    """What was compared, and every difference."""

    path: str
    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    differences: list[Disagreement] = field(default_factory=list)


@dataclass(slots=True)
class StoreVerifier:
    """Compares one store with what was carried.

    Args:
        source: the store that is read.
        writer: only asked; it says where things are.
        reader: reads back.
        registry: the same for registered models.
        spool: a private folder; remote files are copied there, run by run.
        deleted: what is deleted in the store was carried too.
        globs: experiments that were carried, all where there are none.

    """

    source: SourceStore
    writer: StoreWriter
    reader: StoreReader
    registry: Registry
    spool: Path
    deleted: bool = True
    globs: Sequence[str] = ()
    progress: Progress | None = None
    run_ids: dict[str, str] = field(default_factory=dict)
    model_ids: dict[str, str] = field(default_factory=dict)
    _out: Verified = field(default_factory=lambda: Verified(""))

    def verify(self) -> Verified:
        """Compare everything and return every difference.

        Raises:
            MlflowUnreachableError: MLflow went away.

        """
        self._out = Verified(self.source.path)
        self.spool.mkdir(parents=True, exist_ok=True)
        carried = self.reader.carried()
        for source_id, copies in carried.runs.items():
            whole = sorted((run for run in copies if run.whole), key=lambda run: run.deleted)
            if whole:
                self.run_ids[source_id] = whole[0].run_id
        self.model_ids.update(carried.models)
        experiments = chosen(self.source.experiments(), self.globs, deleted=self.deleted)
        homes = {
            run_id: run.experiment_id for copies in carried.runs.values() for run in copies for run_id in [run.run_id]
        }
        self._experiments(experiments, homes)
        heads = [(head, one) for one in experiments for head in self.source.heads(one.experiment_id)]
        wanted = [(head, one) for head, one in heads if self.deleted or not head.deleted]
        for start in range(0, len(wanted), RUNS_AT_ONCE):
            if self.progress:
                self.progress("comparing runs", start, len(wanted))
            self._runs(wanted[start : start + RUNS_AT_ONCE])
        for one in experiments:
            for model in self.source.orphans(one.experiment_id):
                self._model(model)
        self._uses({head.run_id for head, _ in wanted})
        self._registered()
        return self._out

    def _experiments(self, experiments: Sequence[SourceExperiment], homes: dict[str, str]) -> None:
        present = {one.experiment_id: one for one in self.writer.experiments()}
        for one in experiments:
            self._out.checked["experiments"] += 1
            ids = {
                homes[self.run_ids[h.run_id]] for h in self.source.heads(one.experiment_id) if h.run_id in self.run_ids
            }
            made = [p for p in present.values() if p.experiment_id in ids or _is_of(p.tags, one, self.source.path)]
            if not made and not any(p.name == one.name for p in present.values()):
                self._differ("experiment", one.name, "it", one.name, None)
            for there in made:
                if there.deleted != one.deleted:
                    self._differ("experiment", one.name, "deleted", one.deleted, there.deleted)

    def _runs(self, some: Sequence[tuple[RunHead, SourceExperiment]]) -> None:
        found = self.reader.runs([self.run_ids[head.run_id] for head, _ in some if head.run_id in self.run_ids])
        for head, experiment in some:
            self._out.checked["runs"] += 1
            there = found.get(self.run_ids.get(head.run_id, ""))
            try:
                run = self.source.run(head)
            except UnreadableStoreError as error:
                self._differ("run", head.run_id, str(error), "a readable run", None)
                continue
            if there is None:
                self._differ("run", head.run_id, "it", run.name or head.run_id, None)
                continue
            self._run(replace(run, deleted=head.deleted or experiment.deleted), there)

    def _run(self, run: StoredRun, there: StoredRun) -> None:
        history = partial(self.reader.history, there.run_id)
        self._all("run", run.run_id, run_differences(self.reader.as_kept(run), there, history))
        parent = run.tags.get(PARENT_TAG, "").strip()
        if parent in self.run_ids and there.tags.get(PARENT_TAG) != self.run_ids[parent]:
            self._differ("run", run.run_id, "parent", self.run_ids[parent], there.tags.get(PARENT_TAG))
        made = {(self.model_ids[model], step) for model, step in run.outputs if model in self.model_ids}
        for missing in sorted(made - set(there.outputs)):
            self._differ("run", run.run_id, "model it made", missing, None)
        self._files("run", run.run_id, run.files, there.run_id, "")
        for model in run.models:
            self._model(model)

    def _model(self, model: StoredModel) -> None:
        self._out.checked["logged models"] += 1
        found = self.reader.model(self.model_ids[model.model_id]) if model.model_id in self.model_ids else None
        if found is None:
            self._differ("logged model", model.model_id, "it", model.name, None)
            return
        self._all("logged model", model.model_id, model_differences(self.reader.model_as_kept(model), found))
        self._files("logged model", model.model_id, model.files, "", found.model_id)

    def _uses(self, carried: set[str]) -> None:
        for use in self.source.uses():
            run_id, model_id = self.run_ids.get(use.run_id), self.model_ids.get(use.model_id)
            if use.run_id in carried and run_id and model_id:
                self._use(use, run_id, model_id)

    def _use(self, use: ModelUse, run_id: str, model_id: str) -> None:
        run, model = self.reader.run(run_id), self.reader.model(model_id)
        if run is None or model is None:
            return  # it was named already
        wanted = self.reader.model_as_kept(replace(model, metrics=use.metrics))
        self._all("logged model", use.model_id, model_differences(wanted, model))
        if use.used and model_id not in run.inputs:
            self._differ("run", use.run_id, "model it used", use.model_id, None)
        if use.made is not None and (model_id, use.made) not in run.outputs:
            self._differ("run", use.run_id, "model it made", use.model_id, None)

    def _files(self, what: str, name: str, files: StoredFiles | None, run_id: str, model_id: str) -> None:
        """Compare byte by byte; what else is there is nobody's concern, such as reports of the selector."""
        if files is None or not files.names:
            return
        with TemporaryDirectory(dir=self.spool, prefix="verify-") as into:
            try:
                folder = self.reader.files(run_id, model_id, Path(into))
            except MlflowRefusedError as error:
                self._differ(what, name, "files", f"{len(files.names)} files", error.message)
                return
            for file in files.names:
                self._out.checked["files"] += 1
                if not (folder / file).is_file():
                    self._differ(what, name, f"file {file}", "a file", None)
                elif not _same_bytes(files.root / file, folder / file):
                    self._differ(what, name, f"file {file}", "the same bytes", "other bytes")

    def _registered(self) -> None:
        models = self.source.registered()
        names = [name_in_mlflow(model.name) for model in models if not model.prompt]
        present = self.registry.registered_models(names) if names else {}
        versions = CarryVersions(self.source, self.writer, self.registry, "", dry_run=True)
        for model in models:
            name = name_in_mlflow(model.name)
            there = self.writer.prompt(name) if model.prompt else present.get(name)
            self._out.checked["registered models"] += 1
            if there is None:
                self._differ("registered model", model.name, "it", model.name, None)
                continue
            self._versions(model, there, versions)

    def _versions(self, model: SourceRegistered, there: RegisteredModel, versions: CarryVersions) -> None:
        described, each = self.reader.descriptions(there.name, prompt=model.prompt)
        if model.description and described != model.description:
            self._differ("registered model", model.name, "description", model.description, described)
        for key, text in model.tags.items():
            if there.tags.get(key) != text:
                self._differ("registered model", model.name, f"tag {key}", text, there.tags.get(key))
        own = {version.tags.get(SOURCE_VERSION_TAG): version for version in there.versions if self._ours(version)}
        for version in model.versions:
            self._out.checked["versions"] += 1
            found = own.get(str(version.version))
            name = f"{model.name} {version.version}"
            if found is None:
                self._differ("version", name, "it", version.source, None)
                continue
            versions.numbers[model.name, version.version] = there.name, found.version
            address, run_id, _ = versions.address(version, self)
            if model.prompt:
                address, run_id = PROMPT_SOURCE, None
            self._all("version", name, _version_differences(version, found, each, address or unknown_address(version)))
            if run_id and found.run_id != run_id:
                self._differ("version", name, "run", run_id, found.run_id)
        self._aliases(model, there, own)

    def _ours(self, version: ModelVersion) -> bool:
        """Tell whether a version came from this store, or from a copy of it whose run is the same."""
        return version.tags.get(SOURCE_TAG) == self.source.path or version.run_id in self.run_ids.values()

    def _aliases(self, model: SourceRegistered, there: RegisteredModel, own: dict[str | None, ModelVersion]) -> None:
        for alias, number in sorted(model.aliases.items()):
            target = own.get(str(number))
            if target is None:
                continue  # it points at nothing in the store, or the version was named already
            self._out.checked["aliases"] += 1
            if there.aliases.get(alias) != target.version:
                self._differ("alias", f"{model.name}@{alias}", "version", target.version, there.aliases.get(alias))

    def _all(self, what: str, name: str, differences: Iterable[Difference]) -> None:
        for about, wanted, found in differences:
            self._differ(what, name, about, wanted, found)

    def _differ(self, what: str, name: str, about: str, wanted: Any, found: Any) -> None:
        shown = [None if value is None else printable(str(value))[:LONGEST_VALUE] for value in (wanted, found)]
        self._out.differences.append(Disagreement(what, printable(name), printable(about), *shown))


def _version_differences(
    version: SourceVersion, found: ModelVersion, descriptions: Any, address: str
) -> Iterator[Difference]:
    if version.stage in STAGES and found.stage != version.stage:
        yield "stage", version.stage, found.stage
    if version.description and descriptions.get(found.version) != version.description:
        yield "description", version.description, descriptions.get(found.version)
    for key, text in itertools.chain(version.tags.items(), version.facts.items()):
        if found.tags.get(key) != text:
            yield f"tag {key}", text, found.tags.get(key)
    if found.source != address:
        yield "source", address, found.source


def _is_of(tags: Mapping[str, str], experiment: SourceExperiment, path: str) -> bool:
    return tags.get(SOURCE_TAG) == path and tags.get(SOURCE_EXPERIMENT_TAG) == experiment.experiment_id


def _same_bytes(left: Path, right: Path) -> bool:
    try:
        return filecmp.cmp(left, right, shallow=False)
    except OSError:
        return False


def verified_document(verified: Verified) -> dict[str, Any]:
    """Return what was compared as a JSON document."""
    return {
        "schema_version": 1,
        "source": verified.path,
        "checked": verified.checked,
        "differences": [
            {"what": d.what, "name": d.name, "about": d.about, "wanted": d.wanted, "found": d.found}
            for d in verified.differences
        ],
    }
