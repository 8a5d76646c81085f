"""Does every metric agree with scikit-learn, and every influence with the numerical derivative of scikit-learn's?"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth, Unscorable
from selector.domain.outcomes import Outcome, measure

CLASSES = {2: ("No", "Yes"), 3: ("a", "b", "c"), 5: ("a", "b", "c", "d", "e")}


def made(k: int, n: int = 30, seed: int = 0, *, weighted: bool = False):
    rng = np.random.default_rng(seed)
    y = np.concatenate((np.arange(k), rng.integers(0, k, n - k)))
    p = np.where(rng.random(n) < 0.6, y, rng.integers(0, k, n))
    logits = rng.normal(size=(n, k)).round(1)
    logits[np.arange(n), y] += 1.0
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    w = rng.gamma(2.0, size=n) if weighted else None
    truth = Truth("d", y.astype(np.int64), CLASSES[k], 1 if k == 2 else None, w)
    return truth, p.astype(np.int64), table


def spelled(truth: Truth, codes) -> Predictions:
    return Predictions(np.array(truth.classes, dtype=object)[codes])


def derivative(of, n: int, w) -> np.ndarray:
    """n * d metric / d weight, by central differences."""
    base = np.ones(n) if w is None else w
    out, step = np.empty(n), 1e-5
    for i in range(n):
        up, down = base.copy(), base.copy()
        up[i] += step
        down[i] -= step
        out[i] = (of(up) - of(down)) / (2 * step)
    return out * base * n


def scored(m, truth, predictions) -> Outcome:
    found = measure(m, truth, predictions)
    assert isinstance(found, Outcome), found
    return found


AVERAGED = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "average", "k"),
    [(n, "binary", 2) for n in AVERAGED]
    + [(n, a, k) for n in AVERAGED for a in ("macro", "weighted", "micro") for k in (2, 3, 5)],
)
def test_averaged_metrics_agree_with_scikit_learn_in_value_and_derivative(name, average, k, weighted):
    truth, p, _ = made(k, weighted=weighted)
    got = scored(metric(name, average=average), truth, spelled(truth, p))

    def reference(w):
        return AVERAGED[name](truth.labels, p, average=average, sample_weight=w, zero_division=0)

    assert got.value == pytest.approx(reference(truth.weights), abs=1e-9)
    assert got.influence == pytest.approx(derivative(reference, truth.rows, truth.weights), abs=1e-6)
    assert got.influence.mean() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 3])
def test_accuracy_agrees_with_scikit_learn(k, weighted):
    truth, p, _ = made(k, weighted=weighted)
    got = scored(metric("accuracy"), truth, spelled(truth, p))

    def reference(w):
        return sk.accuracy_score(truth.labels, p, sample_weight=w)

    assert got.value == pytest.approx(reference(truth.weights), abs=1e-9)
    assert got.influence == pytest.approx(derivative(reference, truth.rows, truth.weights), abs=1e-6)


CURVES = {"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("ties", [False, True])
def test_metrics_of_ranked_scores_agree_with_scikit_learn(name, weighted, ties):
    truth, _, table = made(2, weighted=weighted)
    score = table[:, 1].round(1) if ties else table[:, 1]
    got = scored(metric(name), truth, Predictions(None, np.column_stack((1 - score, score)), ("No", "Yes")))

    def reference(w):
        return CURVES[name](truth.labels, score, sample_weight=w)

    assert got.value == pytest.approx(reference(truth.weights), abs=1e-9)
    assert got.influence == pytest.approx(derivative(reference, truth.rows, truth.weights), abs=1e-5)
    assert got.influence.mean() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", CURVES)
def test_ranked_scores_of_several_classes_are_averaged_one_against_the_rest(name):
    truth, _, table = made(3)
    extra = {"multi_class": "ovr"} if name == "roc_auc" else {}
    got = scored(metric(name), truth, Predictions(None, table, truth.classes))
    assert got.value == pytest.approx(CURVES[name](truth.labels, table, average="macro", **extra), abs=1e-9)
    assert any("against the rest" in note for note in got.notes)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_losses_of_probabilities_agree_with_scikit_learn(name, k, weighted):
    truth, _, table = made(k, weighted=weighted)
    got = scored(metric(name), truth, Predictions(None, table, truth.classes))

    def reference(w):
        if name == "log_loss":
            return sk.log_loss(truth.labels, table, sample_weight=w)
        return sk.brier_score_loss(truth.labels, table if k > 2 else table[:, 1], sample_weight=w)

    assert got.value == pytest.approx(reference(truth.weights), abs=1e-9)
    assert got.influence == pytest.approx(derivative(reference, truth.rows, truth.weights), abs=1e-5)


NUMBERS = {
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "mape": sk.mean_absolute_percentage_error,
    "pinball": lambda y, p, **kw: sk.mean_pinball_loss(y, p, alpha=0.9, **kw),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_losses_of_numbers_agree_with_scikit_learn(name, weighted):
    rng = np.random.default_rng(1)
    y = rng.normal(size=50) + 5
    p = y + rng.standard_t(3, size=50)
    truth = Truth("d", y, weights=rng.gamma(2.0, size=50) if weighted else None)
    got = scored(metric(name, quantile=0.9), truth, Predictions(p))

    def reference(w):
        return NUMBERS[name](y, p, sample_weight=w)

    assert got.value == pytest.approx(reference(truth.weights), abs=1e-9)
    assert got.influence == pytest.approx(derivative(reference, 50, truth.weights), abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    name=st.sampled_from(["f1", "precision", "recall"]),
    average=st.sampled_from(["macro", "weighted", "micro"]),
)
def test_any_confusion_agrees_with_scikit_learn(data, name, average):
    k = data.draw(st.integers(2, 4))
    n = data.draw(st.integers(k, 30))
    y = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    p = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    truth = Truth("d", y, tuple("abcd"[:k]))
    got = scored(metric(name, average=average), truth, spelled(truth, p))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = AVERAGED[name](y, p, average=average, zero_division=0)
    assert got.value == pytest.approx(expected, abs=1e-9)
    assert got.influence.mean() == pytest.approx(0.0, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(["f1", "accuracy", "roc_auc", "average_precision", "brier"]))
def test_the_order_of_the_rows_changes_nothing(seed, name):
    truth, _, table = made(2, seed=seed)
    order = np.random.default_rng(seed).permutation(truth.rows)
    moved = Truth("d", truth.labels[order], truth.classes, 1)
    a = scored(metric(name), truth, Predictions(None, table, truth.classes))
    b = scored(metric(name), moved, Predictions(None, table[order], truth.classes))
    assert b.value == pytest.approx(a.value, abs=1e-12)
    assert b.influence == pytest.approx(a.influence[order], abs=1e-12)


def test_the_area_under_the_curve_agrees_with_counting_every_pair():
    truth, _, table = made(2, n=80, seed=3)
    score, y = table[:, 1].round(1), truth.labels == 1
    wins = (score[y][:, None] > score[~y]) + 0.5 * (score[y][:, None] == score[~y])
    got = scored(metric("roc_auc"), truth, Predictions(None, score[:, None], ()))
    assert got.value == pytest.approx(wins.mean(), abs=1e-12)
    up, down = wins.mean(axis=1), wins.mean(axis=0)
    delong = up.var() / len(up) + down.var() / len(down)
    n = truth.rows
    assert got.standard_error**2 * (n - 1) / n == pytest.approx(delong, rel=1e-12)


def test_the_standard_error_of_f1_follows_its_closed_form():
    """SE(F1) = (2 - F1) sqrt(F1 (1 - F1) / (2 m)), m = TP + FP + FN."""
    truth, p, _ = made(2, n=4000, seed=5)
    got = scored(metric("f1"), truth, spelled(truth, p))
    f, m = got.value, got.relevant
    assert got.standard_error == pytest.approx((2 - f) * math.sqrt(f * (1 - f) / (2 * m)), rel=1e-3)


def test_the_variance_of_macro_f1_is_takahashis():
    """The published formula: a quadratic form over the cells; here from the multinomial delta method by hand."""
    cells = np.array([[22.0, 3.0, 5.0], [4.0, 17.0, 6.0], [1.0, 9.0, 33.0]])
    share = cells / cells.sum()
    hit, row, column = np.diag(share), share.sum(1), share.sum(0)
    gradient = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                total = row[k] + column[k]
                gradient[i, j] += (2 * (i == j == k) * total - 2 * hit[k] * ((i == k) + (j == k))) / total**2 / 3
    variance = ((share * gradient**2).sum() - (share * gradient).sum() ** 2) / cells.sum()
    y, p = np.nonzero(np.ones((3, 3)))
    times = cells.astype(int).ravel()
    truth = Truth("d", np.repeat(y, times), ("a", "b", "c"))
    got = scored(metric("f1", average="macro"), truth, spelled(truth, np.repeat(p, times)))
    n = truth.rows
    assert got.standard_error**2 * (n - 1) / n == pytest.approx(variance, rel=1e-10)


def test_counts_of_a_share_are_those_of_the_table():
    y = np.array([1, 1, 1, 0, 0, 0, 0, 1])
    p = np.array([1, 1, 0, 1, 0, 0, 0, 0])
    truth = Truth("d", y, ("No", "Yes"), 1)
    counts = {n: scored(metric(n), truth, spelled(truth, p)) for n in ("f1", "precision", "recall", "accuracy")}
    assert {n: (o.hits, o.relevant) for n, o in counts.items()} == {
        "f1": (2, 5),
        "precision": (2, 3),
        "recall": (2, 4),
        "accuracy": (5, 8),
    }
    assert counts["f1"].confusion.tolist() == [[3, 1], [2, 2]]


def test_weighted_rows_have_no_counts():
    truth, p, _ = made(2, weighted=True)
    got = scored(metric("f1"), truth, spelled(truth, p))
    assert (got.hits, got.relevant) == (None, None)


def test_a_row_of_weight_two_counts_as_two_rows():
    truth, p, _ = made(2)
    w = np.ones(truth.rows)
    w[7] = 2.0
    twice = np.append(np.arange(truth.rows), 7)
    a = scored(metric("f1"), Truth("d", truth.labels, truth.classes, 1, w), spelled(truth, p))
    b = scored(metric("f1"), Truth("d", truth.labels[twice], truth.classes, 1), spelled(truth, p[twice]))
    assert a.value == pytest.approx(b.value, abs=1e-12)


def test_equal_answers_have_equal_digests_and_others_not():
    truth, p, _ = made(2)
    one = scored(metric("f1"), truth, spelled(truth, p))
    same = scored(metric("f1"), truth, Predictions(p))
    other = scored(metric("f1"), truth, spelled(truth, 1 - p))
    assert one.digest == same.digest != other.digest


def test_the_averaging_is_settled_by_the_holdout():
    binary, p2, _ = made(2)
    several, p3, _ = made(3)
    assert scored(metric("f1"), binary, spelled(binary, p2)).metric.average == "binary"
    assert scored(metric("f1"), several, spelled(several, p3)).metric.average == "macro"


@pytest.mark.parametrize(
    ("name", "truth", "answer", "word"),
    [
        (
            "f1",
            Truth("d", np.zeros(4, np.int64), ("No", "Yes"), 1),
            np.array(["Yes"] * 4),
            "no row of the positive class 'Yes'",
        ),
        ("roc_auc", Truth("d", np.ones(4, np.int64), ("No", "Yes"), 1), np.full(4, 0.5), "every row"),
        ("f1", Truth("d", np.array([1.5, 2.0])), np.array([1.0, 2.0]), "holds numbers"),
        ("rmse", Truth("d", np.array([0, 1]), ("No", "Yes"), 1), np.array([1.0, 2.0]), "holds classes"),
        ("mape", Truth("d", np.array([0.0, 1.0])), np.array([1.0, 2.0]), "is 0 in 1 of 2 rows"),
        ("roc_auc", Truth("d", np.array([0, 1]), ("No", "Yes"), 1), np.array(["No", "Yes"]), "no probabilities"),
        ("mae", Truth("d", np.array([])), np.array([]), "no rows"),
        ("mae", Truth("d", np.array([1.0]), weights=np.array([0.0])), np.array([1.0]), "weights"),
        ("rmse", Truth("d", np.array([1.0, 2.0])), np.array([1e300, 2.0]), "not finite"),
        ("silhouette_score", Truth("d", np.array([1.0])), np.array([1.0]), "cannot be computed"),
    ],
)
def test_what_has_no_value_is_unscorable_with_the_reason(name, truth, answer, word):
    found = measure(metric(name), truth, Predictions(answer))
    assert isinstance(found, Unscorable)
    assert word in found.reason


def test_binary_averaging_of_three_classes_needs_a_positive_one():
    truth, p, _ = made(3)
    found = measure(metric("f1", average="binary"), truth, spelled(truth, p))
    assert isinstance(found, Unscorable)
    assert "needs a positive class" in found.reason
    named = Truth("d", truth.labels, truth.classes, 2)
    got = scored(metric("f1", average="binary"), named, spelled(truth, p))
    assert got.value == pytest.approx(sk.f1_score(truth.labels == 2, p == 2))


def test_a_model_that_never_answers_positive_scores_zero_and_says_so():
    truth = Truth("d", np.array([0, 1, 1]), ("No", "Yes"), 1)
    got = scored(metric("precision"), truth, Predictions(np.array(["No"] * 3)))
    assert got.value == 0.0
    assert not got.influence.any()
    assert any("never answers" in note for note in got.notes)


def test_a_perfect_regression_has_no_spread():
    y = np.array([1.0, 2.0, 4.0])
    got = scored(metric("rmse"), Truth("d", y), Predictions(y))
    assert (got.value, got.standard_error) == (0.0, 0.0)


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_a_model_that_is_sure_of_every_class_is_refused(name):
    truth, _, table = made(3)
    found = measure(metric(name), truth, Predictions(None, np.ones_like(table), truth.classes))
    assert isinstance(found, Unscorable)
    assert "more than 1" in found.reason
