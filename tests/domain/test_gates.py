"""Does each gate pass, fail or leave open what it should?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.gates import GateResult, judged
from selector.domain.gates.bounds import MetricBound, VersusChampion
from selector.domain.gates.case import AllOf, GateCase
from selector.domain.gates.files import Artifacts, CompatibleSignature, Size
from selector.domain.gates.latency import Latency
from selector.domain.gates.parts import PartRegression
from selector.domain.gates.runs import Freshness, Required
from selector.domain.gates.scores import Scores
from selector.domain.metric import metric
from selector.domain.model import Candidate, ModelVersion, Predictions, Run, Truth, Unscorable
from selector.domain.model_facts import InputColumn, ModelFacts
from selector.domain.outcomes import Outcome, measure
from selector.domain.policy import Policy
from selector.domain.ranking import Standing
from selector.domain.snapshot import Snapshot

ROWS = 2_000
AT = datetime(2025, 8, 20, tzinfo=UTC)
REGION = np.arange(ROWS) % 4
TRUTH = Truth(
    "rows",
    (np.arange(ROWS) % 5 == 0).astype(np.int64),
    classes=("No", "Yes"),
    positive=1,
    slices={
        "region=north": REGION == 0,
        "region=south": REGION == 1,
        "tiny=yes": np.arange(ROWS) < 12,
    },
)
F1 = metric("f1", average="binary")


def model(*wrong, seed=0, where=None, probability=0.9, timings=None, truth=TRUTH):
    """Answers with `wrong` rows turned around, among those `where` is true."""
    rows = np.flatnonzero(np.ones(truth.rows, dtype=bool) if where is None else where)
    turned = np.random.default_rng(seed).permutation(rows)[: sum(wrong)]
    codes = truth.labels.copy()
    codes[turned] = 1 - codes[turned]
    yes = np.where(codes == 1, probability, 1 - probability)
    names = np.array(truth.classes)[codes]
    return Predictions(names, np.column_stack((1 - yes, yes)), truth.classes, timings=timings)


def run(**facts):
    base = {"run_id": "r", "name": "r", "experiment": "e", "status": "FINISHED", "ended_at": AT - timedelta(days=10)}
    return Run(**(base | facts))


def case(
    mine, theirs=None, *, truth=TRUTH, logged=({}, {}), datasets=(frozenset(), frozenset()), facts=(), runs=None, **more
):
    """A challenger with these answers before the gates, and a champion with those."""
    answers = {"mine": mine} | ({"theirs": theirs} if theirs is not None else {})
    answers = {uri: a for uri, a in answers.items() if isinstance(a, Predictions | Unscorable)}
    outcomes = (
        {uri: measure(F1, truth, a) if isinstance(a, Predictions) else a for uri, a in answers.items()} if truth else {}
    )
    snapshot = Snapshot(
        "m",
        None,
        (),
        outcomes=outcomes,
        truth=truth,
        answers=answers,
        facts=dict(zip(("mine", "theirs"), facts, strict=False)),
        at=AT,
    )
    standings = [
        Standing(Candidate(uri, uri, run=runs or run(), metrics=m, datasets=d), champion=uri == "theirs")
        for uri, m, d in zip(("mine", "theirs"), logged, datasets, strict=True)
    ]
    champion = standings[1] if theirs is not None else None
    return GateCase(standings[0], champion, F1, snapshot, Scores(snapshot, F1), **more)


def verdict(gate, *given, **more):
    return gate.check(case(*given, **more)).verdict


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "wrong", "expected"),
    [
        (MetricBound(metric("accuracy"), "minimum", 0.9), 200, "passed"),
        (MetricBound(metric("accuracy"), "minimum", 0.9), 201, "failed"),
        (MetricBound(metric("accuracy"), "maximum", 0.9), 200, "passed"),
        (MetricBound(metric("accuracy"), "maximum", 0.9), 199, "failed"),
        (MetricBound(metric("accuracy"), "minimum", 0.9, confident=True), 150, "passed"),
        (MetricBound(metric("accuracy"), "minimum", 0.9, confident=True), 190, "inconclusive"),
        (MetricBound(metric("accuracy"), "minimum", 0.9, confident=True), 210, "inconclusive"),
        (MetricBound(metric("accuracy"), "minimum", 0.9, confident=True), 300, "failed"),
        (MetricBound(metric("accuracy"), "maximum", 0.9, confident=True), 190, "inconclusive"),
        (MetricBound(metric("accuracy"), "maximum", 0.9, confident=True), 100, "failed"),
        (MetricBound(metric("f1", average="macro"), "minimum", 0.9), 100, "passed"),
        (MetricBound(metric("rmse"), "maximum", 1.0), 100, "inconclusive"),
    ],
)
def test_a_metric_keeps_to_its_bound_on_the_rows(gate, wrong, expected):
    assert verdict(gate, model(wrong)) == expected


def test_a_bound_is_measured_and_never_read_from_what_the_run_logged():
    gate = MetricBound(metric("precision"), "minimum", 0.7)
    found = gate.check(case(model(400), logged=({"precision": 0.99}, {})))
    wrong = model(400).labels
    right = np.sum((wrong == "Yes") & (TRUTH.labels == 1)) / np.sum(wrong == "Yes")
    assert (found.verdict, found.value) == ("failed", pytest.approx(right))
    assert found.margin == pytest.approx(right - 0.7)
    assert found.gate == "binary precision at least 0.7"
    assert found.detail.startswith("95 % interval")


def test_a_model_without_probabilities_leaves_a_bound_on_log_loss_open():
    answer = replace(model(100), probabilities=None)
    found = MetricBound(metric("log_loss"), "maximum", 0.5).check(case(answer, logged=({"log_loss": 0.1}, {})))
    assert found.verdict == "inconclusive"
    assert "no probabilities" in found.detail


@pytest.mark.parametrize(
    ("logged", "confident", "expected"),
    [
        ({"f1": 0.8}, False, "passed"),
        ({"f1": 80.0}, False, "passed"),
        ({"f1": 0.6}, False, "failed"),
        ({"f1": 0.8}, True, "inconclusive"),
        ({"f1": 0.6}, True, "failed"),
        ({"f1": float("nan")}, False, "inconclusive"),
        ({}, False, "inconclusive"),
    ],
)
def test_where_no_rows_are_shared_the_logged_value_counts(logged, confident, expected):
    gate = MetricBound(metric("f1"), "minimum", 0.7, confident=confident)
    assert verdict(gate, None, truth=None, logged=(logged, {})) == expected


def test_a_logged_key_that_nothing_here_can_compute_counts_beside_a_holdout_and_says_where_it_comes_from():
    gate = MetricBound(metric("business_value", direction="maximize"), "minimum", 12.0)
    found = gate.check(case(model(100), logged=({"business_value": 13.0}, {})))
    assert (found.verdict, found.value) == ("passed", 13.0)
    assert "as its run logged it" in found.detail


# --- compared with the champion ---------------------------------------------------------------------------------------

ACCURACY = metric("accuracy")


@pytest.mark.parametrize(
    ("kind", "bound", "wrong", "expected", "value"),
    [
        ("maximum_regression", 0.01, 220, "passed", 0.01),
        ("maximum_regression", 0.01, 221, "failed", 0.0105),
        ("maximum_regression", 0.0, 190, "passed", -0.005),
        ("maximum_relative_regression", 0.02, 236, "passed", 0.02),
        ("maximum_relative_regression", 0.02, 237, "failed", 0.0185 / 0.9),
        ("minimum_gain", 0.01, 180, "passed", 0.01),
        ("minimum_gain", 0.01, 181, "failed", 0.0095),
        ("minimum_relative_gain", 0.01, 182, "passed", 0.01),
        ("minimum_relative_gain", 0.01, 183, "failed", 0.0085 / 0.9),
        ("maximum_plausible_gain", 0.05, 100, "passed", 0.05),
        ("maximum_plausible_gain", 0.05, 99, "failed", 0.0505),
    ],
)
def test_a_gate_compares_with_the_champion_on_the_same_rows(kind, bound, wrong, expected, value):
    found = VersusChampion(kind, bound, ACCURACY).check(case(model(wrong), model(200, seed=1)))
    assert (found.verdict, found.value) == (expected, pytest.approx(value))


def test_smaller_is_better_for_losses_when_they_are_compared():
    sure, unsure = model(100, probability=0.95), model(100, probability=0.8)
    gate = VersusChampion("maximum_regression", 0.01, metric("log_loss"))
    assert verdict(gate, sure, unsure) == "failed" if loss(sure) > loss(unsure) + 0.01 else "passed"
    assert verdict(gate, unsure, sure) != verdict(gate, sure, unsure)
    relative = VersusChampion("maximum_relative_regression", 0.02, metric("log_loss")).check(case(unsure, sure))
    assert relative.value == pytest.approx((loss(unsure) - loss(sure)) / loss(sure))


def loss(answer):
    outcome = measure(metric("log_loss"), TRUTH, answer)
    assert isinstance(outcome, Outcome)
    return outcome.value


@pytest.mark.parametrize(("wrong", "expected"), [(120, "passed"), (205, "inconclusive"), (330, "failed")])
def test_a_confident_comparison_needs_the_whole_interval(wrong, expected):
    gate = VersusChampion("maximum_regression", 0.01, ACCURACY, confident=True)
    assert verdict(gate, model(wrong), model(200, seed=1)) == expected


def test_the_models_own_metric_is_compared_where_none_is_named():
    found = VersusChampion("minimum_gain", 0.1).check(case(model(100), model(400)))
    assert found.gate == "binary F1 at least 0.1 better than the champion's"
    assert found.verdict == "passed"


@pytest.mark.parametrize(
    ("kind", "mine", "expected"),
    [
        ("maximum_relative_regression", 0, "passed"),
        ("minimum_relative_gain", 0, "passed"),
        ("minimum_relative_gain", ROWS, "failed"),
    ],
)
def test_a_champion_that_scores_nothing_is_beaten_relatively_too(kind, mine, expected):
    assert verdict(VersusChampion(kind, 0.01, ACCURACY), model(mine), model(ROWS)) == expected


@pytest.mark.parametrize(
    "gate",
    [
        VersusChampion("minimum_gain", 0.5),
        VersusChampion("maximum_plausible_gain", 0.001),
        PartRegression("slices", 0.0),
        PartRegression("classes", 0.0),
        CompatibleSignature(),
    ],
)
def test_without_a_champion_there_is_nothing_to_compare_with(gate):
    found = gate.check(case(model(500)))
    assert (found.verdict, found.detail) == ("passed", "no champion to compare with")


SAME = (frozenset({"d"}), frozenset({"d", "e"}))


@pytest.mark.parametrize(
    ("datasets", "trust", "expected"),
    [
        (SAME, False, "passed"),
        ((frozenset(), frozenset()), True, "passed"),
        ((frozenset({"x"}), SAME[0]), False, "inconclusive"),
    ],
)
def test_logged_values_are_compared_only_where_they_speak_of_the_same_data(datasets, trust, expected):
    values = ({"f1": 0.8}, {"f1": 0.7})
    given = case(None, model(1), truth=None, logged=values, datasets=datasets, trust_logged=trust)
    assert VersusChampion("minimum_gain", 0.05, metric("f1")).check(given).verdict == expected


# --- slices and classes -----------------------------------------------------------------------------------------------

NORTH, SOUTH = TRUTH.slices["region=north"], TRUTH.slices["region=south"]


def test_a_slice_that_gets_worse_fails_though_all_rows_together_get_better():
    champion = model(100, where=SOUTH)
    challenger = model(60, where=NORTH)
    found = PartRegression("slices", 0.02, metric=ACCURACY).check(case(challenger, champion))
    assert found.verdict == "failed"
    assert found.value == pytest.approx(60 / 500)
    assert found.detail.startswith("95 % interval")
    assert "region=north: 0.8800 against the champion's 1.0000 on 500 rows" in found.detail
    assert "the worst of 2 slices" in found.detail
    assert "fewer than 30 rows, which say nothing and stop nothing: tiny=yes" in found.detail


@pytest.mark.parametrize(
    ("names", "minimum_rows", "expected", "observed"),
    [
        (None, 30, "failed", False),
        (("region",), 30, "failed", False),
        (("region=south",), 30, "passed", False),
        (("region=north", "region=south"), 600, "inconclusive", True),
        (("tiny",), 30, "inconclusive", True),
        (("tiny",), 5, "passed", False),
        (("age",), 30, "inconclusive", False),
    ],
)
def test_slices_are_chosen_by_column_or_name_and_small_ones_stop_nothing(names, minimum_rows, expected, observed):
    gate = PartRegression("slices", 0.02, names, ACCURACY, minimum_rows)
    found = gate.check(case(model(60, where=NORTH & (np.arange(ROWS) > 12)), model(100, where=SOUTH)))
    assert (found.verdict, found.observe) == (expected, observed)
    assert found.stops == (expected != "passed" and not observed)


def test_a_column_means_its_own_values_and_not_those_of_a_longer_name():
    truth = replace(TRUTH, slices={"region=north": NORTH, "regional=yes": SOUTH})
    found = PartRegression("slices", 0.02, ("region",), ACCURACY).check(
        case(model(60, where=SOUTH), model(1), truth=truth)
    )
    assert found.verdict == "passed"
    assert "the worst of 1 slices" in found.detail


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "average_precision"])
def test_the_first_of_two_classes_may_be_the_positive_one(name):
    truth = replace(TRUTH, positive=0, slices={"every=row": np.ones(ROWS, dtype=bool)})
    answer = model(300, probability=0.8)
    scores, candidate = Scores(Snapshot("m", None, (), truth=truth, answers={"u": answer}), F1), Candidate("u", "u")
    whole = scores.on_all_rows(candidate, metric(name))
    assert scores.on_slice(candidate, metric(name), "every=row").value == pytest.approx(whole.value, abs=1e-12)
    if name != "log_loss":
        assert scores.of_class(candidate, metric(name), "No").value == pytest.approx(whole.value, abs=1e-12)


def test_weights_and_groups_hold_on_slices_too():
    weights, groups = np.where(np.arange(ROWS) % 3 == 0, 5.0, 1.0), np.arange(ROWS) // 40
    truth = replace(TRUTH, weights=weights, groups=groups)
    answer = model(300)
    scores, candidate = Scores(Snapshot("m", None, (), truth=truth, answers={"u": answer}), F1), Candidate("u", "u")
    right = answer.labels[NORTH] == np.array(truth.classes)[truth.labels[NORTH]]
    assert scores.on_slice(candidate, ACCURACY, "region=north").value == pytest.approx(
        np.average(right, weights=weights[NORTH])
    )
    np.testing.assert_array_equal(scores.groups("slice", "region=north"), groups[NORTH])


def test_a_slice_where_the_metric_has_no_value_is_named():
    truth = replace(TRUTH, slices={"all no": TRUTH.labels == 0})
    found = PartRegression("slices", 0.02, metric=metric("roc_auc")).check(case(model(60), model(100), truth=truth))
    assert found.verdict == "inconclusive"
    assert "no score for all no: ROC AUC" in found.detail
    assert found.stops


def test_a_class_that_gets_worse_fails_though_the_other_one_gets_better():
    yes, no = TRUTH.labels == 1, TRUTH.labels == 0
    champion, challenger = model(150, where=no), model(40, where=yes)
    found = PartRegression("classes", 0.05, metric=metric("recall")).check(case(challenger, champion))
    assert found.verdict == "failed"
    assert found.value == pytest.approx(40 / 400)
    assert "Yes: 0.9000 against the champion's 1.0000 on 400 rows" in found.detail
    assert (
        PartRegression("classes", 0.05, ("No",), metric("recall")).check(case(challenger, champion)).verdict == "passed"
    )


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "accuracy", "roc_auc", "average_precision"])
@pytest.mark.parametrize("classes", [("No", "Yes"), ("1", "0"), ("0", "1", "2"), ("a", "b", "c")])
def test_a_class_against_the_rest_scores_as_if_it_were_the_only_question(name, classes):
    rng = np.random.default_rng(3)
    k = len(classes)
    truth = Truth("t", rng.integers(0, k, 400), classes=tuple(sorted(classes)), positive=1 if k == 2 else None)
    table = rng.dirichlet(np.ones(k), 400) + np.eye(k)[truth.labels] * 0.4
    table /= table.sum(axis=1, keepdims=True)
    answer = Predictions(np.array(truth.classes)[table.argmax(axis=1)], table, truth.classes)
    snapshot = Snapshot("m", None, (), truth=truth, answers={"u": answer})
    for i, own in enumerate(truth.classes):
        found = Scores(snapshot, F1).of_class(Candidate("u", "u"), metric(name), own)
        alone = Truth("x", (truth.labels == i).astype(np.int64), classes=("a", "b"), positive=1)
        asked = Predictions(
            np.where(table.argmax(axis=1) == i, "b", "a"), np.column_stack((1 - table[:, i], table[:, i])), ("a", "b")
        )
        expected = measure(
            metric(name, average="binary" if name in ("f1", "precision", "recall") else None), alone, asked
        )
        assert found.value == pytest.approx(expected.value, abs=1e-12)


@given(
    st.lists(st.booleans(), min_size=ROWS // 10, max_size=ROWS // 10), st.sampled_from(["f1", "log_loss", "roc_auc"])
)
def test_the_slice_of_all_rows_scores_as_all_rows_do(turned, name):
    truth = replace(TRUTH, slices={"every=row": np.ones(ROWS, dtype=bool)})
    answer = model(sum(turned), seed=len(turned))
    snapshot = Snapshot("m", None, (), truth=truth, answers={"u": answer})
    scores, candidate = Scores(snapshot, metric("recall", average="binary")), Candidate("u", "u")
    whole, part = scores.on_all_rows(candidate, metric(name)), scores.on_slice(candidate, metric(name), "every=row")
    assert part.value == pytest.approx(whole.value, abs=1e-12)


def test_a_threshold_holds_on_slices_and_for_classes_too():
    answer = replace(model(100, probability=0.9), labels=None)
    snapshot = Snapshot("m", None, (), truth=TRUTH, answers={"u": answer}, thresholds={"u": 0.95})
    scores, candidate = Scores(snapshot, F1), Candidate("u", "u")
    assert scores.of_class(candidate, metric("recall"), "Yes").value == 0.0
    assert scores.on_slice(candidate, metric("recall"), "region=north").value == 0.0


def test_parts_of_a_regression_are_measured_too():
    target = np.linspace(0.0, 10.0, ROWS)
    truth = Truth("t", target, slices={"low=yes": target < 5})
    worse = Predictions(target + np.where(target < 5, 2.0, 0.0))
    rmse = metric("rmse")
    snapshot = Snapshot("m", None, (), truth=truth, answers={"a": worse, "b": Predictions(target + 1.5)})
    standings = [Standing(Candidate(u, u), champion=u == "b") for u in "ab"]
    given = GateCase(*standings, rmse, snapshot, Scores(snapshot, rmse))
    found = PartRegression("slices", 0.1).check(given)
    assert (found.verdict, found.value) == ("failed", pytest.approx(0.5))
    assert PartRegression("classes", 0.1).check(given).verdict == "inconclusive"


# --- latency ----------------------------------------------------------------------------------------------------------

TIMES = tuple((1, 0.001 * i) for i in range(1, 41)) + tuple((100, 0.01 * i) for i in range(1, 21))


@pytest.mark.parametrize(
    ("gate", "timings", "expected", "value"),
    [
        (Latency(95, "row", 0.039), TIMES, "passed", 39.0),
        (Latency(95, "row", 0.038), TIMES, "failed", 39.0),
        (Latency(50, "row", 0.021), TIMES, "passed", 21.0),
        (Latency(95, "batch", 0.2), TIMES, "passed", 200.0),
        (Latency(95, "batch", 0.19), TIMES, "failed", 200.0),
        (Latency(95, "row", 1.0), None, "inconclusive", None),
        (Latency(95, "row", 1.0), (), "inconclusive", None),
        (Latency(95, "batch", 1.0), TIMES[:40], "inconclusive", None),
    ],
)
def test_a_percentile_of_timed_calls_is_held_against_the_bound(gate, timings, expected, value):
    found = gate.check(case(model(100, timings=timings)))
    assert (found.verdict, found.value) == (expected, pytest.approx(value) if value else None)
    assert found.bound == 1000 * gate.maximum


# --- files ------------------------------------------------------------------------------------------------------------

FACTS = ModelFacts(2_500_000, ("MLmodel", "extra/notes.json", "model.pkl"))


@pytest.mark.parametrize(
    ("gate", "facts", "expected"),
    [
        (Size(2_500_000), FACTS, "passed"),
        (Size(2_499_999), FACTS, "failed"),
        (Size(1), None, "inconclusive"),
        (Artifacts(("MLmodel", "extra/*.json")), FACTS, "passed"),
        (Artifacts(("MLmodel", "shap/*.png", "LICENSE")), FACTS, "failed"),
        (Artifacts(("MLmodel",)), None, "inconclusive"),
    ],
)
def test_what_the_models_folder_holds(gate, facts, expected):
    assert verdict(gate, model(1), facts=(facts,) if facts else ()) == expected


def test_missing_files_are_named():
    found = Artifacts(("shap/*.png", "MLmodel", "LICENSE")).check(case(model(1), facts=(FACTS,)))
    assert found.detail == "missing: shap/*.png, LICENSE"


def columns(*given):
    return ModelFacts(1, (), tuple(InputColumn(*c) for c in given))


AGE, PLAN = ("age", "long"), ("plan", "string")


@pytest.mark.parametrize(
    ("mine", "theirs", "expected", "said"),
    [
        (columns(AGE, PLAN), columns(AGE, PLAN), "passed", ""),
        (columns(AGE), columns(AGE, PLAN), "passed", ""),
        (columns(AGE, ("new", "long", False)), columns(AGE), "passed", ""),
        (columns(AGE, ("new", "long")), columns(AGE), "failed", "new required input new"),
        (columns(AGE), columns(("age", "integer")), "passed", ""),
        (columns(("age", "integer")), columns(AGE), "failed", "input age is integer, and long for the champion"),
        (columns(AGE), columns(("age", "long", False)), "failed", "required, and optional"),
        (ModelFacts(1), columns(AGE), "inconclusive", "it has no signature"),
        (columns(AGE), ModelFacts(1), "inconclusive", "the champion has no signature"),
        (ModelFacts(1), ModelFacts(1), "inconclusive", "neither it nor the champion has a signature"),
    ],
)
def test_callers_of_the_champion_can_call_its_successor(mine, theirs, expected, said):
    found = CompatibleSignature().check(case(model(1), model(2), facts=(mine, theirs)))
    assert found.verdict == expected
    assert said in found.detail


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "facts", "expected"),
    [
        (Required("tags", (("validated_by", "*"),)), {"tags": {"validated_by": "anna"}}, "passed"),
        (Required("tags", (("validated_by", "a*"),)), {"tags": {"validated_by": "anna"}}, "passed"),
        (Required("tags", (("validated_by", "b*"),)), {"tags": {"validated_by": "anna"}}, "failed"),
        (Required("tags", (("validated_by", "*"),)), {"params": {"validated_by": "anna"}}, "failed"),
        (Required("params", (("depth", "*"), ("rate", "*"))), {"params": {"depth": "3", "rate": "0.1"}}, "passed"),
        (Required("params", (("depth", "*"), ("rate", "*"))), {"params": {"depth": "3"}}, "failed"),
        (Freshness(10 * 86_400.0), {}, "passed"),
        (Freshness(10 * 86_400.0 - 1), {}, "failed"),
        (Freshness(86_400.0), {"ended_at": None}, "inconclusive"),
        (Freshness(86_400.0), {"ended_at": None, "started_at": AT - timedelta(hours=1)}, "passed"),
    ],
)
def test_what_the_run_says(gate, facts, expected):
    assert verdict(gate, model(1), runs=run(**facts)) == expected


def test_a_tag_of_the_version_counts_as_one_of_its_run():
    given = case(model(1))
    version = ModelVersion(3, "s", tags={"validated_by": "anna"})
    standing = replace(given.standing, candidate=replace(given.standing.candidate, version=version))
    assert Required("tags", (("validated_by", "*"),)).check(replace(given, standing=standing)).verdict == "passed"


@pytest.mark.parametrize("gate", [Required("tags", (("a", "*"),)), Freshness(1.0)])
def test_a_version_whose_run_is_gone_leaves_it_open(gate):
    given = case(model(1))
    standing = replace(given.standing, candidate=replace(given.standing.candidate, run=None))
    assert gate.check(replace(given, standing=standing)).verdict == "inconclusive"


# --- all together -----------------------------------------------------------------------------------------------------


def test_an_empty_list_of_gates_is_an_error():
    with pytest.raises(ValueError, match="says nothing"):
        AllOf([])


PASSES, FAILS = MetricBound(ACCURACY, "minimum", 0.1), MetricBound(ACCURACY, "minimum", 0.99)
OPEN = MetricBound(metric("rmse"), "maximum", 1.0)


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([PASSES], "passed"),
        ([PASSES, OPEN], "inconclusive"),
        ([PASSES, OPEN, FAILS], "failed"),
        ([PASSES, replace(FAILS, observe=True)], "passed"),
        ([replace(FAILS, observe=True)], "failed"),
        ([AllOf([PASSES, FAILS]), PASSES], "failed"),
    ],
)
def test_the_worst_answer_counts_and_observing_gates_do_not(gates, expected):
    assert AllOf(gates).check(case(model(100))).verdict == expected


def test_each_score_is_computed_once_for_all_gates():
    given = case(model(100), model(200))
    AllOf([PASSES, FAILS, VersusChampion("minimum_gain", 0.01, ACCURACY)]).each(given)
    known = dict(given.scores._known)
    PASSES.check(given)
    assert {k: id(v) for k, v in known.items()} == {k: id(v) for k, v in given.scores._known.items()}
    assert len(known) == 2


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (GateResult("g", "failed", 0.61, 0.7, -0.09, "on 40 rows"), "0.61 against 0.7; on 40 rows"),
        (GateResult("g", "failed", detail="missing: a"), "missing: a"),
        (GateResult("g", "passed", 1.0, 2.0), "1 against 2"),
    ],
)
def test_a_result_says_what_was_found(gate, said):
    assert gate.finding == said


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.5), st.sampled_from(["minimum", "maximum"]))
def test_a_confident_pass_is_a_pass_and_a_confident_failure_a_failure(value, bound, reach, side):
    ends = (value - reach, value + reach)
    plain = judged("g", value, bound, side, ends=ends)
    sure = judged("g", value, bound, side, ends=ends, confident=True)
    assert sure.verdict in (plain.verdict, "inconclusive")
    assert (sure.margin, sure.value) == (plain.margin, plain.value)


def test_gates_of_another_kind_make_another_policy():
    kinds = (Size(5), Freshness(5), MetricBound(F1, "minimum", 5), MetricBound(F1, "maximum", 5))
    assert len({Policy(F1, gates=(gate,)).digest() for gate in kinds} | {Policy(F1).digest()}) == 5
