"""What is a metric: names, averaging, direction, range."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.metric import AUTO, AVERAGES, known_metrics, metric, resolve_average


@pytest.mark.parametrize(
    ("spelled", "name", "average"),
    [
        ("f1", "f1", AUTO),
        ("F1 Score", "f1", AUTO),
        ("f1-score", "f1", AUTO),
        ("macro_f1", "f1", "macro"),
        ("f1_score_weighted", "f1", "weighted"),
        ("F1 (micro)", "f1", "micro"),
        ("AUC", "roc_auc", None),
        ("accuracy_score", "accuracy", None),
        ("root_mean_squared_error", "rmse", None),
        ("PR-AUC", "average_precision", None),
    ],
)
def test_usual_spellings_mean_the_known_metric(spelled, name, average):
    made = metric(spelled)
    assert (made.name, made.average) == (name, average)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"name": "f1", "average": "makro"}, "did you mean 'macro'"),
        ({"name": "f1", "direction": "minimise"}, "did you mean 'minimize'"),
        ({"name": "f1", "direction": "minimize"}, "better when maximized"),
        ({"name": "my_loss"}, "larger or smaller is better"),
        ({"name": "validation_error"}, "larger or smaller is better"),
        ({"name": "anomaly_rate", "direction": "target"}, "belong together"),
        ({"name": "anomaly_rate", "direction": "maximize", "target": (0.1, 0.2)}, "belong together"),
        ({"name": "anomaly_rate", "target": (0.3, 0.2)}, "low first"),
        ({"name": "rmse", "average": "macro"}, "does not apply"),
        ({"name": "macro_f1", "average": "micro"}, "names averaging 'macro' itself"),
        ({"name": "f1", "aggregation": "mean"}, "use last, best"),
        ({"name": "f1", "aggregation": True}, "use last, best"),
        ({"name": "pinball", "quantile": 1.0}, "strictly between"),
        ({"name": " "}, "no name"),
    ],
)
def test_what_makes_no_sense_is_refused_with_advice(arguments, word):
    with pytest.raises(ValueError, match=word.replace("(", r"\(")):
        metric(**arguments)


def test_any_key_is_a_metric_once_its_direction_is_given():
    made = metric("gini", direction="maximize", low=-1.0, high=1.0)
    assert made.better(0.4, 0.3)
    assert not made.recomputed
    assert not made.valid(1.1)
    assert metric("silhouette").name == "silhouette_score"
    assert metric("silhouette_score").better(0.4, 0.3)


def test_smaller_losses_are_better():
    assert metric("rmse").better(1.0, 2.0)
    assert metric("rmse").lead(1.0, 2.5) == 1.5


def test_inside_the_target_band_nothing_is_better():
    rate = metric("anomaly_rate", target=(0.01, 0.05))
    assert rate.lead(0.02, 0.04) == 0.0
    assert rate.lead(0.02, 0.08) == pytest.approx(0.03)
    assert rate.better(0.0, 0.09)
    assert not rate.better(0.02, 0.04)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1, 1.1])
def test_impossible_values_are_not_valid(value):
    assert not metric("f1").valid(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_infinite_values_are_not_valid_even_without_a_range(value):
    assert not metric("gini", direction="maximize").valid(value)


@given(st.sampled_from(known_metrics()), st.floats(0, 1), st.floats(0, 1))
def test_at_most_one_of_two_values_is_better(name, a, b):
    made = metric(name)
    assert made.lead(a, b) == -made.lead(b, a)
    assert made.better(a, b) + made.better(b, a) == (a != b)


def test_nan_is_never_better():
    assert not metric("f1").better(math.nan, 0.1)
    assert not metric("f1").better(0.1, math.nan)


@pytest.mark.parametrize(
    ("classes", "positive", "average"),
    [
        (("No", "Yes"), "Yes", "binary"),
        (("No", "Yes"), None, "macro"),
        (("0", "1"), None, "binary"),
        (("0.0", "1.0"), None, "binary"),
        (("False", "True"), None, "binary"),
        (("0", "1", "2"), None, "macro"),
        (("a", "b", "c"), "b", "binary"),
    ],
)
def test_f1_alone_is_binary_with_a_positive_class_or_zero_and_one_else_macro(classes, positive, average):
    assert resolve_average(metric("f1"), classes, positive).average == average
    assert metric("f1", classes=classes, positive=positive).average == average


@pytest.mark.parametrize("average", AVERAGES)
def test_a_chosen_averaging_stays(average):
    assert resolve_average(metric("f1", average=average), ("0", "1")).average == average


@pytest.mark.parametrize(
    ("made", "label"),
    [
        (metric("f1", average="weighted"), "weighted F1"),
        (metric("f1"), "F1"),
        (metric("roc_auc"), "ROC AUC"),
        (metric("pinball", quantile=0.9), "pinball loss at 0.9"),
        (metric("silhouette_score"), "silhouette_score"),
    ],
)
def test_the_label_shows_the_averaging(made, label):
    assert made.label() == label
