"""Does the evidence of a fallen metric keep its promise, and say what it should?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.health_evidence import (
    DROPS,
    NOTHING_YET,
    advance,
    as_share,
    fresh,
    share_drop,
    share_rise,
    strength,
    value_drop,
    value_rise,
)

floors = st.floats(0.02, 0.98)


@given(floor=floors, of=st.integers(1, 40), f1=st.booleans(), above=st.floats(0, 1))
def test_no_batch_is_expected_to_speak_against_a_metric_that_keeps_its_floor(floor, of, f1, above):
    share = as_share(floor + (1 - floor) * above, f1=f1)
    hits = np.arange(of + 1)
    chance = np.array([math.comb(of, int(h)) * share**h * (1 - share) ** (of - h) for h in hits])
    ratios = np.exp([share_drop(int(h), of, floor, f1=f1) for h in hits])
    assert np.all(chance @ ratios <= 1 + 1e-9)


@given(floor=floors, of=st.integers(1, 40), f1=st.booleans(), below=st.floats(0, 1))
def test_no_batch_is_expected_to_clear_a_metric_that_lies_below_its_floor(floor, of, f1, below):
    share = as_share(floor * below, f1=f1)
    hits = np.arange(of + 1)
    chance = np.array([math.comb(of, int(h)) * share**h * (1 - share) ** (of - h) for h in hits])
    ratios = np.exp([share_rise(int(h), of, floor, f1=f1) for h in hits])
    assert np.all(chance @ ratios <= 1 + 1e-9)


@given(floor=floors, parts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5))
def test_the_ratio_of_a_batch_is_the_product_of_the_ratios_of_its_rows(floor, parts):
    whole = share_drop(sum(h for h, _ in parts), sum(h + m for h, m in parts), floor, f1=True)
    pieces = np.sum([share_drop(h, h + m, floor, f1=True) for h, m in parts], axis=0)
    assert whole == pytest.approx(tuple(pieces), abs=1e-8)


def test_the_formulas_are_those_of_the_e_detector():
    floor, hits, misses = 0.75, 30, 25
    null = floor / (2 - floor)
    expected = []
    for drop in DROPS:
        other = (floor - drop) / (2 - (floor - drop))
        expected.append((other / null) ** hits * ((1 - other) / (1 - null)) ** misses)
    assert np.exp(share_drop(hits, hits + misses, floor, f1=True)) == pytest.approx(expected)
    assert np.exp(value_drop(-2.0)) == pytest.approx([math.exp(s * 2 - s * s / 2) for s in (0.25, 0.5, 1, 2)])
    assert value_rise(2.0) == value_drop(-2.0)


def test_evidence_starts_at_nothing_and_grows_by_m_plus_one_times_the_ratio():
    m = [0.0, 0.0, 0.0, 0.0]
    evidence = fresh(DROPS)
    assert strength(evidence) == NOTHING_YET
    for hits, of in [(10, 30), (25, 30), (3, 30)]:
        ratios = share_drop(hits, of, 0.7, f1=False)
        m = [(old + 1) * math.exp(r) for old, r in zip(m, ratios, strict=True)]
        evidence = advance(evidence, ratios)
        assert np.exp(evidence) == pytest.approx(m)
        assert math.exp(strength(evidence)) == pytest.approx(sum(m) / 4)


def test_a_million_wrong_rows_overflow_nothing():
    evidence = fresh(DROPS)
    for _ in range(3):
        evidence = advance(evidence, share_drop(0, 1_000_000, 0.9, f1=True))
    assert all(math.isfinite(m) for m in evidence)
    for _ in range(99):
        evidence = advance(evidence, share_drop(1_000_000, 1_000_000, 0.9, f1=True))
    assert strength(evidence) < 0.0


@given(floor=st.floats(0.0001, 0.9999), hits=st.integers(0, 50), misses=st.integers(0, 50))
def test_floors_next_to_nothing_and_to_perfection_have_finite_ratios(floor, hits, misses):
    for ratios in (share_drop, share_rise):
        assert all(math.isfinite(r) for r in ratios(hits, hits + misses, floor, f1=True))
