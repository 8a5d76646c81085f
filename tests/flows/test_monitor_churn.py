"""Does the alarm come when a real model's customers change, and not before? Real data, real models, real files."""

from __future__ import annotations

import runpy
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from selector.adapters.metrics_batches import BatchFolder
from selector.adapters.production_memory import MemoryProduction
from selector.bootstrap import open_house
from selector.config import load
from selector.domain.health import Health, Reference, begun, take
from selector.domain.health_policy import MonitorPolicy
from selector.domain.health_readings import read_batch
from selector.domain.metric import metric
from selector.domain.model import STATUS_TAG, Predictions, Truth
from selector.ports_production import Batch, SourceSpec
from selector.workflows import by_hand
from selector.workflows.monitor import monitor
from selector.workflows.monitor_measure import fetching
from selector.workflows.monitor_reference import champion_candidate, promotion_score
from selector.workflows.select_champion import select

TOOL = Path(__file__).parents[2].parent / "shared" / "tools" / "make_legacy_churn.py"
FIRST_DRIFTED = datetime(2025, 9, 21, tzinfo=UTC)

CONFIGURATION = """\
mlflow: {{tracking_uri: "{mlflow}"}}
models:
  churn:
    experiments: [churn_monitoring]
    metric: f1
    holdout: {{data: holdout.csv, target: Churn, positive: "Yes"}}
    monitor:
      sources: batches
      maximum_drop: 0.08
      on_degraded: rollback
      challengers: 1
"""


@pytest.fixture
def churn(tmp_path, mlflow_sqlite):
    """A champion with a past, chosen among the legacy models, and thirty days to come."""
    if not TOOL.exists():
        pytest.skip(f"the maker of the legacy churn store is not here: {TOOL}")
    store = tmp_path / "store"
    runpy.run_path(str(TOOL))["build"](store, None)
    (store / "batches").rename(store / "days")
    (store / "batches").mkdir()
    (store / "selector.yaml").write_text(CONFIGURATION.format(mlflow=mlflow_sqlite))
    with open_house(load(store / "selector.yaml"), writable=True) as house:
        house.importer.import_folder(store / "models" / "staging", "churn", "churn_monitoring")
        select(house, ["churn"], dry_run=False, actor="test")
        best = champion(house)
        for version in (1, best):
            by_hand.promote(house, "churn", version, force="to have a past", dry_run=False, actor="test")
        yield house, store


def test_the_alarm_comes_after_day_20_and_not_before_the_rollback_follows_and_lasts(churn):
    house, store = churn
    setup = house.setup("churn")
    before = champion(house)
    assert before != 1
    found = None
    for day in sorted((store / "days").iterdir()):
        shutil.copy(day, store / "batches")
        found = monitor(house, setup, dry_run=False, actor="test")
        if found.health.state == "degraded":
            break
    alarm = house.store.entries("churn", kinds=("degraded",))[0]
    at = datetime.fromisoformat(alarm.details["batch_at"])
    assert FIRST_DRIFTED <= at < datetime(2025, 9, 30, tzinfo=UTC)
    assert abs((datetime.fromisoformat(alarm.details["began"]) - FIRST_DRIFTED).days) <= 2
    assert all(p.state == "healthy" for p in found.health.points if p.at < FIRST_DRIFTED)
    assert found.health.way_back.version == 1
    assert found.health.way_back.reason == ""
    the_challenger_answered_the_same_rows(found)
    assert champion(house) == 1
    assert house.registry.registered_model("churn").version(before).tags[STATUS_TAG] == "quarantined"
    for _ in range(2):
        assert select(house, ["churn"], dry_run=False, actor="test")[0].decision.verdict != "promoted"
    assert champion(house) == 1

    months_of_the_champion(house, store, before)


def the_challenger_answered_the_same_rows(found):
    """Its answers are compared with the champion's on every row of every day, all scored in confinement."""
    points = found.health.points
    (beside,) = found.document["challengers"]
    assert beside["rows"] == sum(p.rows for p in points)
    hits, of = sum(p.hits for p in points), sum(p.of for p in points)
    assert beside["champion"] == pytest.approx(2 * hits / (hits + of))
    assert beside["value"] - beside["champion"] == pytest.approx(beside["lead"])
    assert beside["finding"] == "better"  # these rows are among those that the forest was trained on
    (told,) = [alert for alert in found.alerts if alert.about == "better"]
    assert "labelled rows of production beside version" in told.text


def months_of_the_champion(house, store, version):
    """Resample a hundred healthy months of the champion's own answers to the twenty good days: no false alarm."""
    answers = answered(house, store, version)
    labels, said = (np.concatenate(part) for part in zip(*answers, strict=True))
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        source = MemoryProduction()
        for day in range(30):
            rows = random.integers(0, len(labels), 200)
            at = datetime(2026, 1, 1 + day, tzinfo=UTC)
            source.given.append(
                Batch(f"{day}", at, at, labels=labels[rows], predictions=Predictions(said[rows]), rows=200)
            )
        found = simulated(house, version, source)
        alarms += found == "degraded"
    assert alarms <= 100 * 30 / 365


def answered(house, store, version):
    """Return labels and answers of the twenty good days, scored by the version itself, confined."""
    pd.concat([pd.read_csv(day) for day in sorted((store / "days").iterdir())[:20]]).to_csv(
        store / "all.csv", index=False
    )
    (store / "good").mkdir()
    (store / "all.csv").rename(store / "good" / "all.csv")
    (batch,) = BatchFolder(SourceSpec("folder", str(store / "good"), label="Churn")).batches(
        (), None, datetime.now(UTC)
    )
    registered = house.registry.registered_model("churn")
    with fetching(house, champion_candidate(house, "churn", registered.version(version))) as fetched:
        found = fetched.answer(batch.features)
    return [(batch.labels, np.where(found.labels == 1, "Yes", "No").astype(str))]


def simulated(house, version, source):
    """Return the health after a month, by the same detector and floor."""
    f1 = metric("f1", average="binary")
    candidate = champion_candidate(house, "churn", house.registry.registered_model("churn").version(version))
    floor = promotion_score(candidate, f1) - 0.08
    now = datetime(2026, 1, 1, tzinfo=UTC)
    health = begun(Health(), version, Reference("F1", {"F1": floor}), now)
    for batch in source.batches((), None, now):
        truth = Truth(batch.id, (batch.labels == "Yes").astype(np.int64), ("No", "Yes"), 1)
        measured = read_batch(f1, truth, batch.predictions, name="F1")
        health, _ = take(health, batch.id, measured, at=batch.at, patience=MonitorPolicy().patience, now=now)
    return health.state


def champion(house):
    return house.registry.registered_model("churn").aliases["champion"]
