"""When does a model's health turn, and when not?"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.health import (
    MOST_WATCHED,
    Health,
    Reference,
    begun,
    silent_since,
    skipped,
    take,
)
from selector.domain.health_explain import Counts
from selector.domain.health_policy import floor_of
from selector.domain.health_readings import Measured
from selector.domain.health_watch import Patience, Reading, Watched, step

DAY = datetime(2026, 1, 1, tzinfo=UTC)
F1 = Watched("F1", "f1", 0.75)
PATIENCE = Patience()


def share(right, of, name="F1", rows=None):
    value = 2 * right / (right + of) if of else None
    return Reading(name, "f1", value, rows or of, right, of)


def batches(f1, rows, number, seed=1):
    """Counts of batches of a model whose true F1 this is, at 27 % positives."""
    rng = np.random.default_rng(seed)
    of = rng.binomial(rows, 0.27 * (2 - f1), number)
    return [share(int(h), int(m), rows=rows) for h, m in zip(rng.binomial(of, f1 / (2 - f1)), of, strict=True)]


def walk(readings, watched=F1, patience=PATIENCE):
    states = []
    for day, reading in enumerate(readings):
        watched = step(watched, reading, patience, DAY + timedelta(days=day))
        states.append(watched.state)
    return watched, states


@pytest.mark.parametrize(("rows", "f1", "days"), [(100, 0.55, 4), (100, 0.65, 12), (500, 0.65, 4), (2_000, 0.70, 4)])
def test_a_model_far_below_its_floor_is_degraded_within_days(rows, f1, days):
    late = [walk(batches(f1, rows, days, seed))[1][-1] != "degraded" for seed in range(40)]
    assert sum(late) <= 2


@pytest.mark.parametrize("rows", [50, 100, 500, 2_000])
def test_a_year_of_a_healthy_model_raises_no_alarm(rows):
    for seed in range(10):
        _, states = walk(batches(0.80, rows, 365, seed))
        assert "degraded" not in states
        assert states[-1] == "healthy"


@pytest.mark.parametrize("rows", [20, 100, 1_000])
def test_at_the_floor_itself_alarms_are_rarer_than_promised(rows):
    alarms = batches_seen = 0
    for seed in range(12):
        watched = F1
        for reading in batches(0.75, rows, 1_500, seed):
            watched = step(watched, reading, PATIENCE, DAY)
            batches_seen += 1
            if watched.state == "degraded":
                alarms += 1
                watched = F1
    assert batches_seen / max(alarms, 1) > 365


def test_a_degraded_model_recovers_when_it_is_good_again_and_not_while_it_is_bad():
    fallen, states = walk(batches(0.60, 200, 6))
    assert states[-1] == "degraded"
    still, states = walk(batches(0.68, 200, 60, seed=2), fallen)
    assert set(states) == {"degraded"}
    better, states = walk(batches(0.82, 200, 20, seed=3), still)
    assert states[-1] == "healthy"
    assert better.state == "healthy"


def test_a_warning_comes_before_an_alarm_and_passes_without_one():
    watched, states = walk([share(30, 60)] * 4)
    assert "warning" in states
    assert "degraded" not in states[: states.index("warning")]
    watched = replace(watched, state="warning", since=DAY)
    calm, _ = walk(batches(0.85, 500, 10), watched)
    assert calm.state == "healthy"


@given(st.lists(st.integers(0, 3), max_size=15))
def test_too_few_rows_say_nothing_in_either_direction(rows):
    patience = Patience(minimum_rows=50)
    watched, states = walk([share(0, n) for n in rows], patience=patience)
    assert set(states) <= {"unknown"}
    assert watched.rows == sum(rows)


def test_rows_that_were_too_few_are_counted_when_more_arrive():
    patience = Patience(minimum_rows=50)
    small, states = walk([share(0, 10)] * 4, patience=patience)
    assert states == ["unknown"] * 4
    assert step(small, share(0, 10), patience, DAY).state == "degraded"


def test_an_empty_batch_changes_nothing():
    assert step(F1, share(0, 0), PATIENCE, DAY) is F1


def value(number, error=0.02, rows=100, kind="higher"):
    return Reading("AUC", kind, number, rows, standard_error=error)


def test_values_with_errors_are_pooled_to_three_hundred_rows():
    auc = Watched("AUC", "higher", 0.75)
    watched, _ = walk([value(0.745)] * 2, auc)
    assert watched.pool.rows == 200
    assert watched.state == "unknown"
    watched = step(watched, value(0.745), PATIENCE, DAY)
    assert watched.pool.rows == 0
    assert watched.state == "healthy"  # one pooled batch is no proof
    assert walk([value(0.70)] * 30, auc)[0].state == "degraded"


def test_a_loss_is_degraded_when_it_rises():
    loss = Watched("log loss", "lower", 0.5)
    assert walk([value(0.6, kind="lower")] * 30, loss)[0].state == "degraded"
    assert walk([value(0.4, kind="lower")] * 30, loss)[0].state == "healthy"


def test_values_of_which_nobody_knows_the_rows_prove_nothing():
    auc = Watched("AUC", "higher", 0.75)
    assert walk([Reading("AUC", "higher", 0.1, 0)] * 99, auc)[0].state == "unknown"


def test_a_plain_rule_alarms_after_so_many_batches_in_a_row_and_forgives_in_as_many():
    plain = Patience(plain=True, in_a_row=2, minimum_rows=10)
    good, bad = share(50, 60), share(20, 60)
    _, states = walk([good, bad, good, bad, bad, bad, good, good], patience=plain)
    assert states == ["healthy", "warning", "healthy", "warning", "degraded", "degraded", "degraded", "healthy"]


def test_a_plain_rule_judges_bare_values_too():
    auc = Watched("AUC", "higher", 0.75)
    plain = Patience(plain=True)
    assert walk([Reading("AUC", "higher", 0.7, 0)], auc, plain)[0].state == "degraded"


def measured(*readings, counts=None):
    return Measured(tuple(readings), rows=sum(r.rows for r in readings[:1]), counts=counts)


REFERENCE = Reference("F1", {"F1": 0.75}, {"F1": 0.8}, Counts(160, 40, 40, 560))
HEALTH = begun(Health(), 3, REFERENCE, DAY)


def read(health, *days, patience=PATIENCE, start=0):
    changes = []
    for number, one in enumerate(days, start):
        at = DAY + timedelta(days=number)
        health, found = take(health, f"day {number}", one, at=at, patience=patience, now=at)
        changes += found
    return health, changes


def test_a_batch_read_twice_counts_once():
    first, _ = read(HEALTH, measured(share(10, 60)))
    again, changes = take(first, "day 0", measured(share(10, 60)), at=DAY, patience=PATIENCE, now=DAY)
    assert again is first
    assert changes == ()
    assert skipped(first, "day 0", DAY) is first


def test_the_health_survives_being_written_down():
    health, _ = read(HEALTH, *[measured(share(20, 60), share(5, 20, "F1 where region=north"))] * 3)
    assert Health.from_json(json.loads(json.dumps(health.to_json()))) == health
    assert Health.from_json(Health().to_json()) == Health()


def test_an_alarm_says_when_the_fall_most_likely_began():
    good, bad = [measured(r) for r in batches(0.8, 500, 20)], [measured(r) for r in batches(0.6, 500, 3, seed=5)]
    health, changes = read(HEALTH, *good, *bad)
    fallen = next(c for c in changes if c.turn == "degraded")
    assert fallen.began == DAY + timedelta(days=20)
    assert health.state == "degraded"
    assert [p.state for p in health.points[:20]] == ["healthy"] * 20


def test_each_monitored_metric_makes_every_alarm_slower():
    slices = [Reading(f"F1 where day={i}", "f1", 0.8, 60, 40, 60) for i in range(99)]
    days = []
    for more in ([], slices):
        _, changes = read(HEALTH, *[measured(share(28, 60), *more)] * 12)
        days.append(next(c.at for c in changes if c.turn == "degraded"))
    assert days[0] < days[1]


def test_slices_take_the_models_floor_and_are_limited_in_number():
    slices = [Reading(f"F1 where id={i}", "f1", 0.8, 6, 4, 6) for i in range(MOST_WATCHED + 50)]
    health, _ = read(HEALTH, measured(share(40, 60), *slices))
    assert len(health.watched) == MOST_WATCHED
    assert {w.floor for w in health.watched} == {0.75}


def test_a_bad_slice_alone_degrades_the_model_and_is_named():
    north = "F1 where region=north"
    days = [measured(share(480, 600), share(5, 60, north))] * 5
    health, changes = read(HEALTH, *days)
    assert health.state == "degraded"
    assert {c.name for c in changes if c.turn == "degraded"} == {north}


def test_another_champion_starts_without_evidence_and_keeps_the_picture():
    fallen, _ = read(HEALTH, *[measured(share(10, 60))] * 5)
    fresh = begun(fallen, 2, REFERENCE, DAY)
    assert fresh.state == "unknown"
    assert fresh.points == fallen.points
    assert fresh.seen == fallen.seen


@pytest.mark.parametrize(("hours", "silent"), [(71, False), (73, True)])
def test_data_that_stay_away_for_three_times_as_long_as_expected_are_missing(hours, silent):
    now = DAY + timedelta(hours=hours)
    assert (silent_since(HEALTH, now, 86_400.0) is not None) == silent
    assert silent_since(HEALTH, now, None) is None


@pytest.mark.parametrize(
    ("expected", "claim"),
    [
        (0.75, {"minimum": None, "maximum_drop": 0.05, "relative_drop": None}),
        (0.78, {"minimum": 0.78, "maximum_drop": 0.05, "relative_drop": None}),
        (0.72, {"minimum": None, "maximum_drop": None, "relative_drop": 0.1}),
        (0.70, {"minimum": None, "maximum_drop": 0.05, "relative_drop": None, "bound": 0.70}),
        (0.55, {"minimum": None, "maximum_drop": 0.05, "relative_drop": None, "lower_is_better": True}),
    ],
)
def test_a_floor_is_the_strictest_of_what_is_configured(expected, claim):
    reference = 0.5 if claim.get("lower_is_better") else 0.8
    assert floor_of(reference, **claim) == pytest.approx(expected)


def test_without_a_reference_or_a_limit_there_is_no_floor():
    assert floor_of(None, minimum=None, maximum_drop=0.05, relative_drop=None) is None
    assert floor_of(math.nan, minimum=None, maximum_drop=0.05, relative_drop=None) is None
