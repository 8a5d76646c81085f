"""How many do many challengers count as, and who may be the best?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth
from selector.domain.multiplicity import Family, _Field, correlation, effective_count, max_t_critical, shortlist
from selector.domain.outcomes import Outcome, measure


def field(k: int, *, n: int = 1000, seed: int = 0, own: float = 0.5, skill=None) -> list[Outcome]:
    """An incumbent and k challengers; `own` is the share of luck that each has for itself."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(np.int64)
    shared = rng.normal(size=n)
    truth = Truth("d", y, ("No", "Yes"), 1)
    found = []
    for i in range(k + 1):
        score = 1.6 * y + (1 - own) * shared + own * rng.normal(size=n) + (skill[i] if skill else 0.0) * (2 * y - 1)
        one = measure(metric("f1"), truth, Predictions((score > 0.9).astype(np.int64)))
        assert isinstance(one, Outcome)
        found.append(one)
    return found


@settings(deadline=None, max_examples=30)
@given(k=st.integers(1, 8), seed=st.integers(0, 1000), z=st.floats(-3, 40))
def test_challengers_count_as_one_at_least_and_as_many_as_they_are_at_most(k, seed, z):
    incumbent, *others = field(k, n=200, seed=seed)
    assert 1.0 <= effective_count(others, incumbent, z, seed=seed, draws=256) <= k


def test_copies_of_one_challenger_count_as_one():
    incumbent, challenger = field(1)
    assert effective_count([challenger] * 6, incumbent, 2.0, seed=1) == pytest.approx(1.0, abs=1e-9)


def test_copies_of_the_incumbent_do_not_count():
    incumbent, one, other = field(2)
    plain = effective_count([one, other], incumbent, 2.0, seed=1)
    assert effective_count([one, incumbent, other, incumbent], incumbent, 2.0, seed=1) == pytest.approx(plain)
    assert effective_count([incumbent], incumbent, 2.0, seed=1) == 1.0
    assert effective_count([], incumbent, 2.0, seed=1) == 1.0


@pytest.mark.parametrize("z", [1.6, 2.5, 3.5, 6.0])
def test_independent_challengers_count_as_the_exact_number(z):
    k = 7
    tail = stats.norm.sf(z)
    exact = -np.expm1(k * np.log1p(-tail)) / tail
    assert Family(np.eye(k), 3).effective_count(z) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("z", [1.6, 2.5, 4.0])
def test_two_correlated_challengers_count_as_the_bivariate_normal_says(z):
    r = 0.6
    both = stats.multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([-z, -z])
    exact = (2 * stats.norm.sf(z) - both) / stats.norm.sf(z)
    assert Family(np.array([[1, r], [r, 1]]), 5).effective_count(z) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(("k", "expected"), [(2, 1.92), (3, 2.06), (5, 2.23), (9, 2.42)])
def test_the_critical_value_is_dunnetts(k, expected):
    """One-sided 5 % points of Dunnett's test at infinite degrees of freedom, correlation 1/2 (Dunnett 1955)."""
    matrix = np.full((k, k), 0.5) + 0.5 * np.eye(k)
    assert max_t_critical(matrix, 0.05, 1, draws=20_000) == pytest.approx(expected, abs=0.02)


def test_the_critical_value_lies_between_one_test_and_bonferroni():
    outcomes = field(9)
    z = max_t_critical(outcomes, 0.05, 1)
    assert stats.norm.isf(0.05) < z < stats.norm.isf(0.05 / 10)
    assert max_t_critical(correlation(outcomes), 0.05, 1) == z
    assert max_t_critical(outcomes[:1], 0.05, 1) == pytest.approx(stats.norm.isf(0.05), abs=1e-5)


def test_the_same_seed_gives_the_same_count_and_another_nearly_so():
    incumbent, *others = field(7)
    a, b, c = (effective_count(others, incumbent, 2.5, seed=s) for s in (1, 1, 2))
    assert a == b
    assert a == pytest.approx(c, rel=0.05)
    matrix = correlation(others, incumbent)
    assert effective_count(others, incumbent, 2.5, seed=1, matrix=matrix) == a


def test_the_correlation_is_that_of_the_differences():
    incumbent, *others = field(3, n=40_000)
    differences = np.array([o.influence - incumbent.influence for o in others])
    assert correlation(others, incumbent) == pytest.approx(np.corrcoef(differences), abs=1e-9)


def test_groups_are_added_up_before_they_are_correlated():
    incumbent, *others = field(3, n=500)
    groups = np.repeat(np.arange(100), 5)
    sums = np.array([np.bincount(groups, weights=o.influence - incumbent.influence) for o in others])
    assert correlation(others, incumbent, groups=groups) == pytest.approx(np.corrcoef(sums), abs=1e-9)


def test_equal_models_nearly_all_stay_on_the_shortlist():
    """Seven equal models, 100 holdouts: 6.7 stay on average."""
    assert np.mean([len(shortlist(field(6, seed=s), seed=s)) for s in range(100)]) > 6.4


def test_clearly_worse_models_leave_the_shortlist():
    outcomes = field(4, n=4000, skill=[0.0, 0.4, 0.41, -0.4, 0.4])
    assert shortlist(outcomes, seed=1) == (1, 2, 4)


def test_the_best_always_stays_and_copies_of_it_too():
    outcomes = field(2, n=4000, skill=[0.0, 0.8, 0.0])
    assert shortlist([*outcomes, outcomes[1]], seed=1) == (1, 3)
    assert shortlist(outcomes[:1], seed=1) == (0,)
    assert shortlist([], seed=1) == ()


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(6)))
def test_the_order_of_the_models_does_not_change_the_shortlist(order):
    outcomes = field(5, n=2000, skill=[0.0, 0.3, 0.35, -0.3, 0.1, 0.2])
    plain = set(shortlist(outcomes, seed=1))
    assert {order[i] for i in shortlist([outcomes[i] for i in order], seed=1)} == plain


def test_the_truly_best_is_rarely_missed():
    """One of five is truly better by about .02 of F1; 200 holdouts; missing it is allowed in 5 %."""
    missed = sum(0 not in shortlist(field(4, seed=s, skill=[0.06, 0, 0, 0, 0]), seed=s) for s in range(200))
    assert missed <= 0.05 * 200


def test_smaller_losses_are_shortlisted():
    rng = np.random.default_rng(0)
    y = rng.normal(size=3000)
    truth = Truth("d", y)
    answers = (Predictions(y + s * rng.normal(size=3000)) for s in (1.0, 0.5, 0.5, 2.0))
    outcomes = [o for a in answers if isinstance(o := measure(metric("mae"), truth, a), Outcome)]
    assert shortlist(outcomes, seed=1) == (1, 2)


def test_the_shared_draws_of_the_shortlist_have_the_right_correlation():
    outcomes = field(5, seed=3, skill=[0, 0.1, 0.2, 0, 0.1, 0.3])
    shared = _Field(outcomes, 5, 0.05, 1, None)
    for loser, z in ((0, 2.0), (3, 2.0), (1, 3.0)):
        rivals = [o for i, o in enumerate(outcomes) if i != loser]
        expected = effective_count(rivals, outcomes[loser], z, seed=2, draws=20_000)
        assert shared.family(loser).effective_count(z) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("seed", range(8))
def test_copies_of_a_loser_are_no_rivals_of_it(seed):
    """Matrix products round equal columns differently, so a copy's difference need not come out as exactly 0."""
    outcomes = field(12, seed=seed)
    shared = _Field([*outcomes, *[outcomes[1]] * 3, outcomes[2], outcomes[1]], 0, 0.05, 1, None)
    assert shared.family(1).size == 13
