"""Is each quirk of real folders that breaks a naive migration survived? One synthetic case for each."""

from __future__ import annotations

import gzip
import json
import pickle

import numpy as np
import pytest
from sklearn.preprocessing import LabelEncoder, StandardScaler

from migrations.importer import LegacyImporter
from migrations.metrics import read_metrics
from migrations.scan import scan
from selector.adapters.registry_memory import MemoryRegistry
from selector.domain.logged import Logged, NotLogged, logged_value
from selector.domain.metric import Metric

ONNX = b"\x08\x08\x12\x07skl2onn\x3a\x05graph"
F1 = Metric(name="f1", average=None, direction="maximize", low=0.0, high=1.0)


def put(root, files):
    """Write files: bytes and texts as they are, JSON by name, anything else pickled."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif name.endswith(".json"):
            path.write_text(json.dumps(content))
        else:
            path.write_bytes(pickle.dumps(content))
    return scan([root])


def by_name(found):
    return {model.name: dict(model.metrics) for model in found.models}


def test_1_the_best_models_record_their_numbers_under_another_key_than_the_rest(tmp_path, estimators):
    files = {}
    for day, (key, f1) in enumerate(
        (("performance_metrics", 0.79), ("metrics", 0.85), ("performance_metrics", 0.78)), 1
    ):
        files[f"xgboost_2025080{day}_120000/model.pkl"] = estimators[day]
        files[f"xgboost_2025080{day}_120000/metadata.json"] = {key: {"f1_score": f1}}
    assert [m.metrics["f1_score"] for m in put(tmp_path, files).models] == [0.79, 0.85, 0.78]


def test_2_of_485_records_of_one_overwritten_file_only_the_newest_is_about_its_bytes(tmp_path, estimators):
    records = [{"model_id": f"m{n}", "model_path": "models\\m.pkl", "timestamp": f"2025-01-01T00:{n // 60:02}:{n % 60:02}",
                "metrics": {"f1": 0.9 if n == 7 else 0.3}} for n in range(485)]  # fmt: skip
    found = put(tmp_path, {"models/m.pkl": estimators[0], "models/model_registry.json": {"models": records}})
    assert by_name(found) == {"m484": {"f1": 0.3}}
    assert len(found.unreadable) == 484


def test_3_a_text_that_was_pickled_as_the_model_is_refused(tmp_path):
    found = put(tmp_path, {"models/model.pkl": "runs:/abc/model", "models/v2/model.pkl": pickle.dumps("models:/x/1")})
    reasons = {entry.reason for entry in found.unreadable}
    assert not found.models
    assert "model.pkl holds a text, not a model" in reasons


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("model.pkl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "is a Git-LFS pointer"),
        ("model.pkl", b"", "is empty"),
        ("model.pkl", b"\x80\x04\x95\x00\x00", "is cut off"),
        ("model.pkl.dvc", b"outs:\n- md5: 1\n  path: model.pkl\n", "is a DVC pointer"),
    ],
)
def test_4_pointers_empty_and_stump_files_are_refused_with_their_reasons(tmp_path, name, data, reason):
    (entry,) = put(tmp_path, {f"models/{name}": data}).unreadable
    assert reason in entry.reason
    assert not entry.ignored


def test_5_a_pickle_called_text_and_a_model_called_metadata_are_told_by_their_bytes(tmp_path, rows):
    import xgboost  # noqa: PLC0415  only here

    booster = xgboost.train({"max_depth": 1}, xgboost.DMatrix(rows[0], rows[1]), num_boost_round=1)
    found = put(tmp_path, {
        "models/lightgbm_model_xgboost.txt": pickle.dumps(xgboost.XGBClassifier(n_estimators=1).fit(*rows)),
        "other/xgboost_model.json": bytes(booster.save_raw("json")), "other/metadata.json": {"f1": 0.6},
    })  # fmt: skip
    told = {model.model_file.name: (model.format, dict(model.metrics)) for model in found.models}
    assert told == {"lightgbm_model_xgboost.txt": ("pickle", {}), "xgboost_model.json": ("xgboost-json", {"f1": 0.6})}


def test_6_what_goes_with_a_model_is_attached_or_ignored_and_never_imported(tmp_path, estimators, rows):
    helpers = {"scaler.pkl": StandardScaler().fit(rows[0]), "label_encoder.pkl": LabelEncoder().fit([0, 1]),
               "threshold.pkl": {"threshold": 0.4}, "X_test.pkl": rows[0]}  # fmt: skip
    alone = put(tmp_path / "alone", {f"artifacts/{name}": held for name, held in helpers.items()})
    assert not alone.models
    assert all(entry.ignored and entry.reason for entry in alone.unreadable)
    with_model = put(tmp_path / "with", {f"v1/{n}": held for n, held in {**helpers, "model.pkl": estimators[0]}.items()}
                     | {"v1/metrics.json": {"f1": 0.5}})  # fmt: skip
    (model,) = with_model.models
    assert {a.path.name for a in model.attachments} == set(helpers)


def test_7_scores_on_training_data_never_stand_for_the_models_own(tmp_path, estimators):
    assert dict(read_metrics({"train_metrics": {"f1": 0.99}}).values) == {"train_f1": 0.99}
    found = put(
        tmp_path, {"v1/model.pkl": estimators[0], "v1/metrics.json": {"training_f1_score": 0.99, "f1_score": 0.6}}
    )
    assert logged_value(F1, found.models[0].metrics).value == 0.6
    overfit = logged_value(F1, {"training_f1_score": 0.99})
    assert isinstance(overfit, NotLogged)


def test_8_a_summary_of_several_models_is_no_model(tmp_path):
    found = put(tmp_path, {"models/training_summary.json": {"best_f1_score": 0.9, "RandomForest_f1_score": 0.8}})
    assert (found.models, found.unreadable) == ((), ())


def test_10_a_production_folder_without_its_model_is_listed_with_its_numbers(tmp_path, estimators):
    found = put(
        tmp_path, {"models/production/metadata.json": {"f1_score": 0.8}, "models/staging/model.pkl": estimators[0]}
    )
    (entry,) = found.unreadable
    assert (entry.name, entry.reason, dict(entry.metrics)) == ("production", "no model file", {"f1_score": 0.8})


def test_14_a_score_of_zero_is_a_value_and_a_missing_one_stays_missing(tmp_path, estimators):
    found = put(tmp_path, {"models/v1/model.pkl": estimators[0], "models/v1/metrics.json": {"f1": 0.0},
                           "models/v2/model.pkl": estimators[1], "models/v2/metrics.json": {"accuracy": 0.9}})  # fmt: skip
    assert by_name(found) == {"v1": {"f1": 0.0}, "v2": {"accuracy": 0.9}}


def test_15_percent_and_fractions_in_one_document_are_judged_value_by_value():
    read = read_metrics({"f1": 65.87, "accuracy": 69.3, "roc_auc": 0.86})
    assert read.percent == ("f1", "accuracy")
    assert isinstance(found := logged_value(F1, read.values), Logged)
    assert (found.value, found.raw) == (pytest.approx(0.6587), 65.87)


@pytest.mark.parametrize(
    ("document", "place", "f1"),
    [
        ({"metrics": {"train": {"f1": 0.99}, "test": {"f1": 0.7}}}, "metrics.test", 0.7),
        ({"validation": {"f1": 0.8}, "test": {"f1": 0.7}}, "test", 0.7),
        ({"metrics_at_0.5": {"f1": 0.6}, "metrics_at_optimal": {"f1": 0.65}}, "metrics_at_0.5", 0.6),
        ({"baseline": {"f1": 0.9}, "candidate": {"f1": 0.7}}, "candidate", 0.7),
        ({"cv_results": {"f1": 0.9}, "holdout_results": {"f1": 0.7}}, "holdout_results", 0.7),
        ({"report_v2": {"final": {"f1": 0.7}}}, "report_v2.final", 0.7),
    ],
)
def test_16_of_several_scores_in_a_file_the_tested_one_counts_and_the_others_are_named(document, place, f1):
    read = read_metrics(document)
    assert (read.container, read.values.get("f1")) == (place, f1)


def test_16_scores_of_several_models_without_a_best_one_are_nobodys():
    read = read_metrics({"models": {"a": {"f1": 0.7}, "b": {"f1": 0.8}}})
    assert not read.values
    assert read.notes == ("metrics stand in models.a, models.b, and nothing says which are this model's",)


def test_17_exact_ties_keep_their_order_however_often_they_are_read(tmp_path, estimators):
    files = {f"xgb_20250820_1046{n:02}/metadata.json": {"f1_score": 0.7974372950582949} for n in range(15)}
    files |= {f"xgb_20250820_1046{n:02}/model.pkl": estimators[n % 4] for n in range(15)}
    names = [model.name for model in put(tmp_path, files).models]
    assert names == [model.name for model in scan([tmp_path]).models] == sorted(names)
    assert len(names) == 15


def test_19_a_perfect_score_is_no_percentage():
    assert read_metrics({"f1": 1.0, "accuracy": 1}).percent == ()


def test_20_models_of_different_tasks_under_one_root_keep_their_own_metrics(tmp_path, estimators):
    found = put(tmp_path, {
        "models/churn/model.pkl": estimators[0], "models/churn/metadata.json": {"model_type": "clf", "f1": 0.6},
        "models/price/model.pkl": estimators[1], "models/price/metadata.json": {"model_type": "reg", "mae": 3.0, "r2": 0.9},
        "models/odd/model.pkl": estimators[2], "models/odd/metadata.json": {"model_type": "iso", "anomaly_rate": 0.05},
    })  # fmt: skip
    assert by_name(found) == {"churn": {"f1": 0.6}, "price": {"mae": 3.0, "r2": 0.9}, "odd": {"anomaly_rate": 0.05}}


def test_21_a_version_with_the_bytes_of_another_is_a_copy_and_latest_is_the_same_entry(tmp_path, estimators):
    put(tmp_path, {"models/v1/model.pkl": estimators[0], "models/v1/metrics.json": {"f1": 0.6}, "models/v2/model.pkl": estimators[0],
                   "models/v2/metrics.json": {"f1": 0.6}, "models/latest/model.pkl": estimators[0]})  # fmt: skip
    registry = MemoryRegistry()
    outcomes = LegacyImporter(registry, registry, _Clock()).import_folder(tmp_path, "m", "e")
    done = {o.name: (o.status, bool(o.copy_of)) for o in outcomes}
    assert done == {"v1": ("imported", False), "v2": ("imported", True), "latest": ("ignored", False)}


def test_22_version_numbers_are_compared_as_numbers(tmp_path, estimators):
    records = [{"version": f"v2.{n}", "file": "m.pkl", "f1": n / 100} for n in (9, 10, 2)]
    assert by_name(put(tmp_path, {"m.pkl": estimators[0], "registry.json": records})) == {"v2.10": {"f1": 0.1}}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [('{"f1": 0.5, "auc": NaN}', "utf-8"), ('{"f1": 0.5}', "utf-8-sig"), ('{"f1": 0.5, "who": "Zoë"}', "cp1252")],
    ids=["a bare NaN", "a byte order mark", "a Western encoding"],
)
def test_23_documents_that_a_strict_reader_refuses_stop_nothing(tmp_path, estimators, text, encoding):
    found = put(tmp_path, {"v1/model.pkl": estimators[0], "v1/metrics.json": text.encode(encoding)})
    assert found.models[0].metrics["f1"] == 0.5


def test_24_arrays_and_counts_among_metrics_are_left_out_and_named(tmp_path, estimators):
    document = {"f1": 0.5, "y_pred": [0, 1] * 2000, "confusion_matrix": [[1, 2], [3, 4]], "n_rows": 4131}
    (model,) = put(tmp_path, {"v1/model.pkl": estimators[0], "v1/metrics.json": document}).models
    assert dict(model.metrics) == {"f1": 0.5}
    assert "y_pred (array of 4000)" in " ".join(model.notes)


@pytest.mark.parametrize(
    "recorded",
    [
        "models\\my model (1).pkl",
        "/app/models/my model (1).pkl",
        "C:/x/my%20model%20(1).pkl",
        "../models/my model (1).pkl",
    ],
)
def test_25_paths_of_other_machines_lead_to_the_file_by_its_name(tmp_path, estimators, recorded):
    found = put(tmp_path, {"models/my model (1).pkl": estimators[0],
                           "models/registry.json": [{"name": "m", "path": recorded, "f1": 0.5}]})  # fmt: skip
    assert by_name(found) == {"m": {"f1": 0.5}}


def test_26_a_registry_with_a_list_a_dict_and_latest_in_one_file_is_read(tmp_path, estimators):
    document = {"latest": "b", "a": [{"version": "1", "file": "a1.pkl", "f1": 0.5}, {"version": "2", "file": "a2.pkl", "f1": 0.6}],
                "b": {"version": "1", "file": "b1.pkl", "f1": 0.7}}  # fmt: skip
    files = {"registry.json": document, **{f"{name}.pkl": estimators[i] for i, name in enumerate(("a1", "a2", "b1"))}}
    assert sorted(m.metrics["f1"] for m in put(tmp_path, files).models) == [0.5, 0.6, 0.7]


def test_27_numbers_that_are_only_in_a_table_are_found_by_display_name(tmp_path, estimators):
    found = put(tmp_path, {"models/random_forest_model.pkl": estimators[0], "models/svm_model.pkl": estimators[1],
                           "models/model_comparison.csv": "Model,F1\nRandom Forest,0.7\nSVM,0.6\n"})  # fmt: skip
    assert by_name(found) == {"random_forest_model": {"F1": 0.7}, "svm_model": {"F1": 0.6}}


def test_28_names_that_differ_only_in_case_stay_two(tmp_path, estimators):
    found = put(tmp_path, {"models/Churn.pkl": estimators[0], "models/churn.pkl": estimators[1]})
    assert [model.name for model in found.models] != []
    assert {model.name for model in found.models} == {"Churn", "churn"}


def test_29_an_empty_store_is_no_error(tmp_path):
    (tmp_path / "models").mkdir()
    assert scan([tmp_path]).models == ()


@pytest.mark.parametrize(
    ("text", "value"), [("0.87", 0.87), ("0,87", 0.87), ("87%", 0.87), ("100.0%", 1.0), (" 87.5 % ", 0.875)]
)
def test_a_score_that_is_a_text_is_read_and_noted(text, value):
    read = read_metrics({"metrics": {"f1_score": text, "verdict": "Fair - Minimum acceptable", "cost": "$0"}})
    assert dict(read.values) == {"f1_score": value}
    assert "f1_score is the text" in " ".join(read.notes)


@pytest.mark.parametrize("text", ["", "n/a", "1e999x", "0.8.7", "1" * 60, "nan", "\u0660"])
def test_a_text_that_is_no_number_is_left_out(text):
    assert read_metrics({"metrics": {"f1_score": text, "auc": 0.5}}).values == {"auc": 0.5}


def test_a_report_of_scikit_learn_gives_its_averages_and_its_positive_class():
    report = {"0": {"precision": 0.9, "recall": 0.8, "f1-score": 0.85, "support": 70},
              "1": {"precision": 0.5, "recall": 0.6, "f1-score": 0.55, "support": 30}, "accuracy": 0.74,
              "macro avg": {"precision": 0.7, "recall": 0.7, "f1-score": 0.7, "support": 100},
              "weighted avg": {"precision": 0.78, "recall": 0.74, "f1-score": 0.76, "support": 100}}  # fmt: skip
    for document in (report, {"classification_report": report}, {"report": report, "trained": True}):
        values = read_metrics(document).values
        assert (values["macro_f1-score"], values["weighted_f1-score"], values["binary_f1-score"]) == (0.7, 0.76, 0.55)
    weighted = Metric(name="f1", average="weighted", direction="maximize", low=0.0, high=1.0)
    assert logged_value(weighted, values).value == 0.76


def test_a_packed_pickle_and_an_onnx_file_are_models(tmp_path, estimators):
    found = put(tmp_path, {"m/a.pkl": gzip.compress(pickle.dumps(estimators[0])), "m/b.onnx": ONNX})
    assert sorted(model.format for model in found.models) == ["joblib", "onnx"]


def test_numbers_of_other_kinds_are_no_metrics():
    assert not read_metrics(
        {"f1": True, "accuracy": None, "params": {"learning_rate": 0.1, "score_threshold": 1}}
    ).values
    assert np.isnan(read_metrics({"f1": float("nan")}).values["f1"])


class _Clock:
    def now(self):
        from datetime import UTC, datetime  # noqa: PLC0415  only here

        return datetime(2026, 1, 1, tzinfo=UTC)
