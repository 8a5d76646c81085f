"""Do the intervals cover the truth, and do they agree with published formulas?"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selector.domain.intervals import exact, interval, lower_bound, wilson
from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth
from selector.domain.outcomes import Outcome, measure

Z = 1.959963984540054


def counted(tp: int, fp: int, fn: int, tn: int, name: str = "f1") -> Outcome:
    y = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
    p = np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])
    found = measure(metric(name), Truth("d", y, ("No", "Yes"), 1), Predictions(p))
    assert isinstance(found, Outcome), found
    return found


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_agrees_with_newcombes_published_table(hits, of, low, high):
    """Newcombe 1998, method 3."""
    assert wilson(hits, of, Z) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_the_exact_interval_agrees_with_newcombes_published_table(hits, of, low, high):
    """Newcombe 1998, method 5."""
    assert exact(hits, of, Z) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_the_interval_of_f1_is_that_of_the_jaccard_share():
    found = counted(80, 20, 25, 375)
    low, high = wilson(80, 125, Z)
    assert interval(found) == (pytest.approx(2 * low / (1 + low)), pytest.approx(2 * high / (1 + high)))


@pytest.mark.parametrize(("name", "hits", "of"), [("accuracy", 455, 500), ("precision", 80, 100), ("recall", 80, 105)])
def test_plain_shares_have_plain_wilson_intervals(name, hits, of):
    assert interval(counted(80, 20, 25, 375, name)) == pytest.approx(wilson(hits, of, Z))


@given(tp=st.integers(0, 60), fp=st.integers(0, 60), fn=st.integers(0, 60), tn=st.integers(1, 60))
def test_the_interval_holds_the_value_and_stays_in_range(tp, fp, fn, tn):
    found = counted(tp + 1, fp, fn, tn)
    for method in ("wilson", "exact"):
        low, high = interval(found, method=method)
        assert 0.0 <= low <= found.value + 1e-12
        assert found.value - 1e-12 <= high <= 1.0


def test_more_confidence_is_wider():
    found = counted(80, 20, 25, 375)
    low, high = interval(found, confidence=0.8)
    wide_low, wide_high = interval(found, confidence=0.99)
    assert wide_low < low < high < wide_high
    assert lower_bound(found, 2.5) < lower_bound(found, 1.6) < found.value


def test_perfect_and_hopeless_models_still_have_an_interval():
    low, high = interval(counted(10, 0, 0, 10))
    assert 0.7 < low < 0.95
    assert high == 1.0
    assert interval(counted(0, 5, 10, 10))[0] == 0.0


def test_other_metrics_use_their_standard_error_within_the_range():
    y = np.array([0.0, 1.0, 2.0, 10.0])
    found = measure(metric("mae"), Truth("d", y), Predictions(np.zeros(4)))
    assert isinstance(found, Outcome)
    low, high = interval(found)
    assert low == 0.0
    assert high == pytest.approx(3.25 + Z * np.array([0, 1, 2, 10.0]).std(ddof=1) / 2)
    assert lower_bound(found, Z) == high


def test_grouped_rows_widen_the_interval():
    y = np.repeat(np.random.default_rng(0).integers(0, 2, 40), 5)
    p = np.where(np.repeat(np.random.default_rng(1).random(40) < 0.8, 5), y, 1 - y)
    found = measure(metric("accuracy"), Truth("d", y, ("No", "Yes"), 1), Predictions(p))
    assert isinstance(found, Outcome)
    low, high = interval(found)
    wide_low, wide_high = interval(found, groups=np.repeat(np.arange(40), 5))
    assert wide_high - wide_low > 1.8 * (high - low)


@pytest.mark.parametrize(
    ("n", "prevalence", "recall", "fall_out"), [(100, 0.3, 0.8, 0.1), (400, 0.1, 0.7, 0.05), (200, 0.5, 0.9, 0.1)]
)
def test_the_interval_of_f1_covers_the_truth(n, prevalence, recall, fall_out):
    """Coverage at 95 % is at least 94 % over 20,000 seeded holdouts each, where Wald's falls to 62 %."""
    rng = np.random.default_rng(42)
    cells = (prevalence * recall, (1 - prevalence) * fall_out, prevalence * (1 - recall))
    draws = rng.multinomial(n, [*cells, 1 - sum(cells)], size=20_000)
    true = 2 * cells[0] / (2 * cells[0] + cells[1] + cells[2])
    limits = {}
    for tp, wrong in {(int(d[0]), int(d[1] + d[2])) for d in draws}:
        low, high = wilson(tp, tp + wrong, Z) if tp + wrong else (0.0, 1.0)
        limits[tp, wrong] = 2 * low / (1 + low) <= true <= 2 * high / (1 + high)
    assert np.mean([limits[int(d[0]), int(d[1] + d[2])] for d in draws]) >= 0.94


def test_the_bound_at_a_wider_critical_value_is_the_one_sided_one():
    found = counted(80, 20, 25, 375)
    assert lower_bound(found, float(stats.norm.isf(0.025))) == pytest.approx(interval(found)[0])
    assert math.isfinite(lower_bound(found, 30.0))


def test_the_pessimistic_end_of_a_target_band_is_the_one_farther_off():
    found = counted(80, 20, 25, 375, "recall")
    low, high = interval(found, z=1.6)
    for band, end in (((0.9, 1.0), low), ((0.1, 0.2), high)):
        aimed = replace(found, metric=metric("recall", average="binary", target=band))
        assert lower_bound(aimed, 1.6) == end
