"""Is the 2x2 table behind logged metrics rebuilt exactly, and refused where it cannot be?"""

from __future__ import annotations

import numpy as np
import pytest

from selector.domain.metric import metric
from selector.domain.tables import NoTable, Table, rebuild

F1 = metric("f1", average="binary")


def logged(tp, fp, fn, tn, *, rows=True, prefix=""):
    """What a run logs of such a table, as scikit-learn computes it."""
    found = {
        f"{prefix}precision_score": tp / (tp + fp),
        f"{prefix}recall_score": tp / (tp + fn),
        f"{prefix}f1_score": 2 * tp / (2 * tp + fp + fn),
        f"{prefix}accuracy_score": (tp + tn) / (tp + fp + fn + tn),
    }
    return found | ({f"{prefix}example_count": float(tp + fp + fn + tn)} if rows else {})


def random_tables(count, seed=1):
    random = np.random.default_rng(seed)
    while count:
        n = round(10 ** random.uniform(np.log10(200), np.log10(200_000)))
        positives = random.binomial(n, random.uniform(0.02, 0.6))
        tp = int(random.binomial(positives, random.uniform(0.3, 0.98)))
        fp = int(random.binomial(n - positives, random.uniform(0.002, 0.3)))
        if tp:
            count -= 1
            yield tp, fp, int(positives) - tp, int(n - positives) - fp


def test_with_the_number_of_rows_nearly_every_table_is_exact_and_none_has_a_wrong_ratio():
    exact = 0
    for counts in random_tables(2_000):
        found = rebuild(F1, logged(*counts), "f1_score")
        if isinstance(found, Table):
            assert (found.tp, found.fp, found.fn, found.tn) == counts
            exact += found.exact
    assert exact >= 0.995 * 2_000


@pytest.mark.parametrize("without", [("example_count",), ("example_count", "accuracy_score")])
def test_without_the_number_of_rows_it_is_never_overstated_and_the_ratio_is_right(without):
    exact = refused = 0
    for counts in random_tables(2_000, seed=2):
        metrics = {k: v for k, v in logged(*counts).items() if k not in without}
        found = rebuild(F1, metrics, "f1_score")
        if isinstance(found, NoTable):
            refused += 1
            continue
        scale = counts[0] // found.tp
        assert scale >= 1
        assert (found.tp * scale, found.fp * scale, found.fn * scale) == counts[:3]
        assert found.tn is None if len(without) > 1 else found.tn * scale == counts[3]
        assert not found.exact
        assert "lowest terms" in found.note
        exact += scale == 1
    assert exact >= (0.8 if len(without) == 1 else 0.5) * 2_000
    assert refused <= 0.02 * 2_000


@pytest.mark.parametrize("digits", [2, 3, 4, 5, 6])
def test_rounded_metrics_never_give_more_rows_than_there_were(digits):
    refused = 0
    for counts in random_tables(500, seed=digits):
        for rows in (True, False):
            metrics = {
                k: v if k == "example_count" else round(v, digits) for k, v in logged(*counts, rows=rows).items()
            }
            found = rebuild(F1, metrics, "f1_score")
            refused += isinstance(found, NoTable)
            assert isinstance(found, NoTable) or found.tp + found.fp + found.fn < 100 or found.tp <= counts[0]
    assert refused >= 990


@pytest.mark.parametrize("prefix", ["", "val_", "test/", "my_prefix_"])
def test_counts_as_mlflow_evaluate_logs_them_are_taken_directly(prefix):
    counts = {"true_positives": 400.0, "false_positives": 95.0, "false_negatives": 140.0, "true_negatives": 1365.0}
    metrics = {f"{prefix}{k}": v for k, v in counts.items()} | logged(400, 95, 140, 1365, prefix=prefix)
    found = rebuild(metric("f1", average="binary", keys=[f"{prefix}f1_score"]), metrics, f"{prefix}f1_score")
    assert found == Table(400, 95, 140, 1365, exact=True, note="counts as logged")
    assert found.value("f1") == metrics[f"{prefix}f1_score"]
    assert found.share("accuracy") == (1765, 2000)


def test_only_metrics_of_the_same_data_are_put_together():
    metrics = {"test_f1": 0.8} | {k.replace("f1_score", "f1"): v for k, v in logged(400, 95, 140, 1365).items()}
    assert isinstance(rebuild(F1, metrics, "test_f1"), NoTable)
    assert isinstance(rebuild(F1, metrics, "f1"), Table)


def test_true_negatives_follow_from_the_number_of_rows():
    metrics = {"tp": 40.0, "fp": 9.0, "fn": 11.0, "example_count": 200.0, "f1": 80 / 100}
    found = rebuild(F1, metrics, "f1")
    assert isinstance(found, Table)
    assert found.tn == 140


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tp": 40.5}, "40.5"),
        ({"tp": float("nan")}, "nan"),
        ({"fp": -1.0}, "-1"),
        ({"tp": float("inf")}, "inf"),
        ({"example_count": 199.0}, "add up to the 199 rows"),
        ({"fn": 12.0}, "do not give the logged f1"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(changes, why):
    metrics = {"tp": 40.0, "fp": 9.0, "fn": 11.0, "f1": 80 / 100} | changes
    if "example_count" in changes:
        metrics["tn"] = 140.0
    found = rebuild(F1, metrics, "f1")
    assert isinstance(found, NoTable)
    assert why in found.reason


@pytest.mark.parametrize(
    ("asked", "metrics", "key"),
    [
        (metric("f1", average="macro"), logged(40, 9, 11, 140), "f1_score"),
        (metric("roc_auc"), {"roc_auc": 0.9}, "roc_auc"),
        (metric("f1", average="binary", target=(0.4, 0.6)), logged(40, 9, 11, 140), "f1_score"),
        (F1, {"f1": 0.8}, "f1"),
        (F1, {"f1": 0.0, "precision": 0.0, "recall": 0.0}, "f1"),
        (F1, {"f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0}, "f1"),
        (F1, {"f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3}, "f1"),
        (F1, {"f1": 0.7313, "precision": np.pi / 4, "recall": np.e / 4}, "f1"),
        (F1, {"f1": float(np.float32(80 / 101)), "precision": float(np.float32(40 / 49)), "recall": 40 / 52}, "f1"),
    ],
)
def test_metrics_that_do_not_tell_a_table_are_refused_with_a_reason(asked, metrics, key):
    found = rebuild(asked, metrics, key)
    assert isinstance(found, NoTable)
    assert found.reason


def test_averages_over_folds_are_no_table():
    folds = [logged(*counts) for counts in random_tables(5, seed=4)]
    mean = {k: float(np.mean([f[k] for f in folds])) for k in folds[0] if k != "example_count"}
    assert isinstance(rebuild(F1, mean, "f1_score"), NoTable)


def test_macro_averages_are_no_table():
    for tp, fp, fn, tn in random_tables(300, seed=5):
        if tn + fn == 0 or tn + fp == 0 or tn == 0:
            continue
        one, other = logged(tp, fp, fn, tn), logged(tn, fn, fp, tp)
        macro = {k: (one[k] + other[k]) / 2 for k in one}
        assert isinstance(rebuild(metric("f1"), macro, "f1_score"), NoTable)


@pytest.mark.parametrize("percent", [False, True])
def test_precision_recall_and_accuracy_have_tables_too(percent):
    metrics = {k: v if k == "example_count" or not percent else v * 100 for k, v in logged(401, 95, 139, 1365).items()}
    for name, share in (("precision", (401, 496)), ("recall", (401, 540)), ("accuracy", (1766, 2000))):
        found = rebuild(metric(name, average=None if name == "accuracy" else "binary"), metrics, f"{name}_score")
        assert isinstance(found, Table), found
        assert found.share(name) == share


@pytest.mark.parametrize("rows", [float("nan"), float("inf"), 0.0, 1999.0, 2000.5, 1.7976931348623157e308])
def test_a_number_of_rows_that_does_not_fit_is_refused(rows):
    assert isinstance(rebuild(F1, logged(401, 95, 139, 1365) | {"example_count": rows}, "f1_score"), NoTable)
