"""Is the paired test right: its size, its symmetry, its limits, and what it says of identical models?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from selector.domain.comparison import Comparison, compare, needed_lead, rows_needed
from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth
from selector.domain.outcomes import Outcome, measure

CLASSES = ("No", "Yes")


def outcome(y, p, name="f1", groups=None) -> Outcome:
    found = measure(metric(name), Truth("d", np.asarray(y), CLASSES, 1), Predictions(np.asarray(p)))
    assert isinstance(found, Outcome), found
    return found


def pair(seed: int, n: int = 400, lead: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two models' answers that share most of their luck."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(np.int64)
    shared = rng.normal(size=n)
    scores = [1.6 * y + 0.9 * shared + 0.45 * rng.normal(size=n) + shift * (2 * y - 1) for shift in (lead, 0.0)]
    return y, *((s > 0.9).astype(np.int64) for s in scores)


def test_the_lead_and_its_error_are_those_of_the_influences():
    y, a, b = pair(1)
    one, other = outcome(y, a), outcome(y, b)
    found = compare(one, other)
    d = one.influence - other.influence
    se = d.std(ddof=1) / math.sqrt(len(d))
    n_eff = (d @ d) ** 2 / (d**4).sum()
    assert found.lead == pytest.approx(one.value - other.value)
    assert found.se == pytest.approx(se, rel=1e-9)
    assert found.n_eff == pytest.approx(n_eff, rel=1e-6)
    assert found.p == pytest.approx(stats.t.sf(found.lead / se, n_eff - 1), rel=1e-6)
    assert found.disagreements == int((a != b).sum())
    assert found.n_eff == pytest.approx(found.disagreements, rel=0.35)
    assert found.high - found.lead == pytest.approx(stats.t.ppf(0.975, n_eff - 1) * se, rel=1e-6)


def test_accuracy_agrees_with_the_paired_t_test_of_right_answers():
    """For accuracy D is the difference of two 0/1 columns, so the statistic is scipy's paired t."""
    y, a, b = pair(2)
    found = compare(outcome(y, a, "accuracy"), outcome(y, b, "accuracy"))
    t, _ = stats.ttest_rel((a == y).astype(float), (b == y).astype(float))
    assert found.t == pytest.approx(t, rel=1e-9)


def test_identical_answers_prove_nothing_in_either_direction():
    y, a, _ = pair(3)
    assert compare(outcome(y, a), outcome(y, a.astype(bool))) == Comparison(0.0, 0.0, 0.0, 0, 1.0, 0.0, 0.0, 0.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["f1", "accuracy", "recall"]))
def test_swapping_the_two_flips_the_lead(seed, name):
    y, a, b = pair(seed, n=80)
    one, other = outcome(y, a, name), outcome(y, b, name)
    there, back = compare(one, other), compare(other, one)
    assert there.lead == -back.lead
    assert there.se == pytest.approx(back.se)
    if there.n_eff:
        assert there.p + back.p == pytest.approx(1.0)
        assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_the_order_of_the_rows_changes_nothing(seed):
    y, a, b = pair(seed, n=80)
    order = np.random.default_rng(seed).permutation(80)
    plain, moved = (
        compare(outcome(y, a), outcome(y, b)),
        compare(outcome(y[order], a[order]), outcome(y[order], b[order])),
    )
    assert moved.lead == pytest.approx(plain.lead, abs=1e-12)
    assert moved.p == pytest.approx(plain.p, rel=1e-6)


def test_smaller_losses_lead():
    y = np.arange(50.0)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=50)
    truth = Truth("d", y)
    near, far = (measure(metric("mae"), truth, Predictions(y + s * noise)) for s in (0.5, 1.0))
    assert isinstance(near, Outcome)
    assert isinstance(far, Outcome)
    found = compare(near, far)
    assert found.lead > 0
    assert found.p < 1e-6


def test_a_margin_has_to_be_exceeded():
    y, a, b = pair(5, n=4000, lead=0.1)
    one, other = outcome(y, a), outcome(y, b)
    plain = compare(one, other)
    assert compare(one, other, margin=plain.lead).p == pytest.approx(0.5)
    assert compare(one, other, margin=plain.lead / 2).p > plain.p


def test_rows_that_come_twice_are_one_piece_of_evidence_when_grouped():
    y, a, b = pair(6, n=300, lead=0.1)
    twice = np.repeat(np.arange(300), 2)
    once = compare(outcome(y, a), outcome(y, b))
    grouped = compare(outcome(y[twice], a[twice]), outcome(y[twice], b[twice]), groups=twice.astype(np.int64))
    blind = compare(outcome(y[twice], a[twice]), outcome(y[twice], b[twice]))
    assert grouped.se == pytest.approx(once.se, rel=1e-9)
    assert grouped.p == pytest.approx(once.p, rel=1e-6)
    assert blind.p < once.p


def test_codes_of_groups_may_have_gaps_or_be_huge():
    y, a, b = pair(7, n=60)
    codes = np.repeat(np.arange(30), 2).astype(np.int64)
    plain = compare(outcome(y, a), outcome(y, b), groups=codes)
    for odd in (codes * 3 + 5, codes * 10**12, codes - 7):
        assert compare(outcome(y, a), outcome(y, b), groups=odd).p == pytest.approx(plain.p, rel=1e-9)


def test_all_rows_in_one_group_prove_nothing():
    y, a, b = pair(8, n=60, lead=0.3)
    found = compare(outcome(y, a), outcome(y, b), groups=np.zeros(60, np.int64))
    assert found.p == 1.0
    assert found.n_eff <= 1.0


def test_a_lead_without_any_spread_is_shown_but_proves_nothing():
    y = np.array([1] * 20 + [0] * 20)
    found = compare(outcome(y, y), outcome(y, np.zeros(40, np.int64)))
    assert (found.lead, found.n_eff, found.p) == (1.0, 0.0, 1.0)
    assert found.disagreements == 20


def test_two_disagreeing_rows_are_no_proof():
    y = np.array([1] * 20 + [0] * 20)
    b = y.copy()
    b[:2] = 0
    found = compare(outcome(y, y), outcome(y, b))
    assert found.disagreements == 2
    assert found.n_eff < 10
    assert found.p > 0.05


def test_other_metrics_or_rows_are_not_compared():
    y, a, b = pair(9, n=60)
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(outcome(y, a), outcome(y, b, "accuracy"))
    with pytest.raises(ValueError, match="60 and 50 rows"):
        compare(outcome(y, a), outcome(y[:50], b[:50]))


def test_the_needed_lead_is_the_lead_that_just_passes():
    y, a, b = pair(10, n=2000, lead=0.05)
    found = compare(outcome(y, a), outcome(y, b))
    bar = needed_lead(found, 0.05, 3.5)
    assert stats.t.sf(bar / found.se, found.n_eff - 1) * 3.5 == pytest.approx(0.05)
    assert needed_lead(found, 0.05, 1) < bar < needed_lead(found, 0.05, 100)


def test_rows_needed_follow_the_sample_size_formula():
    found = Comparison(lead=0.01, se=0.008, n_eff=120, disagreements=120, p=0.1, low=-0.006, high=0.026, t=1.25)
    expected = ((stats.norm.isf(0.05 / 7) + stats.norm.ppf(0.8)) * 0.008 / 0.01) ** 2 * 2000
    assert rows_needed(found, 2000, 0.05, 7) == math.ceil(expected)
    assert rows_needed(found, 2000, 0.05, 1) < math.ceil(expected)
    worse = Comparison(lead=-0.01, se=0.008, n_eff=120, disagreements=120, p=0.9, low=-0.026, high=0.006, t=-1.25)
    assert rows_needed(worse, 2000, 0.05, 7) is None


def test_equal_models_are_rarely_called_better():
    """Size of the test at 5 %: 1,000 pairs of equal models, standard error 0.7 %."""
    size = np.mean([compare(outcome(y, a), outcome(y, b)).p <= 0.05 for y, a, b in (pair(s) for s in range(1000))])
    assert 0.03 <= size <= 0.07


def test_the_interval_of_the_lead_covers_the_true_lead():
    """Coverage at 95 % where the true lead is 0: 1,000 pairs."""
    found = [compare(outcome(y, a), outcome(y, b)) for y, a, b in (pair(s, n=200) for s in range(1000))]
    assert np.mean([c.low <= 0.0 <= c.high for c in found]) >= 0.93


def test_a_really_better_model_is_found():
    found = [compare(outcome(y, a), outcome(y, b)).p <= 0.05 for y, a, b in (pair(s, 2000, 0.15) for s in range(100))]
    assert np.mean(found) > 0.9


def test_a_target_band_compares_distances_from_it():
    """One model's recall lies below the band and one's above: their luck pulls them in opposite directions."""
    y, a, b = pair(11, n=2000)
    band = metric("recall", average="binary", target=(0.80, 0.81))
    a[y == 1] = np.arange(int(y.sum())) % 10 < 9
    b[y == 1] = np.arange(int(y.sum())) % 10 < 6
    truth = Truth("d", y, CLASSES, 1)
    above, below = (measure(band, truth, Predictions(p)) for p in (a, b))
    assert isinstance(above, Outcome)
    assert isinstance(below, Outcome)
    found = compare(above, below)
    assert found.lead == pytest.approx((0.80 - below.value) - (above.value - 0.81))
    d = -above.influence - below.influence
    assert found.se == pytest.approx(d.std(ddof=1) / math.sqrt(2000), rel=1e-9)


def test_inside_the_target_band_luck_does_not_matter():
    y, a, b = pair(12, n=500)
    band = metric("recall", average="binary", target=(0.0, 1.0))
    truth = Truth("d", y, CLASSES, 1)
    one, other = (measure(band, truth, Predictions(p)) for p in (a, b))
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert compare(one, other).p == 1.0
