"""Does a store that MLflow itself wrote arrive with everything: history, NaN, parents, datasets, models, registry?"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sqlite3
import warnings
from pathlib import Path

import pytest

from migrations.stores.carry import Carrier
from migrations.stores.open import open_store
from migrations.stores.undo import undo_store
from migrations.stores.verify import StoreVerifier
from selector.adapters.mlflow_import import mlflow_module
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import MlflowRefusedError, MlflowUnreachableError
from selector.ports_store import SOURCE_RUN_TAG

INFINITE = 1.7976931348623157e308


def fill(client, folder, gone):
    """Write one of everything that MLflow keeps."""
    entities = mlflow_module("mlflow.entities")
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "weights.bin").write_bytes(bytes(range(256)))
    number = client.create_experiment("kept tuning", tags={"team": "retention"})
    parent = client.create_run(number, start_time=1_600_000_000_000, run_name="parent", tags={"mlflow.user": "ada"})
    child = client.create_run(
        number, start_time=1_600_000_000_500, run_name="child", tags={"mlflow.parentRunId": parent.info.run_id}
    )
    ids = {"parent": parent.info.run_id, "child": child.info.run_id}
    history = [entities.Metric("loss", 1 / (step + 1), 1_600_000_001_000 + step, step) for step in range(1500)]
    odd = [("nan", math.nan), ("inf", math.inf), ("train/f1 score", 0.5)]
    history += [entities.Metric(key, value, 1_600_000_002_000, 0) for key, value in odd]
    client.log_batch(ids["parent"], history[:1000], [entities.Param("lr", "0.1"), entities.Param("depth/max", "7")])
    client.log_batch(ids["parent"], history[1000:])
    dataset = entities.Dataset("rows", "abc123", "local", '{"uri": "rows.csv"}', '{"cols": 2}', '{"n": 10}')
    client.log_inputs(
        ids["child"], [entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", "eval")])]
    )
    logged = client.create_logged_model(
        number, name="forest", source_run_id=ids["child"], tags={"kind": "forest"}, params={"trees": "5"}
    )
    for file in model.iterdir():
        client.log_model_artifact(logged.model_id, str(file))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(ids["child"], [entities.LoggedModelOutput(logged.model_id, 0)])
    client.log_batch(ids["child"], [entities.Metric("f1", 0.75, 1_600_000_003_000, 0, model_id=logged.model_id)])
    client.log_batch(ids["parent"], [entities.Metric("later_f1", 0.5, 1_600_000_004_000, 0, model_id=logged.model_id)])
    # A model that came from no run, one run that only used the first model, and one that measured it and was deleted.
    orphan = client.create_logged_model(number, name="external", params={"of": "elsewhere"})
    client.log_model_artifact(orphan.model_id, str(model / "weights.bin"))
    client.finalize_logged_model(orphan.model_id, "READY")
    client.log_inputs(ids["parent"], models=[entities.LoggedModelInput(logged.model_id)])
    client.log_artifacts(ids["parent"], str(model), "model")
    client.set_tag(
        ids["parent"],
        "mlflow.log-model.history",
        json.dumps([{"run_id": ids["parent"], "artifact_path": "model", "utc_time_created": "2020-09-13 12:26:40"}]),
    )
    for name, status in (("failed", "FAILED"), ("running", None), ("deleted", "FINISHED")):
        ids[name] = client.create_run(number, start_time=1_600_000_005_000, run_name=name).info.run_id
        if status:
            client.set_terminated(ids[name], status, 1_600_000_006_000)
    client.log_batch(ids["deleted"], [entities.Metric("lost_f1", 0.25, 1_600_000_005_500, 0, model_id=logged.model_id)])
    client.set_terminated(ids["parent"], "FINISHED", 1_600_000_007_000)
    client.set_terminated(ids["child"], "FINISHED", 1_600_000_007_500)
    client.delete_run(ids["deleted"])
    for name in ("kept gone", "kept gone twin")[:gone]:
        number = client.create_experiment(name)
        run = client.create_run(number, start_time=1_600_000_008_000, run_name="in a deleted experiment")
        client.set_terminated(run.info.run_id, "FINISHED", 1_600_000_009_000)
        client.delete_experiment(number)
    register(client, client.get_run(ids["parent"]).info.artifact_uri, logged, ids)
    return ids


def register(client, root, logged, ids):
    """Write a registered model with versions of every origin, and a prompt."""
    client.create_registered_model("kept-churn", tags={"owner": "ada"}, description="Who leaves.")
    sources = [f"{root}/model", f"models:/{logged.model_id}", "models:/kept-churn/1", f"{root}/model", "dummy-source"]
    for index, source in enumerate(sources, 1):
        run_id = None if index in {3, 5} else ids["child" if index == 2 else "parent"]
        client.create_model_version("kept-churn", source, run_id, tags={"n": str(index)}, description=f"number {index}")
    client.delete_model_version("kept-churn", "4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        client.transition_model_version_stage("kept-churn", "1", "Production")
    client.set_registered_model_alias("kept-churn", "champion", "1")
    client.set_registered_model_alias("kept-churn", "Best-2", "2")
    client.register_prompt("greeting", "Hello {{name}}")
    client.register_prompt("greeting", "Hi {{name}}", commit_message="shorter")
    client.set_prompt_alias("greeting", "first", 1)


@pytest.fixture(scope="session", params=["files", "sqlite"])
def made(request, tmp_path_factory, mlflow_template):
    """A store that MLflow wrote somewhere else: its folder was moved afterwards."""
    first = tmp_path_factory.mktemp("first")
    tracking = mlflow_module("mlflow.tracking")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        if request.param == "files":
            source, uri = "mlruns", (first / "mlruns").as_uri()
        else:
            source, uri = "mlflow.db", f"sqlite:///{first / 'mlflow.db'}"
            shutil.copyfile(mlflow_template, first / "mlflow.db")
            patch.chdir(first)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        ids = fill(tracking.MlflowClient(uri, uri), first / "scratch", 2 if request.param == "files" else 1)
    for meta in first.glob("mlruns/.trash/*/meta.yaml"):
        # Two deleted experiments of one name, which older file stores allowed.
        meta.write_text(meta.read_text().replace("name: kept gone twin", "name: kept gone"))
    second = tmp_path_factory.mktemp("moved") / "project"
    first.rename(second)
    return second / source, ids


@pytest.fixture
def registry(mlflow_sqlite):
    return MlflowRegistry(mlflow_sqlite)


@pytest.fixture(scope="session")
def carry(tmp_path_factory):
    """Carry a store: `carry(path, registry, …)`."""
    spool = tmp_path_factory.mktemp("spool")

    def go(source, registry, writer=None, **options):
        with open_store(str(source), spool) as store:
            return Carrier(store, writer or registry.store_writer(), registry, "batch", **options).carry()

    return go


@pytest.fixture(scope="session")
def arrived(made, carry, mlflow_template, tmp_path_factory):
    """The registry that a whole store was carried into, and what was said about it; tests only look."""
    registry = empty(mlflow_template, tmp_path_factory.mktemp("arrived") / "here")
    return registry, carry(made[0], registry)


def empty(template, folder):
    """A registry on an empty database of its own."""
    folder.mkdir()
    shutil.copyfile(template, folder / "mlflow.db")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (str(folder / "artifacts"),))
    return MlflowRegistry(f"sqlite:///{folder / 'mlflow.db'}")


def client_of(registry):
    return registry._connection.ask("open", lambda client: client)


def told(registry):
    """What MLflow says of everything that was carried, in words that do not depend on new ids."""
    client = client_of(registry)
    experiments = {e.experiment_id: e for e in client.search_experiments(view_type=3)}
    runs = client.search_runs(list(experiments), run_view_type=3, max_results=1000)
    whole = [
        r
        for r in runs
        if SOURCE_RUN_TAG in r.data.tags and (r.info.status, r.info.lifecycle_stage) != ("RUNNING", "deleted")
    ]
    return {
        "experiments": sorted((e.name, e.lifecycle_stage) for e in experiments.values()),
        "runs": sorted(
            (
                r.data.tags[SOURCE_RUN_TAG],
                r.info.status,
                r.info.lifecycle_stage,
                r.info.start_time,
                r.info.end_time,
                experiments[r.info.experiment_id].name,
                sorted(r.data.params.items()),
                sorted((k, repr(v)) for k, v in r.data.metrics.items()),
                sorted((i.dataset.name, i.dataset.digest) for i in r.inputs.dataset_inputs),
                len(r.outputs.model_outputs if r.outputs else ()),
                len(client.get_run(r.info.run_id).inputs.model_inputs or ()),
            )
            for r in whole
        ),
        "models": sorted(
            (m.name, str(m.status), bool(m.source_run_id), sorted((k.key, k.value) for k in m.metrics or ()))
            for m in client.search_logged_models(list(experiments))
        ),
        "registry": {
            name: (
                dict(model.aliases),
                [(v.version, v.stage, v.tags["n"], bool(v.run_id)) for v in model.versions],
            )
            for name, model in registry.all_registered_models().items()
        },
    }


def test_runs_keep_times_states_params_and_their_whole_history(made, arrived):
    _, ids = made
    registry, outcome = arrived
    assert outcome.runs["failed"] == 0, outcome.left_out
    client = client_of(registry)
    runs = {r[0]: r[1:] for r in told(registry)["runs"]}
    states = {name: runs[run_id][:4] for name, run_id in ids.items()}
    assert states == {
        "parent": ("FINISHED", "active", 1_600_000_000_000, 1_600_000_007_000),
        "child": ("FINISHED", "active", 1_600_000_000_500, 1_600_000_007_500),
        "failed": ("FAILED", "active", 1_600_000_005_000, 1_600_000_006_000),
        "running": ("RUNNING", "active", 1_600_000_005_000, None),
        "deleted": ("FINISHED", "deleted", 1_600_000_005_000, 1_600_000_006_000),
    }
    (parent,) = client.search_runs(["1"], filter_string="run_name = 'parent'")
    assert parent.data.params == {"lr": "0.1", "depth/max": "7"}
    history = client.get_metric_history(parent.info.run_id, "loss")
    assert [(m.step, m.timestamp, m.value) for m in sorted(history, key=lambda m: m.step)] == [
        (step, 1_600_000_001_000 + step, 1 / (step + 1)) for step in range(1500)
    ]
    assert math.isnan(parent.data.metrics["nan"])
    assert (parent.data.metrics["inf"], parent.data.metrics["train/f1 score"]) == (INFINITE, 0.5)
    assert parent.data.tags["mlflow.user"] == "ada"
    assert client.get_experiment("1").tags["team"] == "retention"


def test_what_was_carried_reads_back_as_it_was_and_every_change_since_is_named(made, registry, carry, tmp_path):
    carry(made[0], registry)

    def differences():
        with open_store(str(made[0]), tmp_path / "spool") as store:
            parts = (registry.store_writer(), registry.store_reader(), registry, tmp_path / "spool")
            return StoreVerifier(store, *parts).verify()

    verified = differences()
    assert verified.differences == []
    assert verified.checked["runs"] == (7 if made[0].is_dir() else 6)
    assert (verified.checked["files"], verified.checked["versions"], verified.checked["aliases"]) == (5, 6, 3)
    client = client_of(registry)
    runs = {r.info.run_name: r for r in client.search_runs(["1"])}
    parent, child = runs["parent"], runs["child"]
    client.log_batch(parent.info.run_id, [mlflow_module("mlflow.entities").Metric("loss", 7.0, 1_600_000_009_000, 5)])
    client.set_tag(parent.info.run_id, "mlflow.user", "eve")
    client.update_run(child.info.run_id, name="renamed")
    client.set_terminated(runs["failed"].info.run_id, "FAILED", 1_700_000_000_000)
    client.delete_run(runs["running"].info.run_id)
    client.delete_tag(child.info.run_id, "mlflow.parentRunId")
    weights = next(Path(registry._connection.artifact_root).rglob(f"{parent.info.run_id}/**/weights.bin"))
    weights.write_bytes(b"other")
    registry.set_alias("kept-churn", "champion", 2)
    registry.set_stage("kept-churn", 1, "Archived")
    client.delete_model_version("kept-churn", "3")
    told = {(d.what, d.about, d.found) for d in differences().differences}
    assert told == {
        ("run", "metric loss", "(1600000009000, 5, 7.0)"),
        ("run", "tag mlflow.user", "eve"),
        ("run", "name", "renamed"),
        ("run", "ended", "1700000000000"),
        ("run", "deleted", "True"),
        ("run", "parent", None),
        ("run", "file model/weights.bin", "other bytes"),
        ("alias", "version", "2"),
        ("version", "stage", "Archived"),
        ("version", "it", None),
    }


def test_references_between_runs_and_models_lead_to_the_new_ones(arrived):
    registry, _ = arrived
    client = client_of(registry)
    runs = {r.info.run_name: r for r in client.search_runs(["1"])}
    every = client.search_runs(["1"], run_view_type=3)
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
    (entry,) = json.loads(runs["parent"].data.tags["mlflow.log-model.history"])
    assert entry["run_id"] == runs["parent"].info.run_id
    models = {m.name: m for m in client.search_logged_models(["1"])}
    orphan, model = models["external"], models["forest"]
    assert (orphan.source_run_id, orphan.params, str(orphan.status)) == (None, {"of": "elsewhere"}, "READY")
    (used,) = client.get_run(runs["parent"].info.run_id).inputs.model_inputs
    assert used.model_id == model.model_id
    assert (model.source_run_id, model.name, str(model.status)) == (runs["child"].info.run_id, "forest", "READY")
    assert (model.params, model.tags["kind"]) == ({"trees": "5"}, "forest")
    assert {(m.key, m.value, m.run_id) for m in model.metrics} == {
        ("f1", 0.75, runs["child"].info.run_id),
        ("later_f1", 0.5, runs["parent"].info.run_id),
        ("lost_f1", 0.25, next(r.info.run_id for r in every if r.info.run_name == "deleted")),
    }
    assert [o.model_id for o in runs["child"].outputs.model_outputs] == [model.model_id]
    (given,) = runs["child"].inputs.dataset_inputs
    assert (given.dataset.digest, given.dataset.schema, given.tags[0].value) == ("abc123", '{"cols": 2}', "eval")


def test_the_registry_keeps_numbers_stages_aliases_and_files(arrived, tmp_path):
    registry, outcome = arrived
    model = registry.registered_model("kept-churn")
    assert {v.version: (v.stage, v.tags["n"]) for v in model.versions} == {
        1: ("Production", "1"),
        2: ("None", "2"),
        3: ("None", "3"),
        5: ("None", "5"),
    }
    assert dict(model.aliases) == {"champion": 1, "Best-2": 2}
    assert model.tags["owner"] == "ada"
    client = client_of(registry)
    assert client.get_registered_model("kept-churn").description == "Who leaves."
    assert client.get_model_version("kept-churn", "2").description == "number 2"
    for version in (1, 2, 3):
        folder = registry.fetch(f"models:/kept-churn/{version}", tmp_path / str(version))
        assert (folder / "weights.bin").read_bytes() == bytes(range(256))
    left = {(one.what, one.name): one.reason for one in outcome.left_out}
    prompt = client.load_prompt("prompts:/greeting/2")
    assert (prompt.template, prompt.commit_message) == ("Hi {{name}}", "shorter")
    assert client.load_prompt("prompts:/greeting@first").version == 1
    assert left["version", "kept-churn 5"] == "its files cannot be told from 'dummy-source'"
    assert "greeting" not in registry.all_registered_models()


def test_deleted_experiments_of_one_name_stay_deleted(made, arrived):
    source, _ = made
    registry, _ = arrived
    found = [(name.split(" (")[0], stage) for name, stage in told(registry)["experiments"]]
    gone = 2 if source.is_dir() else 1
    assert found == [("Default", "active"), *[("kept gone", "deleted")] * gone, ("kept tuning", "active")]


def test_what_is_deleted_can_be_left_out(made, registry, carry):
    source, ids = made
    outcome = carry(source, registry, deleted=False)
    assert outcome.deleted_runs == 1
    assert ids["deleted"] not in {run[0] for run in told(registry)["runs"]}
    assert [name for name, _ in told(registry)["experiments"]] == ["Default", "kept tuning"]


def test_a_dry_run_counts_and_writes_nothing(made, registry, carry):
    before = told(registry)
    outcome = carry(made[0], registry, dry_run=True)
    assert (outcome.runs["new"], outcome.runs["imported"]) == (7 if made[0].is_dir() else 6, 0)
    assert [v.status for v in outcome.versions] == ["new"] * 6
    assert told(registry) == before


def test_only_the_experiments_that_are_asked_for_are_carried(made, registry, carry):
    outcome = carry(made[0], registry, globs=["kept gon*", "nowhere"])
    assert outcome.runs["imported"] == (2 if made[0].is_dir() else 1)
    assert ("experiment", "nowhere") in {(one.what, one.name) for one in outcome.left_out}


def test_an_experiment_of_that_name_is_joined_and_a_deleted_one_is_avoided(made, registry, carry):
    client = client_of(registry)
    client.create_experiment("kept tuning", tags={"team": "other"})
    client.delete_experiment(client.create_experiment("kept gone"))
    outcome = carry(made[0], registry, globs=["kept tuning"])
    assert [plan.note for plan, _ in outcome.experiments] == ["merged into the experiment 'kept tuning' that is there"]
    assert client.get_experiment("1").tags["team"] == "other", "what is there is not changed"
    client.delete_experiment("1")
    again = MlflowRegistry(registry._connection.uri)
    outcome = carry(made[0], again, globs=["kept tuning"])
    assert outcome.runs["already"] == 5, "who deleted it in MLflow is respected"


def test_a_second_import_changes_nothing_and_new_runs_are_added(made, registry, carry):
    carry(made[0], registry)
    first = told(registry)
    registry.delete_alias("kept-churn", "Best-2")
    registry.set_alias("kept-churn", "champion", 2)
    outcome = carry(made[0], registry)
    assert (outcome.runs["imported"], outcome.runs["new"]) == (0, 0)
    assert told(registry)["runs"] == first["runs"]
    assert dict(registry.registered_model("kept-churn").aliases) == {"champion": 2}, "people moved them since"


def test_a_store_is_taken_back_except_what_is_in_use_and_can_be_carried_again(made, registry, carry):
    carry(made[0], registry)
    client = client_of(registry)
    mine = client.create_run("1", run_name="mine").info.run_id
    dry = undo_store("batch", registry.store_writer(), registry, dry_run=True)
    assert len(told(registry)["models"]) == 2
    outcomes = undo_store("batch", registry.store_writer(), registry)
    assert [(o.name, o.status) for o in dry] == [(o.name, o.status) for o in outcomes]
    versions = {o.name: (o.status, o.reason) for o in outcomes if o.versions}
    assert versions == {
        "kept-churn 1": ("refused", "version 1 of kept-churn is champion; move the alias first"),
        "kept-churn 2": ("refused", "version 2 of kept-churn is Best-2; move the alias first"),
        "kept-churn 3": ("undone", ""),
        "kept-churn 5": ("undone", ""),
    }
    assert {r.info.run_name for r in client.search_runs(["1"])} == {"mine", "parent", "child"}
    for alias in ("champion", "Best-2"):
        registry.delete_alias("kept-churn", alias)
    registry.set_stage("kept-churn", 1, "None")
    assert {o.status for o in undo_store("batch", registry.store_writer(), registry)} == {"undone"}
    assert [r.info.run_id for r in client.search_runs(["1"])] == [mine]
    assert client.search_logged_models(["1"]) == []
    assert registry.registered_model("kept-churn").versions == ()
    assert undo_store("batch", registry.store_writer(), registry) == ()
    again = carry(made[0], registry)
    assert again.runs["imported"] == 4, "what was deleted in the store is there already"
    assert {v.status for v in again.versions if v.name == "kept-churn"} == {"imported"}


class Stopped(BaseException):
    """Stands for a kill."""


class Dying:
    """Passes calls on, and dies at one of the writes: before it, or right after it."""

    READS = frozenset({"prompt", "experiments", "carried", "artifact_uri", "registered_model", "all_registered_models"})

    def __init__(self, inner, count):
        self._inner, self._count = inner, count

    def __getattr__(self, name):
        call = getattr(self._inner, name)
        if name in self.READS:
            return call

        def counted(*words, **more):
            self._count["left"] -= 1
            if self._count["left"] == 0 and self._count["before"]:
                raise Stopped
            answer = call(*words, **more)
            if self._count["left"] == 0:
                raise Stopped
            return answer

        return counted


@pytest.mark.live
@pytest.mark.parametrize(
    "server", ["mlflow_server", pytest.param("mlflow_postgres_server", marks=pytest.mark.postgres)]
)
def test_a_store_arrives_on_a_server_too(made, carry, request, tmp_path, server):
    source, ids = made
    registry = MlflowRegistry(request.getfixturevalue(server))
    outcome = _until_it_is_there(carry, source, registry)
    assert outcome.runs["failed"] == 0, outcome.left_out
    with open_store(str(source), tmp_path / "spool") as store:
        parts = (registry.store_writer(), registry.store_reader(), registry, tmp_path / "spool")
        verified = StoreVerifier(store, *parts).verify()
    odd = [d for d in verified.differences if not d.name.startswith(("kept-churn", "greeting"))]
    assert odd == [], "the models of both stores are called the same, and share one registered model"
    client = client_of(registry)
    assert client.load_prompt("prompts:/greeting/2").template == "Hi {{name}}"
    home = next(str(e.experiment_id) for e in client.search_experiments() if e.name.startswith("kept tuning"))
    runs = {r.data.tags[SOURCE_RUN_TAG]: r for r in client.search_runs([home], run_view_type=3)}
    parent, child = runs[ids["parent"]], runs[ids["child"]]
    assert math.isnan(parent.data.metrics["nan"])
    assert parent.info.end_time == 1_600_000_007_000
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert runs[ids["deleted"]].info.lifecycle_stage == "deleted"
    versions = {v.source.version: v for v in outcome.versions if v.name == "kept-churn"}
    assert [versions[n].status for n in (1, 2, 3)] == ["imported"] * 3, outcome.left_out
    for number in (1, 2, 3):
        folder = registry.fetch(f"models:/kept-churn/{versions[number].version}", tmp_path / str(number))
        assert (folder / "weights.bin").read_bytes() == bytes(range(256))
    assert carry(source, registry).runs["imported"] == 0


def _until_it_is_there(carry, source, registry):
    """Do as the message says: a server that resets a connection under load is asked again, and nothing comes twice."""
    for _ in range(3):
        with contextlib.suppress(MlflowUnreachableError):
            return carry(source, registry, jobs=registry.jobs)
    return carry(source, registry, jobs=registry.jobs)


@pytest.fixture
def killed(made, carry, mlflow_template, tmp_path):
    """Kill an import at a write: `killed(step, before=True)`; returns the registry that is left."""

    def kill(step, *, before):
        registry = empty(mlflow_template, tmp_path / "killed")
        count = {"left": step, "before": before}
        with contextlib.suppress(Stopped):
            carry(made[0], Dying(registry, count), Dying(registry.store_writer(), count))
        return registry

    return kill


@pytest.mark.slow
@pytest.mark.parametrize("moment", [(step, before) for step in range(2, 82, 20) for before in (True, False)])
def test_a_kill_at_any_write_is_repaired_by_the_next_import(made, arrived, carry, killed, moment):
    registry = killed(moment[0], before=moment[1])
    assert carry(made[0], registry).runs["failed"] == 0
    assert told(registry) == told(arrived[0])


class Failing:
    """Passes calls on; one method of MLflow's client refuses or dies at its nth call."""

    def __init__(self, connection, method, error, at=1):
        self._inner, self._method, self._error, self._left = connection, method, error, at

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def ask(self, doing, question, **more):
        def asked(client):
            class Client:
                def __getattr__(_, name):  # noqa: N805 - the outer self is needed
                    if name == self._method:
                        self._left -= 1
                        if self._left == 0:
                            raise self._error
                    return getattr(client, name)

            return question(Client())

        return self._inner.ask(doing, asked, **more)


@pytest.mark.parametrize("method", ["log_batch", "finalize_logged_model", "log_outputs", "set_terminated"])
def test_a_run_that_was_left_half_written_is_replaced(made, registry, carry, method):
    from selector.adapters.store_writer_mlflow import MlflowStoreWriter  # noqa: PLC0415 - MLflow comes late

    broken = MlflowStoreWriter(Failing(registry._connection, method, Stopped()))
    with pytest.raises(Stopped):
        carry(made[0], registry, broken)
    outcome = carry(made[0], registry)
    assert outcome.runs["failed"] == 0
    copies = [run[0] for run in told(registry)["runs"]]
    assert len(copies) == len(set(copies)) == outcome.runs["imported"] + outcome.runs["already"]
    assert len(client_of(registry).search_logged_models(["1"])) == 2


def test_a_run_that_mlflow_refuses_stops_no_other(made, registry, carry):
    from selector.adapters.store_writer_mlflow import MlflowStoreWriter  # noqa: PLC0415 - MLflow comes late

    error = MlflowRefusedError("no")
    outcome = carry(made[0], registry, MlflowStoreWriter(Failing(registry._connection, "log_batch", error)))
    assert outcome.runs["failed"] == 1
    assert outcome.runs["imported"] == (6 if made[0].is_dir() else 5)
    assert "no" in {one.reason for one in outcome.left_out if one.what == "run"}
    assert carry(made[0], registry).runs["imported"] == 1


def test_nothing_is_written_to_the_source(made, registry, carry):
    folder = Path(made[0]).parent

    def look():
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}

    before = look()
    carry(made[0], registry)
    assert look() == before
    assert os.environ.get("MLFLOW_ALLOW_FILE_STORE") is None
