"""Legacy stores that tests make themselves: small, real models in the shapes that people leave behind."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from migrations.importer import LegacyImporter

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class StoppedClock:
    """A clock that stands still."""

    def now(self):
        return NOW


@pytest.fixture(scope="session")
def rows():
    """Forty rows of two features, and whether the first is large."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({"a": random.normal(size=40), "b": random.normal(size=40)})
    return frame, (frame["a"] > 0).astype(int).to_numpy()


@pytest.fixture(scope="session")
def estimators(rows):
    """Four fitted models whose bytes differ."""
    frame, labels = rows
    return [
        make_pipeline(StandardScaler(), LogisticRegression(C=c)).fit(frame, labels) for c in (0.1, 1.0, 10.0, 100.0)
    ]


def metadata(name, **changes):
    """The metadata that a legacy project writes beside a model; its time is in the name."""
    stamp = name[-15:]
    at = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}.452494"
    return {
        "model_id": name,
        "model_path": f"models\\staging\\{name}\\model.pkl",
        "registered_at": at,
        "model_type": name[:-16],
        "performance_metrics": {"f1_score": 0.75, "accuracy": 0.8},
        "hyperparameters": {"C": 1.0},
        "description": f"made by {name}",
    } | changes


@pytest.fixture
def stage(tmp_path):
    """Write one staged folder: `stage("logistic_20250820_104603", model, metrics={...})`; returns the store."""
    store = tmp_path / "models" / "staging"
    store.mkdir(parents=True)

    def write(name, model=None, *, file="model.pkl", document=None, **changes):
        folder = store / name
        folder.mkdir()
        if model is not None:
            (folder / file).write_bytes(model if isinstance(model, bytes) else pickle.dumps(model))
        text = document if isinstance(document, str) else json.dumps(metadata(name, **changes))
        (folder / "metadata.json").write_text(text)
        return store

    write.store = store
    return write


@pytest.fixture
def churn(stage, estimators):
    """Six folders: three models of two bytes, one without a model, one cut off, one with cut off metadata."""
    stage("logistic_20250820_104603", estimators[0])
    stage("logistic_20250820_104648", estimators[0])
    stage("logistic_20250822_013133", estimators[1])
    stage("forest_20250828_012024")
    stage("forest_20251010_005702", pickle.dumps(estimators[2])[:700])
    stage("forest_20251010_141145", estimators[3], document='{"model_id": "forest_20251010_141145", "metrics": {"f1_sc')
    return stage.store


@pytest.fixture
def importer():
    """Make an importer for anything that is both a registry and a writer."""
    return lambda registry: LegacyImporter(registry, registry, StoppedClock())
