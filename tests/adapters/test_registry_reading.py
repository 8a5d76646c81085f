"""Is everything read that MLflow holds: pages, old-style models, states, prompts, hostile files?"""

from __future__ import annotations

import json
import math
import os
import uuid
from types import SimpleNamespace

import pytest

from selector.adapters import registry_mlflow, registry_mlflow_runs
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.registry_mlflow_values import registered_value
from selector.errors import MlflowRefusedError
from selector.ports import NewRun


@pytest.fixture
def registry(mlflow_sqlite):
    return MlflowRegistry(mlflow_sqlite)


@pytest.fixture
def client(registry):
    """MLflow's own client on the same database, for what our ports do not write."""
    return registry._connection._opened()


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    return model


@pytest.mark.parametrize("page", [1, 2, 3, 50])
def test_small_pages_give_the_same_runs_models_versions_and_experiments(registry, folder, monkeypatch, page):
    for number in range(7):
        registry.write(NewRun(f"e{number % 3}", f"r{number}", None, None, {"f1": number / 10}, model_folder=folder))
    for name in ("a", "b", "c"):
        registry.create_registered_model(name)
        for run in registry.runs(["e*"])[:4]:
            registry.create_version(name, run.models[0].uri, run.run_id, {})
    runs, models = registry.runs(["e*"]), registry.registered_models(["a", "b", "c"])
    monkeypatch.setattr(registry_mlflow_runs, "PAGE", page)
    monkeypatch.setattr(registry_mlflow, "MODELS_PER_PAGE", page)
    monkeypatch.setattr(registry_mlflow, "VERSIONS_PER_PAGE", page)
    assert registry.runs(["e*"]) == runs
    assert len(runs) == 7
    assert all(len(run.models) == 1 for run in runs)
    assert registry.registered_models(["a", "b", "c"]) == models
    assert registry.registered_model("b") == models["b"]
    assert len(models["b"].versions) == 4
    assert registry.experiments() == ("Default", "e0", "e1", "e2")


@pytest.mark.parametrize("start", [1_600_000_000_000, -5000])
def test_runs_of_one_and_the_same_start_are_all_read_over_several_pages(registry, client, monkeypatch, start):
    number = client.create_experiment("e")
    ids = {client.create_run(number, start_time=start).info.run_id for _ in range(5)}
    ids |= {client.create_run(number, start_time=start + n).info.run_id for n in (1, 1, 2)}
    monkeypatch.setattr(registry_mlflow_runs, "PAGE", 2)
    found = [run.run_id for run in registry.runs(["e"])]
    assert sorted(found) == sorted(ids)


def test_a_run_deleted_between_two_pages_hides_no_other(registry, client, monkeypatch):
    number = client.create_experiment("e")
    ids = [client.create_run(number, start_time=1000 + n).info.run_id for n in range(6)]
    monkeypatch.setattr(registry_mlflow_runs, "PAGE", 2)
    search = client.search_runs

    def search_then_delete(*words, **options):
        page = search(*words, **options)
        monkeypatch.setattr(client, "search_runs", search)
        client.delete_run(ids[0])
        return page

    monkeypatch.setattr(client, "search_runs", search_then_delete)
    assert set(ids[1:]) <= {run.run_id for run in registry.runs(["e"])}


def test_states_names_and_datasets_of_runs_are_told(registry, client):
    from mlflow.entities import Dataset, DatasetInput  # noqa: PLC0415 - only this test needs it

    number = client.create_experiment("e")
    running = client.create_run(number, run_name="").info.run_id
    failed = client.create_run(number, run_name="broken").info.run_id
    client.set_terminated(failed, "FAILED")
    client.log_inputs(failed, [DatasetInput(Dataset("rows", "abc123", "local", "{}"))])
    found = {run.run_id: run for run in registry.runs(["e"])}
    assert (found[running].status, found[running].ended_at) == ("RUNNING", None)
    assert found[running].name
    assert (found[failed].status, found[failed].name, found[failed].datasets) == ("FAILED", "broken", {"abc123"})


def test_several_models_of_one_run_and_unready_ones_are_told(registry, client):
    from mlflow.entities import Metric  # noqa: PLC0415 - only this test needs it

    number = client.create_experiment("e")
    run_id = client.create_run(number).info.run_id
    first, second, failed = (
        client.create_logged_model(number, name=name, source_run_id=run_id).model_id for name in ("a", "a", "b")
    )
    client.finalize_logged_model(first, "READY")
    client.finalize_logged_model(failed, "FAILED")
    client.log_batch(run_id, [Metric("f1", 0.5, 2, 0, model_id=first, dataset_name="rows", dataset_digest="abc")])
    client.log_batch(run_id, [Metric("f1", 0.2, 3, 0, model_id=second)])
    client.log_batch(run_id, [Metric("f1", 0.9, 1, 1, model_id=first), Metric("f1", 0.1, 1, 0, model_id=first)])
    ((models),) = [run.models for run in registry.runs(["e"])]
    assert [(m.uri, m.name, m.ready) for m in models] == [
        (f"models:/{first}", "a", True),
        (f"models:/{second}", "a", False),
        (f"models:/{failed}", "b", False),
    ]
    assert models[0].metrics == {"f1": 0.9}
    assert models[0].datasets == {"abc"}


def test_a_models_nan_that_mlflow_stores_as_zero_is_nan_again(registry, client):
    from mlflow.entities import Metric  # noqa: PLC0415 - only this test needs it

    number = client.create_experiment("e")
    run_id = client.create_run(number).info.run_id
    model_id = client.create_logged_model(number, source_run_id=run_id).model_id
    client.log_batch(run_id, [Metric("log_loss", math.nan, 1, 0, model_id=model_id)])
    assert client.get_logged_model(model_id).metrics[0].value == 0, "MLflow has mended this: drop our correction"
    ((model,),) = [run.models for run in registry.runs(["e"])]
    assert math.isnan(model.metrics["log_loss"])


def test_models_of_mlflow_2_are_read_from_the_runs_tag(registry, client, tmp_path):
    number = client.create_experiment("e")
    history = [
        {"artifact_path": "model", "utc_time_created": "2023-05-06 07:08:09.123456", "run_id": "x"},
        {"artifact_path": "deep/model", "utc_time_created": "nonsense"},
        {"artifact_path": "model", "utc_time_created": "2023-05-06 07:08:10.123456"},
        {"artifact_path": 7},
        "text",
    ]
    run_id = client.create_run(number, tags={"mlflow.log-model.history": json.dumps(history)}).info.run_id
    ((one, two),) = [run.models for run in registry.runs(["e"])]
    assert (one.uri, one.created_at.second) == (f"runs:/{run_id}/model", 10)
    assert (two.uri, two.created_at) == (f"runs:/{run_id}/deep/model", None)

    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "MLmodel").write_text("flavors: {}\n")
    client.log_artifacts(run_id, str(tmp_path / "old"), "deep/model")
    assert (registry.fetch(two.uri, tmp_path / "into") / "MLmodel").is_file()


@pytest.mark.parametrize("tag", ["", "not json", "7", '{"artifact_path": "m"}', "[[]]"])
def test_a_strange_history_tag_says_nothing(registry, client, tag):
    number = client.create_experiment("e")
    client.create_run(number, tags={"mlflow.log-model.history": tag})
    assert [run.models for run in registry.runs(["e"])] == [()]


def test_prompts_are_no_models(registry, client):
    client.register_prompt("greeting", "Hello {{name}}")
    assert registry.registered_model("greeting") is None
    assert registry.registered_models(["greeting", "a", "b"]) == {}
    listed = SimpleNamespace(name="greeting", tags={"mlflow.prompt.is_prompt": "true"}, aliases={})
    assert registered_value(listed, []) is None, "an older server lists prompts among the models"


def test_deleting_a_version_takes_its_alias_along(registry, client, folder):
    written = registry.write(NewRun("e", "r", None, None, model_folder=folder))
    registry.create_registered_model("m")
    registry.create_version("m", written.model_uri, written.run_id, {})
    registry.set_alias("m", "champion", 1)
    client.delete_model_version("m", "1")
    assert registry.registered_model("m").aliases == {}


@pytest.mark.parametrize("name", ["it's", 'say "hi"', "a name with spaces.and-dots", "größe", "50% _off_"])
def test_names_with_quotes_spaces_and_wildcards_work(registry, folder, name):
    written = registry.write(NewRun(name, name, None, None, model_folder=folder))
    for one in (name, name + " other"):
        registry.create_registered_model(one)
        registry.create_version(one, written.model_uri, written.run_id, {})
    assert len(registry.registered_model(name).versions) == 1
    assert len(registry.runs([name])) == 1


def test_a_name_with_both_quotes_works_too(registry, folder):
    name = 'it\'s "it"'
    written = registry.write(NewRun("e", "r", None, None, model_folder=folder))
    registry.create_registered_model(name)
    registry.create_version(name, written.model_uri, written.run_id, {})
    assert [v.version for v in registry.registered_model(name).versions] == [1]


def test_a_version_can_name_a_folder_of_files(registry, client, folder, tmp_path):
    registry.create_registered_model("m")
    number = registry.create_version("m", str(folder), None, {})
    (version,) = registry.registered_model("m").versions
    assert (version.run_id, number) == (None, 1)
    assert (registry.fetch(version.source, tmp_path / "into") / "MLmodel").is_file()
    assert (registry.fetch("models:/m/1", tmp_path / "again") / "MLmodel").is_file()


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.invalid/model",
        "ftp://example.invalid/model",
        "sftp://example.invalid/model",
        "mlflow-artifacts://example.invalid/1/model",
        "file://example.invalid/model",
        "relative/model",
        "/tmp/../etc",
        "javascript:alert(1)",
        "models:/",
        "models:/m/Production",
        "models:/m/latest",
        "",
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(registry, uri, tmp_path):
    with pytest.raises(MlflowRefusedError):
        registry.fetch(uri, tmp_path / "into")
    assert list(tmp_path.glob("into/**/*")) == []


def test_artifacts_that_a_server_keeps_are_not_sought_through_its_database(registry, client, folder, tmp_path):
    client.create_experiment("served", "mlflow-artifacts:/7")
    with pytest.raises(MlflowRefusedError) as caught:
        registry.write(NewRun("served", "r", None, None, model_folder=folder))
    assert "mlflow.tracking_uri" in caught.value.advice
    assert registry.runs(["served"]) == ()
    with pytest.raises(MlflowRefusedError, match="kept by an MLflow server"):
        registry.fetch("mlflow-artifacts:/7/models/m-1/artifacts", tmp_path / "into")


@pytest.mark.parametrize("path", ["../../other", "%2e%2e/%2e%2e/other", "a/../../b"])
def test_a_path_out_of_the_runs_artifacts_is_refused(registry, path, tmp_path):
    written = registry.write(NewRun("e", "r", None, None))
    with pytest.raises(MlflowRefusedError, match="leads out"):
        registry.fetch(f"runs:/{written.run_id}/{path}", tmp_path / "into")


def test_links_and_pipes_in_a_model_are_refused(registry, folder, tmp_path):
    registry.create_registered_model("m")
    secret = tmp_path / "secret"
    secret.write_text("geheim")
    (folder / "weights").symlink_to(secret)
    with pytest.raises(MlflowRefusedError, match="no plain file"):
        registry.fetch(str(folder), tmp_path / "into")
    (folder / "weights").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(MlflowRefusedError, match="no plain file"):
        registry.fetch(str(folder), tmp_path / "into2")


def test_a_model_larger_than_allowed_is_refused(mlflow_sqlite, folder, tmp_path):
    (folder / "weights").write_bytes(b"x" * 1000)
    registry = MlflowRegistry(mlflow_sqlite, most_bytes=500)
    registry.create_registered_model("m")
    with pytest.raises(MlflowRefusedError, match="larger than the 500 bytes"):
        registry.fetch(str(folder), tmp_path / "into")


def test_the_folder_below_that_holds_the_model_is_found_and_two_are_refused(registry, folder, tmp_path):
    registry.create_registered_model("m")
    assert registry.fetch(str(folder.parent), tmp_path.parent / uuid.uuid4().hex).name == "model"
    (tmp_path / "model two").mkdir()
    (tmp_path / "model two" / "MLmodel").write_text("")
    with pytest.raises(MlflowRefusedError, match="several models"):
        registry.fetch(str(tmp_path), tmp_path.parent / uuid.uuid4().hex)


def test_the_process_wide_tracking_uri_is_neither_used_nor_changed(registry, folder, tmp_path, monkeypatch):
    import mlflow  # noqa: PLC0415 - only this test needs it

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    written = registry.write(NewRun("e", "r", None, None, model_folder=folder))
    registry.create_registered_model("m")
    registry.create_version("m", written.model_uri, written.run_id, {})
    registry.fetch(written.model_uri, tmp_path / "into")
    assert mlflow.get_tracking_uri() == before
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"
