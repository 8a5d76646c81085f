"""Does every registry answer alike: the one in memory, MLflow on SQLite, a real MLflow server?"""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.registry_memory import MemoryRegistry
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import MlflowRefusedError
from selector.ports import NewRun

T0 = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("server", marks=pytest.mark.live),
        pytest.param("postgres", marks=[pytest.mark.live, pytest.mark.postgres]),
    ]
)
def registry(request):
    if request.param == "memory":
        return MemoryRegistry()
    fixture = {"sqlite": "mlflow_sqlite", "server": "mlflow_server", "postgres": "mlflow_postgres_server"}
    return MlflowRegistry(request.getfixturevalue(fixture[request.param]))


@pytest.fixture
def name():
    """A name that no other test uses; the servers are shared."""
    return f"it's churn {uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "model files"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "data" / "weights.bin").write_bytes(bytes(range(256)))
    return model


@pytest.fixture
def new_run(name, folder):
    """Make a NewRun with a model; `day` orders them."""

    def make(day=0, **changes):
        started = T0 + timedelta(days=day)
        values = {
            "experiment": name,
            "name": f"run {day}",
            "started_at": started,
            "ended_at": started + timedelta(hours=1),
            "metrics": {"f1": 0.5 + day / 100},
            "params": {"depth": "3"},
            "tags": {"selector.fingerprint": f"print{day}", "selector.source": f"/old/{day}"},
            "model_folder": folder,
        }
        return NewRun(**(values | changes))

    return make


@pytest.fixture
def version(registry, name, new_run):
    """A registered model with one version; returns what was written."""
    written = registry.write(new_run())
    registry.create_registered_model(name)
    assert registry.create_version(name, written.model_uri, written.run_id, {"k": "v"}) == 1
    return written


def test_check_says_who_answers(registry):
    assert registry.check().startswith("MLflow ")


def test_a_written_run_comes_back_finished_with_its_original_times(registry, name, new_run):
    written = registry.write(new_run())
    (run,) = registry.runs([name])
    assert (run.run_id, run.name, run.experiment, run.status) == (written.run_id, "run 0", name, "FINISHED")
    assert (run.started_at, run.ended_at) == (T0, T0 + timedelta(hours=1))
    assert run.metrics == {"f1": 0.5}
    assert run.params == {"depth": "3"}
    assert {"selector.fingerprint": "print0", "selector.source": "/old/0"}.items() <= run.tags.items()


def test_a_written_run_brings_its_model_with_its_metrics(registry, name, new_run):
    written = registry.write(new_run())
    ((model,),) = [run.models for run in registry.runs([name])]
    assert (model.uri, model.name, model.ready) == (written.model_uri, "model", True)
    assert model.metrics == {"f1": 0.5}


def test_a_run_without_a_model_has_none(registry, name, new_run):
    assert registry.write(new_run(model_folder=None)).model_uri is None
    (run,) = registry.runs([name])
    assert run.models == ()


def test_runs_come_newest_first(registry, name, new_run):
    for day in (1, 3, 2):
        registry.write(new_run(day))
    assert [run.name for run in registry.runs([name])] == ["run 3", "run 2", "run 1"]


def test_experiments_are_found_by_name_and_by_glob_with_their_case(registry, name, new_run):
    registry.write(new_run())
    registry.write(new_run(1, experiment=f"{name} two"))
    assert len(registry.runs([name])) == 1
    assert len(registry.runs([f"{name}*"])) == 2
    assert len(registry.runs([name, f"{name}*"])) == 2
    assert registry.runs([f"{name}*".upper()]) == ()
    assert {name, f"{name} two"} <= set(registry.experiments())


def test_an_unknown_experiment_has_no_runs(registry, name):
    assert registry.runs([name]) == ()
    assert registry.imported(name) == {}
    assert name not in registry.experiments()


@pytest.mark.parametrize(
    ("filter_string", "days"),
    [
        ("metrics.f1 > 0.515", [2]),
        ("tags.`selector.fingerprint` = 'print1'", [1]),
        ("params.depth = '3' AND metrics.f1 <= 0.51", [1, 0]),
        ("attributes.status = 'RUNNING'", []),
        ("attributes.run_name LIKE 'run%'", [2, 1, 0]),
    ],
)
def test_a_filter_chooses_runs(registry, name, new_run, filter_string, days):
    for day in range(3):
        registry.write(new_run(day))
    assert [run.name for run in registry.runs([name], filter_string)] == [f"run {day}" for day in days]


def test_a_filter_that_is_no_filter_is_refused(registry, name, new_run):
    registry.write(new_run())
    with pytest.raises(MlflowRefusedError):
        registry.runs([name], "f1 is quite good")


def test_nan_stays_nan_in_the_run_and_never_becomes_a_number_of_the_model(registry, name, new_run):
    registry.write(new_run(metrics={"f1": math.nan, "log_loss": math.nan, "recall": 0.25}))
    (run,) = registry.runs([name])
    assert math.isnan(run.metrics["f1"])
    (model,) = run.models
    assert model.metrics["recall"] == 0.25
    assert math.isnan(model.metrics.get("log_loss", math.nan))


@pytest.fixture
def log_metric(registry):
    """Log a value at a step, as training code does."""
    return registry.log_metric if isinstance(registry, MemoryRegistry) else _log_by_client(registry)


def _log_by_client(registry):
    client = registry._connection._opened()
    return lambda run_id, key, value, step: client.log_metric(run_id, key, value, step=step)


def test_all_values_of_a_metric_come_by_run_and_step(registry, name, new_run, log_metric):
    long, short, none = (registry.write(new_run(day, metrics={})).run_id for day in range(3))
    for step, value in ((2, 0.7), (0, 0.9), (1, math.nan)):
        log_metric(long, "f1", value, step)
    log_metric(short, "f1", 0.5, 7)
    log_metric(none, "accuracy", 0.1, 0)
    found = registry.metric_values([long, short, none, "0123456789abcdef0123456789abcdef"], "f1")
    assert {run_id: [(step, value) for step, _, value in values] for run_id, values in found.items()} == {
        long: [(0, 0.9), (1, pytest.approx(math.nan, nan_ok=True)), (2, 0.7)],
        short: [(7, 0.5)],
    }
    assert all(isinstance(time, int) for values in found.values() for _, time, _ in values)
    assert registry.metric_values([], "f1") == {}
    assert {run.name: run.metrics.get("f1") for run in registry.runs([name])}["run 0"] == 0.7


def test_one_run_is_found_by_its_id(registry, name, new_run):
    written = registry.write(new_run())
    run = registry.run(written.run_id)
    assert (run.run_id, run.experiment, run.status, run.models) == (written.run_id, name, "FINISHED", ())


def test_runs_are_found_by_their_ids_whatever_their_experiment(registry, name, new_run):
    first = registry.write(new_run(1))
    second = registry.write(new_run(2, experiment=f"{name} two"))
    registry.write(new_run(3))
    found = {run.run_id: (run.name, run.experiment) for run in registry.runs_by_id([second.run_id, first.run_id])}
    assert found == {first.run_id: ("run 1", name), second.run_id: ("run 2", f"{name} two")}


def test_deleted_and_unknown_runs_are_left_out_and_ids_asked_twice_come_once(registry, new_run):
    kept, deleted = registry.write(new_run(1)), registry.write(new_run(2))
    registry.delete_run(deleted.run_id)
    asked = [kept.run_id, deleted.run_id, "0" * 32, "it's no id", "", kept.run_id]
    assert [run.run_id for run in registry.runs_by_id(asked)] == [kept.run_id]


def test_more_ids_than_fit_one_question_are_all_answered(registry, new_run):
    written = [registry.write(new_run(day, model_folder=None)).run_id for day in range(3)]
    unknown = [f"{number:032x}" for number in range(450)]
    asked = [*unknown[:200], written[0], *unknown[200:400], written[1], *unknown[400:], written[2]]
    assert {run.run_id for run in registry.runs_by_id(asked)} == set(written)


def test_no_ids_ask_nothing(registry, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a question was asked")

    for inner in ("_read", "_connection"):
        if hasattr(registry, inner):
            monkeypatch.setattr(registry, inner, refuse)
    assert registry.runs_by_id([]) == ()


def test_an_unknown_run_is_none(registry):
    assert registry.run("0123456789abcdef0123456789abcdef") is None


def test_a_deleted_run_is_gone_but_still_known_as_an_import(registry, name, new_run):
    written = registry.write(new_run())
    registry.delete_run(written.run_id)
    registry.delete_run(written.run_id)
    assert registry.runs([name]) == ()
    assert registry.run(written.run_id) is None
    assert [run.status for run in registry.imported(name)["print0"]] == ["DELETED"]


def test_imported_runs_come_by_fingerprint_oldest_first(registry, name, new_run):
    later = registry.write(new_run(2, tags={"selector.fingerprint": "same"}))
    first = registry.write(new_run(1, tags={"selector.fingerprint": "same"}))
    registry.write(new_run(3, tags={}))
    (fingerprint, runs), *others = registry.imported(name).items()
    assert (fingerprint, [run.run_id for run in runs]) == ("same", [first.run_id, later.run_id])
    assert others == []
    assert runs[0].models[0].uri == first.model_uri


def test_a_registered_model_shows_versions_aliases_and_tags(registry, name, version):
    registry.set_alias(name, "champion", 1)
    registry.set_model_tag(name, "selector.managed", "yes")
    model = registry.registered_model(name)
    assert model.aliases == {"champion": 1}
    assert model.tags == {"selector.managed": "yes"}
    (only,) = model.versions
    assert (only.version, only.source, only.run_id) == (1, version.model_uri, version.run_id)
    assert (only.status, only.stage, only.tags) == ("READY", "None", {"k": "v"})
    assert only.created_at.tzinfo is not None


def test_an_unknown_registered_model_is_none(registry, name):
    assert registry.registered_model(name) is None


@pytest.mark.parametrize("others", [0, 4])
def test_only_existing_models_are_answered(registry, name, version, others):
    found = registry.registered_models([name, *(f"{name} {n}" for n in range(others))])
    assert list(found) == [name]
    assert found[name] == registry.registered_model(name)


def test_all_registered_models_are_listed_with_their_versions(registry, name, version):
    registry.create_registered_model(f"{name} without a version")
    found = registry.all_registered_models()
    assert found[name] == registry.registered_model(name)
    assert found[f"{name} without a version"].versions == ()


def test_creating_a_registered_model_twice_is_harmless(registry, name, version):
    registry.create_registered_model(name)
    assert len(registry.registered_model(name).versions) == 1


@pytest.mark.parametrize("bad", ["a/b", "a:b", " "])
def test_a_name_that_mlflow_cannot_hold_is_refused(registry, bad):
    with pytest.raises(MlflowRefusedError):
        registry.create_registered_model(bad)


def test_a_decision_that_is_repeated_makes_no_second_version(registry, name, new_run):
    written = registry.write(new_run())
    registry.create_registered_model(name)
    numbers = [
        registry.create_version(name, written.model_uri, written.run_id, {"selector.decision": decision})
        for decision in ("d1", "d1", "d2")
    ]
    assert numbers == [1, 1, 2]


def test_a_version_of_an_unknown_model_or_source_is_refused(registry, name, version):
    with pytest.raises(MlflowRefusedError):
        registry.create_version(f"{name} other", version.model_uri, version.run_id, {})
    with pytest.raises(MlflowRefusedError):
        registry.create_version(name, "models:/m-00000000000000000000000000000000", None, {})


def test_an_alias_moves_and_goes(registry, name, version):
    registry.create_version(name, version.model_uri, version.run_id, {})
    for number in (1, 2, 2):
        registry.set_alias(name, "champion", number)
    assert registry.registered_model(name).aliases == {"champion": 2}
    registry.delete_alias(name, "champion")
    registry.delete_alias(name, "champion")
    assert registry.registered_model(name).aliases == {}


@pytest.mark.parametrize("alias", ["latest", "v1", "V2", "a b", "a:b", ""])
def test_an_alias_that_mlflow_reserves_is_refused(registry, name, version, alias):
    with pytest.raises(MlflowRefusedError):
        registry.set_alias(name, alias, 1)


def test_an_alias_of_a_version_that_is_not_there_is_refused(registry, name, version):
    with pytest.raises(MlflowRefusedError):
        registry.set_alias(name, "champion", 7)


def test_version_tags_are_set_and_removed(registry, name, version):
    registry.set_version_tag(name, 1, "selector.status", "champion")
    registry.set_version_tag(name, 1, "selector.status", "archived")
    registry.delete_version_tag(name, 1, "k")
    registry.delete_version_tag(name, 1, "k")
    assert registry.registered_model(name).version(1).tags == {"selector.status": "archived"}


def test_a_stage_is_set_without_touching_the_other_versions(registry, name, version):
    registry.create_version(name, version.model_uri, version.run_id, {})
    registry.set_stage(name, 1, "Production")
    registry.set_stage(name, 2, "Production")
    assert [one.stage for one in registry.registered_model(name).versions] == ["Production", "Production"]
    with pytest.raises(MlflowRefusedError):
        registry.set_stage(name, 1, "Somewhere")


@pytest.mark.parametrize("address", ["{uri}", "runs:/{run}/model", "models:/{name}/1", "models:/{name}@champion"])
def test_a_model_is_fetched_byte_for_byte_into_a_private_folder(registry, name, version, tmp_path, address):
    registry.set_alias(name, "champion", 1)
    into = tmp_path / "new" / "place"
    found = registry.fetch(address.format(uri=version.model_uri, run=version.run_id, name=name), into)
    files = {p.relative_to(found).as_posix(): p.read_bytes() for p in found.rglob("*") if p.is_file()}
    assert files == {"MLmodel": b"flavors: {}\n", "data/weights.bin": bytes(range(256))}
    assert into.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "address",
    [
        "models:/m-00000000000000000000000000000000",
        "models:/{name}/9",
        "models:/{name}@nobody",
        "models:/no such model/1",
        "runs:/{run}/other",
        "http://example.invalid/model",
    ],
)
def test_a_model_that_is_not_there_is_refused(registry, name, version, tmp_path, address):
    with pytest.raises(MlflowRefusedError):
        registry.fetch(address.format(run=version.run_id, name=name), tmp_path / "into")


def test_a_report_is_kept_and_leaves_the_run_as_it_is(registry, name, version, folder):
    before = registry.run(version.run_id)
    registry.log_report(version.run_id, folder, "selector/report")
    assert registry.run(version.run_id) == before
