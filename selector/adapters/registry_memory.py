"""What would MLflow hold and answer? The same ports in memory: deterministic, counting writes, failing on demand."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from selector.adapters.registry_memory_filter import matches, parsed
from selector.adapters.registry_memory_state import KilledError, MemoryState, ModelState
from selector.domain.finished import Finished, Outline, imprint
from selector.domain.model import (
    DECISION_TAG,
    FINGERPRINT_TAG,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
    Run,
)
from selector.errors import MlflowRefusedError
from selector.ports import NewRun, WrittenRun

__all__ = ["KilledError", "MemoryRegistry"]

STAGES = ("None", "Staging", "Production", "Archived")

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_ALIAS = re.compile(r"[\w\-]{1,255}")


class MemoryRegistry(MemoryState):
    """Implements `selector.ports.Registry` and `selector.ports.RunWriter` without MLflow.

    Attributes:
        writes: one line per write that took effect, for example "set_alias churn champion 3".
        reads: how many questions were asked.
        reachable: while False, every call raises MlflowUnreachableError.
        files: the files of each model address, by relative name.
        reports: run id and artifact path to the files kept there.

    """

    # Questions.

    def check(self) -> str:
        """Return who answers."""
        self._read()
        return "MLflow in memory"

    def experiments(self) -> tuple[str, ...]:
        """Return the names of all experiments, sorted."""
        self._read()
        return tuple(sorted(self._experiments))

    def runs(self, experiments: Sequence[str], filter_string: str = "") -> tuple[Run, ...]:
        """Return all runs of the experiments that match these names or globs, newest first."""
        there = self.experiments_like(experiments)
        if there:
            parsed(filter_string)  # a wrong filter is refused also where there are no runs
        chosen = [
            run
            for run in self._runs.values()
            if run.run_id not in self._deleted and run.experiment in there and matches(run, filter_string)
        ]
        return tuple(sorted(chosen, key=_age, reverse=True))

    def run(self, run_id: str) -> Run | None:
        """Return one run without its models; None where it is deleted or unknown."""
        self._read()
        run = self._runs.get(run_id)
        return None if run is None or run_id in self._deleted else replace(run, models=())

    def runs_by_id(self, run_ids: Sequence[str]) -> tuple[Run, ...]:
        """Return those of the runs that exist and are not deleted."""
        return tuple(found for run_id in dict.fromkeys(run_ids) if (found := self.run(run_id)) is not None)

    def metric_values(self, run_ids: Sequence[str], key: str) -> Mapping[str, tuple[tuple[int, int, float], ...]]:
        """Return all that the runs logged under the key, by run id."""
        self._read()
        found = {run_id: self._logged(run_id, key) for run_id in run_ids if run_id in self._runs}
        return {run_id: tuple(sorted(values)) for run_id, values in found.items() if values}

    def registered_model(self, name: str) -> RegisteredModel | None:
        """Return the registered model with all versions and aliases, or None."""
        self._read()
        _check_name(name)
        model = self._models.get(name)
        if model is None:
            return None
        versions = tuple(model.versions[number] for number in sorted(model.versions))
        aliases, tags = MappingProxyType(dict(model.aliases)), MappingProxyType(dict(model.tags))
        return RegisteredModel(name, versions, aliases, tags)

    def registered_models(self, names: Sequence[str]) -> Mapping[str, RegisteredModel]:
        """Return those of the names that exist."""
        found = {name: self.registered_model(name) for name in names}
        return {name: model for name, model in found.items() if model is not None}

    def all_registered_models(self) -> Mapping[str, RegisteredModel]:
        """Return every registered model by name."""
        return self.registered_models(sorted(self._models))

    def experiments_like(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """Return the active experiments that match these names or globs, names by id."""
        self._read()
        return {n: n for n in self._experiments if any(n == p or fnmatch.fnmatchcase(n, p) for p in patterns)}

    def finished(self, experiments: Mapping[str, str]) -> Iterator[Finished]:
        """Yield every active finished run of the experiments once."""
        self._read()
        active = (run for run in list(self._runs.values()) if run.run_id not in self._deleted)
        return (_finished(r) for r in active if r.status == "FINISHED" and r.experiment in experiments)

    def finished_from(self, experiments: Mapping[str, str], offset: int, most: int) -> tuple[Finished, ...]:
        """Return active finished runs in the order of their ends, without the first `offset`."""
        return tuple(sorted(self.finished(experiments), key=lambda run: run.place)[offset : offset + most])

    def outlines(self) -> Mapping[str, Outline]:
        """Return the outline of every registered model by name."""
        self._read()
        return {name: model.outline() for name, model in self._models.items()}

    def written(self) -> str | None:
        """Return None: nothing here tells of writes without being asked."""
        return None

    def fetch(self, uri: str, into: Path) -> Path:
        """Copy the model's files into a private folder."""
        self._read()
        files = self.files.get(self._behind(uri))
        if not files or "MLmodel" not in files:
            raise MlflowRefusedError(f"There is no MLmodel file at {uri}.")
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        into.chmod(0o700)
        for name, content in files.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(content)
        return into

    # Changes to the registry.

    def create_registered_model(self, name: str) -> None:
        """Create it; harmless where it exists."""
        _check_name(name)
        self._reach()
        if name not in self._models:
            with self._write(f"create_registered_model {name}"):
                self._models[name] = ModelState()

    def create_version(self, name: str, source: str, run_id: str | None, tags: Mapping[str, str]) -> int:
        """Register `source`; a version with the same source and decision tag is returned again."""
        model = self._model(name)
        decision = tags.get(DECISION_TAG)
        for version in model.versions.values():
            if decision and version.tags.get(DECISION_TAG) == decision and version.source == source:
                return version.version
        if source.startswith("models:/m-") and source not in self.files:
            raise MlflowRefusedError(f"The logged model {source} is not found.")
        if run_id is None and source.startswith("models:/m-"):
            run_id = next((r.run_id for r in self._runs.values() if any(m.uri == source for m in r.models)), None)
        number = model.last + 1
        with self._write(f"create_version {name} {number}"):
            model.last = number
            frozen = MappingProxyType(dict(tags))
            model.versions[number] = ModelVersion(number, source, run_id, tags=frozen, created_at=self._now())
        return number

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point the alias at the version."""
        if not _ALIAS.fullmatch(alias) or alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
            raise MlflowRefusedError(f"Invalid or reserved alias {alias!r}.")
        self._version(name, version)
        with self._write(f"set_alias {name} {alias} {version}"):
            self._models[name].aliases[alias] = version

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove the alias; harmless where it is not set."""
        if not _ALIAS.fullmatch(alias):
            raise MlflowRefusedError(f"Invalid alias {alias!r}.")
        model = self._model(name)
        with self._write(f"delete_alias {name} {alias}"):
            model.aliases.pop(alias, None)

    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version."""
        found = self._version(name, version)
        with self._write(f"set_version_tag {name} {version} {key}={value}"):
            changed = replace(found, tags=MappingProxyType({**found.tags, key: value}))
            self._models[name].versions[version] = changed

    def delete_version(self, name: str, version: int) -> None:
        """Delete one version for good; harmless where it is gone."""
        self._reach()
        _check_name(name)
        model = self._models.get(name)
        if model is not None and version in model.versions:
            with self._write(f"delete_version {name} {version}"):
                del model.versions[version]
                for alias in [alias for alias, number in model.aliases.items() if number == version]:
                    del model.aliases[alias]

    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove one tag of a version; harmless where it is not set."""
        found = self._version(name, version)
        with self._write(f"delete_version_tag {name} {version} {key}"):
            tags = {k: v for k, v in found.tags.items() if k != key}
            self._models[name].versions[version] = replace(found, tags=MappingProxyType(tags))

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set one tag of the registered model."""
        model = self._model(name)
        with self._write(f"set_model_tag {name} {key}={value}"):
            model.tags[key] = value

    def set_stage(self, name: str, version: int, stage: str) -> None:
        """Set the old-style stage of one version, leaving the other versions alone."""
        found = self._version(name, version)
        known = next((one for one in STAGES if one.lower() == stage.lower()), None)
        if known is None:
            raise MlflowRefusedError(f"Invalid stage {stage!r}; stages are {', '.join(STAGES)}.")
        with self._write(f"set_stage {name} {version} {known}"):
            self._models[name].versions[version] = replace(found, stage=known)

    def log_report(self, run_id: str, folder: Path, artifact_path: str) -> None:
        """Keep the folder's files as artifacts of the run."""
        self._reach()
        if run_id not in self._runs:
            raise MlflowRefusedError(f"The run {run_id} is not found.")
        with self._write(f"log_report {run_id} {artifact_path}"):
            self.reports[run_id, artifact_path] = _files(folder)

    # Imports.

    def imported(self, experiment: str) -> Mapping[str, tuple[Run, ...]]:
        """Return the experiment's imported runs by fingerprint; RUNNING is unfinished, DELETED was taken back."""
        self._read()
        groups: dict[str, list[Run]] = {}
        for run in sorted(self._runs.values(), key=_age):
            if run.experiment == experiment and run.tags.get(FINGERPRINT_TAG):
                shown = replace(run, status="DELETED") if run.run_id in self._deleted else run
                groups.setdefault(run.tags[FINGERPRINT_TAG], []).append(shown)
        return {fingerprint: tuple(group) for fingerprint, group in groups.items()}

    def write(self, run: NewRun) -> WrittenRun:
        """Write one run in the steps that MLflow needs: it is FINISHED only when all of it is there."""
        self._reach()
        if run.model_folder is not None and not (run.model_folder / "MLmodel").is_file():
            raise MlflowRefusedError(f"{run.model_folder} holds no MLmodel file, so it is no model.")
        number = next(self._numbers)
        run_id = f"run{number:029d}"
        started, ended = run.started_at or run.ended_at or self._now(), run.ended_at or run.started_at or self._now()
        with self._write(f"create_run {run_id}"):
            self._experiments[run.experiment] = None
            tags = MappingProxyType(dict(run.tags))
            self._runs[run_id] = Run(run_id, run.name or run_id, run.experiment, "RUNNING", started, tags=tags)
        uri = f"models:/m-{number:030d}" if run.model_folder else None
        with self._write(f"log {run_id}"):
            metrics, params = MappingProxyType(dict(run.metrics)), MappingProxyType(dict(run.params))
            self._runs[run_id] = replace(self._runs[run_id], metrics=metrics, params=params)
        if uri and run.model_folder:
            with self._write(f"log_model {run_id} {uri}"):
                self.files[uri] = _files(run.model_folder)
                model = LoggedModel(uri, run.model_name, metrics, created_at=self._now())
                self._runs[run_id] = replace(self._runs[run_id], models=(model,))
        with self._write(f"finish_run {run_id}"):
            self._runs[run_id] = replace(self._runs[run_id], status="FINISHED", ended_at=ended)
        return WrittenRun(run_id, uri)

    def delete_run(self, run_id: str) -> None:
        """Delete a run; harmless where it is deleted already."""
        self._reach()
        if run_id not in self._runs:
            raise MlflowRefusedError(f"The run {run_id} is not found.")
        if run_id not in self._deleted:
            with self._write(f"delete_run {run_id}"):
                self._deleted.add(run_id)

    def _model(self, name: str) -> ModelState:
        self._reach()
        if name not in self._models:
            raise MlflowRefusedError(f"Registered Model with name={name} not found.")
        return self._models[name]

    def _version(self, name: str, version: int) -> ModelVersion:
        found = self._model(name).versions.get(version)
        if found is None:
            raise MlflowRefusedError(f"Model Version (name={name}, version={version}) not found.")
        return found

    def _behind(self, uri: str) -> str:
        """Follow models:/name/version, models:/name@alias and runs:/ID/name to the address that holds files."""
        if uri in self.files:
            return uri
        path = uri.removeprefix("models:/")
        name, at, alias = path.rpartition("@")
        if at and uri.startswith("models:/"):
            if alias not in self._model(name).aliases:
                raise MlflowRefusedError(f"The alias {alias} of {name} is not set.")
            return self._behind(self._version(name, self._models[name].aliases[alias]).source)
        name, slash, number = path.rpartition("/")
        if slash and number.isdigit() and uri.startswith("models:/"):
            return self._behind(self._version(name, int(number)).source)
        run_id, _, model_name = uri.removeprefix("runs:/").partition("/")
        run = self._runs.get(run_id)
        return next((model.uri for model in reversed(run.models) if model.name == model_name), uri) if run else uri


def _check_name(name: str) -> None:
    if not name.strip() or "/" in name or ":" in name:
        raise MlflowRefusedError(f"Invalid model name {name!r}. Names cannot be empty or contain '/' or ':'.")


def _finished(run: Run) -> Finished:
    started, ended = (round(t.timestamp() * 1000) if t else None for t in (run.started_at, run.ended_at))
    return Finished(run.run_id, run.name, run.experiment, started, ended, imprint(run, ended))


def _age(run: Run) -> tuple[datetime, str]:
    return run.started_at or _LONG_AGO, run.run_id


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
