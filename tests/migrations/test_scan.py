"""Does a scan list every model of a legacy store, say why not, and stop for no single entry?"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from migrations import scan as scan_module
from migrations.byte_source import open_regular
from migrations.layouts import layouts
from migrations.scan import scan
from selector.errors import UsageError


def reasons(found):
    return {entry.name: entry.reason for entry in found.unreadable if not entry.ignored}


def test_every_staged_folder_is_listed_as_importable_or_with_its_reason(churn):
    found = scan([churn])
    assert [model.name for model in found.models] == [
        "logistic_20250820_104603",
        "logistic_20250820_104648",
        "logistic_20250822_013133",
    ]
    assert reasons(found) == {
        "forest_20250828_012024": "no model file",
        "forest_20251010_005702": "model.pkl is cut off",
        "forest_20251010_141145": "metadata.json is cut off",
    }
    assert {entry.model_type for entry in found.unreadable} == {"forest"}


def test_what_is_recorded_about_a_model_is_kept(churn):
    model = scan([churn]).models[0]
    data = (churn / model.name / "model.pkl").read_bytes()
    assert model.fingerprint == hashlib.sha256(data).hexdigest()
    assert model.size == len(data)
    assert (model.format, model.model_type) == ("pickle", "logistic")
    assert dict(model.metrics) == {"f1_score": 0.75, "accuracy": 0.8}
    assert dict(model.params) == {"C": "1.0"}
    assert model.created_at == model.started_at == datetime(2025, 8, 20, 10, 46, 3, 452494, tzinfo=UTC)
    assert model.tags["description"] == "made by logistic_20250820_104603"
    assert "metrics are from performance_metrics" in model.notes


def test_a_scan_changes_nothing(churn):
    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in churn.rglob("*")}

    before = state()
    scan([churn])
    assert state() == before


def test_a_scan_imports_no_machine_learning_library(churn):
    code = f"import sys; from pathlib import Path; from migrations.scan import scan; scan([Path({str(churn)!r})]);"
    code += "print(sorted({'sklearn', 'mlflow', 'pandas', 'joblib', 'xgboost', 'lightgbm'} & set(sys.modules)))"
    root = Path(scan_module.__file__).parents[1]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_preprocessors_go_with_their_model_and_are_ignored_alone(stage, estimators):
    stage("logistic_20250820_104603", estimators[0])
    scaler = pickle.dumps(estimators[0][0])
    (stage.store / "logistic_20250820_104603" / "preprocessor.pkl").write_bytes(scaler)
    (stage.store.parent / "scaler.pkl").write_bytes(scaler)
    found = scan([stage.store.parent])
    assert [a.path.name for a in found.models[0].attachments] == ["preprocessor.pkl"]
    assert [(e.name, e.ignored, e.reason) for e in found.unreadable] == [
        ("scaler", True, "scaler.pkl is a preprocessor (StandardScaler), not a model")
    ]


def test_the_model_is_chosen_by_its_bytes_not_by_its_name(stage, estimators):
    stage("logistic_20250820_104603", estimators[0], file="final_estimator.bin")
    (stage.store / "logistic_20250820_104603" / "model.pkl").write_bytes(pickle.dumps(estimators[0][0]))
    model = scan([stage.store]).models[0]
    assert model.model_file.name == "final_estimator.bin"


def test_a_whole_file_beside_a_broken_model_does_not_take_its_place(stage, estimators):
    stage("logistic_20250820_104603", pickle.dumps(estimators[0])[:500])
    (stage.store / "logistic_20250820_104603" / "backup.pkl").write_bytes(pickle.dumps(estimators[1]))
    assert reasons(scan([stage.store])) == {"logistic_20250820_104603": "model.pkl is cut off"}


def test_the_declared_file_is_the_model(stage, estimators):
    path = "C:\\work\\models\\winner.pkl"
    stage("logistic_20250820_104603", estimators[0], model_path=path)
    (stage.store / "logistic_20250820_104603" / "winner.pkl").write_bytes(pickle.dumps(estimators[1]))
    model = scan([stage.store]).models[0]
    assert model.model_file.name == "winner.pkl"
    assert [a.path.name for a in model.attachments] == ["model.pkl"]


def test_a_backup_beside_the_model_of_a_stage_goes_with_it(tmp_path, estimators):
    folder = tmp_path / "models" / "production"
    folder.mkdir(parents=True)
    for index, name in enumerate(("model.pkl", "model_backup.pkl")):
        (folder / name).write_bytes(pickle.dumps(estimators[index]))
    (folder / "metadata.json").write_text('{"f1_score": 0.7}')
    (model,) = scan([tmp_path]).models
    assert (model.name, model.model_file.name, dict(model.metrics)) == ("production", "model.pkl", {"f1_score": 0.7})


def test_a_model_that_is_a_text_is_refused_with_the_reason(stage):
    stage("logistic_20250820_104603", "not a model")
    assert reasons(scan([stage.store])) == {"logistic_20250820_104603": "model.pkl holds a text, not a model"}


@pytest.mark.parametrize("metrics", [{"metrics": {"f1_score": 0.85}, "performance_metrics": None}])
def test_both_spellings_of_the_metrics_are_read(stage, estimators, metrics):
    stage("logistic_20250820_104603", estimators[0], **metrics)
    assert dict(scan([stage.store]).models[0].metrics) == {"f1_score": 0.85}


def test_flat_folders_bind_one_document_to_one_model(tmp_path, estimators):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "best_model.joblib").write_bytes(pickle.dumps(estimators[0]))
    (folder / "model_metadata.json").write_text(json.dumps({"f1_score": 0.7, "created_at": "2025-01-02"}))
    model = scan([folder]).models[0]
    assert (model.name, dict(model.metrics)) == ("best_model", {"f1_score": 0.7})
    assert model.path == folder / "best_model.joblib"


def test_one_document_beside_several_models_is_not_guessed_at(tmp_path, estimators):
    for index in (0, 1):
        (tmp_path / f"m{index}.pkl").write_bytes(pickle.dumps(estimators[index]))
    (tmp_path / "metrics.json").write_text('{"f1": 0.9}')
    found = scan([tmp_path])
    assert [dict(model.metrics) for model in found.models] == [{}, {}]
    assert "may be about any of 2 models" in found.notes[0]


def test_models_and_metrics_are_paired_by_stem(tmp_path, estimators):
    for index, stem in enumerate(("churn", "churn_v2")):
        (tmp_path / f"{stem}_model.pkl").write_bytes(pickle.dumps(estimators[index]))
        (tmp_path / f"{stem}_metrics.json").write_text(json.dumps({"f1": 0.5 + index / 10}))
    assert {m.name: dict(m.metrics) for m in scan([tmp_path]).models} == {"churn": {"f1": 0.5}, "churn_v2": {"f1": 0.6}}


@pytest.mark.parametrize(
    "document",
    [
        {"Random Forest": {"f1": 0.6}, "XGBoost": {"f1": 0.7}},
        {"results": {"random_forest": {"f1": 0.6}, "xgboost": {"metrics": {"f1": 0.7}}}},
        [
            {"Model": "RandomForestClassifier", "f1": 0.6},
            {"Model": "XGBClassifier", "f1": 0.9},
            {"Model": "xgboost", "f1": 0.7},
        ],
        {"best_model": "XGBoost", "models": [{"name": "random_forest", "f1": 0.6}, {"name": "xgboost", "f1": 0.7}]},
    ],
    ids=["by name", "under results", "rows", "rows under models"],
)
def test_numbers_under_each_models_name_are_bound_by_name(tmp_path, estimators, document):
    for index, name in enumerate(("random_forest_model.pkl", "xgboost.pkl", "other.pkl")):
        (tmp_path / name).write_bytes(pickle.dumps(estimators[index]))
    (tmp_path / "metrics.json").write_text(json.dumps(document))
    found = {model.name: dict(model.metrics) for model in scan([tmp_path]).models}
    assert found == {"random_forest_model": {"f1": 0.6}, "xgboost": {"f1": 0.7}, "other": {}}


def test_the_best_model_gets_the_numbers_of_the_one_that_is_named_the_best(tmp_path, estimators):
    (tmp_path / "best_model.pkl").write_bytes(pickle.dumps(estimators[0]))
    (tmp_path / "metrics.json").write_text(
        '{"best_model": "XGBoost", "results": {"xgboost": {"f1": 0.7}, "lightgbm": {"f1": 0.8}}}'
    )
    assert [dict(model.metrics) for model in scan([tmp_path]).models] == [{"f1": 0.7}]


def test_a_name_that_occurs_twice_binds_nothing(tmp_path, estimators):
    (tmp_path / "xgboost.pkl").write_bytes(pickle.dumps(estimators[0]))
    (tmp_path / "forest.pkl").write_bytes(pickle.dumps(estimators[1]))
    (tmp_path / "metrics.json").write_text('[{"model": "xgboost", "f1": 0.7}, {"model": "XGBoost", "f1": 0.8}]')
    assert {model.name: dict(model.metrics) for model in scan([tmp_path]).models} == {"xgboost": {}, "forest": {}}


@pytest.mark.parametrize("stage_name", ["production", "champion", "v1", "1.0.0", "v2.10"])
def test_stage_and_version_folders_are_one_model_each(tmp_path, estimators, stage_name):
    folder = tmp_path / "models" / "churn" / stage_name
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(estimators[0]))
    (folder / "metrics.json").write_text('{"test_f1": 0.7}')
    model = scan([tmp_path]).models[0]
    assert (model.name, dict(model.metrics), model.path) == (f"churn/{stage_name}", {"test_f1": 0.7}, folder)


def registry(tmp_path, document, *models):
    for name, estimator in models:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(estimator))
    (tmp_path / "registry.json").write_text(json.dumps(document))
    return scan([tmp_path])


@pytest.mark.parametrize(
    "document",
    [
        {"models": [{"model_id": "one", "path": "C:\\old\\models\\one.pkl", "metrics": {"f1": 0.6}}]},
        {"one": {"file": "/app/models/one.pkl", "metrics": {"f1": 0.6}}},
        {"one": [{"model_path": "models/one.pkl", "f1": 0.6}]},
        [{"name": "one", "filename": "one.pkl", "metrics": {"f1": 0.6}}],
        {"latest": "one", "models": {"one": {"artifacts": {"model_path": "x/one.pkl"}, "f1": 0.6}}},
    ],
    ids=["list", "by name", "list by name", "bare list", "with latest"],
)
def test_registry_files_of_every_shape_name_models(tmp_path, estimators, document):
    found = registry(tmp_path, document, ("one.pkl", estimators[0]))
    assert [(m.model_file.name, dict(m.metrics)) for m in found.models] == [("one.pkl", {"f1": 0.6})]
    assert found.models[0].name.startswith("one")


def test_many_records_of_one_overwritten_file_give_one_model_the_newest(tmp_path, estimators):
    records = [
        {
            "model_id": f"m{day}",
            "model_path": "m.pkl",
            "timestamp": f"2025-01-{day:02}T00:00:00",
            "metrics": {"f1": 1 / day},
        }
        for day in range(1, 11)
    ]
    found = registry(tmp_path, {"models": records}, ("m.pkl", estimators[0]))
    assert [(m.name, dict(m.metrics)) for m in found.models] == [("m10", {"f1": 0.1})]
    assert len(found.unreadable) == 9
    assert {entry.reason for entry in found.unreadable} == {"m.pkl was overwritten by m10"}


def test_versions_are_ordered_as_numbers_where_there_is_no_time(tmp_path, estimators):
    records = [{"model_version": f"v2.{minor}", "file": "m.pkl"} for minor in (9, 10, 2)]
    assert registry(tmp_path, records, ("m.pkl", estimators[0])).models[0].name == "v2.10"


def test_a_registry_finds_its_files_in_subfolders(tmp_path, estimators):
    document = {
        "models": [{"model_id": f"m{n}", "path": f"/home/me/models/v{n}/model.pkl", "f1": n / 10} for n in (1, 2)]
    }
    found = registry(tmp_path, document, ("v1/model.pkl", estimators[0]), ("v2/model.pkl", estimators[1]))
    assert {m.name: (m.model_file.parent.name, dict(m.metrics)) for m in found.models} == {
        "m1": ("v1", {"f1": 0.1}),
        "m2": ("v2", {"f1": 0.2}),
    }
    assert not found.unreadable


@pytest.mark.parametrize(
    "recorded", ["my%20model%20(1).pkl", "file:///C:/x/my%20model%20(1).pkl", "./my model (1).pkl"]
)
def test_recorded_paths_are_found_however_they_are_spelled(tmp_path, estimators, recorded):
    found = registry(tmp_path, [{"id": "x", "path": recorded, "f1": 0.5}], ("my model (1).pkl", estimators[0]))
    assert [(m.name, m.metrics["f1"]) for m in found.models] == [("x", 0.5)]


def test_a_registry_cannot_name_files_outside_its_folder(tmp_path, estimators):
    (tmp_path / "secret.pkl").write_bytes(pickle.dumps(estimators[0]))
    inner = tmp_path / "models"
    inner.mkdir()
    found = registry(inner, {"models": [{"model_id": "out", "path": "../secret.pkl"}]})
    assert not found.models
    assert reasons(found) == {"out": "no model file (secret.pkl is not in the folder)"}


def test_an_mlflow_model_folder_goes_as_it_is(tmp_path, estimators):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  sklearn: {pickled_model: model.pkl}\n")
    assert reasons(scan([tmp_path])) == {"exported": "no model file: MLmodel names model.pkl, which is not there"}
    (folder / "model.pkl").write_bytes(pickle.dumps(estimators[0]))
    model = scan([tmp_path]).models[0]
    assert (model.name, model.format, model.model_file) == ("exported", "mlflow", folder)
    first = model.fingerprint
    (folder / "model.pkl").write_bytes(pickle.dumps(estimators[1]))
    assert scan([tmp_path]).models[0].fingerprint != first


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a: " * 5, "flavors: 3", "&a [*a]", ""], ids=["deep", "odd", "no map", "self", "empty"]
)
def test_a_hostile_mlmodel_is_a_reason(tmp_path, text):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "MLmodel").write_text(text)
    assert reasons(scan([tmp_path]))["exported"].startswith("is no usable MLflow model")


def test_an_mlflow_store_is_pointed_at_the_right_command(tmp_path):
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: 0\n")
    found = scan([tmp_path])
    assert not found.models
    assert "migrate store" in found.notes[0]


@pytest.mark.parametrize("below", ["7", f"7/{'0a' * 16}", "models/churn", f"7/models/m-{'0a' * 16}"])
def test_the_root_of_a_store_is_named_whichever_of_its_files_are_missing(tmp_path, below):
    (tmp_path / "mlruns" / below).mkdir(parents=True)
    (tmp_path / "mlruns" / below / "meta.yaml").write_text("name: churn\n")
    assert scan([tmp_path]).notes == (f"{tmp_path / 'mlruns'} is an MLflow file store: import it with `migrate store`",)


def test_an_mlflow_database_is_pointed_at_the_right_command_and_another_is_not(tmp_path):
    for name, constraint in (("mlflow.db", "experiment_pk"), ("app.db", "user_pk")):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            database.execute(f"CREATE TABLE experiments (id INTEGER, CONSTRAINT {constraint} PRIMARY KEY (id))")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert scan([tmp_path]).notes == (
        f"{tmp_path / 'mlflow.db'} is an MLflow database: import it with `migrate store`",
    )
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_autogluon_predictor_is_one_entry_with_its_reason(tmp_path, estimators):
    folder = tmp_path / "AutogluonModels"
    for name in ("predictor.pkl", "learner.pkl", "models/trainer.pkl", "models/LightGBM/model.pkl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(pickle.dumps(estimators[0]))
    found = scan([tmp_path])
    assert not found.models
    assert "is an AutoGluon predictor" in reasons(found)["AutogluonModels"]
    assert len(found.unreadable) == 1


def test_the_time_of_an_mlflow_model_is_the_one_in_its_mlmodel(tmp_path, estimators):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "MLmodel").write_text(
        "flavors:\n  sklearn: {pickled_model: model.pkl}\nutc_time_created: '2025-03-15 19:00:47.884302'\n"
    )
    (folder / "model.pkl").write_bytes(pickle.dumps(estimators[0]))
    created = datetime(2025, 3, 15, 19, 0, 47, 884302, tzinfo=UTC)
    assert scan([tmp_path]).models[0].created_at == created
    assert scan([tmp_path], timezone=ZoneInfo("Asia/Kolkata")).models[0].created_at == created
    (folder / "metadata.json").write_text('{"registered_at": "2025-03-16T00:00:00Z"}')
    assert scan([tmp_path]).models[0].created_at == datetime(2025, 3, 16, tzinfo=UTC)


def test_an_empty_store_is_no_error(tmp_path):
    assert scan([tmp_path]) == scan_module.Scan()


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        scan([tmp_path / "missing"])


def test_a_single_file_can_be_scanned(churn):
    path = churn / "logistic_20250820_104603" / "model.pkl"
    assert [model.model_file for model in scan([path]).models] == [path]


def test_overlapping_paths_list_each_entry_once(churn):
    entry = churn / "logistic_20250820_104603"
    found = scan([churn, entry, churn.parent, entry / "model.pkl"])
    assert len(found.models) == 3


def test_an_unknown_layout_names_the_known_ones(churn):
    with pytest.raises(UsageError) as raised:
        scan([churn], layout="nonsense")
    assert "staging-folders" in raised.value.advice
    assert len(scan([churn], layout="staging-folders").models) == 3


def test_layouts_of_other_packages_are_asked_before_the_last_one(monkeypatch):
    class Mine:
        name = "mine"

        def read(self, folder):
            return None

    class Point:
        name = "mine"

        def load(self):
            return Mine()

    monkeypatch.setattr(
        "migrations.layouts.entry_points", lambda group: [Point()] if group == "mlflow_selector.layouts" else []
    )
    assert [layout.name for layout in layouts()][-2:] == ["mine", "bare-files"]


def test_links_pipes_and_devices_are_named_and_never_opened(churn, tmp_path):
    outside = tmp_path / "outside.pkl"
    outside.write_bytes(b"secret")
    (churn / "link.pkl").symlink_to(outside)
    (churn / "linked_folder").symlink_to(tmp_path)
    os.mkfifo(churn / "pipe.pkl")
    folder = churn / "forest_20250828_012024"
    os.mkfifo(folder / "model.pkl")
    found = scan([churn])
    assert len(found.models) == 3
    assert reasons(found)["forest_20250828_012024"] == "model.pkl is a named pipe, which is not followed or opened"
    ignored = {entry.name: entry.reason for entry in found.unreadable if entry.ignored}
    assert set(ignored) == {"link.pkl", "linked_folder", "pipe.pkl"}
    assert "is a link" in ignored["link.pkl"]


def test_metadata_behind_a_link_is_not_read_and_that_is_said(stage, estimators, tmp_path):
    stage("logistic_20250820_104603", estimators[0])
    document = stage.store / "logistic_20250820_104603" / "metadata.json"
    document.rename(tmp_path / "elsewhere.json")
    document.symlink_to(tmp_path / "elsewhere.json")
    model = scan([stage.store]).models[0]
    assert dict(model.metrics) == {}
    assert "metadata.json is a link and is not read" in model.notes


@pytest.mark.timeout(20)
def test_a_file_that_became_a_link_or_a_pipe_after_it_was_listed_is_not_read(tmp_path):
    (tmp_path / "target").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            open_regular(tmp_path / name)


def test_a_loop_of_links_ends(churn):
    (churn / "loop").symlink_to(churn)
    assert len(scan([churn]).models) == 3


def test_files_that_vanish_or_cannot_be_read_cost_only_themselves(churn, monkeypatch):
    real = scan_module.list_folder
    gone = churn / "logistic_20250820_104648"

    def vanish(path, root, known):
        if path == gone:
            raise FileNotFoundError(2, "No such file or directory")
        return real(path, root, known)

    monkeypatch.setattr(scan_module, "list_folder", vanish)
    found = scan([churn])
    assert [model.name for model in found.models] == ["logistic_20250820_104603", "logistic_20250822_013133"]
    assert reasons(found)["logistic_20250820_104648"] == "the folder cannot be read: No such file or directory"


def test_a_file_that_cannot_be_opened_is_a_reason(churn, monkeypatch):
    real = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("104648/model.pkl"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    assert reasons(scan([churn]))["logistic_20250820_104648"] == "model.pkl cannot be read: Permission denied"


def test_names_with_line_breaks_and_undecodable_bytes_are_scanned(stage, estimators):
    stage("evil\n\x1b[31m_20250820_104603", estimators[0])
    Path(os.fsdecode(os.fsencode(stage.store) + b"/bad\xff_20250820_104604")).mkdir()
    found = scan([stage.store])
    assert [model.name for model in found.models] == ["evil\n\x1b[31m_20250820_104603"]
    assert [entry.reason for entry in found.unreadable] == ["no model file"]


def test_a_deep_tree_ends(tmp_path):
    deep = tmp_path
    for _ in range(60):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert "nested deeper" in scan([tmp_path]).notes[0]


def test_an_empty_model_file_is_a_reason(stage):
    stage("logistic_20250820_104603", b"")
    assert reasons(scan([stage.store])) == {"logistic_20250820_104603": "model.pkl is empty"}
