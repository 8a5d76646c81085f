"""What gates do to a look: who is promoted, who is passed over, what is read again, what is said."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from selector.adapters.scorer_memory import TIMINGS, model_of
from selector.domain.gates.bounds import MetricBound, VersusChampion
from selector.domain.gates.files import Artifacts, CompatibleSignature, Size
from selector.domain.gates.latency import Latency
from selector.domain.gates.parts import PartRegression
from selector.domain.gates.runs import Freshness, Required
from selector.domain.metric import metric
from selector.errors import MlflowRefusedError, SelectorError
from selector.workflows import by_hand
from selector.workflows.replay import replay

SIGNED = Required("tags", (("validated_by", "*"),))


def ask(world, *gates, **policy):
    world.policy = replace(world.policy, gates=gates, **policy)


def test_a_gate_that_fails_passes_the_next_challenger_on(world):
    world.train("champion", 400)
    world.look()
    ask(world, SIGNED)
    world.train("best", 150)
    second = world.train("second", 200, tags={"validated_by": "anna"})

    look = world.look()

    assert look.decision.verdict == "promoted"
    assert world.champion() == second.run_id
    best = next(s for s in look.decision.ranking if s.name == "best")
    assert [g.verdict for g in best.gates if g.gate == SIGNED.name] == ["failed"]


def test_the_first_champion_has_to_pass_the_gates_too(world):
    ask(world, SIGNED)
    world.train("best", 150)
    second = world.train("second", 200, tags={"validated_by": "anna"})
    world.look()
    assert world.champion() == second.run_id


def test_nobody_becomes_champion_where_every_candidate_fails_a_gate(world):
    ask(world, MetricBound(metric("precision"), "minimum", 0.99))
    world.train("good", 150)
    look = world.look()
    assert (look.decision.verdict, look.decision.code) == ("refused", "gate-failed")
    assert look.decision.reason.startswith("Nobody becomes champion: good would win with binary F1 0.")
    assert 'fails the gate "binary precision at least 0.99": 0.' in look.decision.reason
    assert world.champion() is None


def test_a_lead_that_a_gate_stops_is_refused_with_the_gates_sentence_and_recorded_once(world):
    old = world.train("old", 400)
    world.look()
    ask(world, VersusChampion("maximum_plausible_gain", 0.1))
    world.train("new", 150)

    look = world.look()
    again = world.look()

    assert look.decision.verdict == "refused"
    assert "old (v1) stays: new would win with binary F1" in look.decision.reason
    assert 'which is plausible": 0.1922 against 0.1' in look.decision.reason
    assert world.champion() == old.run_id
    assert (look.news, again.news) == (True, False)


def test_a_gate_that_cannot_tell_is_inconclusive_and_names_what_it_lacks(world):
    world.train("old", 400)
    world.look()
    ask(world, MetricBound(metric("log_loss"), "maximum", 0.5))
    world.train("new", 150)
    look = world.look()
    assert (look.decision.verdict, look.decision.code) == ("inconclusive", "gate-inconclusive")
    assert 'leaves open the gate "log loss at most 0.5": The model gives no probabilities' in look.decision.reason


def test_one_that_may_still_pass_is_named_before_better_ones_that_fail(world):
    world.train("old", 400)
    world.look()
    ask(world, SIGNED, Freshness(3600.0))
    world.train("without a signature", 150, ended_at=world.clock.now())
    world.train("signed", 200, tags={"validated_by": "anna"}, started_at=None)
    look = world.look()
    assert look.decision.verdict == "inconclusive"
    assert "signed would win" in look.decision.reason
    assert "2 candidates are stopped by gates" in look.decision.reason


def test_the_champion_is_held_against_no_comparison_and_those_who_may_not_compete_against_nothing(world):
    world.train("champion", 400)
    world.look()
    ask(world, MetricBound(metric("accuracy"), "minimum", 0.9), VersusChampion("minimum_gain", 0.001))
    world.train("failed", 100, status="FAILED")
    world.train("perfect", 0)
    world.train("worse", 500)
    gates = {s.name: [g.gate for g in s.gates] for s in world.look().decision.ranking}
    assert gates["champion"] == ["accuracy at least 0.9"]
    assert gates["failed"] == gates["perfect"] == []
    assert gates["worse"][-2:] == ["accuracy at least 0.9", "binary F1 at least 0.001 better than the champion's"]


def test_a_gate_that_only_observes_stops_nothing_and_is_reported(world):
    world.train("old", 400)
    world.look()
    ask(world, replace(SIGNED, observe=True))
    new = world.train("new", 150)
    look = world.look()
    assert world.champion() == new.run_id
    line = next(g for c in look.document["ranking"] for g in c["gates"] if g["gate"] == SIGNED.name)
    assert (line["verdict"], line["detail"], line["observe"]) == ("failed", "validated_by is missing", True)


def test_a_tag_that_is_set_later_lets_the_candidate_through_and_one_taken_away_is_news(world):
    world.train("old", 400)
    world.look()
    ask(world, SIGNED)
    new = world.train("new", 150)
    assert world.look().decision.verdict == "refused"
    assert not world.look().news
    world.registry.add_run(replace(world.registry.run(new.run_id), models=new.models, tags={"validated_by": "anna"}))
    assert world.look().decision.verdict == "promoted"
    assert not world.look().news


def test_a_run_that_grows_old_changes_the_verdict_and_is_recorded(world):
    world.train("old", 400)
    world.look()
    ask(world, Freshness(7 * 86_400.0), VersusChampion("maximum_plausible_gain", 0.1))
    world.train("new", 150, ended_at=world.clock.now())
    first = world.look()
    world.clock.advance(timedelta(days=8).total_seconds())
    later = world.look()
    assert (first.decision.verdict, later.decision.verdict) == ("refused", "refused")
    assert "plausible" in first.decision.reason
    assert "run ended at most 7 days ago" in later.decision.reason
    assert later.news
    assert not world.look().news


def test_a_slice_that_would_suffer_keeps_the_champion(world):
    north = np.arange(2_000) < 400
    world.truth = replace(world.truth, slices={"region=north": north, "region=south": ~north})
    old = world.train("old", answers=turned(world, np.flatnonzero(~north)[:400]))
    world.look()
    ask(world, PartRegression("slices", 0.02, metric=metric("accuracy")))
    world.train("new", answers=turned(world, np.flatnonzero(north)[:150]))
    look = world.look()
    assert look.decision.verdict == "refused"
    assert "region=north: 0.6250 against the champion's 1.0000 on 400 rows" in look.decision.reason
    assert world.champion() == old.run_id


def turned(world, rows):
    answers = world.truth.labels.copy()
    answers[rows] = 1 - answers[rows]
    return answers.tolist()


def test_calls_are_timed_only_where_a_gate_asks_and_then_once(world):
    world.train("old", 400)
    world.look()
    new = world.train("new", 150)
    uri = new.models[0].uri
    world.registry.files[uri] = {**model_of(world.answers(150)), TIMINGS: json.dumps([[1, 0.002]] * 40).encode()}
    ask(world, Latency(95, "row", 0.001))
    before = len(world.scorer.scored)

    look = world.look()
    world.look()

    assert len(world.scorer.scored) == before + 2  # the champion once more, for nobody had timed it
    assert look.decision.verdict == "refused"
    assert '"p95 latency of a single row at most 1 ms": 2 against 1; 40 calls timed' in look.decision.reason
    ask(world, Latency(95, "row", 0.003))
    assert world.look().decision.verdict == "promoted"
    assert len(world.scorer.scored) == before + 2


def test_files_are_read_once_however_often_a_gate_looks_at_them(world, monkeypatch):
    world.train("old", 400)
    new = world.train("new", 150)
    world.registry.files[new.models[0].uri]["extra/card.md"] = b"x" * 2_000_000
    fetched = []
    fetch = world.registry.fetch
    monkeypatch.setattr(world.registry, "fetch", lambda uri, into: fetched.append(uri) or fetch(uri, into))
    ask(world, Size(1_000_000), Artifacts(("MLmodel", "extra/*.md")))

    first = world.look()
    world.look()

    assert len(fetched) == 2
    assert first.decision.verdict == "refused"
    by_name = {s.name: [g.verdict for g in s.gates] for s in first.decision.ranking}
    assert by_name == {"new": ["failed", "passed"], "old": ["passed", "failed"]}
    assert "files of the model: MLmodel, extra/*.md" in first.decision.reason or "2.0" in first.decision.reason


def test_files_are_fetched_once_more_where_an_earlier_version_had_not_looked_at_them(world, monkeypatch):
    world.train("old", 400)
    world.look()
    monkeypatch.setattr(world.store, "_facts", {})
    ask(world, Size(1_000_000))
    scored = len(world.scorer.scored)
    world.look()
    assert world.store.facts(["models:/m-0000"])["models:/m-0000"].files == ("MLmodel", "answers.json")
    assert len(world.scorer.scored) == scored


def test_without_rows_files_are_read_for_the_gates_that_ask_and_one_bad_folder_stops_nothing(world, monkeypatch):
    world.shared_rows = False
    ask(world, Size(1_000_000), without_proof="promote")
    bad = world.train("bad", 100, metrics={"f1": 0.9})
    good = world.train("good", 100, metrics={"f1": 0.8})
    fetch = world.registry.fetch

    def fetches(uri, into):
        if uri == bad.models[0].uri:
            raise MlflowRefusedError("no permission")
        return fetch(uri, into)

    monkeypatch.setattr(world.registry, "fetch", fetches)
    look = world.look()
    assert world.champion() == good.run_id
    by_name = {s.name: (s.gates[0].verdict, s.gates[0].detail) for s in look.decision.ranking}
    assert by_name["bad"] == ("inconclusive", "its files were not read")
    assert list(world.tmp.joinpath("spool").iterdir()) == []


def test_logged_leaders_have_to_pass_gates_too(world):
    world.shared_rows = False
    world.train("old", 100, metrics={"f1": 0.7}, datasets=frozenset({"d"}))
    world.look()
    ask(world, MetricBound(metric("recall"), "minimum", 0.5))
    world.train("best", 101, metrics={"f1": 0.9, "recall": 0.4}, datasets=frozenset({"d"}))
    assert world.look().decision.verdict == "refused"
    second = world.train("second", 102, metrics={"f1": 0.8, "recall": 0.6}, datasets=frozenset({"d"}))
    assert world.look().decision.verdict == "promoted"
    assert world.champion() == second.run_id


def signature(*columns):
    inputs = json.dumps([{"name": n, "type": t, "required": True} for n, t in columns])
    return json.dumps({"flavors": {}, "signature": {"inputs": inputs}}).encode()


@pytest.mark.parametrize(("extra", "verdict"), [((), "promoted"), ((("mood", "string"),), "refused")])
def test_a_new_required_input_is_refused_because_callers_do_not_send_it(world, extra, verdict):
    old, new = world.train("old", 400), None
    world.registry.files[old.models[0].uri]["MLmodel"] = signature(("age", "long"))
    world.look()
    ask(world, CompatibleSignature())
    new = world.train("new", 150)
    world.registry.files[new.models[0].uri]["MLmodel"] = signature(("age", "long"), *extra)
    assert world.look().decision.verdict == verdict


def test_a_promotion_by_hand_meets_the_same_gates_unless_it_is_forced(world):
    world.train("old", 400)
    world.look()
    ask(world, SIGNED)
    new = world.train("new", 150)
    number = world.registry.create_version("churn", new.models[0].uri, new.run_id, {})
    with pytest.raises(SelectorError, match="is not promoted: tags: validated_by: validated_by is missing"):
        by_hand.promote(world.house, "churn", number, force=None, dry_run=False, actor="anna")
    by_hand.promote(world.house, "churn", number, force="anna looked at it", dry_run=False, actor="anna")
    assert world.champion() == new.run_id


def test_a_decision_with_gates_can_be_made_again_from_its_record(world):
    world.train("old", 400)
    world.look()
    ask(
        world,
        SIGNED,
        Freshness(86_400.0 * 3650),
        Size(1_000_000),
        Latency(95, "row", 1.0, observe=True),
        MetricBound(metric("precision"), "minimum", 0.3, confident=True),
        VersusChampion("maximum_relative_regression", 0.02, metric("accuracy")),
        PartRegression("classes", 0.5, metric=metric("recall")),
    )
    world.train("new", 150, ended_at=world.clock.now())
    look = world.look()
    assert look.decision.verdict == "refused"
    again = replay(world.house, world.store.entries(kinds=("decision",))[-1])
    assert (again.verdict, again.reason) == (look.decision.verdict, look.decision.reason)
    assert [s.gates for s in again.ranking] == [s.gates for s in look.decision.ranking]


def test_the_record_and_the_report_show_every_gate(world):
    world.train("old", 400)
    world.look()
    ask(world, SIGNED, MetricBound(metric("precision"), "minimum", 0.3))
    world.train("new", 150)
    world.look()
    document = world.store.entries(kinds=("decision",))[-1].details
    new = next(c for c in document["ranking"] if c["name"] == "new")
    shown = {g["gate"]: g["verdict"] for g in new["gates"]}
    assert shown["tags: validated_by"] == "failed"
    assert shown["binary precision at least 0.3"] == "passed"
    report = list(world.reports.reports.values())[-1]
    line = next(c for c in report.ranking if c.name == "new")
    assert line.why.code == "gate-failed"
    assert 'the gate "tags: validated_by" failed: validated_by is missing' in line.why.text
    assert "Gate: tags: validated_by." in report.policy.words


def test_deciding_again_right_after_a_promotion_through_gates_writes_nothing(world):
    ask(
        world,
        SIGNED,
        Freshness(86_400.0 * 3650),
        VersusChampion("maximum_regression", 0.0),
        VersusChampion("maximum_plausible_gain", 0.6),
        CompatibleSignature(observe=True),
        MetricBound(metric("accuracy"), "maximum", 0.92),
    )
    signed = {"tags": {"validated_by": "anna"}, "ended_at": world.clock.now()}
    world.train("a", 400, **signed)
    world.look()
    world.train("b", 200, **signed)
    world.train("c", 100, **signed)
    assert world.look().decision.verdict == "promoted"
    writes, entries = list(world.registry.writes), world.store.entries()
    assert not world.look().news
    assert (world.registry.writes, world.store.entries()) == (writes, entries)


def test_what_a_gate_stopped_does_not_come_in_two_steps(world):
    old = world.train("old", 400)
    world.look()
    ask(world, VersusChampion("maximum_plausible_gain", 0.2))
    world.train("suspect", 120)
    world.train("fair", 180)

    first, second, third = world.look(), world.look(), world.look()

    assert first.decision.winner.name == "fair"
    assert (second.decision.verdict, second.news, third.news) == ("refused", False, False)
    assert "what stopped it when the present champion was promoted" in second.decision.reason
    assert "which is plausible: 0." in second.decision.reason
    ask(world, VersusChampion("maximum_plausible_gain", 0.5))
    assert world.look().decision.winner.name == "suspect"
    assert old.run_id != world.champion()


def test_what_was_held_as_too_good_does_not_come_in_two_steps_either(world):
    world.train("old", 339)
    world.look()
    world.train("too good", 100)
    world.train("good", 110)

    first, second = world.look(), world.look()

    assert first.decision.winner.name == "good"
    assert [h.code for h in first.decision.held] == ["too-good"]
    assert not second.news
    assert [h.text for h in second.decision.held] == [h.text for h in first.decision.held]
    better = world.train("newly trained", 90)
    assert world.look().decision.winner.candidate.run_id == better.run_id


def test_a_tag_that_was_missing_then_does_not_stop_a_candidate_later(world):
    world.train("old", 400)
    world.look()
    ask(world, SIGNED, VersusChampion("maximum_plausible_gain", 0.5))
    best = world.train("best", 120)
    world.train("second", 180, tags={"validated_by": "anna"})
    assert world.look().decision.winner.name == "second"
    world.registry.add_run(replace(world.registry.run(best.run_id), models=best.models, tags={"validated_by": "anna"}))
    assert world.look().decision.winner.name == "best"
