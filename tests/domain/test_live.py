"""Is the lead on production's labels right, and does its interval hold at all looks?"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.domain.comparison import compare
from selector.domain.health import Health
from selector.domain.live import LiveChallenger, LiveLead, LiveProof, entrants, proofs, settled
from selector.domain.live_lead import FEWEST_IN_BATCH, TUNED_FOR, joint, live_lead, reach_at, with_cells, with_outcomes
from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth
from selector.domain.outcomes import Outcome, measure

AT = datetime(2026, 1, 1, tzinfo=UTC)
F1 = metric("f1", average="binary")


def two(seed, rows=400, classes=2, wrong=(0.2, 0.25)):
    """Labels and the answers of two models."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    answers = [np.where(rng.random(rows) < share, rng.integers(0, classes, rows), truth) for share in wrong]
    return truth.astype(np.int64), *(a.astype(np.int64) for a in answers)


def outcome(asked, truth, answers, classes):
    names = tuple("abcdefgh"[:classes])
    rows = Truth("", truth, names, 1 if classes == 2 else None)
    found = measure(asked, rows, Predictions(np.array(names)[answers]))
    assert isinstance(found, Outcome)
    return found


@pytest.mark.parametrize(
    ("name", "average", "classes"),
    [("f1", "binary", 2), ("accuracy", None, 2), ("precision", "binary", 2), ("f1", "macro", 4), ("f1", "weighted", 3)],
)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 399))
@settings(max_examples=20)
def test_counts_gathered_batch_by_batch_give_the_lead_of_all_rows_together(name, average, classes, seed, cut):
    asked = metric(name, average=average)
    truth, champion, own = two(seed, rows=2_000, classes=classes)
    one = LiveChallenger("u", "n", 1)
    for part in (slice(0, cut), slice(cut, None)):
        one = with_cells(one, joint(truth[part], champion[part], own[part]))
    found = live_lead(one, asked, classes=classes, positive=1 if classes == 2 else None, alpha=0.05)
    whole = compare(outcome(asked, truth, own, classes), outcome(asked, truth, champion, classes))
    assert found is not None
    assert found.lead == pytest.approx(whole.lead, abs=1e-12)
    assert found.apart == pytest.approx(whole.n_eff, rel=1e-9)
    assert (found.rows, one.batches) == (2_000, 2)
    spread = whole.se * math.sqrt(1_999)  # the paired test divides by n - 1
    assert found.lead - found.low == pytest.approx(reach_at(2_000, spread, 0.05), rel=1e-9)


def test_metrics_of_numbers_are_pooled_by_rows():
    rng = np.random.default_rng(1)
    asked = metric("mae")
    truth = rng.normal(size=300)
    champion, own = truth + rng.normal(size=300), truth + 0.5 * rng.normal(size=300)
    one = LiveChallenger("u", "n", 1)
    for part in (slice(0, 100), slice(100, 300)):
        rows = Truth("", truth[part])
        mine, other = (measure(asked, rows, Predictions(a[part])) for a in (own, champion))
        one = with_outcomes(one, mine, other)
    found = live_lead(one, asked, classes=0, positive=None, alpha=0.05)
    assert found.lead == pytest.approx(np.abs(champion - truth).mean() - np.abs(own - truth).mean())
    assert found.challenger < found.champion
    assert found.low > 0


def test_a_batch_of_few_rows_says_nothing_of_a_metric_without_counts():
    truth = np.arange(FEWEST_IN_BATCH - 1, dtype=np.float64)
    found = measure(metric("mae"), Truth("", truth), Predictions(truth + 1.0))
    one = LiveChallenger("u", "n", 1)
    assert with_outcomes(one, found, found) is one
    assert live_lead(one, metric("mae"), classes=0, positive=None, alpha=0.05) is None


def test_two_models_that_answer_alike_are_never_told_apart():
    truth, champion, _ = two(3, rows=5_000)
    one = with_cells(LiveChallenger("u", "n", 1), joint(truth, champion, champion))
    found = live_lead(one, F1, classes=2, positive=1, alpha=0.05)
    assert (found.lead, found.low, found.high) == (0.0, -math.inf, math.inf)


@given(rows=st.integers(TUNED_FOR // 10, 10**7), alpha=st.floats(1e-6, 0.1))
def test_the_interval_narrows_with_rows_and_widens_with_certainty(rows, alpha):
    assert reach_at(rows + 1, 1.0, alpha) < reach_at(rows, 1.0, alpha)
    assert reach_at(rows, 1.0, alpha / 2) > reach_at(rows, 1.0, alpha)
    assert reach_at(rows, 2.0, alpha) == pytest.approx(2.0 * reach_at(rows, 1.0, alpha))


def test_the_interval_is_little_wider_than_that_of_a_single_look_where_it_is_tuned():
    single = 1.645 / math.sqrt(TUNED_FOR)
    assert 1.4 < reach_at(TUNED_FOR, 1.0, 0.05) / single < 1.8


def test_looking_after_every_batch_promotes_for_nothing_as_seldom_as_promised():
    rng = np.random.default_rng(20260101)
    wrong, paths, batches = 0, 400, 120
    for _ in range(paths):
        strays = rng.normal(size=batches * 50).cumsum()[49::50] / (50 * np.arange(1, batches + 1))
        reach = [reach_at(50 * k, 1.0, 0.05) for k in range(1, batches + 1)]
        wrong += bool(np.any(strays > reach))
    assert wrong / paths <= 0.05


@pytest.mark.parametrize(
    ("lead", "low", "high", "gain", "finding"),
    [
        (0.02, 0.001, 0.04, 0.005, "better"),
        (0.004, 0.001, 0.02, 0.005, "open"),
        (0.02, -0.001, 0.04, 0.005, "open"),
        (-0.01, -0.02, 0.004, 0.005, "worse"),
        (-0.01, -0.02, 0.0, 0.0, "worse"),
        (0.02, -math.inf, math.inf, 0.005, "open"),
    ],
)
def test_a_finding_needs_a_lead_that_is_sure_and_worth_a_change(lead, low, high, gain, finding):
    found = LiveLead(lead, low, high, 1_000, 100.0, 0.8, 0.8 + lead)
    assert settled(LiveChallenger("u", "n", 1), found, gain, AT).finding == finding


def test_a_finding_stays():
    good = LiveLead(0.02, 0.001, 0.04, 1_000, 100.0, 0.8, 0.82)
    bad = LiveLead(-0.02, -0.04, -0.01, 9_000, 100.0, 0.8, 0.78)
    one = settled(LiveChallenger("u", "n", 1), good, 0.005, AT)
    assert settled(one, bad, 0.005, AT).finding == "better"


def line(uri, **more):
    return {"uri": uri, "name": uri, "eligible": True, "champion": False, "version": None, "gates": []} | more


def test_the_best_that_may_win_come_in_while_there_is_room_and_nobody_twice():
    failed = {"verdict": "failed", "observe": False}
    ranking = [
        line("champion", champion=True, version=1),
        line("winner", version=2),
        line("a"),
        line("b", gates=[failed]),
        line("c", gates=[failed | {"of_lead": True}]),
        line("d", gates=[failed | {"observe": True}]),
        line("e", eligible=False),
        line(""),
        line("f"),
    ]
    assert [x["uri"] for x in entrants(ranking, (), 2, 9)] == ["a", "c", "d", "f"]
    met = (LiveChallenger("a", "a", 1, finding="worse"), LiveChallenger("c", "c", 2))
    assert [x["uri"] for x in entrants(ranking, met, 2, 2)] == ["d"]
    assert entrants(ranking, met, 2, 1) == ()


def test_only_proofs_against_the_present_champion_count():
    found = LiveLead(0.02, 0.001, 0.04, 1_000, 100.0, 0.8, 0.82)
    sure = LiveChallenger("u", "n", 1, digest="d", found=found, finding="better")
    assert proofs((sure, LiveChallenger("v", "m", 2, digest="e", found=found)), 3) == {
        "u": LiveProof(3, 0.02, 0.001, 1_000),
        "d": LiveProof(3, 0.02, 0.001, 1_000),
    }
    assert proofs((sure,), None) == {}


def test_the_state_is_read_back_as_it_was_written():
    truth, champion, own = two(5)
    one = with_cells(LiveChallenger("u", "n", 1, since=AT), joint(truth, champion, own))
    found = LiveLead(0.0, -math.inf, math.inf, 400, 3.0, 0.8, 0.8)
    health = Health(challengers=(settled(one, found, 0.005, AT),))
    assert Health.from_json(health.to_json()) == health
