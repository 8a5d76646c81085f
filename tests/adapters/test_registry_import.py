"""Is an imported run in MLflow whole, and is a half one visible?"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.registry_memory import KilledError, MemoryRegistry
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.registry_mlflow_import import acceptable
from selector.adapters.registry_mlflow_values import milliseconds, moment
from selector.errors import MlflowRefusedError
from selector.ports import NewRun


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    return model


@pytest.mark.parametrize(
    ("started", "stored"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1)),
        (datetime(1960, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(1960, 2, 3, 4, 5, 6, tzinfo=UTC)),
        (datetime(2999, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_before_1970_and_at_its_first_moment_are_kept(mlflow_sqlite, started, stored):
    registry = MlflowRegistry(mlflow_sqlite)
    registry.write(NewRun("e", "r", started, started + timedelta(days=1), {"f1": 0.5}))
    (run,) = registry.runs(["e"])
    assert (run.started_at, run.ended_at) == (stored, started + timedelta(days=1))


def test_a_time_survives_the_way_through_milliseconds():
    for time in (datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)):
        assert moment(milliseconds(time)) == time
    assert moment(None) is None
    assert moment(10**20) is None


def test_one_known_time_stands_for_both(mlflow_sqlite):
    registry = MlflowRegistry(mlflow_sqlite)
    known = datetime(2020, 1, 1, tzinfo=UTC)
    registry.write(NewRun("e", "only end", None, known))
    registry.write(NewRun("e", "only start", known, None))
    assert {(run.started_at, run.ended_at) for run in registry.runs(["e"])} == {(known, known)}


def test_more_than_mlflow_takes_in_one_call_is_written_in_several(mlflow_sqlite):
    metrics = {f"m{n}": float(n) for n in range(1900)}
    params = {f"p{n}": str(n) for n in range(250)}
    tags = {f"t{n}": str(n) for n in range(300)} | {"selector.fingerprint": "a"}
    registry = MlflowRegistry(mlflow_sqlite)
    registry.write(NewRun("e", "r", None, None, metrics, params, tags))
    (run,) = registry.runs(["e"])
    assert run.metrics == metrics
    assert run.params == params
    assert tags.items() <= run.tags.items()


def test_what_mlflow_would_cut_or_refuse_is_changed_and_said(mlflow_sqlite):
    registry = MlflowRegistry(mlflow_sqlite)
    new = NewRun(
        "e",
        "r",
        None,
        None,
        metrics={"f1@weighted": 0.5, "f1(weighted)": 0.6, "../up": 0.7, "größe": 0.8, "x" * 300: 0.9, "": 1.0},
        params={"grid": "x" * 7000},
        tags={"note": "y" * 9000, "selector.fingerprint": "a"},
    )
    registry.write(new)
    (run,) = registry.runs(["e"])
    assert sorted(run.metrics.values()) == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert run.metrics["größe"] == 0.8
    renamed = json.loads(run.tags["selector.renamed"])
    assert {original: run.metrics[key] for key, original in renamed.items() if key in run.metrics} == {
        key: value for key, value in new.metrics.items() if key != "größe"
    }
    assert len(run.params["grid"]) == 6000
    assert run.tags["selector.cut"] == "grid (7000 characters), note (9000 characters)"


def test_two_keys_that_become_alike_stay_two():
    metrics, _, tags = acceptable(NewRun("e", "r", None, None, {"a@b": 1.0, "a(b": 2.0, "a_b": 3.0}))
    assert sorted(metrics.values()) == [1.0, 2.0, 3.0]
    assert metrics["a_b"] == 3.0
    assert sorted(json.loads(tags["selector.renamed"]).values()) == ["a(b", "a@b"]


def test_infinity_is_written_as_mlflow_holds_it(mlflow_sqlite):
    registry = MlflowRegistry(mlflow_sqlite)
    registry.write(NewRun("e", "r", None, None, {"high": math.inf, "low": -math.inf}))
    (run,) = registry.runs(["e"])
    assert (run.metrics["high"], run.metrics["low"]) == (1.7976931348623157e308, -1.7976931348623157e308)


@pytest.mark.parametrize(
    "method", ["create_logged_model", "log_batch", "finalize_logged_model", "log_outputs", "set_terminated"]
)
def test_an_import_that_breaks_off_leaves_a_running_run_that_is_found_again(mlflow_sqlite, folder, monkeypatch, method):
    registry = MlflowRegistry(mlflow_sqlite)
    registry.write(NewRun("e", "first", None, None, tags={"selector.fingerprint": "other"}))

    def dies(*_words, **_options):
        raise KeyboardInterrupt

    client = registry._connection._opened()
    monkeypatch.setattr(client, method, dies)
    tags = {"selector.fingerprint": "print", "selector.source": "/old"}
    new = NewRun("e", "r", datetime(2020, 1, 1, tzinfo=UTC), None, {"f1": 0.5}, tags=tags, model_folder=folder)
    with pytest.raises(KeyboardInterrupt):
        registry.write(new)
    monkeypatch.undo()

    (half,) = registry.imported("e")["print"]
    assert (half.status, half.tags["selector.source"]) == ("RUNNING", "/old")
    registry.delete_run(half.run_id)
    whole = registry.write(new)
    assert [(run.run_id, run.status) for run in registry.imported("e")["print"] if run.status != "DELETED"] == [
        (whole.run_id, "FINISHED")
    ]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_folder_without_a_model_is_refused_before_anything_is_written(mlflow_sqlite, tmp_path, kind):
    registry = MemoryRegistry() if kind == "memory" else MlflowRegistry(mlflow_sqlite)
    new = NewRun("e", "r", None, None, tags={"selector.fingerprint": "a"}, model_folder=tmp_path / "not there")
    with pytest.raises(MlflowRefusedError, match="not there holds no MLmodel file"):
        registry.write(new)
    assert registry.imported("e") == {}
    assert "e" not in registry.experiments()


def test_a_deleted_experiment_is_named(mlflow_sqlite):
    registry = MlflowRegistry(mlflow_sqlite)
    registry.write(NewRun("e", "r", None, None))
    client = registry._connection._opened()
    client.delete_experiment(client.get_experiment_by_name("e").experiment_id)
    with pytest.raises(MlflowRefusedError, match="'e' is deleted"):
        MlflowRegistry(mlflow_sqlite).write(NewRun("e", "r", None, None))


def test_an_experiment_that_another_importer_made_meanwhile_is_used(mlflow_sqlite, monkeypatch):
    one, two = MlflowRegistry(mlflow_sqlite), MlflowRegistry(mlflow_sqlite)
    client = one._connection._opened()
    asked = client.get_experiment_by_name
    answers = iter([None])

    def before_the_other(name):
        return next(answers, None) or asked(name)

    def first_nothing(name):
        monkeypatch.setattr(client, "get_experiment_by_name", before_the_other)
        two.write(NewRun("e", "two", None, None))

    monkeypatch.setattr(client, "get_experiment_by_name", first_nothing)
    one.write(NewRun("e", "one", None, None))
    assert {run.name for run in two.runs(["e"])} == {"one", "two"}


def _write_and_register(registry, new):
    registry.write(new)
    registry.create_registered_model("reached after four writes only")


@pytest.mark.parametrize("writes", range(5))
def test_memory_dies_after_the_chosen_write_and_keeps_what_was_done(folder, writes):
    registry = MemoryRegistry()
    registry.fail_after(writes)
    new = NewRun("e", "r", None, None, {"f1": 0.5}, tags={"selector.fingerprint": "a"}, model_folder=folder)
    with pytest.raises(KilledError):
        _write_and_register(registry, new)
    assert len(registry.writes) == writes
    statuses = [run.status for run in registry.imported("e").get("a", ())]
    assert statuses == {0: [], 4: ["FINISHED"]}.get(writes, ["RUNNING"])
    registry.create_registered_model("alive again")


def test_memory_counts_writes_and_not_questions():
    registry = MemoryRegistry()
    registry.create_registered_model("churn")
    registry.create_registered_model("churn")
    registry.registered_model("churn")
    assert registry.writes == ["create_registered_model churn"]
