"""An explanation is tried and not guessed: what it says would change the verdict does change it."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selector.domain import counterfactual
from selector.domain.counterfactual import Scale, nearest, turning_points
from selector.domain.decision import decide
from selector.domain.enlarged import enlarged, moved
from selector.domain.metric import metric
from selector.domain.policy import Policy
from selector.errors import MlflowUnreachableError, UsageError
from selector.workflows import by_hand
from selector.workflows.explain import explain
from selector.workflows.observe import observe


def present(world):
    observed = observe(world.house, world.house.setup("churn"))
    decision = decide(observed.snapshot, world.policy, "d")
    return observed.snapshot, decision, turning_points(observed.snapshot, world.policy, decision)


def by_kind(changes):
    return {change.kind: change for change in changes}


def near_miss(world):
    """A champion, and a challenger that leads by a little."""
    world.train("first", 400)
    world.look()
    world.train("lucky", 360, seed=3)


def test_a_near_miss_names_every_way_to_promote_it_cheapest_first(world):
    near_miss(world)
    snapshot, decision, changes = present(world)
    assert (decision.verdict, decision.code) == ("kept", "not-proven")
    assert [c.kind for c in changes] == ["confidence", "rule", "lead", "rows"]
    assert {c.champion for c in changes} == {"lucky"}
    found = by_kind(changes)
    confidence = found["confidence"].after
    assert decide(snapshot, replace(world.policy, confidence=confidence), "").winner.name == "lucky"
    assert decide(snapshot, replace(world.policy, confidence=confidence + 0.002), "").winner is None
    times = found["rows"].after // decision.truth.rows
    assert decide(enlarged(snapshot, times), world.policy, "").winner.name == "lucky"
    assert decide(enlarged(snapshot, times - 1), world.policy, "").winner is None
    by = found["lead"].after - found["lead"].before
    uri = decision.best_challenger.candidate.uri
    assert decide(moved(snapshot, uri, by), world.policy, "").winner.name == "lucky"
    assert decide(moved(snapshot, uri, by - 0.0002), world.policy, "").winner is None


def test_a_lead_below_the_minimum_gain_names_the_gain_that_would_do(world):
    world.policy = replace(world.policy, minimum_gain=0.3, confidence=0.9)
    world.train("first", 400)
    world.look()
    world.train("better", 250)
    snapshot, decision, changes = present(world)
    assert decision.code == "below-minimum-gain"
    gain = by_kind(changes)["minimum_gain"].after
    lead = decision.best_challenger.versus.lead
    assert lead - 1e-4 <= gain <= lead
    assert "confidence" not in by_kind(changes)
    assert decide(snapshot, replace(world.policy, minimum_gain=gain), "").winner.name == "better"


def test_a_promotion_names_what_would_have_prevented_it(world):
    world.train("first", 400)
    world.look()
    world.train("better", 330, seed=3)
    _, decision, changes = present(world)
    assert decision.verdict == "promoted"
    found = by_kind(changes)
    assert {c.champion for c in changes} == {"first"}
    assert found["minimum_gain"].after > decision.winner.versus.lead
    assert world.policy.confidence < found["confidence"].after <= 0.9999
    assert found["lead"].after < found["lead"].before
    assert "rows" not in found


def test_a_quarantine_that_stands_in_the_way_is_named(world):
    world.train("first", 400)
    world.look()
    world.train("better", 250)
    world.look()
    world.roll_back()
    _, decision, changes = present(world)
    assert decision.verdict == "kept"
    assert by_kind(changes)["clear"].after == 2
    by_hand.mark(world.house, "churn", 2, "clear", dry_run=False, actor="test")
    assert present(world)[1].winner.name == "better"


def test_too_few_rows_name_the_condition_and_the_rows(world):
    world.policy = replace(world.policy, minimum_effective_rows=40, minimum_gain=0.0)
    world.train("first", 400)
    world.look()
    world.train("nested", 380)
    _, decision, changes = present(world)
    assert decision.code == "too-few-rows"
    found = by_kind(changes)
    assert found["gate"].before == 40
    assert found["rows"].after > decision.truth.rows


def test_without_shared_rows_the_settings_are_tried(world):
    world.shared_rows = False
    world.train("first", 400, metrics={"f1": 0.6})
    world.look()
    world.train("next", 300, metrics={"f1": 0.7})
    _, decision, changes = present(world)
    assert decision.code == "other-data"
    assert [(c.kind, c.after, c.champion) for c in changes] == [("trust_logged", "true", "next")]


def test_what_waits_for_a_person_names_the_approval(world):
    world.train("first", 400)
    world.look()
    world.train("leak", 5)
    snapshot, decision, changes = present(world)
    assert decision.verdict in {"kept", "awaiting_approval"}
    assert [(c.kind, c.champion) for c in changes] == [("approve", "leak")]
    assert decide(snapshot, world.policy, "").winner is None


def test_when_nothing_flips_nothing_is_claimed(world):
    world.train("only", 400)
    world.look()
    assert present(world)[2] == ()


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 320), st.floats(-5, 400), st.booleans(), st.booleans())
def test_the_search_finds_the_nearest_value_that_flips_from_any_guess(count, first, guess, upward, open_ended):
    far = count / 10 if upward else -count / 10
    asked = []

    def flips(value):
        asked.append(value)
        return round(abs(value) * 10) >= first

    scale = Scale(0.0, far, 0.1, open=open_ended)
    found = nearest(scale, flips, guess / 10 if upward else -guess / 10)
    if first > count:
        assert found is None
    else:
        assert found == pytest.approx(first / 10 if upward else -first / 10)
    assert len(asked) <= 40


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    wrong=st.lists(st.tuples(st.integers(200, 450), st.integers(0, 3)), min_size=2, max_size=5),
    gain=st.sampled_from([0.0, 0.005, 0.05]),
    confidence=st.sampled_from([0.6, 0.95, 0.99]),
    rule=st.sampled_from(["proven", "highest"]),
)
def test_every_change_that_is_named_was_really_tried(new_world, wrong, gain, confidence, rule):
    world = new_world()
    world.policy = Policy(
        metric("f1", average="binary"), rule=rule, confidence=confidence, minimum_gain=gain, suspicious_lead=100.0
    )
    for i, (count, seed) in enumerate(wrong):
        world.train(f"m{i}", count, seed=seed)
        if i == 0:
            world.look()
    snapshot, decision, changes = present(world)
    for change in changes:
        assert change.champion != decision.champion_after.name
        if change.kind in {"minimum_gain", "confidence", "rule"}:
            changed = replace(world.policy, **{change.kind: change.after})
            assert decide(snapshot, changed, "").champion_after.name == change.champion


def test_copies_that_would_be_too_large_are_not_made(world, monkeypatch):
    monkeypatch.setattr(counterfactual, "MOST_CELLS", 5_000)
    near_miss(world)
    assert "rows" not in by_kind(present(world)[2])


@pytest.mark.parametrize("name", ["rmse", "target"])
def test_a_score_moves_toward_better_whatever_better_is(world, name):
    del world
    from selector.domain.model import Predictions, Truth  # noqa: PLC0415 - beside their only use
    from selector.domain.outcomes import measure  # noqa: PLC0415 - the same
    from selector.domain.snapshot import Snapshot  # noqa: PLC0415 - the same

    asked = metric("rmse") if name == "rmse" else metric("rmse", target=(0.1, 0.2))
    truth = Truth("rows", [0.0, 1.0, 2.0] * 4)
    truth = replace(truth, labels=__import__("numpy").array(truth.labels))
    outcome = measure(asked, truth, Predictions(truth.labels + 0.5))
    snapshot = Snapshot("m", None, (), outcomes={"a": outcome})
    better = moved(snapshot, "a", 0.1).outcomes["a"]
    assert asked.lead(better.value, outcome.value) == pytest.approx(0.1)
    if name == "target":
        assert moved(snapshot, "a", 0.4) is None
    assert moved(snapshot, "elsewhere", 0.1) is None


def test_the_present_is_explained_freshly_and_names_the_recorded_decision(world):
    near_miss(world)
    first = explain(world.house, "churn", None)
    assert (first["basis"], first["recorded"]["same"], first["recorded"]["verdict"]) == ("present", False, "promoted")
    look = world.look()
    found = explain(world.house, "churn", None)
    assert found["recorded"]["same"] is True
    assert found["recorded"]["decision"] == look.decision.id
    assert found["verdict"] == "kept"
    rival = next(line for line in found["ranking"] if line["name"] == "lucky")
    assert rival["needs"]["more_lead"] == pytest.approx(rival["needs"]["lead"] - rival["lead"])
    assert rival["needs"]["more_rows"] == rival["needs"]["rows"] - 2000 > 0
    assert found["ranking"][-1]["needs"] is None or found["ranking"][-1]["champion"] is False


def test_a_recorded_decision_is_explained_from_its_record(world, monkeypatch):
    near_miss(world)
    kept = world.look().decision
    world.train("better", 250)
    world.look()
    found = explain(world.house, "churn", kept.id)
    assert (found["basis"], found["verdict"], found["reason"]) == ("replayed", "kept", kept.reason)
    assert [c["kind"] for c in found["changes"]] == ["confidence", "rule", "lead", "rows"]
    monkeypatch.setattr(world.store, "predictions", lambda *_: None)
    told = explain(world.house, "churn", kept.id)
    assert (told["basis"], told["changes"]) == ("record", None)
    assert told["because"] == "the answers of its candidates are not kept any more"
    assert "inputs" not in told
    assert told["ranking"][0]["gates"]


def test_without_mlflow_the_newest_record_is_told(world, monkeypatch):
    def gone(*_args):
        raise MlflowUnreachableError("MLflow at x does not answer")

    monkeypatch.setattr(world.registry, "registered_model", gone)
    with pytest.raises(MlflowUnreachableError):
        explain(world.house, "churn", None)
    monkeypatch.undo()
    near_miss(world)
    kept = world.look().decision
    monkeypatch.setattr(world.registry, "registered_model", gone)
    found = explain(world.house, "churn", None)
    assert (found["basis"], found["decision"]) == ("replayed", kept.id)
    assert "does not answer; this is the newest recorded decision" in found["because"]


def test_explaining_writes_nothing(world):
    near_miss(world)
    world.look()
    writes, entries = list(world.registry.writes), world.store.entries()
    explain(world.house, "churn", None)
    explain(world.house, "churn", entries[-1].decision)
    assert (world.registry.writes, world.store.entries()) == (writes, entries)
    with pytest.raises(UsageError, match="no decision 'x'"):
        explain(world.house, "churn", "x")
