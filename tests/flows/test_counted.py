"""What do the counts that runs logged decide where no rows are shared?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.domain.metric import metric
from selector.domain.policy import Policy
from selector.workflows.replay import replay

SAME = {"datasets": frozenset({"monday"})}


def counts(tp, fp, fn, tn=1000, *, prefix=""):
    """What mlflow.models.evaluate logs."""
    found = {
        "true_positives": tp,
        "false_positives": fp,
        "false_negatives": fn,
        "true_negatives": tn,
        "example_count": tp + fp + fn + tn,
        "precision_score": tp / (tp + fp),
        "recall_score": tp / (tp + fn),
        "f1_score": 2 * tp / (2 * tp + fp + fn),
        "accuracy_score": (tp + tn) / (tp + fp + fn + tn),
    }
    return {f"{prefix}{key}": float(value) for key, value in found.items()}


def quotients(*four):
    """The same without the counts themselves, as scikit-learn's users log it."""
    return {k: v for k, v in counts(*four).items() if k.endswith("_score")}


@pytest.fixture
def logged(world):
    """A world without a holdout, with a champion that logged F1 0.80 on monday's rows."""
    world.shared_rows = False
    world.train("old", 300, metrics=counts(400, 100, 100), **SAME)
    world.look()
    return world


@pytest.mark.parametrize("how", [counts, quotients])
def test_a_lead_that_counts_show_is_promoted_and_called_counted(logged, how):
    new = logged.train("new", 301, metrics=how(451, 52, 49), **SAME)

    look = logged.look()

    assert logged.champion() == new.run_id
    assert (look.decision.verdict, look.decision.proof, look.decision.code) == ("promoted", "counted", "better-counted")
    assert "by the counts that both runs logged; not row by row" in look.decision.reason
    line = look.document["ranking"][0]
    assert line["lead"] == pytest.approx(902 / 1003 - 0.8)
    assert line["needed_lead"] < line["lead"]
    page = next(iter(logged.reports.reports.values()))
    assert page is not None


def test_a_lead_that_counts_leave_open_is_kept_with_the_lead_that_is_needed(logged):
    old = logged.champion()
    logged.train("new", 301, metrics=counts(410, 95, 90), **SAME)

    look = logged.look()

    assert logged.champion() == old
    assert (look.decision.verdict, look.decision.code) == ("kept", "not-shown")
    line = next(line for line in look.document["ranking"] if line["name"] == "new")
    assert f"a lead of {line['needed_lead']:.4f} is needed" in look.decision.reason
    assert line["gates"][1]["verdict"] == "failed"


def test_more_tries_raise_the_bar_and_copies_of_a_try_do_not(logged):
    bars = []
    for number in range(5):
        logged.train(f"c{number}", 310 + number, metrics=counts(410, 95 + number, 90), **SAME)
        look = logged.look()
        bars.append(next(line["needed_lead"] for line in look.document["ranking"] if line["name"] == "c0"))
        again = logged.look()
        assert not again.news
    assert bars == sorted(bars)
    assert bars[0] < bars[-1]
    assert look.decision.luck.judged == 5
    assert look.decision.luck.refused_before == 0


def test_a_challenger_that_is_gone_still_counts_as_a_try(logged):
    gone = logged.train("gone", 310, metrics=counts(410, 95, 90), **SAME)
    logged.look()
    logged.registry._deleted.add(gone.run_id)
    logged.train("next", 311, metrics=counts(411, 95, 90), **SAME)

    luck = logged.look().decision.luck

    assert (luck.judged, luck.refused_before, luck.count) == (1, 1, 2.0)


def test_a_new_champion_starts_the_count_again_and_shared_rows_do_not_count_logged_tries(logged):
    logged.train("c0", 310, metrics=counts(410, 95, 90), **SAME)
    logged.look()
    logged.shared_rows = True
    logged.train("c1", 320, seed=3)
    assert logged.look().decision.luck.refused_before == 0
    logged.shared_rows = False
    logged.train("new", 301, metrics=counts(480, 20, 20), **SAME)
    assert logged.look().decision.verdict == "promoted"
    logged.train("c2", 312, metrics=counts(481, 20, 19), **SAME)
    assert logged.look().decision.luck.refused_before == 0


def test_counts_of_other_data_stay_incomparable_and_trusted_ones_say_that_the_rows_differ(logged):
    logged.train("new", 301, metrics=counts(450, 50, 50), datasets=frozenset({"tuesday"}))
    assert logged.look().decision.code == "other-data"
    logged.policy = replace(logged.policy, trust_logged=True)

    look = logged.look()

    assert look.decision.proof == "counted"
    assert "by the counts that both runs logged; different rows" in look.decision.reason


def test_where_proof_is_asked_for_counts_promote_and_mere_values_do_not(logged):
    logged.policy = replace(logged.policy, without_proof="keep")
    logged.train("value", 301, metrics={"f1": 0.95}, **SAME)
    look = logged.look()
    assert (look.decision.verdict, look.decision.code) == ("refused", "unproven")
    new = logged.train("counts", 302, metrics=counts(450, 50, 50), **SAME)

    assert logged.look().decision.proof == "counted"
    assert logged.champion() == new.run_id


def test_a_smaller_lead_without_counts_is_not_taken_instead_of_one_that_counts_leave_open(logged):
    logged.train("counts", 301, metrics=counts(410, 85, 90), **SAME)
    logged.train("value", 302, metrics={"f1": 0.81}, **SAME)

    assert logged.look().decision.code == "not-shown"


def test_the_best_value_without_counts_still_wins_unproven(logged):
    best = logged.train("value", 302, metrics={"f1": 0.95}, **SAME)
    logged.train("counts", 301, metrics=counts(450, 50, 50), **SAME)

    assert logged.look().decision.proof == "unproven"
    assert logged.champion() == best.run_id


def test_a_shown_lead_below_the_minimum_gain_is_not_worth_a_change(logged):
    logged.policy = replace(logged.policy, minimum_gain=0.2)
    logged.train("new", 301, metrics=counts(450, 50, 50), **SAME)

    assert logged.look().decision.code == "below-minimum-gain"


def test_the_plain_rule_takes_the_maximum_whatever_the_counts_say(logged):
    logged.policy = replace(logged.policy, rule="highest")
    new = logged.train("new", 301, metrics=counts(410, 95, 90), **SAME)

    assert logged.look().decision.proof == "unproven"
    assert logged.champion() == new.run_id


def test_accuracy_is_counted_too_and_macro_f1_is_not(world):
    world.shared_rows = False
    world.policy = Policy(metric("accuracy"))
    world.train("old", 300, metrics=counts(400, 100, 100, 400), **SAME)
    world.look()
    world.train("new", 301, metrics=counts(451, 50, 49, 440), **SAME)
    assert world.look().decision.proof == "counted"
    world.policy = Policy(metric("f1", average="macro"))
    world.train("newer", 302, metrics=counts(481, 21, 19, 470), **SAME)
    assert world.look().decision.proof == "unproven"


def test_a_counted_decision_comes_out_the_same_from_its_record(logged):
    logged.train("c0", 310, metrics=counts(410, 95, 90), **SAME)
    kept = logged.look().decision
    (*_, entry) = logged.store.entries("churn", kinds=("decision",))

    again = replay(logged.house, entry)

    assert (again.code, again.reason, again.luck) == (kept.code, kept.reason, kept.luck)
