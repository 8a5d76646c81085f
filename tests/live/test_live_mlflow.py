"""How many requests does a real MLflow server see from us, and does it see any write when we only look?"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import uuid
from datetime import UTC, datetime

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.registry_mlflow_runs import PAGE
from selector.errors import MlflowRefusedError, MlflowUnreachableError
from selector.ports import NewRun

pytestmark = pytest.mark.live


@pytest.fixture
def name():
    return f"live {uuid.uuid4().hex[:8]}"


@pytest.fixture
def proxy(counting_proxy, mlflow_server):
    return counting_proxy(mlflow_server)


@pytest.fixture
def registry(proxy):
    registry = MlflowRegistry(proxy.url)
    registry.experiments()
    proxy.reset()
    return registry


@pytest.fixture
def new_run(name, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "weights.bin").write_bytes(b"x" * 1000)
    when = datetime(2020, 1, 1, tzinfo=UTC)
    tags = {"selector.fingerprint": uuid.uuid4().hex, "selector.source": "/old"}
    return NewRun(name, "r", when, when, {"f1": 0.5, "accuracy": 0.6}, {"depth": "3"}, tags, model)


def insert_runs(database, experiment_id, count):
    """Put finished runs with two metrics into the server's database, faster than a client could."""
    runs = [
        (uuid.uuid4().hex, f"r{n}", "FINISHED", 1_600_000_000_000 + n // 7, "active", experiment_id)
        for n in range(count)
    ]
    metrics = [(key, n / count, run_id) for n, (run_id, *_) in enumerate(runs) for key in ("f1", "accuracy")]
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany(
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id,"
            " source_type, source_name, entry_point_name, user_id, artifact_uri)"
            " VALUES (?1, ?2, ?3, ?4, ?4 + 1000, ?5, ?6, 'LOCAL', '', '', 'u', 'mlflow-artifacts:/' || ?1)",
            runs,
        )
        connection.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 1, 0, 0, ?)",
            metrics,
        )
    return {run_id for run_id, *_ in runs}


@pytest.mark.parametrize("pages", [1, 3])
def test_reading_runs_takes_as_many_requests_as_there_are_pages(registry, proxy, name, mlflow_server_database, pages):
    registry.write(NewRun(name, "first", datetime(2019, 1, 1, tzinfo=UTC), None))
    experiment_id = registry._import._experiments[name]
    inserted = insert_runs(mlflow_server_database, experiment_id, PAGE * pages - 10)
    proxy.reset()
    runs = registry.runs([name])
    assert inserted <= {run.run_id for run in runs}
    assert len(runs) == len(inserted) + 1
    assert len([path for path in proxy.paths if path.endswith("runs/search")]) <= pages + 1
    assert proxy.total <= pages + 4
    assert proxy.writes == []


def test_looking_at_everything_sends_no_write(registry, proxy, name, new_run, tmp_path):
    written = registry.write(new_run)
    registry.create_registered_model(name)
    registry.create_version(name, written.model_uri, written.run_id, {})
    proxy.reset()
    registry.check()
    registry.runs([name])
    registry.run(written.run_id)
    registry.registered_model(name)
    registry.registered_models([name, "a", "b", "c"])
    registry.imported(name)
    registry.fetch(written.model_uri, tmp_path / "into")
    assert proxy.total > 0
    assert proxy.writes == []


def test_writing_a_run_takes_few_requests(registry, proxy, new_run):
    registry.write(new_run)
    proxy.reset()
    registry.write(new_run)
    uploads = [path for path in proxy.paths if "mlflow-artifacts" in path]
    assert len(uploads) <= 3
    assert proxy.total - len(uploads) <= 8, proxy.paths


def test_many_registered_models_take_as_many_requests_as_a_few(registry, proxy, name, new_run):
    written = registry.write(new_run)
    names = [f"{name} {n}" for n in range(12)]
    for one in names:
        registry.create_registered_model(one)
        registry.create_version(one, written.model_uri, written.run_id, {})
        registry.set_alias(one, "champion", 1)
    proxy.reset()
    found = registry.registered_models(names)
    assert sorted(found) == sorted(names)
    assert all(model.aliases == {"champion": 1} and len(model.versions) == 1 for model in found.values())
    assert proxy.total <= 3


def test_setting_an_alias_takes_two_requests_as_mlflows_client_makes_them(registry, proxy, name, new_run):
    written = registry.write(new_run)
    registry.create_registered_model(name)
    registry.create_version(name, written.model_uri, written.run_id, {})
    proxy.reset()
    registry.set_alias(name, "champion", 1)
    assert proxy.total <= 2, proxy.paths


def test_a_half_written_run_is_found_through_another_connection(registry, mlflow_server, name, new_run, monkeypatch):
    def upload(_new, _location):
        raise MlflowUnreachableError("the server went away")

    monkeypatch.setattr(registry._import, "_upload", upload)
    with pytest.raises(MlflowUnreachableError):
        registry.write(new_run)
    other = MlflowRegistry(mlflow_server)
    ((half,),) = other.imported(name).values()
    assert half.status == "RUNNING"
    other.delete_run(half.run_id)
    assert other.runs([name]) == ()


def test_a_model_too_large_is_refused_before_it_is_downloaded(mlflow_server, proxy, new_run, tmp_path):
    written = MlflowRegistry(mlflow_server).write(new_run)
    registry = MlflowRegistry(proxy.url, most_bytes=500)
    with pytest.raises(MlflowRefusedError, match="larger than the 500 bytes"):
        registry.fetch(written.model_uri, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_folder_of_the_servers_machine_is_not_read(registry, tmp_path):
    with pytest.raises(MlflowRefusedError, match="a folder on the MLflow server"):
        registry.fetch(str(tmp_path / "not a model"), tmp_path / "into")


def test_nan_in_a_metric_crosses_http(registry, name):
    registry.write(NewRun(name, "r", None, None, {"f1": math.nan}))
    (run,) = registry.runs([name])
    assert math.isnan(run.metrics["f1"])


def test_who_answers_is_the_installed_mlflow(registry):
    import mlflow  # noqa: PLC0415 - only this test needs it

    assert registry.check().startswith(f"MLflow {mlflow.__version__} at http://127.0.0.1:")
