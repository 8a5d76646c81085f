"""What does verifying a carried store need from MLflow: what it keeps, read back in the words of the store?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from selector.ports_store import Carried, StoredModel, StoredRun


class StoreReader(Protocol):
    """Reads back what a `StoreWriter` wrote. Every method raises MlflowUnreachableError within its own deadline."""

    def carried(self) -> Carried:
        """Return what imports of any store carried."""
        ...

    def as_kept(self, run: StoredRun) -> StoredRun:
        """Return the run of a store as MLflow can keep it: names and values as it accepts, no two metrics equal."""
        ...

    def model_as_kept(self, model: StoredModel) -> StoredModel:
        """Return the logged model of a store as MLflow can keep it."""
        ...

    def runs(self, run_ids: Sequence[str]) -> Mapping[str, StoredRun]:
        """Return the runs that exist by id, whatever their lifecycle: of each metric the latest value, no files."""
        ...

    def run(self, run_id: str) -> StoredRun | None:
        """Return one run as `runs` does, and what only a question about it alone tells: the models that it used."""
        ...

    def history(self, run_id: str, key: str) -> Sequence[tuple[int, int, float]]:
        """Return everything logged under a metric's key, as (timestamp, step, value)."""
        ...

    def model(self, model_id: str) -> StoredModel | None:
        """Return a logged model without its files; None where it is gone."""
        ...

    def files(self, run_id: str, model_id: str, into: Path) -> Path:
        """Return a folder with the artifacts of a run, or of a logged model, copied below `into` where they are remote.

        Args:
            run_id: of the run, where `model_id` is empty.
            model_id: of the logged model.
            into: a private, empty folder.

        """
        ...

    def descriptions(self, name: str, *, prompt: bool = False) -> tuple[str, Mapping[int, str]]:
        """Return the description of a registered model or prompt, and that of each version that has one."""
        ...
