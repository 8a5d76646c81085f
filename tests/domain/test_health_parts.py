"""Are batches measured, explained and told rightly, and is drift told apart from chance?"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from selector.domain.health import Health, Reference, begun, take
from selector.domain.health_alert import AlertRaised, AlertResolved
from selector.domain.health_drift import PRACTICAL_FLOOR, bins_of, drift, psi
from selector.domain.health_explain import Counts, change_point, estimated_f1, explanation
from selector.domain.health_readings import Measured, implied_error, logged_reading, read_batch
from selector.domain.health_rules import plain_rule, spread
from selector.domain.health_watch import Patience, Reading
from selector.domain.health_words import (
    change_alert,
    drift_alert,
    duration,
    leave,
    settle,
    silence_alert,
)
from selector.domain.metric import metric
from selector.domain.model import Predictions, Truth, Unscorable
from selector.domain.outcomes import measure

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def batch(rows=400, seed=0, wrong=0.1, classes=("No", "Yes")):
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(np.int64)
    answers = np.where(rng.random(rows) < wrong, 1 - labels, labels)
    north = rng.random(rows) < 0.5
    truth = Truth("b", labels, classes, 1, slices={"region=north": north, "region=south": ~north})
    return truth, answers


def test_a_batch_is_measured_as_scikit_learn_measures_it_in_all_and_per_slice_and_class():
    truth, answers = batch()
    found = read_batch(metric("f1"), truth, Predictions(answers), per_class=True)
    by_name = {r.name: r for r in found.readings}
    assert found.readings[0].value == pytest.approx(f1_score(truth.labels, answers))
    assert by_name["F1 of class No"].value == pytest.approx(f1_score(truth.labels, answers, pos_label=0))
    for name, mask in truth.slices.items():
        expected = f1_score(truth.labels[mask], answers[mask])
        assert by_name[f"binary F1 where {name}"].value == pytest.approx(expected)
    assert "F1 of class Yes" not in by_name  # it is the metric itself
    assert found.counts.f1 == pytest.approx(found.readings[0].value)
    assert found.counts.rows == 400


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "f1"])
def test_shares_carry_the_exact_counts_behind_their_value(name):
    truth, answers = batch(seed=3)
    own = read_batch(metric(name), truth, Predictions(answers)).readings[0]
    assert own.value == pytest.approx(2 * own.hits / (own.hits + own.of) if name == "f1" else own.hits / own.of)


def test_averages_and_losses_carry_a_standard_error_instead():
    truth, answers = batch()
    macro = read_batch(metric("f1", average="macro"), truth, Predictions(answers)).readings[0]
    assert (macro.kind, macro.hits) == ("higher", None)
    assert macro.standard_error > 0
    probability = np.column_stack([1 - 0.8 * answers, 0.8 * answers]) * 0.9 + 0.05
    loss = read_batch(metric("log_loss"), truth, Predictions(None, probability, ("No", "Yes"))).readings[0]
    assert loss.kind == "lower"


def test_a_batch_without_positives_still_counts_what_was_wrong_in_it():
    truth = Truth("b", np.zeros(20, dtype=np.int64), ("No", "Yes"), 1)
    own = read_batch(metric("f1"), truth, Predictions(np.array([1] * 5 + [0] * 15))).readings[0]
    assert (own.hits, own.of) == (0, 5)


def test_answers_that_mean_nothing_are_a_reason_and_not_a_zero():
    truth, _ = batch(rows=3)
    assert isinstance(read_batch(metric("f1"), truth, Predictions(np.array(["a", "b", "c"]))), Unscorable)


def test_logged_values_become_counts_where_the_logged_metrics_tell_them():
    counts = {"true_positives": 70, "false_positives": 20, "false_negatives": 10, "true_negatives": 300}
    logged = {**counts, "example_count": 400, "f1_score": 140 / 170}
    found = logged_reading(metric("f1", average="binary"), logged)
    assert (found.kind, found.hits, found.of, found.rows) == ("f1", 70, 100, 400)
    accuracy = logged_reading(metric("accuracy"), {"accuracy": 0.9}, rows=200)
    assert (accuracy.hits, accuracy.of) == (180, 200)
    bare = logged_reading(metric("roc_auc"), {"auc": 0.8, "standard_error": 0.01}, rows=500, name="AUC")
    assert (bare.name, bare.kind, bare.rows, bare.standard_error) == ("AUC", "higher", 500, 0.01)


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "roc_auc"])
def test_the_error_that_value_and_rows_imply_is_about_the_real_one(name):
    rng = np.random.default_rng(4)
    labels = (rng.random(20_000) < 0.3).astype(np.int64)
    score = np.clip(rng.normal(0.35 + 0.3 * labels, 0.15), 0.0, 1.0)
    truth = Truth("b", labels, ("No", "Yes"), 1)
    answers = Predictions((score > 0.53).astype(np.int64), np.column_stack([1 - score, score]), ("No", "Yes"))
    found = measure(metric(name, average=None if name == "roc_auc" else "binary"), truth, answers)
    implied = implied_error(found.metric, found.value, 20_000, float(labels.mean()))
    assert implied == pytest.approx(found.standard_error, rel=0.3)


def test_a_value_with_its_rows_gets_the_error_they_imply_and_one_without_gets_none():
    f1 = metric("f1", average="binary")
    assert logged_reading(f1, {"f1": 0.8}, rows=1_000, prevalence=0.3).standard_error == pytest.approx(0.0179, abs=1e-4)
    assert logged_reading(f1, {"f1": 0.8}, prevalence=0.3).standard_error is None
    assert implied_error(metric("f1", average="macro"), 0.8, 1_000, 0.3) is None
    assert implied_error(f1, 0.8, 10, 0.0) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, 150.0, -0.1])
def test_an_impossible_logged_value_says_nothing(value):
    assert isinstance(logged_reading(metric("f1", average="binary"), {"f1_7d": value}, key="f1_7d"), Unscorable)


def test_a_changed_mix_is_told_apart_from_a_worse_model():
    reference = Counts(160, 40, 40, 560)
    rare = Counts(40, 70, 10, 1_000)  # finds as many and errs as rarely, but positives are rare
    worse = Counts(100, 100, 100, 500)
    assert "the mix changed, not the model" in explanation(rare, reference, 0.7)
    assert "the model itself is worse" in explanation(worse, reference, 0.7)
    assert explanation(Counts(), reference, 0.7) == ""


def test_f1_at_its_own_prevalence_is_f1():
    counts = Counts(160, 40, 30, 560)
    assert counts.f1_at(counts.prevalence) == pytest.approx(counts.f1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30))
def test_the_change_point_is_one_of_the_batches(parts):
    shares = [(hits, hits + misses) for hits, misses in parts]
    assert 0 <= change_point(shares, 0.7, f1=True) <= max(len(shares) - 1, 0)


def test_the_change_point_is_where_the_shares_fall():
    assert change_point([(80, 100)] * 10 + [(50, 100)] * 4, 0.75, f1=False) == 10


def test_the_label_free_estimate_is_right_for_calibrated_probabilities():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.6, 1.4, 100_000)
    labels, answers = rng.random(100_000) < probability, probability > 0.5
    assert estimated_f1(probability, answers) == pytest.approx(f1_score(labels, answers), abs=0.01)
    assert math.isnan(estimated_f1(np.zeros(3), np.zeros(3, dtype=bool)))


def columns(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(shift, 1, rows),
        "plan": rng.choice(np.array(["a", "b", "c"], dtype=object), rows, p=[0.5 - shift / 4, 0.3, 0.2 + shift / 4]),
        "gap": np.where(rng.random(rows) < 0.1, np.nan, rng.random(rows)),
        "same": np.ones(rows),
    }


def test_features_that_never_vary_are_not_watched():
    assert {b.name for b in bins_of(columns(500, 0))} == {"age", "plan", "gap"}


@pytest.mark.parametrize("rows", [100, 500, 5_000])
def test_unchanged_inputs_hardly_ever_count_as_drift_whatever_the_batch_size(rows):
    bins = bins_of(columns(2_000, 0))
    alarms = sum(any(d.drifted for d in drift(bins, columns(rows, seed))) for seed in range(1, 151))
    assert alarms <= 3


def test_moved_inputs_are_drift_and_the_most_moved_comes_first():
    found = drift(bins_of(columns(2_000, 0)), columns(1_000, 1, shift=0.8))
    assert [d.name for d in found if d.drifted] == ["age", "plan"]
    assert all(d.limit >= PRACTICAL_FLOOR for d in found)


def test_missing_values_new_texts_and_texts_for_numbers_are_counted_and_not_fatal():
    bins = bins_of(columns(2_000, 0))
    odd = {"plan": np.array(["new", None] * 100, dtype=object), "age": np.array(["x", "1.5"] * 100, dtype=object)}
    assert all(d.drifted for d in drift(bins, odd))


def test_few_rows_say_nothing_of_drift():
    assert drift(bins_of(columns(2_000, 0)), columns(20, 1, shift=0.8)) == ()


@given(st.lists(st.integers(0, 1_000), min_size=2, max_size=10).filter(lambda c: sum(c) > 0))
def test_psi_is_zero_for_the_same_shares_and_never_negative(counts):
    p = np.array(counts, dtype=float)
    assert psi(p, p) == pytest.approx(0.0, abs=1e-9)
    assert psi(p, p[::-1]) >= 0.0


def test_a_plain_rule_shows_what_it_costs_as_the_exact_binomial_has_it():
    price = plain_rule("share", 0.75, 0.80, 100, 1)
    assert price.every == pytest.approx(1 / stats.binom.cdf(74, 100, 0.8))
    thrice = plain_rule("share", 0.75, 0.80, 100, 3)
    p = stats.binom.cdf(74, 100, 0.8)
    assert thrice.every == pytest.approx((1 - p**3) / ((1 - p) * p**3))
    assert plain_rule("f1", 0.75, 0.75, 100, 1).every < 3
    assert "batches of 100 such rows" in price.words


def test_the_price_of_a_plain_rule_on_values_is_that_of_the_normal_distribution():
    assert plain_rule("higher", 0.75, 0.80, 0, 1, error=0.025).every == pytest.approx(1 / stats.norm.cdf(-2))
    assert plain_rule("lower", 0.85, 0.80, 0, 1, error=0.025).every == pytest.approx(1 / stats.norm.cdf(-2))
    assert math.isinf(plain_rule("higher", 0.75, 0.80, 0, 1).every)


def test_the_spread_of_values_is_their_standard_deviation_even_along_a_trend():
    noise = np.random.default_rng(2).normal(0, 0.02, 4_000)
    assert spread(list(0.8 + noise)) == pytest.approx(0.02, rel=0.05)
    assert spread(list(np.linspace(0.9, 0.7, 4_000) + noise)) == pytest.approx(0.02, rel=0.05)
    assert spread([0.8] * 7) is None
    assert "batches that vary as these do" in plain_rule("higher", 0.75, 0.8, 0, 1, error=0.02).words


def test_values_fell_when_the_newest_run_below_the_floor_began():
    health = begun(Health(), 3, Reference("AUC", {"AUC": 0.75}, {"AUC": 0.8}), DAY)
    changes = []
    for day, value in enumerate([0.8, 0.7, 0.81, 0.8, 0.6, 0.6, 0.6, 0.6]):
        at = DAY + timedelta(days=day)
        one = Measured((Reading("AUC", "higher", value, 400, standard_error=0.02),), 400)
        health, found = take(health, str(day), one, at=at, patience=Patience(), now=at)
        changes += found
    fallen = [c for c in changes if c.turn == "degraded"]
    assert [c.began for c in fallen] == [DAY + timedelta(days=4)]


REFERENCE = Reference("F1", {"F1": 0.75}, {"F1": 0.8}, Counts(160, 40, 40, 560))


def fallen():
    health, changes = begun(Health(), 3, REFERENCE, DAY), []
    for day in range(8):
        right = 40 if day < 4 else 20
        at = DAY + timedelta(days=day)
        counts = Counts(right, (60 - right) // 2, (60 - right) // 2, 140)
        one = Measured((Reading("F1", "f1", 2 * right / (right + 60), 200, right, 60),), 200, counts)
        health, found = take(health, str(day), one, at=at, patience=Patience(), now=at)
        changes += found
    return health, changes


def test_an_alert_says_what_how_sure_and_since_when():
    health, changes = fallen()
    change = next(c for c in changes if c.turn == "degraded")
    raised = next(a for a in change_alert("churn", health, change, Patience()) if isinstance(a, AlertRaised))
    assert raised.key == "churn/degraded/3/F1"
    assert "F1 of churn fell below 0.750" in raised.text
    assert "at most once in 365 batches" in raised.text
    assert "Most likely since 2026-01-05" in raised.text
    assert "the model itself is worse" in raised.text
    assert raised.since == DAY + timedelta(days=4)


def test_an_open_alert_is_not_raised_again_and_resolved_exactly_once():
    health, changes = fallen()
    health = replace(health, open=())
    change = next(c for c in changes if c.turn == "degraded")
    alerts = change_alert("churn", health, change, Patience())
    health, news = settle(health, alerts)
    assert [type(a) for a in news] == [AlertRaised]
    health, news = settle(health, alerts)
    assert news == ()
    health, news = settle(health, leave("churn", health, DAY))
    assert [type(a) for a in news] == [AlertResolved]
    assert settle(health, leave("churn", health, DAY))[1] == ()


def test_silence_stays_when_the_champion_changes():
    health, _ = settle(begun(Health(), 3, REFERENCE, DAY), [silence_alert("churn", DAY, DAY, 86_400.0)])
    assert leave("churn", health, DAY) == ()
    assert health.open == ("churn/silent",)


def test_drift_is_told_with_its_features_and_resolved_when_they_come_back():
    moved = drift(bins_of(columns(2_000, 0)), columns(1_000, 1, shift=0.8))
    health, news = settle(Health(drift=moved), drift_alert("churn", Health(drift=moved), DAY))
    assert "age (PSI" in news[0].text
    _, news = settle(health, drift_alert("churn", Health(), DAY))
    assert isinstance(news[0], AlertResolved)


@pytest.mark.parametrize(
    ("seconds", "text"), [(30, "30s"), (300, "5m"), (7_200, "2h"), (604_800, "7d"), (5_400, "90m")]
)
def test_durations_are_written_as_people_write_them(seconds, text):
    assert duration(seconds) == text
