"""What does MLflow in memory hold, how does it count what is written, and how does a test make it fail?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from selector.domain.finished import Outline
from selector.domain.model import ModelVersion, Run
from selector.errors import MlflowUnreachableError

START = datetime(2024, 1, 1, tzinfo=UTC)


class KilledError(BaseException):
    """The process died here, as far as a test is concerned; no `except Exception` swallows it."""


@dataclass
class ModelState:
    """One registered model; `last` is the highest number ever given, which MLflow never gives again."""

    versions: dict[int, ModelVersion] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    last: int = 0

    def outline(self) -> Outline:
        """Return where the aliases point, and a stamp that registering, deleting and stages change."""
        return Outline(
            MappingProxyType(dict(self.aliases)), str([(n, v.stage) for n, v in sorted(self.versions.items())])
        )


class MemoryState:
    """The part of `MemoryRegistry` that is no port: what it holds, how it counts, and how it fails.

    Attributes: see `MemoryRegistry`.

    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.reads = 0
        self.reachable = True
        self.files: dict[str, dict[str, bytes]] = {}
        self.reports: dict[tuple[str, str], dict[str, bytes]] = {}
        self._experiments: dict[str, None] = {}
        self._runs: dict[str, Run] = {}
        self._histories: dict[tuple[str, str], list[tuple[int, int, float]]] = {}
        self._deleted: set[str] = set()
        self._models: dict[str, ModelState] = {}
        self._numbers = itertools.count(1)
        self._left: int | None = None

    # What a test prepares. None of it counts as a write.

    def add_experiment(self, name: str) -> None:
        """Have an experiment."""
        self._experiments[name] = None

    def add_run(self, run: Run) -> Run:
        """Have a run, with the files of its models as small as can be where none are set."""
        self.add_experiment(run.experiment)
        self._runs[run.run_id] = run
        for model in run.models:
            self.files.setdefault(model.uri, {"MLmodel": b"flavors: {}\n", "model.bin": model.uri.encode()})
        return run

    def remove_experiment(self, name: str) -> None:
        """Delete an experiment as another client would: its runs go with it."""
        self._experiments.pop(name)
        self._deleted |= {run.run_id for run in self._runs.values() if run.experiment == name}

    def restore_experiment(self, name: str) -> None:
        """Take back what `remove_experiment` did; MLflow restores all of its runs, whoever deleted them."""
        self._experiments[name] = None
        self._deleted -= {run.run_id for run in self._runs.values() if run.experiment == name}

    def restore_run(self, run_id: str) -> None:
        """Take back the deletion of a run."""
        self._deleted.discard(run_id)

    def log_metric(self, run_id: str, key: str, value: float, step: int) -> None:
        """Log one more value in a run; the value of the largest step becomes the metric of the run and its model."""
        history = self._logged(run_id, key)
        history.append((step, 1 + len(history), value))
        self._histories[run_id, key] = history
        run, last = self._runs[run_id], max(history, key=lambda entry: entry[:2])[2]
        metrics = MappingProxyType({**run.metrics, key: last})
        models = tuple(replace(m, metrics=MappingProxyType({**m.metrics, key: last})) for m in run.models)
        self._runs[run_id] = replace(run, metrics=metrics, models=models)

    def _logged(self, run_id: str, key: str) -> list[tuple[int, int, float]]:
        """Return the history of a metric; one that was never logged step by step has its one value at step 0."""
        metrics = self._runs[run_id].metrics
        return list(self._histories.get((run_id, key)) or ([(0, 0, metrics[key])] if key in metrics else []))

    def add_version(self, name: str, version: ModelVersion, *aliases: str) -> ModelVersion:
        """Have a version, whatever its number, with these aliases."""
        model = self._models.setdefault(name, ModelState())
        model.versions[version.version] = version
        model.last = max(model.last, version.version)
        model.aliases.update(dict.fromkeys(aliases, version.version))
        return version

    def remove_version(self, name: str, version: int) -> None:
        """Delete a version as another client would: MLflow drops its aliases silently."""
        model = self._models[name]
        model.versions.pop(version)
        model.aliases = {alias: number for alias, number in model.aliases.items() if number != version}

    def fail_after(self, writes: int | None) -> None:
        """Raise KilledError once, right after so many more writes took effect (0: before the next one; None: never)."""
        self._left = writes

    def _reach(self) -> None:
        if not self.reachable:
            raise MlflowUnreachableError("MLflow in memory cannot be reached.")

    def _read(self) -> None:
        self._reach()
        self.reads += 1

    @contextmanager
    def _write(self, line: str) -> Iterator[None]:
        self._reach()
        self._die_if_due()
        yield
        self.writes.append(line)
        if self._left is not None:
            self._left -= 1
            self._die_if_due()

    def _die_if_due(self) -> None:
        if self._left is not None and self._left <= 0:
            self._left = None
            raise KilledError(f"killed after {len(self.writes)} writes")

    def _now(self) -> datetime:
        return START + timedelta(seconds=len(self.writes))
