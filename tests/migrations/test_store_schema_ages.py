"""Does a SQLite store of any age, from MLflow 1.0 to today, arrive as MLflow itself reads it after its own upgrade?"""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import warnings

import pytest

from migrations.stores.carry import Carrier
from migrations.stores.open import open_store
from migrations.stores.verify import StoreVerifier
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow import MlflowRegistry

RUN = "a" * 31
MODEL = "m-" + "b" * 32
AGES = [
    pytest.param("initial", id="MLflow 0.9"),
    pytest.param("2b4d017a5e9b", id="MLflow 1.4", marks=pytest.mark.slow),
    pytest.param("97727af70f4d", id="MLflow 1.30"),
    pytest.param("acf3f17fdcc7", id="MLflow 2.8", marks=pytest.mark.slow),
    pytest.param("770bee3ae1dd", id="MLflow 3.1"),
    pytest.param("head", id="MLflow of today"),
]


def rows_of_every_age():
    """Yield table and row for one of everything; a column or table that an age lacks is left out there."""
    for number, name, stage in ((0, "Default", "active"), (1, "tuning", "active"), (2, "gone", "deleted")):
        place = f"C:\\work\\mlruns\\{number}"
        yield "experiments", {
            "experiment_id": number, "name": name, "lifecycle_stage": stage, "artifact_location": place,
            "creation_time": 1_500_000_000_000, "last_update_time": 1_500_000_000_000, "workspace": "default",
        }  # fmt: skip
    yield "experiment_tags", {"experiment_id": 1, "key": "team", "value": "retention"}
    runs = (
        ("1", 1, "FINISHED", "active", 1_500_000_001_000, 1_500_000_002_000),
        ("2", 1, "FAILED", "deleted", 1_500_000_003_000, 1_500_000_004_000),
        ("3", 1, "RUNNING", "active", 1_500_000_005_000, None),
        ("4", 2, "FAILED", "deleted", -5_000, 1_500_000_006_000),
    )
    for last, experiment, status, stage, start, end in runs:
        yield "runs", {
            "run_uuid": RUN + last, "name": f"run {last}", "source_type": "LOCAL", "source_name": "train.py",
            "entry_point_name": "", "user_id": "ada", "status": status, "start_time": start, "end_time": end,
            "source_version": "0123abc", "lifecycle_stage": stage, "experiment_id": experiment,
            "artifact_uri": f"file:///C:/work/mlruns/{experiment}/{RUN}{last}/artifacts",
        }  # fmt: skip
    metrics = [("loss", 1 / (step + 1), 1_500_000_001_000 + step, step, 0) for step in range(1200)]
    metrics += [("f1", 0.5, 1_500_000_001_500, 0, 0), ("undefined", 0.0, 1_500_000_001_500, 0, 1)]
    for key, value, timestamp, step, is_nan in metrics:
        row = {
            "key": key,
            "value": value,
            "timestamp": timestamp,
            "step": step,
            "is_nan": is_nan,
            "run_uuid": RUN + "1",
        }
        yield "metrics", row
        if (key, step) in {("loss", 1199), ("f1", 0), ("undefined", 0)}:
            yield "latest_metrics", row
    later = {"key": "later", "value": 0.25, "timestamp": 1_500_000_001_500, "step": 0, "is_nan": 0}
    yield "metrics", later | {"run_uuid": RUN + "3"}
    yield "latest_metrics", later | {"run_uuid": RUN + "3"}
    for key, value in (("lr", "0.1"), ("lines", "one\ntwo"), ("empty", ""), ("schlüssel/ä", "ü" * 250)):
        yield "params", {"key": key, "value": value, "run_uuid": RUN + "1"}
    yield "tags", {"key": "note", "value": "it's 100 % done", "run_uuid": RUN + "1"}
    yield "tags", {"key": "mlflow.parentRunId", "value": RUN + "1", "run_uuid": RUN + "3"}
    yield "datasets", {
        "dataset_uuid": "d" * 32, "experiment_id": 1, "name": "rows", "digest": "abc", "dataset_source_type": "local",
        "dataset_source": "{}", "dataset_schema": "{}", "dataset_profile": "{}",
    }  # fmt: skip
    link = {"input_uuid": "i" * 32, "source_type": "DATASET", "source_id": "d" * 32, "step": 0}
    yield "inputs", link | {"destination_type": "RUN", "destination_id": RUN + "1"}
    yield "input_tags", {"input_uuid": "i" * 32, "name": "mlflow.data.context", "value": "train"}
    for model, run in ((MODEL, RUN + "1"), (MODEL[:-1] + "c", None)):
        yield "logged_models", {
            "model_id": model, "experiment_id": 1, "name": "forest", "creation_timestamp_ms": 1_500_000_001_100,
            "artifact_location": f"/home/ada/mlruns/1/models/{model}/artifacts", "source_run_id": run,
            "last_updated_timestamp_ms": 1_500_000_001_200, "status": 2, "lifecycle_stage": "active",
            "model_type": "",
        }  # fmt: skip
        yield "logged_model_params", {"model_id": model, "experiment_id": 1, "param_key": "n", "param_value": "5"}
        yield "logged_model_tags", {"model_id": model, "experiment_id": 1, "tag_key": "kind", "tag_value": "rf"}
    for run, metric, value in ((RUN + "1", "f1", 0.5), (RUN + "1", "undefined", 0.0), (RUN + "3", "later", 0.25)):
        yield "logged_model_metrics", {
            "model_id": MODEL, "metric_name": metric, "metric_timestamp_ms": 1_500_000_001_500, "metric_step": 0,
            "metric_value": value, "experiment_id": 1, "run_id": run, "dataset_name": "rows", "dataset_digest": "abc",
        }  # fmt: skip
    for kinds, run in ((("RUN_OUTPUT", "MODEL_OUTPUT"), RUN + "1"), (("RUN_INPUT", "MODEL_INPUT"), RUN + "3")):
        ends = {"source_id": run, "destination_id": MODEL, "step": 3 if run == RUN + "1" else 0}
        yield "inputs", {"input_uuid": run, "source_type": kinds[0], "destination_type": kinds[1]} | ends
    model = {"name": "churn", "creation_time": 1_500_000_007_000, "last_updated_time": 1_500_000_007_000}
    yield "registered_models", model | {"description": "Who leaves.", "workspace": "default"}
    yield "registered_model_tags", {"name": "churn", "key": "owner", "value": "ada", "workspace": "default"}
    for number, stage in ((1, "Production"), (2, "Deleted_Internal"), (4, "Archived"), (10, "None")):
        yield "model_versions", model | {
            "version": number, "description": f"number {number}", "user_id": "ada", "current_stage": stage,
            "source": f"C:\\work\\mlruns\\1\\{RUN}1\\artifacts\\model", "run_id": RUN + "1", "status": "READY",
            "workspace": "default", "run_link": "https://ci.example/7",
        }  # fmt: skip
        yield (
            "model_version_tags",
            {"name": "churn", "version": number, "key": "n", "value": f"{number}"} | {"workspace": "default"},
        )
    yield "registered_model_aliases", {"name": "churn", "alias": "champion", "version": 4, "workspace": "default"}
    yield "trace_info", {
        "request_id": "t" * 32, "experiment_id": 1, "timestamp_ms": 1, "execution_time_ms": 1, "status": "OK",
    }  # fmt: skip


def made(file, age):
    """Make a database with MLflow's own scripts, as of one revision, and fill what it has of everything."""
    utils, command = mlflow_module("mlflow.store.db.utils"), pytest.importorskip("alembic.command")
    models = mlflow_module("mlflow.store.tracking.dbmodels.initial_models")
    engine = pytest.importorskip("sqlalchemy").create_engine(f"sqlite:///{file}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models.Base.metadata.create_all(engine)
        if age != "initial":
            config = utils._get_alembic_config(f"sqlite:///{file}")
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, age)
    engine.dispose()
    kept = set()
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, row in rows_of_every_age():
            if table not in tables or (table == "inputs" and "logged_models" not in tables and "RUN_" in str(row)):
                continue
            columns = {c[1] for c in connection.execute(f'PRAGMA table_info("{table}")')}
            own = {name: value for name, value in row.items() if name in columns}
            signs = ", ".join("?" * len(own))
            question = f'INSERT INTO "{table}" ({", ".join(own)}) VALUES ({signs})'
            if table == "metrics" and row["is_nan"] and "is_nan" not in columns:
                continue
            connection.execute(question, tuple(own.values()))
            kept.add(table)
    return kept


def told(uri):
    """What MLflow itself says of a database, after it has upgraded it."""
    client = mlflow_module("mlflow.tracking").MlflowClient(uri, uri)
    experiments = {e.experiment_id: e.name for e in client.search_experiments(view_type=3)}
    found = client.search_runs(list(experiments), run_view_type=3)
    runs = [client.get_run(run.info.run_id) for run in found]  # a search leaves out the models that a run used
    return {
        r.info.run_name: (
            experiments[r.info.experiment_id],
            r.info.status,
            r.info.lifecycle_stage,
            r.info.start_time,
            r.info.end_time,
            r.data.params,
            {key: "NaN" if math.isnan(value) else value for key, value in r.data.metrics.items()},
            sorted((m.step, m.timestamp, m.value) for m in client.get_metric_history(r.info.run_id, "loss")),
            [(i.dataset.name, i.dataset.digest, i.tags[0].value) for i in r.inputs.dataset_inputs],
            [o.step for o in r.outputs.model_outputs] if r.outputs else [],
            len(r.inputs.model_inputs or ()),
            r.data.tags.get("note"),
        )
        for r in runs
    }


@pytest.mark.parametrize("age", AGES)
def test_a_database_of_any_age_arrives_as_mlflow_reads_it_after_its_upgrade(age, tmp_path, mlflow_sqlite):
    file = tmp_path / "there" / "mlruns.db"
    file.parent.mkdir()
    tables = made(file, age)
    files = tmp_path / "there" / "mlruns" / "1" / f"{RUN}1" / "artifacts" / "model"
    files.mkdir(parents=True)
    (files / "MLmodel").write_text("flavors: {}\n")
    (files / "größe (1) #%.txt").write_bytes(b"\0\1")
    before = {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in file.parent.rglob("*")}
    registry = MlflowRegistry(mlflow_sqlite)
    with open_store(str(file), tmp_path / "spool") as store:
        outcome = Carrier(store, registry.store_writer(), registry, "batch").carry()
        verifier = StoreVerifier(store, registry.store_writer(), registry.store_reader(), registry, tmp_path / "spool")
        verified = verifier.verify()
    assert {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in file.parent.rglob("*")} == before
    assert (outcome.runs["imported"], outcome.runs["failed"]) == (4, 0), outcome.left_out
    assert [one for one in outcome.left_out if one.failed] == []
    assert verified.differences == []
    assert verified.checked["runs"] == 4
    assert verified.checked["files"] == 2
    if "trace_info" in tables:
        assert ("traces", "1 traces are not carried") in {(one.what, one.reason) for one in outcome.left_out}
    if "model_versions" in tables:
        numbers = {v.version: v.stage for v in registry.registered_model("churn").versions}
        assert numbers == {1: "Production", 4: "Archived", 10: "None"}
        folder = registry.fetch("models:/churn/10", tmp_path / "fetched")
        assert {p.name for p in folder.iterdir()} == {"MLmodel", "größe (1) #%.txt"}
    upgraded = tmp_path / "upgraded.db"
    shutil.copyfile(file, upgraded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow_module("mlflow.store.db.utils")._upgrade_db(
            pytest.importorskip("sqlalchemy").create_engine(f"sqlite:///{upgraded}")
        )
        expected = told(f"sqlite:///{upgraded}")
    assert told(mlflow_sqlite) == expected
