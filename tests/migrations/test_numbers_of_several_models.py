"""Do models get the numbers that are about them where documents hold those of several, and nobody else's?"""

from __future__ import annotations

import json
import pickle

import pytest
from sklearn.ensemble import RandomForestClassifier

from migrations.layouts import named_metrics
from migrations.scan import scan
from migrations.wording import class_to_type


@pytest.fixture
def put(tmp_path):
    """Write files below a root: bytes and texts as they are, dicts and lists as JSON, anything else pickled."""
    root = tmp_path / "store"

    def write(files):
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, dict | list):
                path.write_text(json.dumps(content))
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
        return scan([root])

    return write


def named(found):
    return {model.name: dict(model.metrics) for model in found.models}


@pytest.fixture(scope="session")
def forest(rows):
    return RandomForestClassifier(n_estimators=2, random_state=1).fit(*rows)


def test_scores_of_the_document_itself_count_more_than_its_row_of_the_best_model(put, forest):
    document = {
        "best_model": "random_forest", "test_f1": 0.26, "test_accuracy": 0.5, "trained_at": "2026-07-31T06:57:58Z",
        "leaderboard": [{"model": "logistic_regression", "cv_auc": 0.66}, {"model": "random_forest", "cv_auc": 0.68}],
    }  # fmt: skip
    found = put({"models/rf/v1/model.joblib": forest, "models/rf/v1/metrics.json": document,
                 "models/rf/v1/metadata.json": {"version": "v1", "algorithm": "random_forest"}})  # fmt: skip
    assert named(found) == {"rf/v1": {"test_f1": 0.26, "test_accuracy": 0.5}}
    assert not found.unreadable


def test_a_fuller_row_counts_more_than_one_number_about_the_best_model(put, forest):
    document = {"best_model": "Random Forest", "best_f1": 0.8,
                "results": {"Random Forest": {"f1": 0.8, "recall": 0.7}, "SVM": {"f1": 0.1, "recall": 0.2}}}  # fmt: skip
    assert named(put({"models/best_model.pkl": forest, "models/summary.json": document})) == {
        "best_model": {"f1": 0.8, "recall": 0.7}
    }


def test_test_scores_of_the_only_model_count_more_than_a_row_of_its_class(put, forest):
    found = put({"models/pipeline_churn.pkl": forest, "models/cv_results.csv": "model,f1_mean\nRandomForest,0.51\nSVM,0.4\n",
                 "models/metrics.json": {"best_model": "RandomForest", "f1": 0.47, "accuracy": 0.7}})  # fmt: skip
    assert named(found) == {"pipeline_churn": {"f1": 0.47, "accuracy": 0.7}}
    assert not found.unreadable


@pytest.mark.parametrize("heading", ["Modele", "Modelo", "Modell", "模型", "Algorithme", "Модель"])
def test_tables_name_their_models_in_other_languages_too(put, forest, heading):
    table = f"{heading},Accuracy,F1-Score\nRandom Forest,0.9,0.8\nSVM,0.7,0.6\n"
    found = put({"models/random_forest.pkl": forest, "models/results.csv": table})
    assert named(found) == {"random_forest": {"Accuracy": 0.9, "F1-Score": 0.8}}


def test_of_two_documents_the_one_with_an_f1_is_taken_and_the_other_is_named(put, forest, estimators):
    found = put({"models/random_forest.pkl": forest, "models/svm.pkl": estimators[0],
                 "models/curves.json": {"Random Forest": {"auc": 0.6}, "SVM": {"auc": 0.5}},
                 "models/model_comparison.csv": "model,test_f1\nRandom Forest,0.18\nSVM,0.2\n"})  # fmt: skip
    assert named(found) == {"random_forest": {"test_f1": 0.18}, "svm": {"test_f1": 0.2}}
    notes = " ".join(next(m for m in found.models if m.name == "svm").notes)
    assert "not taken: other numbers for it in curves.json" in notes


def test_variants_of_an_algorithm_leave_open_which_one_a_file_is(put, forest):
    table = "model,test_f1\nRandom Forest,0.18\nRandom Forest (Tuned),0.2\nSVM,0.1\n"
    assert named(put({"models/best_model.pkl": forest, "models/model_comparison.csv": table})) == {"best_model": {}}


def test_the_only_record_of_a_class_binds_though_the_file_says_more(put, forest):
    found = put({"models/tuned/random_forest_optimized.pkl": forest,
                 "models/tuned/optimization_results.json": {"random_forest": {"test_f1": 0.98}}})  # fmt: skip
    assert named(found) == {"random_forest_optimized": {"test_f1": 0.98}}


def test_rows_that_several_columns_tell_apart_are_bound_by_all_their_words(put, forest, estimators):
    rows = [{"model": "KNN", "kind": "supervised", "variant": variant, "data": "cleaned", "f1": f1}
            for variant, f1 in (("pca", 0.9), ("umap", 0.8), ("kpca", 0.7))]  # fmt: skip
    found = put({"models/pca__cleaned__KNN.pkl": forest, "models/umap__cleaned__KNN.pkl": estimators[0],
                 "models/umap__raw__KNN.pkl": estimators[1], "models/metrics.json": rows})  # fmt: skip
    assert named(found) == {
        "pca__cleaned__KNN": {"f1": 0.9}, "umap__cleaned__KNN": {"f1": 0.8}, "umap__raw__KNN": {},
    }  # fmt: skip


def test_two_rows_with_the_same_words_bind_nothing(put, forest):
    rows = [
        {"model": "KNN", "data": "telco", "split": split, "f1": f1} for split, f1 in (("train", 1.0), ("test", 0.5))
    ]
    assert named(put({"models/telco_knn.pkl": forest, "models/metrics.json": rows})) == {"telco_knn": {}}


def test_a_list_that_names_nobody_is_said_and_costs_no_model(put, forest):
    found = put({"churn/model.pkl": forest, "churn/metrics.json": [{"fold": 1, "f1": 0.6}, {"fold": 2, "f1": 0.7}]})
    assert named(found) == {"churn": {}}
    assert "metrics.json is a table of 2 rows, none of which names the model" in " ".join(found.models[0].notes)
    assert named(put({"churn/metrics.json": [{"f1": 0.6}]})) == {"churn": {"f1": 0.6}}


def test_records_below_two_names_are_bound_by_both(put, forest, estimators):
    document = {"telco": {"rf": {"f1": 0.6}, "svm": {"f1": 0.5}}, "bank": {"rf": {"f1": 0.4}, "svm": {"f1": 0.3}}}
    found = put({"models/telco_rf_model.pkl": forest, "models/bank_rf_model.pkl": estimators[0],
                 "models/metrics.json": document})  # fmt: skip
    assert named(found) == {"telco_rf_model": {"f1": 0.6}, "bank_rf_model": {"f1": 0.4}}


def test_a_model_in_a_folder_of_its_own_gets_the_row_that_the_folder_is_called_after(put, forest, estimators):
    table = "Model,CV_RMSE\nrandom_forest,0.3\nboosting,0.4\n"
    found = put({"models/random_forest/best_model.joblib": forest, "models/random_forest/search_cv.joblib": estimators[0],
                 "models/boosting/model.pkl": estimators[1], "models/leaderboard.csv": table})  # fmt: skip
    assert named(found) == {
        "random_forest/best_model": {"CV_RMSE": 0.3}, "search_cv": {}, "boosting": {"CV_RMSE": 0.4},
    }  # fmt: skip


def test_a_model_with_numbers_beside_it_does_not_take_those_of_the_folder_above(put, forest):
    found = put({"models/random_forest/model.pkl": forest, "models/random_forest/metrics.json": {"f1": 0.6},
                 "models/leaderboard.csv": "Model,f1\nrandom_forest,0.9\nsvm,0.8\n"})  # fmt: skip
    assert [dict(model.metrics) for model in found.models] == [{"f1": 0.6}]


def test_model_before_a_name_is_no_part_of_it(put, forest, estimators):
    found = put({"modelos/modelo_random_forest.pkl": forest, "modelos/model_svm.pkl": estimators[0],
                 "modelos/metricas.json": {"random_forest": {"f1": 0.6}, "svm": {"f1": 0.5}}})  # fmt: skip
    assert named(found) == {"modelo_random_forest": {"f1": 0.6}, "model_svm": {"f1": 0.5}}


def test_metrics_under_the_words_of_other_languages_are_read(put, forest):
    found = put(
        {"modelos/modelo.pkl": forest, "modelos/metricas.json": {"acurácia": "0,905", "precisão": 0.8, "idade": 3}}
    )
    assert named(found) == {"modelo": {"acurácia": 0.905, "precisão": 0.8}}


def test_a_model_whose_own_table_has_one_row_is_called_after_its_folder(put, forest):
    found = put(
        {"models/random_forest/model.pkl": forest, "models/random_forest/metrics.csv": "model_name,f1\nForest,0.6\n"}
    )
    assert named(found) == {"random_forest": {"f1": 0.6}}
    found = put({"models/random_forest/metrics.csv": "model_name,f1\nRandom Forest,0.7\n"})
    assert named(found) == {"random_forest": {"f1": 0.7}}


def test_documents_about_algorithms_without_any_file_are_listed_with_their_numbers(put):
    found = put({"models/random_forest_metrics.json": {"f1": 0.6}, "models/xgb_metrics.json": {"f1": 0.7},
                 "models/cv_metrics.json": {"f1": 0.5}})  # fmt: skip
    assert {entry.name: dict(entry.metrics) for entry in found.unreadable} == {
        "random_forest": {"f1": 0.6}, "xgb": {"f1": 0.7},
    }  # fmt: skip
    assert all("no model file" in entry.reason for entry in found.unreadable)


def test_a_folder_below_models_with_test_scores_only_is_a_model_whose_file_is_missing(put):
    found = put({"models/lightgbm/metrics.json": {"validation": {"f1": 0.63}, "test": {"f1": 0.6}},
                 "reports/lightgbm/metrics.json": {"validation": {"f1": 0.63}, "test": {"f1": 0.6}}})  # fmt: skip
    assert [(entry.name, entry.reason, dict(entry.metrics)) for entry in found.unreadable] == [
        ("lightgbm", "no model file", {"f1": 0.6})
    ]


def test_a_text_about_the_only_model_is_read(put, forest):
    found = put({"models/churn.pkl": forest, "models/model_info.txt": "best_model=RandomForest\ntest_roc_auc=0.8451\n"})
    assert named(found) == {"churn": {"test_roc_auc": 0.8451}}


def test_facts_in_a_text_are_read_as_those_of_a_document(put, forest):
    text = "deployment_timestamp: 2025-08-21T05:16:52\nmodel_type: LogisticRegression\nmodel_version: 4\n\nNote: fine\n"
    model = put({"deployment/churn_deployed.pkl": forest, "deployment/model_info.txt": text}).models[0]
    assert (model.name, model.model_type) == ("churn_deployed", "LogisticRegression")
    assert f"{model.created_at:%Y-%m-%d %H:%M:%S}" == "2025-08-21 05:16:52"


def test_records_that_name_files_in_several_folders_are_not_bound_to_one_of_that_name(put, forest):
    registry = {"versions": [
        {"version_id": f"v{n}", "created_at": f"2025-04-2{n}", "metrics": {"r2": n / 10}, "pipeline_path": f"models/v{n}/pipe.joblib"}
        for n in (1, 2)
    ]}  # fmt: skip
    found = put({"models/pipe.joblib": forest, "models/model_registry.json": registry})
    assert named(found) == {"pipe": {}}
    assert {entry.name: entry.reason for entry in found.unreadable} == dict.fromkeys(
        ("v1", "v2"), "no model file (pipe.joblib is not in the folder)"
    )


def test_a_record_finds_the_only_folder_called_after_it_one_level_further_down(put, forest, estimators):
    ids = [f"churn_forest_20250917_02153{n}" for n in (4, 5)]
    registry = {
        "models": {i: {"model_id": i, "timestamp": "2025-09-17T02:15:34Z", "test_metrics": {"f1": 0.6}} for i in ids}
    }
    files = {"models/model_registry.json": registry}
    for i, model in zip(ids, (forest, estimators[0]), strict=True):
        files |= {
            f"models/experiments/{i}/model.joblib": model,
            f"models/experiments/{i}/metadata.json": {"model_id": i},
        }
    found = put(files)
    assert named(found) == {key: {"f1": 0.6} for key in ids}
    assert not found.unreadable
    again = put({f"models/archive/{ids[0]}/model.joblib": estimators[1]})
    assert "no model file (model_registry.json names none)" in {entry.reason for entry in again.unreadable}


def test_a_registry_names_the_file_under_artifact(put):
    registry = {
        "models": [
            {"model": "ridge", "artifact": "models/uplift.joblib", "trained_at": "2026-07-18", "metrics": {"r2": 1}}
        ]
    }
    assert {entry.name: entry.reason for entry in put({"models/model_registry.json": registry}).unreadable} == {
        "uplift": "no model file (uplift.joblib is not in the folder)"
    }


def test_an_environment_of_packages_is_not_a_store_whatever_it_is_called(put, forest):
    found = put({"models/a.pkl": forest, "myenv/pyvenv.cfg": "home = /usr", "myenv/lib/x/tests/data/b.pkl": forest,
                 "lib/python3.10/site-packages/joblib/test/c.pkl": forest})  # fmt: skip
    assert named(found) == {"a": {}}
    assert not found.unreadable


def test_the_class_of_a_model_is_not_worked_out_anew_for_every_document(put, forest, monkeypatch):
    asked = []
    monkeypatch.setattr(named_metrics, "class_to_type", lambda dotted: asked.append(dotted) or class_to_type(dotted))
    files = {f"models/m{n}.pkl": forest for n in range(20)} | {
        f"models/r{n}.json": {"svm": {"f1": 0.5}} for n in range(20)
    }
    assert len(put(files).models) == 20
    assert 0 < len(asked) <= 40
