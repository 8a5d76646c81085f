"""Is every layout that people keep models in recognised, and is nothing taken for a model that is none?"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN
from sklearn.preprocessing import LabelEncoder, StandardScaler

from migrations.copies import LINKED_AS
from migrations.periods import period_of
from migrations.scan import scan


@pytest.fixture
def put(tmp_path):
    """Write files below a root: bytes and texts as they are, dicts and lists as JSON, anything else pickled."""
    root = tmp_path / "store"

    def write(**files):
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(name, content))
        root.mkdir(exist_ok=True)
        return root

    write.root = root
    return write


def _bytes(name, content):
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    return json.dumps(content).encode() if name.endswith(".json") else pickle.dumps(content)


def named(found):
    return {model.name: dict(model.metrics) for model in found.models}


def left(found):
    return {entry.name: entry.reason for entry in found.unreadable}


@pytest.mark.parametrize(
    ("name", "text", "last"),
    [
        ("2024_q3", "2024-Q3", "2024-09-30"),
        ("2025-Q1", "2025-Q1", "2025-03-31"),
        ("q4_2024", "2024-Q4", "2024-12-31"),
        ("2024_q3_ab12cd34", "2024-Q3", "2024-09-30"),
        ("2025-02", "2025-02", "2025-02-28"),
        ("202512", "2025-12", "2025-12-31"),
        ("18-08-2025", "2025-08-18", "2025-08-18"),
        ("2025-08-18", "2025-08-18", "2025-08-18"),
        ("20250818", "2025-08-18", "2025-08-18"),
    ],
)
def test_quarters_months_and_days_are_read_from_names(name, text, last):
    period = period_of(name)
    assert period.text == text
    assert period.place(datetime(2030, 1, 1, tzinfo=UTC))[0].date().isoformat() == last


@pytest.mark.parametrize("name", ["v1", "1.0.0", "churn", "2025", "2025_13", "32-01-2025", "2025-02-30", "20251340"])
def test_what_is_no_period_is_none(name):
    assert period_of(name) is None


def test_quarterly_folders_hold_one_clusterer_with_its_preprocessing(put):
    rows = np.random.default_rng(1).normal(size=(30, 2))
    quarters = {"2024_q3": 0.41, "2024_q4": 0.52}
    for index, (quarter, silhouette) in enumerate(quarters.items()):
        put(**{
            f"hdbscan-models/bt-fixed/{quarter}/hdbscan_model.pkl": HDBSCAN(min_cluster_size=3 + index, copy=True).fit(rows),
            f"hdbscan-models/bt-fixed/{quarter}/preprocessing_artifacts.pkl": {"stop_words": ["a"]},
            f"hdbscan-models/bt-fixed/{quarter}/scaler.pkl": StandardScaler().fit(rows),
            f"hdbscan-models/bt-fixed/{quarter}/umap_embeddings.npy": b"\x93NUMPY",
            f"hdbscan-models/bt-fixed/{quarter}/model_metadata.json": {
                "metrics": {"silhouette_score": silhouette}, "hdbscan_params": {"min_cluster_size": 3},
            },
        })  # fmt: skip
    found = scan([put.root])
    assert left(found) == {}
    assert named(found) == {f"bt-fixed/{q}": {"silhouette_score": s} for q, s in quarters.items()}
    first = found.models[0]
    assert (first.created_at.isoformat(), first.tags["group"]) == ("2024-09-30T23:59:59+00:00", "bt-fixed")
    assert {a.path.name for a in first.attachments} == {
        "preprocessing_artifacts.pkl",
        "scaler.pkl",
        "umap_embeddings.npy",
    }
    assert dict(first.params) == {"min_cluster_size": "3"}
    assert "has no predict" in " ".join(first.notes)


def test_documents_with_a_hash_in_their_names_belong_to_the_folder(put, estimators):
    put(**{
        "models/2025_q1_ab12cd34/hdbscan_model_ab12cd34.pkl": estimators[0],
        "models/2025_q1_ab12cd34/model_metadata_ab12cd34.json": {"created_timestamp": "2025-02-03T04:05:06", "f1": 0.5},
    })  # fmt: skip
    (model,) = scan([put.root]).models
    assert (dict(model.metrics), model.created_at) == ({"f1": 0.5}, datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("folder", "stage"),
    [
        ("staging", "staging"),
        ("production", "production"),
        ("archived", "archived"),
        ("current", "current"),
        ("champion", "champion"),
        ("rfm_production", "production"),
    ],
)
def test_the_stage_that_a_folder_is_called_after_is_kept(put, estimators, folder, stage):
    put(**{f"models/{folder}/model.pkl": estimators[0], f"models/{folder}/metadata.json": {"f1": 0.5}})
    (model,) = scan([put.root]).models
    assert (model.name, model.tags["stage_folder"]) == (folder, stage)


def test_metrics_in_a_table_are_bound_by_display_names(put, estimators):
    put(**{
        "models/random_forest.pkl": estimators[0],
        "models/logreg.pkl": estimators[1],
        "models/model_comparison.csv": "Model,Accuracy,F1 Score\nRandom Forest,0.8,0.61\nLogistic Regression,0.79,0.58\n",
    })  # fmt: skip
    assert named(scan([put.root])) == {
        "random_forest": {"Accuracy": 0.8, "F1 Score": 0.61},
        "logreg": {"Accuracy": 0.79, "F1 Score": 0.58},
    }


def test_a_table_in_a_folder_of_results_is_bound_too_with_semicolons_and_an_index(put, estimators):
    put(**{
        "models/xgboost.pkl": estimators[0],
        "models/catboost.pkl": estimators[1],
        "reports/results.csv": "\ufeff;f1;auc\nXGBoost;0.7;0.8\nCatBoost;0.6;0.7\n",
    })  # fmt: skip
    assert named(scan([put.root])) == {"xgboost": {"f1": 0.7, "auc": 0.8}, "catboost": {"f1": 0.6, "auc": 0.7}}


def test_a_table_of_names_and_values_is_about_the_one_model(put, estimators):
    put(**{"churn/v1/model.pkl": estimators[0], "churn/v1/metrics.csv": "metric,value\nf1,0.7\nrecall,0.6\n"})
    assert named(scan([put.root])) == {"churn/v1": {"f1": 0.7, "recall": 0.6}}


def test_a_data_table_is_never_opened(put, estimators):
    put(**{"models/model.pkl": estimators[0], "models/customers.csv": "a,f1\n1,0.9\n"})
    assert named(scan([put.root])) == {"model": {}}


LOCK = """schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps: [{path: data.csv, md5: aa}]
    params: {params.yaml: {train.depth: 4}}
    outs:
    - {path: models/model.pkl, md5: 0123abcd}
    - {path: models/encoder.pkl, md5: 99}
  evaluate:
    cmd: python evaluate.py
    deps: [{path: models/model.pkl, md5: 0123abcd}]
    outs: [{path: eval/scores.json, md5: bb}]
"""


def test_dvc_binds_the_metrics_of_the_stage_that_evaluates(put, estimators):
    put(**{"dvc.lock": LOCK, "models/model.pkl": estimators[0], "models/encoder.pkl": LabelEncoder().fit([1, 2]),
           "eval/scores.json": {"f1": 0.7}})  # fmt: skip
    (model,) = scan([put.root]).models
    assert (model.name, dict(model.metrics), dict(model.params)) == ("model", {"f1": 0.7}, {"train.depth": "4"})
    assert [a.path.name for a in model.attachments] == ["encoder.pkl"]


def test_a_model_that_only_dvc_has_is_named_with_its_digest_and_numbers(put):
    put(**{"dvc.lock": LOCK, "eval/scores.json": {"f1": 0.7}})
    (entry,) = scan([put.root]).unreadable
    assert entry.reason == "no model file (models/model.pkl is kept by DVC as 0123abcd; dvc pull brings it)"
    assert dict(entry.metrics) == {"f1": 0.7}


def test_a_dvc_pointer_counts_only_where_its_file_is_missing(put, estimators):
    put(**{"a/model.pkl": estimators[0], "a/model.pkl.dvc": "outs:\n- md5: 1\n", "b/model.pkl.dvc": "outs:\n- md5: 2\n",
           "data/raw.csv.dvc": "outs:\n- md5: 3\n"})  # fmt: skip
    found = scan([put.root])
    assert len(found.models) == 1
    assert [entry.reason for entry in found.unreadable] == [
        "model.pkl.dvc is a DVC pointer; the model's bytes are not here"
    ]


@pytest.mark.parametrize(
    "lock", ["[", "stages: [1]\n", "a: &a [*a]\n", "x" * 100, "stages: {s: {outs: [{path: ../../x.pkl}]}}"]
)
def test_a_lock_that_is_damaged_or_leads_out_stops_nothing(put, estimators, lock):
    put(**{"dvc.lock": lock, "model.pkl": estimators[0]})
    assert len(scan([put.root]).models) == 1


def test_links_within_the_tree_are_tied_to_their_target_and_not_imported_again(put, estimators):
    put(
        **{
            "models/xgb_20250820_104603/model.pkl": estimators[0],
            "models/xgb_20250820_104603/metadata.json": {"f1": 0.5},
        }
    )
    (put.root / "models" / "latest").symlink_to("xgb_20250820_104603")
    (put.root / "models" / "best_model.pkl").symlink_to("xgb_20250820_104603/model.pkl")
    (put.root / "models" / "gone.pkl").symlink_to("nothing.pkl")
    found = scan([put.root])
    (model,) = found.models
    assert model.tags[LINKED_AS] == "models/best_model.pkl, models/latest"
    assert all(entry.ignored for entry in found.unreadable)
    assert left(found)["latest"] == "latest is a link to models/xgb_20250820_104603, which is imported from there"
    assert left(found)["gone.pkl"] == "gone.pkl is a link to nothing; it is not followed or opened"


def test_a_stage_folder_whose_model_is_a_link_is_that_entry(put, estimators):
    put(**{"staging/xgb_20250820_104603/model.pkl": estimators[0], "production/metadata.json": {"model_type": "xgb"}})
    (put.root / "production" / "model.pkl").symlink_to("../staging/xgb_20250820_104603/model.pkl")
    found = scan([put.root])
    assert [model.tags[LINKED_AS] for model in found.models] == ["production/model.pkl"]
    assert [entry.ignored for entry in found.unreadable] == [True]


def test_a_link_out_of_the_tree_is_never_followed(put, estimators, tmp_path):
    (tmp_path / "outside.pkl").write_bytes(pickle.dumps(estimators[0]))
    put(**{"a.txt": "x"})
    (put.root / "model.pkl").symlink_to(tmp_path / "outside.pkl")
    found = scan([put.root])
    assert not found.models
    assert left(found) == {"model.pkl": "model.pkl is a link; it is not followed or opened"}


@pytest.mark.parametrize("copy", ["models/latest/model.pkl", "models/best_model.pkl", "models/current/model.pkl"])
def test_a_second_copy_of_the_very_same_entry_is_linked(put, estimators, copy):
    put(**{"models/v1/model.pkl": estimators[0], "models/v1/metrics.json": {"f1": 0.7}, copy: estimators[0]})
    found = scan([put.root])
    assert named(found) == {"v1": {"f1": 0.7}}
    (entry,) = found.unreadable
    assert entry.ignored
    assert entry.reason.startswith("a second copy of v1")


def test_a_copy_that_records_other_numbers_is_an_entry_of_its_own(put, estimators):
    put(**{"models/v1/model.pkl": estimators[0], "models/v1/metrics.json": {"f1": 0.7},
           "models/latest/model.pkl": estimators[0], "models/latest/metrics.json": {"f1": 0.9}})  # fmt: skip
    assert named(scan([put.root])) == {"v1": {"f1": 0.7}, "latest": {"f1": 0.9}}


def test_the_numbers_of_a_copy_are_those_of_the_entry(put, estimators):
    put(**{"models/xgboost_v3.pkl": estimators[0], "models/production/model.pkl": estimators[0],
           "models/production/metadata.json": {"f1": 0.7, "params": {"C": 1}}})  # fmt: skip
    (model,) = scan([put.root]).models
    assert (model.name, dict(model.metrics), dict(model.params)) == ("xgboost_v3", {"f1": 0.7}, {"C": "1"})


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"churn": {"versions": {"v1": {"created_at": "2025-01-02", "metrics": {"f1": 0.6}}}}}, "churn/v1/model.pkl"),
        ({"models": [{"name": "churn", "version": 1, "stage": "x", "metrics": {"f1": 0.6}}]}, "churn/v1/model.pkl"),
        ({"latest": "v1", "v1": {"created_at": "2025-01-02", "f1": 0.6}}, "v1/model.pkl"),
        ({"models": [{"model_id": "churn_1", "model_type": "x", "f1": 0.6}]}, "churn_1.pkl"),
        ({"churn": [{"version": "v1", "f1": 0.6}], "fraud": {"version": "v9", "f1": 0.1}}, "churn/v1/model.pkl"),
        ({"versions": [{"version": "v1", "model_path": "/app/models/churn/v1", "f1": 0.6}]}, "churn/v1/model.pkl"),
    ],
    ids=["dict by version", "list", "beside latest", "by id", "list and dict", "a folder"],
)
def test_registries_that_name_no_file_lead_to_it_by_name_and_version(put, estimators, document, place):
    put(**{"models/registry.json": document, f"models/{place}": estimators[0]})
    (model,) = scan([put.root]).models
    assert dict(model.metrics) == {"f1": 0.6}
    assert model.model_file == put.root / "models" / place


def test_what_a_registry_calls_its_champion_is_kept(put, estimators):
    put(**{"registry.json": {"production": "v2", "models": {"v1": {"file": "a.pkl"}, "v2": {"file": "b.pkl"}}},
           "a.pkl": estimators[0], "b.pkl": estimators[1]})  # fmt: skip
    assert {m.name: m.tags.get("registry_alias") for m in scan([put.root]).models} == {"v1": None, "v2": "production"}


def test_a_flat_folder_binds_its_document_by_the_declared_file_name_or_class(put, estimators):
    files = {"models/forest.pkl": estimators[0], "models/other.pkl": estimators[1]}
    for declared in ({"model_file": "C:\\x\\forest.pkl"}, {"best_model": "Forest"}, {"model_name": "forest_model"}):
        put(**files, **{"models/model_metadata.json": {**declared, "f1": 0.7}})
        assert named(scan([put.root])) == {"forest": {"f1": 0.7}, "other": {}}


def test_the_only_numbers_beside_the_only_model_are_its_own(put, estimators):
    put(**{"models/classifier.joblib": estimators[0], "metrics/metrics.json": {"test_f1": 0.7}})
    (model,) = scan([put.root]).models
    assert dict(model.metrics) == {"test_f1": 0.7}
    assert "the only ones near the only model" in " ".join(model.notes)


def tree_digest(root):
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        digest.update(f"{path}{status.st_mode}{status.st_mtime_ns}{status.st_size}{status.st_ino}".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    digest.update(str(root.lstat().st_mtime_ns).encode())
    return digest.hexdigest()


def test_the_source_is_never_written_to_whatever_is_in_it(put, estimators, importer):
    from selector.adapters.registry_memory import MemoryRegistry  # noqa: PLC0415  only here

    put(**{"dvc.lock": LOCK, "models/model.pkl": estimators[0], "models/registry.json": {"a": {"file": "model.pkl"}},
           "2025_q1/model.pkl": estimators[1], "v1/model.pkl": estimators[2], "v1/metrics.csv": "metric,value\nf1,1\n"})  # fmt: skip
    (put.root / "latest").symlink_to("v1")
    before = tree_digest(put.root)
    outcomes = importer(MemoryRegistry()).import_folder(put.root, "churn", "legacy")
    assert sum(o.status == "imported" for o in outcomes) == 3
    assert tree_digest(put.root) == before


def test_every_name_in_a_folder_costs_one_look_and_no_more_than_its_own_entry(put, estimators):
    put(**{"models/a.pkl": estimators[0], "models/b.json": "{", "models/c.csv": b"\xff\xfe\x00"})
    os.mkfifo(put.root / "models" / "metrics.json")
    found = scan([put.root])
    assert named(found) == {"a": {}}
    assert left(found) == {"metrics.json": "metrics.json is a named pipe; it is not followed or opened"}


def test_numbers_in_a_folder_beside_are_bound_by_stem_whichever_end_the_word_stands_at(put, estimators):
    put(**{"models/model_automl.pkl": estimators[0], "models/model_base.pkl": estimators[1],
           "metrics/metrics_automl.json": {"f1": 0.6}, "metrics/base_metrics.json": {"f1": 0.5}})  # fmt: skip
    assert named(scan([put.root])) == {"automl": {"f1": 0.6}, "base": {"f1": 0.5}}


def test_a_row_is_bound_by_the_class_in_the_bytes_where_no_name_fits(put, estimators):
    put(**{"models/churn_model.pkl": estimators[0], "models/kmeans.pkl": b"\x80\x04cut",
           "models/comparison.csv": "Model,F1\nLogistic Regression,0.6\nXGBoost,0.7\n"})  # fmt: skip
    assert named(scan([put.root])) == {"churn_model": {"F1": 0.6}}


def test_a_document_with_numbers_of_its_own_is_not_bound_by_class(put, estimators):
    document = {"comparison": {"logistic_regression": {"f1": 0.5}}, "metrics_at_0.5": {"f1": 0.6}}
    put(**{"models/churn_model.pkl": estimators[0], "models/metrics.json": document})
    assert named(scan([put.root])) == {"churn_model": {"f1": 0.6}}


def test_model_and_best_model_of_the_same_bytes_share_their_document(put, estimators):
    put(
        **{
            "models/model.pkl": estimators[0],
            "models/best_model.pkl": estimators[0],
            "models/metrics.json": {"f1": 65.87},
        }
    )
    (model,) = scan([put.root]).models
    assert (model.name, dict(model.metrics), model.tags[LINKED_AS]) == ("model", {"f1": 65.87}, "best_model")


def test_models_of_which_only_the_numbers_are_here_are_listed(put):
    put(**{"models/metrics.json": {"xgboost": {"f1": 89.6}, "forest": {"f1": 90.1}}})
    found = scan([put.root])
    assert {e.name: dict(e.metrics) for e in found.unreadable} == {"xgboost": {"f1": 89.6}, "forest": {"f1": 90.1}}
    assert left(found)["xgboost"] == "no model file (metrics.json has its numbers)"


def test_reports_and_indexes_are_no_models(put):
    put(**{"reports/18-08-2025/report.json": {"f1": 0.5}, "db/header.bin": b"\x07\x01", "db/links.bin": b"",
           "eval/metrics.json": {"f1": 0.5}, "book.xlsx": b"PK\x03\x04"})  # fmt: skip
    assert scan([put.root]).unreadable == ()


def test_a_version_folder_without_its_model_is_listed_whatever_its_document_says(put):
    put(**{"models/v1/metadata.json": {"winner_model": "LogisticRegression", "test_metrics": {"f1": 0.61},
                                       "baseline_val_metrics": {"f1": 0.63}}})  # fmt: skip
    (entry,) = scan([put.root]).unreadable
    assert (entry.name, entry.model_type, dict(entry.metrics)) == ("v1", "LogisticRegression", {"f1": 0.61})


def test_a_registry_of_one_record_and_records_without_names_are_read(put):
    put(**{"a/registry.json": {"current_version": "v7", "path": "/app/models/v7", "created_at": "2025-11-28"},
           "b/model_registry.json": [{"path": "/x/fraud_20260329_013214.pkl", "f1_score": 0.7}]})  # fmt: skip
    assert left(scan([put.root])) == {
        "v7": "no model file (v7 is not in the folder)",
        "fraud_20260329_013214": "no model file (fraud_20260329_013214.pkl is not in the folder)",
    }


def test_a_missing_model_that_its_folder_and_a_registry_list_fails_once(put):
    record = {"version": "v2", "created_at": "2026-02-05", "metrics": {"f1": 0.6}}
    put(**{"models/registry.json": {"versions": [record]}, "models/v2/metadata.json": {"metrics": {"f1": 0.6}}})
    found = scan([put.root])
    assert [(e.path.name, e.ignored) for e in found.unreadable] == [("registry.json", True), ("v2", False)]


def test_a_table_that_compares_models_beside_the_document_of_the_best_lists_nothing_more(put):
    put(
        **{
            "models/model_metadata.json": {"model_name": "lgbm", "f1": 0.62},
            "models/model_comparison.csv": "Model,f1\na,1\n",
        }
    )
    assert [e.name for e in scan([put.root]).unreadable] == ["models"]


def test_a_file_whose_name_says_nothing_is_called_after_its_folder(put, estimators):
    put(
        **{
            "models/CatBoost/model.pkl": estimators[0],
            "models/model.pkl": estimators[1],
            "models/b/own.pkl": estimators[2],
        }
    )
    assert set(named(scan([put.root]))) == {"CatBoost", "model", "own"}


TEXT = """Model evaluation
================
Accuracy: 0.80
F1 Score = 61.5 %
Trained on: 2025-01-02

              precision    recall  f1-score   support
           0       0.90      0.85      0.87       700
   macro avg       0.70      0.72      0.71      1000
weighted avg       0.81      0.80      0.80      1000
"""


def test_numbers_that_only_a_text_prints_are_read(put, estimators):
    put(**{"models/v1/model.pkl": estimators[0], "models/v1/metrics.txt": TEXT, "models/v1/requirements.txt": "a: 1",
           "models/v2/model.pkl": estimators[1],
           "models/v2/classification_report.txt": TEXT.partition("Trained")[2]})  # fmt: skip
    found = named(scan([put.root]))
    assert (found["v1"]["Accuracy"], found["v1"]["F1 Score"]) == (0.8, 0.615)
    assert (found["v2"]["macro_f1-score"], found["v2"]["weighted_f1-score"]) == (0.71, 0.8)


def test_the_only_model_has_the_numbers_of_the_one_that_is_called_the_best(put, estimators):
    put(**{"a/models/model.pkl": estimators[0],
           "a/models/results.json": {"best_model": "XGBoost", "results": {"XGBoost": {"f1": 0.7}, "SVM": {"f1": 0.6}}},
           "b/models/model.pkl": estimators[1],
           "b/models/summary.json": {"best_model": {"name": "x", "f1": 0.8}, "others": {"y": {"f1": 0.6}}}})  # fmt: skip
    assert [dict(model.metrics) for model in scan([put.root]).models] == [{"f1": 0.7}, {"f1": 0.8}]


def test_the_same_entry_in_the_folder_of_another_stage_is_one_entry(put, estimators):
    name = "xgboost_20250826_013058"
    put(**{f"models/staging/{name}/model.pkl": estimators[0], f"models/production/{name}/model.pkl": estimators[0],
           f"models/staging/{name}/metadata.json": {"registered_at": "2025-08-26T01:30:58", "metrics": {"f1_score": 0.85}},
           f"models/production/{name}/metadata.json": {"registered_at": "2025-08-27T01:05:00", "metrics": {}}})  # fmt: skip
    (model,) = scan([put.root]).models
    assert (model.tags["stage_folder"], model.tags[LINKED_AS]) == ("staging", f"production/{name}")
    assert dict(model.metrics) == {"f1_score": 0.85}
