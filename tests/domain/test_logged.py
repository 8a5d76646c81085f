"""What value do a run's logged metrics hold, in all the spellings that were found in the wild?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.logged import Logged, NotLogged, logged_value
from selector.domain.metric import metric

F1 = metric("f1", average="binary")
WEIGHTED = metric("f1", average="weighted")


@pytest.mark.parametrize(
    "key",
    [
        "f1", "F1", "f1_score", "f1-score", "F1-Score", "F1 Score", "test_f1", "test_f1_score", "testf1_score",
        "f1_score_test", "f1_score_X_test", "f1_score_xtest", "eval_f1_score", "eval/f1", "val_f1", "validation_f1",
        "cv_f1_mean", "mean_cv_f1", "best_f1_score", "holdout.f1", "f1_binary",
    ],
)  # fmt: skip
def test_every_spelling_of_f1_is_recognised(key):
    found = logged_value(F1, {key: 0.7, "loss": 0.1})
    assert isinstance(found, Logged)
    assert (found.key, found.value) == (key, 0.7)


@pytest.mark.parametrize(
    "key",
    [
        "train_f1", "training_f1_score", "train/f1", "f1_train", "trainf1", "f1_drop", "f1_lift_pp", "f1_ci_95",
        "test_f2_score", "cv_f1_std", "std_cv_f1", "baseline_f1", "champion_f1", "RandomForest_f1_score", "f1_threshold",
        "f10", "precision",
    ],
)  # fmt: skip
def test_look_alikes_are_no_scores(key):
    found = logged_value(F1, {key: 0.99})
    assert isinstance(found, NotLogged)
    assert found.code == "missing"
    assert key in found.reason


def test_test_rows_come_first_and_training_never():
    everything = {"training_f1": 1.0, "cv_f1_mean": 0.4, "val_f1": 0.5, "f1": 0.6, "test_f1": 0.7}
    order = []
    while isinstance(found := logged_value(F1, everything), Logged):
        order.append(everything.pop(found.key))
    assert order == [0.7, 0.6, 0.5, 0.4]
    assert everything == {"training_f1": 1.0}
    assert "training data only" in found.reason


def test_weaker_evidence_says_so():
    found = logged_value(F1, {"val_f1": 0.5})
    assert isinstance(found, Logged)
    assert "val_f1 was not measured on the test rows" in found.notes


def test_percentages_are_judged_value_by_value():
    both = {"f1": 65.87, "roc_auc": 0.86}
    found, other = logged_value(F1, both), logged_value(metric("roc_auc"), both)
    assert isinstance(found, Logged)
    assert isinstance(other, Logged)
    assert (found.value, found.raw) == (pytest.approx(0.6587), 65.87)
    assert "f1 is 65.87, taken as 65.87 %" in found.notes
    assert other.value == 0.86


def test_losses_are_never_percentages():
    found = logged_value(metric("rmse"), {"rmse": 65.87})
    assert isinstance(found, Logged)
    assert found.value == 65.87


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (math.nan, "not-a-number"),
        (math.inf, "infinite"),
        (-math.inf, "infinite"),
        (1.7976931348623157e308, "infinite"),
        (-1.7976931348623157e308, "infinite"),
        (-0.1, "out-of-range"),
        (100.5, "out-of-range"),
    ],
)
def test_impossible_values_are_refused_even_where_a_weaker_key_is_fine(value, code):
    found = logged_value(F1, {"test_f1": value, "val_f1": 0.9})
    assert isinstance(found, NotLogged)
    assert found.code == code
    assert "test_f1" in found.reason


def test_zero_is_a_value_and_missing_is_not_zero():
    found = logged_value(F1, {"f1": 0.0})
    assert isinstance(found, Logged)
    assert found.value == 0.0
    assert isinstance(logged_value(F1, {}), NotLogged)
    assert isinstance(logged_value(F1, {"accuracy": 0.9}), NotLogged)


@pytest.mark.parametrize(
    ("key", "average"), [("f1_weighted", "weighted"), ("macro_f1", "macro"), ("f1_score_micro", "micro")]
)
def test_another_averaging_is_refused_and_its_own_taken(key, average):
    refused = logged_value(F1, {key: 0.8})
    assert isinstance(refused, NotLogged)
    assert refused.code == "averaging"
    assert key in refused.reason
    taken = logged_value(metric("f1", average=average), {key: 0.8})
    assert isinstance(taken, Logged)
    assert (taken.average, taken.notes) == (average, ())


def test_the_spelled_out_averaging_is_preferred():
    found = logged_value(WEIGHTED, {"f1": 0.6, "f1_macro": 0.5, "f1_weighted": 0.8})
    assert isinstance(found, Logged)
    assert found.key == "f1_weighted"


def test_without_a_chosen_averaging_the_plain_key_is_preferred():
    found = logged_value(metric("f1"), {"f1": 0.6, "f1_macro": 0.5, "f1_weighted": 0.8})
    assert isinstance(found, Logged)
    assert found.key == "f1"
    assert isinstance(logged_value(metric("f1"), {"f1_weighted": 0.8}), Logged)


def test_an_unknown_averaging_is_taken_with_a_note():
    found = logged_value(F1, {"f1_score": 0.8, "recall": 0.7, "accuracy": 0.9})
    assert isinstance(found, Logged)
    assert "f1_score does not say how it was averaged; taken as binary" in found.notes


def test_recall_equal_to_accuracy_gives_weighted_averaging_away():
    run = {"f1_score": 0.82, "recall_score": 0.83, "accuracy_score": 0.83}
    refused, taken = logged_value(F1, run), logged_value(WEIGHTED, run)
    assert isinstance(refused, NotLogged)
    assert refused.code == "averaging"
    assert "weighted F1, not binary F1: recall equals accuracy" in refused.reason
    assert isinstance(taken, Logged)
    assert taken.average == "weighted"
    near = logged_value(F1, run | {"recall_score": 0.83 + 1e-9})
    assert isinstance(near, Logged)


def test_named_keys_are_taken_literally_and_in_order():
    named = metric("f1", average="binary", keys=["champion_f1", "f1"])
    first = logged_value(named, {"f1": 0.5, "champion_f1": 0.6})
    second = logged_value(named, {"f1": 0.5, "test_f1": 0.9})
    assert isinstance(first, Logged)
    assert isinstance(second, Logged)
    assert (first.key, second.key) == ("champion_f1", "f1")
    missing = logged_value(named, {"champion_f1_": 0.5})
    assert isinstance(missing, NotLogged)
    assert missing.suggestions == ("champion_f1_",)


def test_any_scalar_is_found_by_its_own_name():
    found = logged_value(metric("gini_Index", direction="maximize"), {"gini_Index": 0.3})
    assert isinstance(found, Logged)
    assert found.value == 0.3
    long_name = logged_value(metric("rmse"), {"test_root_mean_squared_error": 2.0})
    assert isinstance(long_name, Logged)
    assert long_name.value == 2.0


def test_what_is_there_is_suggested():
    found = logged_value(metric("silhouette_score"), {"silhouete": 0.4, "n_clusters": 5.0})
    assert isinstance(found, NotLogged)
    assert found.suggestions == ("silhouete",)


@given(st.permutations(["f1", "F1", "f1_score", "f1-score", "F1 Score"]))
def test_the_order_of_keys_does_not_matter(keys):
    values = {k: 0.1 * (i + 1) for i, k in enumerate(sorted(keys))}
    found = logged_value(F1, {k: values[k] for k in keys})
    assert isinstance(found, Logged)
    assert found.key == "F1"


@given(st.dictionaries(st.text(max_size=12), st.floats(allow_nan=True, allow_infinity=True), max_size=6))
def test_no_dictionary_of_metrics_raises_and_what_is_found_is_valid(metrics):
    found = logged_value(F1, metrics)
    if isinstance(found, Logged):
        assert F1.valid(found.value)
        assert found.key in metrics
