"""What does a workflow have at hand: the ports, wired, and what is configured for each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from selector.domain.policy import Policy
from selector.errors import UsageError
from selector.ports import Clock, HoldoutReader, HoldoutSpec, Lease, Progress, Registry, ReportWriter, Scorer, Store


def silent(_what: str, _done: int, _total: int) -> None:
    """Take note of no progress."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One registered model as it is configured.

    Attributes:
        experiments: names or globs of the experiments whose runs are candidates; empty: registered versions only.
        filter: MLflow search syntax that runs have to meet, or "".
        holdout: the labelled rows; None where only logged metrics are compared.
        threshold: probability from which on an answer counts as positive; None: 0.5, or the run's own tag.
        shadow: decide and report, write nothing.

    """

    model: str
    policy: Policy
    experiments: tuple[str, ...] = ()
    filter: str = ""
    holdout: HoldoutSpec | None = None
    threshold: float | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """Every port, wired by the composition root."""

    registry: Registry
    store: Store
    clock: Clock
    lease: Lease
    reports: ReportWriter
    scorer: Scorer
    holdouts: HoldoutReader
    setups: Mapping[str, Setup]
    spool: Path
    progress: Progress = field(default=silent)

    def setup(self, model: str) -> Setup:
        """Return the model's set-up; raise UsageError where it is not configured."""
        if model in self.setups:
            return self.setups[model]
        known = ", ".join(sorted(self.setups)) or "none"
        raise UsageError(f"model {model!r} is not in the configuration", advice=f"configured models: {known}")

    def chosen(self, models: tuple[str, ...]) -> tuple[Setup, ...]:
        """Return the set-ups of these models, or of all of them where none is named."""
        return tuple(self.setup(m) for m in models) if models else tuple(self.setups.values())
