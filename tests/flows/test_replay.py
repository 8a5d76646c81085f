"""A decision can be made again from its record."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.domain.metric import metric
from selector.domain.plain import plain, read
from selector.domain.policy import Policy
from selector.workflows import by_hand
from selector.workflows.replay import NotReplayable, replay


def live(world):
    """A scripted life: a first champion, luck, a leak, a copy, NaN, a better one, a rollback, a clearing, hands."""
    world.train("first", 400)
    world.look()
    lucky = world.train("lucky", 398, seed=3)
    world.train("copy", 400)
    world.train("leak", 0)
    world.train("nan", 350, metrics={"f1": float("nan")})
    world.train("empty")
    world.train("running", 100, status="RUNNING")
    world.look()
    world.registry.delete_run(lucky.run_id)
    world.train("late", 390, seed=4)
    world.look()
    better = world.train("better", 250)
    world.look()
    assert world.champion() == better.run_id
    world.roll_back()
    world.train("copy of better", 250)
    world.look()
    by_hand.mark(world.house, "churn", 2, "clear", dry_run=False, actor="test")
    world.look()
    world.registry.set_alias("churn", "champion", 1)
    world.train("late", 330, seed=2)
    world.look()


def decisions(world):
    return world.store.entries("churn", kinds=("decision",))


@pytest.mark.parametrize("shared_rows", [True, False])
def test_every_decision_of_a_life_comes_out_the_same_when_it_is_made_again(world, shared_rows):
    world.shared_rows = shared_rows
    if shared_rows:
        live(world)
    else:
        world.policy = replace(world.policy, trust_logged=True)
        for f1 in (0.6, 0.59, float("nan"), 0.7):
            world.train(f"f1 {f1}", 400, metrics={"f1": f1})
            world.look()
    found = decisions(world)
    assert len(found) >= 3
    assert not shared_rows or any(e.details["challengers"]["refused_before"] for e in found)
    for entry in found:
        again = replay(world.house, entry)
        assert not isinstance(again, NotReplayable), again
        winner = again.winner.candidate.run_id if again.winner else None
        recorded = entry.details["champion"]["run_id"] if entry.details["verdict"] == "promoted" else None
        assert (again.verdict, again.reason, winner) == (entry.details["verdict"], entry.reason, recorded)
        assert (again.policy_digest, again.evidence) == (entry.details["policy"], entry.details["evidence"])
        assert again.luck.refused_before == entry.details["challengers"]["refused_before"]
        assert [[r.text for r in s.reasons] for s in again.ranking] == [r["reasons"] for r in entry.details["ranking"]]
        assert [s.score for s in again.ranking] == pytest.approx([r["score"] for r in entry.details["ranking"]])


def test_replaying_asks_neither_mlflow_nor_the_scorer(world):
    live(world)
    scored = list(world.scorer.scored)
    house = replace(world.house, registry=None)
    assert all(not isinstance(replay(house, entry), NotReplayable) for entry in decisions(world))
    assert world.scorer.scored == scored


def test_a_record_survives_json_and_a_change_in_it_is_noticed(world):
    live(world)
    entry = next(e for e in reversed(decisions(world)) if e.details["verdict"] == "promoted")
    details = json.loads(json.dumps(dict(entry.details)))
    assert not isinstance(replay(world.house, replace(entry, details=details)), NotReplayable)
    assert details["verdict"] == "promoted"
    details["inputs"]["policy"]["minimum_gain"] = 0.5
    found = replay(world.house, replace(entry, details=details))
    assert found.reason.startswith("this version decides otherwise: ")


def test_what_cannot_be_made_again_says_why(world):
    live(world)
    entry = decisions(world)[-1]
    inputs = entry.details["inputs"]
    for details, reason in (
        ({}, "does not say what it was made from"),
        ({"by_hand": True, "inputs": inputs}, "made by a person"),
        ({"inputs": {"policy": {}}}, "cannot be read"),
        ({"inputs": inputs | {"policy": {"metric": 3}}}, "cannot be read"),
        ({"inputs": inputs | {"holdout": "other"}}, "holds other rows today"),
        ({"inputs": inputs | {"revision": "older"}}, "not kept any more"),
    ):
        found = replay(world.house, replace(entry, details=details))
        assert isinstance(found, NotReplayable)
        assert reason in found.reason
    world.shared_rows = False
    assert replay(world.house, entry).reason == "no holdout is configured any more"


policies = st.builds(
    Policy,
    metric=st.sampled_from(
        [metric("f1", average="macro", keys=("a",)), metric("rmse"), metric("x", target=(0.1, 0.2))]
    ),
    rule=st.sampled_from(["proven", "highest"]),
    confidence=st.floats(0.5, 0.999),
    minimum_gain=st.floats(0, 10),
    trust_logged=st.booleans(),
)


@settings(deadline=None)
@given(policies)
def test_a_policy_comes_back_as_it_was(policy):
    again = read(Policy, json.loads(json.dumps(plain(policy))))
    assert again == policy
    assert again.digest() == policy.digest()


def test_what_has_no_plain_form_or_another_type_is_refused():
    with pytest.raises(TypeError, match="object has no plain form"):
        plain({"a": object()})
    assert plain((datetime(2025, 1, 1, tzinfo=UTC), frozenset({2, 1}))) == ["2025-01-01T00:00:00+00:00", [1, 2]]
    for hint, value in ((int, "1"), (int, True), (float, None), (str, 1), (dict[str, int], []), (int | None, "x")):
        with pytest.raises(ValueError, match="is no"):
            read(hint, value)
