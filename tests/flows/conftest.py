"""A small world in memory: MLflow, state, a holdout of 2,000 rows, and models that are plain lists of answers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.exports_memory import MemoryExports
from selector.adapters.lock_memory import MemoryLease
from selector.adapters.registry_memory import MemoryRegistry
from selector.adapters.report_memory import MemoryReports
from selector.adapters.scorer_memory import MemoryHoldouts, MemoryScorer, model_of
from selector.adapters.store_memory import MemoryStore
from selector.domain.health_policy import MonitorPolicy
from selector.domain.metric import Metric, metric
from selector.domain.model import LoggedModel, Run, Truth
from selector.domain.policy import Policy
from selector.domain.retention import Keep
from selector.ports import HoldoutSpec
from selector.workflows import by_hand, select_champion
from selector.workflows.house import House, Setup

ROWS = 2_000
START = datetime(2025, 8, 20, tzinfo=UTC)


@dataclass
class World:
    """Everything a look needs, and a few verbs of training code and operators."""

    tmp: object
    policy: Policy = field(default_factory=lambda: Policy(metric("f1", average="binary")))
    shared_rows: bool = True
    shadow: bool = False
    monitor: MonitorPolicy | None = None
    keep: Keep | None = None
    export: tuple[str, ...] = ()
    exports: MemoryExports = field(default_factory=MemoryExports)
    metrics: tuple[Metric, ...] = ()
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: MemoryClock = field(default_factory=MemoryClock)
    scorer: MemoryScorer = field(default_factory=MemoryScorer)
    reports: MemoryReports = field(default_factory=MemoryReports)
    numbers: itertools.count = field(default_factory=itertools.count)

    def __post_init__(self):
        self.truth = Truth("rows", (np.arange(ROWS) % 4 == 0).astype(np.int64), classes=("No", "Yes"), positive=1)

    @property
    def house(self) -> House:
        setup = Setup(
            "churn",
            self.policy,
            experiments=("exp",),
            holdout=HoldoutSpec("rows", "Churn", "Yes") if self.shared_rows else None,
            shadow=self.shadow,
            monitor=self.monitor,
            keep=self.keep,
            exports=self.export,
            metrics=self.metrics,
        )
        return House(
            registry=self.registry,
            store=self.store,
            clock=self.clock,
            lease=MemoryLease(f"lease-{id(self)}"),
            reports=self.reports,
            scorer=self.scorer,
            holdouts=MemoryHoldouts({"rows": self.truth}),
            setups={"churn": setup},
            spool=self.tmp / "spool",
            exports=self.exports,
        )

    def answers(self, wrong: int, seed: int = 0) -> list[int]:
        """Answers of a model that errs on so many rows; models of one seed err on nested sets of rows."""
        order = np.random.default_rng(seed).permutation(ROWS)
        answers = self.truth.labels.copy()
        answers[order[:wrong]] = 1 - answers[order[:wrong]]
        return answers.tolist()

    def train(self, name: str, wrong: int | None = None, *, seed: int = 0, answers=None, **run) -> Run:
        """Log a finished run with a model, as training code would."""
        number = next(self.numbers)
        uri = f"models:/m-{number:04d}"
        if wrong is not None or answers is not None:
            self.registry.files[uri] = model_of(answers if answers is not None else self.answers(wrong, seed))
        models = (LoggedModel(uri),) if uri in self.registry.files else ()
        facts = {
            "run_id": f"run{number:04d}",
            "experiment": "exp",
            "status": "FINISHED",
            "started_at": START + timedelta(hours=number),
            "models": models,
        }
        return self.registry.add_run(Run(name=name, **(facts | run)))

    def look(self, *, dry_run: bool = False) -> select_champion.Look:
        self.clock.advance(60)
        return select_champion.select(self.house, ["churn"], dry_run=dry_run, actor="test")[0]

    def roll_back(self, to: int | None = None):
        self.clock.advance(60)
        return by_hand.rollback(self.house, "churn", to=to, dry_run=False, actor="test")

    @property
    def model(self):
        return self.registry.registered_model("churn")

    def champion(self) -> str | None:
        """The run that the champion alias leads to."""
        model = self.model
        version = model.version(model.aliases.get("champion")) if model else None
        return version.run_id if version else None


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def new_world(tmp_path):
    """Makes worlds, for tests that need many of them."""
    return lambda: World(tmp_path)
