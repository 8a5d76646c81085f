"""Do thinned curves keep their shape, and do they agree with scikit-learn?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from selector.domain.curves import MOST_POINTS, curves, thinned
from selector.domain.model import Truth


def labelled(labels, *, positive=1, classes=("No", "Yes"), weights=None):
    return Truth(
        digest="d", labels=np.asarray(labels, dtype=np.int64), classes=classes, positive=positive, weights=weights
    )


def simulated(rows, seed=3):
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(np.int64)
    return labels, 1 / (1 + np.exp(-(labels * 1.5 + rng.normal(size=rows))))


@pytest.mark.parametrize("rows", [50, 3_000, 60_000])
def test_areas_are_those_of_scikit_learn_whatever_the_number_of_rows(rows):
    labels, scores = simulated(rows)
    found = curves(labelled(labels), scores)
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert found.average_precision == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)
    assert found.prevalence == pytest.approx(labels.mean())


def test_tied_scores_and_weights_count_as_scikit_learn_counts_them():
    labels, scores = simulated(2_000)
    scores, weights = np.round(scores, 1), np.random.default_rng(1).random(2_000)
    found = curves(labelled(labels, weights=weights), scores)
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12)
    expected = metrics.average_precision_score(labels, scores, sample_weight=weights)
    assert found.average_precision == pytest.approx(expected, abs=1e-12)


def test_the_positive_class_is_the_one_the_holdout_names():
    labels, scores = simulated(500)
    swapped = curves(labelled(labels, positive=0), 1 - scores)
    assert swapped.average_precision == pytest.approx(metrics.average_precision_score(1 - labels, 1 - scores))


def test_sixty_thousand_rows_become_two_hundred_points_and_lose_no_area():
    labels, scores = simulated(60_000)
    found = curves(labelled(labels), scores)
    assert len(found.roc) <= MOST_POINTS
    assert len(found.precision_recall) <= MOST_POINTS
    x, y = np.array(found.roc).T
    assert np.trapezoid(y, x) == pytest.approx(found.roc_auc, abs=1e-3)
    false, caught, _ = metrics.roc_curve(labels, scores)
    assert np.abs(np.interp(false, x, y) - caught).max() < 0.02
    assert found.roc[0] == (0.0, 0.0)
    assert found.roc[-1] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("labels", "probability", "classes"),
    [
        ([0, 1, 1], None, ("No", "Yes")),
        ([1, 1, 1], np.array([0.1, 0.2, 0.3]), ("No", "Yes")),
        ([0, 0, 0], np.array([0.1, 0.2, 0.3]), ("No", "Yes")),
        ([0, 1, 2], np.array([0.1, 0.2, 0.3]), ("a", "b", "c")),
        ([0, 1], np.array([0.1, np.nan]), ("No", "Yes")),
        ([0, 1], np.array([0.1]), ("No", "Yes")),
    ],
)
def test_where_a_curve_makes_no_sense_there_is_none(labels, probability, classes):
    assert curves(labelled(labels, classes=classes), probability) is None


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=80), st.integers(2, 90))
def test_thinning_keeps_both_ends_and_only_points_that_were_there(heights, most):
    x = np.arange(len(heights), dtype=float)
    kept = thinned(x, heights, most)
    assert len(kept) <= max(most, 2)
    assert kept[0] == (0.0, heights[0])
    assert kept[-1] == (x[-1], heights[-1])
    assert set(kept) <= set(zip(x, heights, strict=True))


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=40))
def test_with_room_for_all_points_thinning_changes_the_shape_nowhere(heights):
    x = np.arange(len(heights), dtype=float)
    kept = np.array(thinned(x, heights, 200))
    assert np.interp(x, kept[:, 0], kept[:, 1]) == pytest.approx(np.array(heights), abs=1e-9)


def test_a_straight_line_needs_two_points():
    assert thinned([0, 1, 2, 3], [0, 2, 4, 6]) == ((0.0, 0.0), (3.0, 6.0))
