"""Are real legacy stores read as people who looked at each of them by hand expect?"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from migrations.plan import plan
from migrations.scan import scan

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"
EXPECTED = CORPORA / "expected" / "folder-stores.json"

pytestmark = pytest.mark.skipif(not EXPECTED.is_file(), reason=f"the real stores are missing: {EXPECTED}")


@pytest.fixture
def store(tmp_path):
    """Copy one real store and scan the copy."""

    def copy(name):
        source = next(CORPORA.glob(f"{name}__*"))
        target = tmp_path / source.name
        shutil.copytree(source, target)
        expected = json.loads(EXPECTED.read_text())[source.name]
        return target, scan([target]), expected

    return copy


def metric(entry, key):
    """Look up `metrics.f1_score`, `models[0].metrics.test_f1_macro`, `churn_metrics.json:f1` by their last word."""
    return entry.metrics.get(key.replace(":", ".").rpartition(".")[2])


def test_all_entries_of_the_closest_store_are_listed_with_both_spellings_of_metrics(store):
    root, found, expected = store("MYasvanth")
    assert not found.models, "its model files were never committed"
    by_path = {str(entry.path.relative_to(root)): entry for entry in found.unreadable}
    assert len(by_path) == len(expected["models"]) == 38
    for wanted in expected["models"]:
        entry = by_path[wanted["file"].removesuffix("/model.pkl")]
        assert entry.name == Path(wanted["file"]).parent.name
        assert entry.reason.startswith("no model file")
        assert entry.model_type == wanted["type"]
        assert metric(entry, wanted["f1_key"]) == wanted["f1"]
        assert entry.created_at.isoformat().startswith(wanted["registered_at"].rstrip("0"))
    staged = [entry for entry in found.unreadable if "staging" in entry.path.parts]
    assert max(staged, key=lambda e: e.metrics.get("f1_score", -1)).name == expected["best"]["id"]


def test_task_folders_keep_their_own_metrics_and_classes(store):
    _, found, expected = store("profemzy")
    assert {e.name: e.model_type for e in found.unreadable} == {m["id"]: m["type"] for m in expected["models"]}
    metrics = {entry.name: dict(entry.metrics) for entry in found.unreadable}
    assert metrics["category_prediction"] == {"accuracy": 0.15}
    assert not any("f1" in key for held in metrics.values() for key in held)


def test_a_champion_folder_of_a_regressor_has_no_f1(store):
    _, found, _ = store("sancho3010")
    (entry,) = found.unreadable
    assert (entry.name, entry.reason) == ("champion", "no model file")
    assert set(entry.metrics) == {"rmse", "mae", "r2", "n_test"}


def test_485_records_of_one_overwritten_file_never_bring_back_lost_bytes(store):
    _, found, _ = store("AhmedIsmailKhalid")
    assert len(found.models) + len(found.unreadable) == 485
    assert not found.models, "the newest is a dict whose model needs the preprocessor beside it"
    overwritten = [entry for entry in found.unreadable if "was overwritten by" in entry.reason]
    assert len(overwritten) == 484
    newest = next(entry for entry in found.unreadable if entry not in overwritten)
    assert math.isclose(newest.metrics["test_f1_macro"], 0.3035, abs_tol=0.01)


def test_models_pair_with_metrics_by_stem_and_preprocessors_are_no_models(store):
    root, found, expected = store("AlexNhat")
    here = {m.name: m for m in found.models}
    assert set(here) == {m["id"] for m in expected["models"]}
    for wanted in expected["models"]:
        model = here[wanted["id"]]
        assert str(model.model_file.relative_to(root)) == wanted["file"]
        assert model.metrics["f1"] == wanted["f1"]
        assert model.contents.contains == wanted["type"]
        assert [a.path.name for a in model.attachments] == [f"{model.name}_preprocessor.pkl"]
    assert len(here["churn"].metrics) < 20, "arrays of predictions are no metrics"
    assert "array of" in " ".join(here["churn"].notes)


def test_a_native_model_is_bound_by_the_manifest(store):
    _, found, _ = store("ShivamMaurya14")
    (model,) = found.models
    assert (model.name, model.model_file.name, model.format) == ("lightgbm", "lightgbm_model.txt", "lightgbm-text")
    assert model.metrics["defaults_caught_percent"] == 89.7
    assert not any("f1" in key for key in model.metrics)
    assert {entry.name for entry in found.unreadable} == {"random_forest", "xgboost"}


def test_weights_scalers_and_profiles_are_not_imported(store):
    _, found, _ = store("Angana007")
    assert not found.models
    assert all(entry.ignored for entry in found.unreadable)
    assert "scaler_legacy (1).pkl is a preprocessor (StandardScaler), not a model" in {
        e.reason for e in found.unreadable
    }


def test_a_registry_without_its_file_is_listed_record_by_record(store):
    _, found, expected = store("Anbu-00001")
    records = [entry for entry in found.unreadable if not entry.ignored]
    assert len(records) == 11
    assert {entry.reason for entry in records} == {"no model file (lgbm_model.joblib is not in the folder)"}
    best = max(records, key=lambda e: e.metrics["macro_f1"])
    assert (best.name, best.metrics["macro_f1"]) == (expected["best"]["id"], expected["best"]["f1"])
    assert [entry.ignored for entry in found.unreadable].count(True) == 4


@pytest.mark.parametrize("name", ["leidy94br", "yijing0612", "001DEEPANSHU", "FRYEL", "Impesud"])
def test_stores_of_other_kinds_never_stop_a_scan(store, name):
    root, found, _ = next(CORPORA.glob(f"{name}__*")), None, None
    found = scan([root])
    planned = plan(found, {}, "m", "e", "b")
    assert len(planned.entries) == len(found.models)
    assert not found.unreadable


def test_equal_bytes_of_a_real_store_are_found(tmp_path):
    root = next(CORPORA.glob("yijing0612__*"))
    planned = plan(scan([root]), {}, "m", "e", "b")
    copies = [e.staged.model_file.name for e in planned.entries if e.copy_of_entry is not None]
    assert len(copies) == 2, copies
