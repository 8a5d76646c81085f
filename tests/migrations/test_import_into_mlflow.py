"""Can MLflow itself load and predict with every format that was imported, without our package's help?"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from migrations.mlmodel import model_folder
from migrations.model import ModelFile
from migrations.requirements import requirements
from migrations.scan import scan
from migrations.undo import undo
from selector.adapters.mlmodel_lint import lint
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import StagingError

FORMATS = {
    "model.pkl": "pickle",
    "old.pkl": "pickle",
    "xgb.pkl": "pickle",
    "lgbm.pkl": "pickle",
    "bundle.pkl": "pickle",
    "plain.joblib": "joblib",
    "zipped.joblib": "joblib",
    "lzma.joblib": "joblib",
    "bundle.joblib": "joblib",
    "model.txt": "lightgbm-text",
    "model.json": "xgboost-json",
    "model.ubj": "xgboost-ubj",
    "model.skops": "skops",
    "forest.skops": "skops",
}


@pytest.fixture(scope="session")
def mlflow():
    """MLflow, whose import alone warns of its own doings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: PLC0415 - takes seconds
        import mlflow.pyfunc  # noqa: PLC0415 - the same
    return mlflow


@pytest.fixture(scope="session")
def written(tmp_path_factory, rows):
    """One file per format in one folder, and what each of these models answers."""
    frame, labels = rows
    folder = tmp_path_factory.mktemp("formats")
    forest = RandomForestClassifier(5, random_state=1).fit(frame, labels)
    logistic = LogisticRegression().fit(frame, labels)
    xgb = xgboost.XGBClassifier(n_estimators=3).fit(frame, labels)
    lgbm = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=1, verbose=-1).fit(frame, labels)
    (folder / "model.pkl").write_bytes(pickle.dumps(forest))
    (folder / "old.pkl").write_bytes(pickle.dumps(logistic, 0))
    (folder / "xgb.pkl").write_bytes(pickle.dumps(xgb))
    (folder / "lgbm.pkl").write_bytes(pickle.dumps(lgbm))
    (folder / "bundle.pkl").write_bytes(pickle.dumps({"model": logistic, "threshold": 0.4}))
    joblib.dump(forest, folder / "plain.joblib")
    joblib.dump(forest, folder / "zipped.joblib", compress=3)
    joblib.dump(forest, folder / "lzma.joblib", compress=("lzma", 3))
    joblib.dump({"estimator": forest, "columns": ["a", "b"]}, folder / "bundle.joblib")
    lgbm.booster_.save_model(folder / "model.txt")
    xgb.get_booster().save_model(folder / "model.json")
    xgb.get_booster().save_model(folder / "model.ubj")
    skops.io.dump(logistic, folder / "model.skops")
    skops.io.dump(forest, folder / "forest.skops")
    answers = dict.fromkeys(FORMATS, forest.predict(frame)) | {
        "old.pkl": logistic.predict(frame),
        "bundle.pkl": logistic.predict(frame),
        "model.skops": logistic.predict(frame),
        "xgb.pkl": xgb.predict(frame),
        "lgbm.pkl": lgbm.predict(frame),
        "model.txt": lgbm.booster_.predict(frame),
        "model.json": xgb.predict_proba(frame)[:, 1],
        "model.ubj": xgb.predict_proba(frame)[:, 1],
    }
    return folder, answers


def staged(folder, name):
    (model,) = scan([folder / name]).models
    return model


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", FORMATS)
def test_mlflow_loads_and_predicts_with_every_format(mlflow, written, rows, tmp_path, name):
    folder, answers = written
    model = staged(folder, name)
    assert model.format == FORMATS[name]
    made = model_folder(model, tmp_path / "model")
    assert np.allclose(mlflow.pyfunc.load_model(str(made)).predict(rows[0]), answers[name])
    assert lint(made) is None, "the confined worker must not refuse it"


@pytest.mark.parametrize("name", FORMATS)
def test_the_model_file_is_in_the_folder_byte_for_byte(written, tmp_path, name):
    folder, _ = written
    made = model_folder(staged(folder, name), tmp_path / "model")
    original = (folder / name).read_bytes()
    held = [path.read_bytes() for path in made.glob("model.*")]
    assert [original in data for data in held] == [True]
    assert len(held[0]) - len(original) < 120


def names(pins):
    return [pin.partition("==")[0] for pin in pins]


def test_requirements_name_what_the_bytes_name(written):
    folder, _ = written
    pins = requirements(staged(folder, "xgb.pkl").contents)
    assert pins[0].startswith("mlflow==")
    assert set(names(pins)) - {"numpy"} == {"mlflow", "xgboost"}
    assert "scikit-learn" in names(requirements(staged(folder, "plain.joblib").contents, "joblib"))


def test_the_version_in_the_stream_is_pinned():
    pins = requirements(ModelFile("pickle", "model", packages=("sklearn",), versions={"scikit-learn": "1.1.3"}))
    assert "scikit-learn==1.1.3" in pins


@pytest.mark.parametrize(
    "version", ["1\n--index-url http://evil", "1 ; python_version", "", "latest", "1.0 @ file:///x"]
)
def test_what_is_no_version_is_never_written_into_requirements(version):
    pins = requirements(ModelFile("pickle", "model", packages=("sklearn",), versions={"scikit-learn": version}))
    assert names(pins) == ["mlflow", "scikit-learn"]
    assert all("\n" not in pin and " " not in pin for pin in pins)


def test_the_environment_files_agree(written, tmp_path):
    folder, _ = written
    made = model_folder(staged(folder, "model.pkl"), tmp_path / "model")
    pins = (made / "requirements.txt").read_text().split()
    conda = yaml.safe_load((made / "conda.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": pins}
    assert yaml.safe_load((made / "python_env.yaml").read_text())["dependencies"] == ["-r requirements.txt"]


def test_an_mlflow_folder_is_copied_and_still_loads(mlflow, written, rows, tmp_path):
    folder, answers = written
    exported = model_folder(staged(folder, "model.pkl"), tmp_path / "store" / "exported")
    (model,) = scan([exported.parent]).models
    copied = model_folder(model, tmp_path / "copied")
    assert np.allclose(mlflow.pyfunc.load_model(str(copied)).predict(rows[0]), answers["model.pkl"])


def test_attachments_go_under_extra(stage, estimators, tmp_path):
    stage("logistic_20250820_104603", estimators[0])
    (stage.store / "logistic_20250820_104603" / "preprocessor.pkl").write_bytes(pickle.dumps(estimators[0][0]))
    made = model_folder(scan([stage.store]).models[0], tmp_path / "model")
    assert (made / "extra" / "preprocessor.pkl").read_bytes() == pickle.dumps(estimators[0][0])


def test_a_file_that_grew_since_the_scan_is_refused(written, tmp_path):
    folder, _ = written
    copy = tmp_path / "model.pkl"
    copy.write_bytes((folder / "model.pkl").read_bytes())
    model = staged(tmp_path, "model.pkl")
    copy.write_bytes(copy.read_bytes() + b"more")
    with pytest.raises(StagingError, match="changed while it was imported"):
        model_folder(model, tmp_path / "model")


def test_the_copy_does_not_follow_later_changes_of_the_legacy_file(written, tmp_path):
    folder, _ = written
    copy = tmp_path / "model.pkl"
    copy.write_bytes((folder / "model.pkl").read_bytes())
    made = model_folder(staged(tmp_path, "model.pkl"), tmp_path / "model")
    with copy.open("r+b") as file:
        file.write(b"overwritten")
    assert (made / "model.pkl").read_bytes() == (folder / "model.pkl").read_bytes()


@pytest.mark.filterwarnings("default")
def test_a_real_mlflow_holds_the_store_and_gives_the_models_back(mlflow, churn, importer, rows, mlflow_sqlite):
    registry = MlflowRegistry(mlflow_sqlite)
    outcomes = importer(registry).import_paths([churn], "churn", "legacy", batch="b1")
    assert [(o.status, o.version) for o in outcomes] == [("imported", 1), ("imported", 2), ("imported", 3)] + [
        ("failed", None)
    ] * 3
    client = mlflow.MlflowClient(mlflow_sqlite, mlflow_sqlite)
    for outcome in outcomes[:3]:
        run = client.get_run(outcome.run_id)
        assert run.info.status == "FINISHED"
        assert run.info.run_name == outcome.name
        assert datetime.fromtimestamp(run.info.end_time / 1000, UTC) == outcome.created_at.replace(microsecond=452000)
        assert run.info.start_time == run.info.end_time
        assert run.data.metrics == {"f1_score": 0.75, "accuracy": 0.8}
        assert run.data.tags["selector.fingerprint"] == outcome.fingerprint
        assert run.data.tags["selector.source"] == str(outcome.path)
        assert run.data.tags.get("selector.copy_of") == outcome.copy_of
        version = client.get_model_version("churn", str(outcome.version))
        assert version.run_id == outcome.run_id
        assert version.tags["selector.fingerprint"] == outcome.fingerprint
        with (outcome.path / "model.pkl").open("rb") as file:
            expected = pickle.load(file).predict(rows[0])
        fetched = registry.fetch(version.source, outcome.path.parents[2] / f"fetched-{outcome.version}")
        assert np.array_equal(mlflow.pyfunc.load_model(str(fetched)).predict(rows[0]), expected)
    again = importer(registry).import_folder(churn, "churn", "legacy")
    assert [(o.status, o.version) for o in again][:3] == [("already", 1), ("already", 2), ("already", 3)]
    registry.set_alias("churn", "champion", 3)
    assert sorted(o.status for o in undo("b1", registry, registry)) == ["refused", "undone", "undone"]
    assert [v.version for v in registry.registered_model("churn").versions] == [3]
    assert [o.status for o in importer(registry).import_folder(churn, "churn", "legacy")][:3] == [
        "imported",
        "imported",
        "already",
    ]


def test_a_consumer_without_our_package_loads_a_joblib_model(written, rows, tmp_path):
    """The envelope must not need us: the consumer runs where neither selector nor migrations can be imported."""
    folder, answers = written
    made = model_folder(staged(folder, "zipped.joblib"), tmp_path / "model")
    code = (
        "import sys, json, pickle; sys.path = [p for p in sys.path if p]\n"
        "sys.modules['selector'] = sys.modules['migrations'] = None\n"
        f"print(json.dumps(pickle.load(open({str(made / 'model.pkl')!r}, 'rb')).predict(json.load(sys.stdin)).tolist()))"
    )
    frame = rows[0].to_numpy().tolist()
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        input=json.dumps(frame),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert json.loads(ran.stdout) == answers["zipped.joblib"].tolist()


@pytest.mark.slow
def test_the_real_churn_store_is_imported_as_expected(tmp_path, importer, mlflow_sqlite):
    tool = Path(__file__).parents[2].parent / "shared" / "tools" / "make_legacy_churn.py"
    if not tool.is_file():
        pytest.skip(f"the builder of the churn store is missing: {tool}")
    out = tmp_path / "churn"
    subprocess.run([sys.executable, "-W", "ignore", tool, out, "--rows", "1500"], check=True, capture_output=True)
    expected = json.loads((out / "expected.json").read_text())
    registry = MlflowRegistry(mlflow_sqlite)
    outcomes = {o.name: o for o in importer(registry).import_folder(out / "models" / "staging", "churn", "legacy")}
    assert set(outcomes) == set(expected)
    for name, wanted in expected.items():
        got = outcomes[name]
        if not wanted["importable"]:
            assert (got.status, got.reason) == ("failed", wanted["reason"])
            continue
        assert (got.status, got.model_type) == ("imported", wanted["model_type"])
        for key in ("accuracy", "precision", "recall", "f1_score", "roc_auc"):
            if wanted.get(key) is not None:
                assert got.metrics[key] == wanted[key]
    copies = [o.name for o in outcomes.values() if o.copy_of]
    assert sorted(copies) == ["random_forest_20251010_141228", "xgboost_20250820_104648", "xgboost_20250820_114557"]


def test_a_clusterer_without_predict_is_imported_with_its_numbers_and_loads(
    mlflow, rows, tmp_path, importer, mlflow_sqlite
):
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415  only here

    folder = tmp_path / "bt-fixed" / "2024_q3"
    folder.mkdir(parents=True)
    fitted = HDBSCAN(min_cluster_size=3, copy=True).fit(rows[0])
    (folder / "hdbscan_model.pkl").write_bytes(pickle.dumps(fitted))
    (folder / "model_metadata.json").write_text('{"metrics": {"silhouette_score": 0.4}}')
    registry = MlflowRegistry(mlflow_sqlite)
    (outcome,) = importer(registry).import_folder(tmp_path, "HDBSCAN-bt-fixed", "clusters")
    assert (outcome.status, dict(outcome.metrics)) == ("imported", {"silhouette_score": 0.4})
    fetched = registry.fetch(registry.registered_model("HDBSCAN-bt-fixed").version(1).source, tmp_path / "fetched")
    assert (mlflow.sklearn.load_model(str(fetched)).labels_ == fitted.labels_).all()
