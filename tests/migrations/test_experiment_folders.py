"""Are the folders read that experiment tools make, one per run: Hydra, Sacred, Kedro, BentoML?"""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime

import pytest

from migrations.scan import scan


@pytest.fixture
def put(tmp_path):
    """Write files below a root and scan it: dicts as JSON, texts as they are, anything else pickled."""
    root = tmp_path / "store"

    def write(files):
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content) if isinstance(content, dict) else None
            path.write_bytes(pickle.dumps(content) if text is None else text.encode())
        return scan([root])

    return write


def read(found):
    return {model.name: (dict(model.metrics), f"{model.created_at:%Y-%m-%d %H:%M:%S}") for model in found.models}


def test_hydra_runs_are_called_after_day_and_time_and_made_then(put, estimators):
    found = put({
        "outputs/2025-01-02/12-34-56/model.pkl": estimators[0], "outputs/2025-01-02/12-34-56/metrics.json": {"f1": 0.6},
        "multirun/2025-01-03/10-00-00/0/model.pkl": estimators[1],
        "multirun/2025-01-03/10-00-00/0/results.json": {"f1": 0.5},
    })  # fmt: skip
    assert read(found) == {
        "2025-01-02/12-34-56": ({"f1": 0.6}, "2025-01-02 12:34:56"),
        "2025-01-03/10-00-00/0": ({"f1": 0.5}, "2025-01-03 10:00:00"),
    }


def test_sacred_runs_have_the_last_value_of_each_metric_and_their_end(put, estimators):
    course = {"steps": [0, 1], "timestamps": ["2024-05-01T10:00:00", "2024-05-01T10:30:00"], "values": [0.5, 0.81]}
    found = put({
        "runs/1/model.pkl": estimators[0], "runs/1/metrics.json": {"f1": course, "none": course | {"values": []}},
        "runs/1/run.json": {"status": "COMPLETED", "start_time": "2024-05-01T10:00:00", "stop_time": "2024-05-01T11:00:00"},
    })  # fmt: skip
    assert read(found) == {"runs/1": ({"f1": 0.81}, "2024-05-01 11:00:00")}


def test_versions_of_a_kedro_data_set_are_models_and_those_of_its_numbers_are_none(put, estimators):
    stamps = ["2025-01-02T03.04.05.678Z", "2025-02-02T03.04.05.678Z"]
    files = {f"06_models/rf.pickle/{stamp}/rf.pickle": model for stamp, model in zip(stamps, estimators, strict=False)}
    found = put(files | {f"08_reporting/metrics.json/{stamps[0]}/metrics.json": {"f1": 0.66}})
    assert {model.created_at for model in found.models} == {
        datetime(2025, month, 2, 3, 4, 5, 678000, tzinfo=UTC) for month in (1, 2)
    }
    assert not found.unreadable


def test_a_bentoml_model_has_the_numbers_and_the_time_of_its_description(put, estimators):
    text = (
        "name: churn\nversion: abc123xyz\nmodule: bentoml.sklearn\nmetadata:\n  f1: 0.81\n"
        'creation_time: "2023-05-01T10:20:30+00:00"\n'
    )
    found = put({"models/churn/abc123xyz/saved_model.pkl": estimators[0], "models/churn/abc123xyz/model.yaml": text})
    assert read(found) == {"abc123xyz": ({"f1": 0.81}, "2023-05-01 10:20:30")}
