"""Further metrics: whose averaging they follow, where their values come from, and when there is a dash."""

import numpy as np
import pytest
from sklearn import metrics as sk

from selector.domain import further as module
from selector.domain.further import Further, further, further_metric
from selector.domain.metric import metric
from selector.domain.model import Candidate, Predictions, Run, Truth, Unscorable
from selector.domain.ranking import Standing

LABELS = np.array([0, 0, 0, 1, 1, 1, 0, 1, 0, 1])
TRUTH = Truth("rows", LABELS, classes=("No", "Yes"), positive=1)
YES = np.array([0.1, 0.6, 0.2, 0.9, 0.4, 0.8, 0.3, 0.7, 0.2, 0.55])
ANSWERS = Predictions(np.where(YES > 0.5, "Yes", "No"), np.column_stack((1 - YES, YES)), ("No", "Yes"))
F1 = metric("f1", average="binary")


def standing(uri, **logged):
    run = Run(uri, uri, "exp", "FINISHED", metrics=logged)
    return Standing(Candidate(uri, uri, run, metrics=logged))


def asked(names, own=F1, *, candidates=None, truth=TRUTH, answers=None, thresholds=None):
    candidates = candidates or [standing("a")]
    answers = {"a": ANSWERS} if answers is None else answers
    wanted = [further_metric(n) for n in names]
    return further(wanted, own, tuple(candidates), truth=truth, answers=answers, thresholds=thresholds or {})


def test_values_are_those_of_scikit_learn_on_the_answers_that_are_there():
    found = asked(["precision", "recall", "roc_auc", "log_loss", "accuracy"])
    given = YES > 0.5
    assert found.values["a"] == pytest.approx(
        {
            "precision": sk.precision_score(LABELS, given),
            "recall": sk.recall_score(LABELS, given),
            "roc_auc": sk.roc_auc_score(LABELS, YES),
            "log_loss": sk.log_loss(LABELS, YES),
            "accuracy": sk.accuracy_score(LABELS, given),
        }
    )
    assert list(found.labels.values()) == ["binary precision", "binary recall", "ROC AUC", "log loss", "accuracy"]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("own", "label"),
    [
        (F1, "binary recall"),
        (metric("f1", average="weighted"), "weighted recall"),
        (metric("accuracy"), "binary recall"),
        (metric("roc_auc"), "binary recall"),
    ],
)
def test_the_averaging_is_that_of_the_metric_that_decides_or_that_of_the_rows(own, label):
    assert asked(["recall"], own).labels == {"recall": label}


def test_an_averaging_that_is_asked_for_is_kept_and_stands_in_the_key():
    found = asked(["macro_f1", "weighted recall", "recall"])
    assert found.labels == {"macro_f1": "macro F1", "weighted_recall": "weighted recall", "recall": "binary recall"}
    assert found.values["a"]["macro_f1"] == pytest.approx(sk.f1_score(LABELS, YES > 0.5, average="macro"))


@pytest.mark.parametrize("names", [["f1"], ["F1 Score"], ["binary_f1"], ["f1_score", "f1"]])
def test_the_metric_that_decides_is_not_repeated(names):
    assert asked(names) == Further({}, {"a": {}}, ())


def test_a_metric_named_twice_is_shown_once():
    assert list(asked(["recall", "sensitivity", "Recall"]).labels) == ["recall"]


def test_the_threshold_of_a_candidate_counts():
    found = asked(["recall"], thresholds={"a": 0.3})
    assert found.values["a"]["recall"] == pytest.approx(sk.recall_score(LABELS, YES >= 0.3))


def test_a_model_without_probabilities_gets_a_dash_and_the_others_their_values():
    plain = Predictions(ANSWERS.labels)
    found = asked(["roc_auc", "recall"], candidates=[standing("a"), standing("b")], answers={"a": ANSWERS, "b": plain})
    assert found.values["b"]["roc_auc"] is None
    assert found.values["b"]["recall"] == found.values["a"]["recall"]
    assert found.notes == ()


def test_a_metric_that_nobody_has_a_value_of_is_told_with_the_reason():
    found = asked(["rmse", "RMSE"])
    assert found.values == {"a": {"rmse": None}}
    (note,) = found.notes
    assert note.startswith("No candidate has a value of RMSE: ")


@pytest.mark.parametrize("answer", [Unscorable("it hangs"), None])
def test_what_could_not_be_scored_gets_dashes(answer):
    found = asked(["recall"], answers={} if answer is None else {"a": answer})
    assert found.of(standing("a")) == {"recall": None}


def test_candidates_without_a_model_get_dashes():
    nothing = Standing(Candidate("", "no model", Run("r", "r", "exp", "FINISHED")))
    found = asked(["recall"], candidates=[standing("a"), nothing])
    assert found.of(nothing) == {"recall": None}


def test_copies_are_measured_once(monkeypatch):
    measured = []
    real = module.measure
    monkeypatch.setattr(module, "measure", lambda *a, **k: measured.append(a) or real(*a, **k))
    many = [standing(f"m{i}") for i in range(5)]
    asked(["recall", "roc_auc"], candidates=many, answers={f"m{i}": ANSWERS for i in range(5)})
    assert len(measured) == 2


def test_without_shared_rows_logged_values_are_shown():
    candidates = [
        standing("a", precision=0.7, test_recall=60.0),
        standing("b", accuracy=0.9),
        standing("c", recall=7e9),
    ]
    found = asked(["precision", "recall"], candidates=candidates, truth=None, answers={})
    assert found.values == {
        "a": {"precision": 0.7, "recall": 0.6},
        "b": {"precision": None, "recall": None},
        "c": {"precision": None, "recall": None},
    }


def test_what_cannot_be_recomputed_is_what_the_runs_logged():
    found = asked(["r2", "mcc"], candidates=[standing("a", matthews_corrcoef=0.4)])
    assert found.values["a"] == {"r2": None, "matthews_corrcoef": 0.4}
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("name", "near"), [("recal", "recall"), ("roc_acu", "roc_auc"), ("presicion", "precision"), ("RMSEE", "rmse")]
)
def test_an_unknown_metric_is_refused_with_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"metric '{name}' is unknown; did you mean '{near}'?"):
        further_metric(name)


@pytest.mark.parametrize("name", ["business_value", "", "  ", "f1 macro weighted"])
def test_what_is_near_to_nothing_is_refused_with_all_that_are_known(name):
    with pytest.raises(ValueError, match="Known: f1, accuracy, precision"):
        further_metric(name)
