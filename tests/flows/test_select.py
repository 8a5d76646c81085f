"""What a look does to MLflow, on the memory adapters."""

import math
from dataclasses import replace

from selector.domain.metric import metric
from selector.domain.model import ModelVersion
from selector.domain.policy import Policy


def test_with_no_champion_the_best_valid_candidate_becomes_champion(world):
    world.train("good", 200)
    best = world.train("best", 150)
    world.train("bad", 400)

    look = world.look()

    assert look.decision.verdict == "promoted"
    assert world.champion() == best.run_id
    version = world.model.version(world.model.aliases["champion"])
    assert version.tags["selector.status"] == "champion"
    assert version.tags["selector.decision"] == look.decision.id
    assert version.tags["selector.holdout"] == "rows"


def test_deciding_again_right_after_a_decision_writes_nothing_at_all(world):
    world.train("a", 200)
    world.train("b", 300)
    world.look()
    writes, entries, reports = list(world.registry.writes), world.store.entries(), len(world.reports.reports)

    again = world.look()

    assert again.decision.verdict == "kept"
    assert not again.news
    assert (world.registry.writes, world.store.entries()) == (writes, entries)
    assert len(world.reports.reports) == reports


def test_nothing_is_scored_twice(world):
    world.train("a", 200)
    world.train("b", 300)
    world.train("copy of a", 200)
    world.look()
    world.look()
    world.train("c", 250)
    world.look()

    assert len(world.scorer.scored) == len(set(world.scorer.scored)) == 3


def test_a_better_model_is_promoted_and_the_old_champion_is_archived_last(world):
    old = world.train("old", 300)
    world.look()
    new = world.train("new", 200)

    look = world.look()

    assert look.decision.verdict == "promoted"
    assert look.decision.proof == "proven"
    assert world.champion() == new.run_id
    assert world.model.version(world.model.aliases["previous"]).run_id == old.run_id
    assert world.registry.writes[-1] == "set_version_tag churn 1 selector.status=archived"
    assert look.document["champion"]["name"] == "new"
    assert look.document["previous"]["name"] == "old"


def test_a_luckier_model_is_kept_out_with_the_lead_it_would_have_needed(world):
    old = world.train("old", 300)
    world.look()
    world.train("lucky", 284, seed=1)

    look = world.look()

    assert look.decision.verdict == "kept"
    assert look.decision.code == "not-proven"
    assert world.champion() == old.run_id
    assert "is needed" in look.decision.reason
    assert look.decision.rows_needed > 2_000


def test_with_the_plain_rule_the_luckier_model_is_promoted(world):
    world.policy = replace(world.policy, rule="highest")
    world.train("old", 300)
    world.look()
    lucky = world.train("lucky", 284, seed=1)

    assert world.look().decision.verdict == "promoted"
    assert world.champion() == lucky.run_id


def test_the_plain_rule_with_no_minimum_gain_still_keeps_the_incumbent_in_a_tie(world):
    world.policy = replace(world.policy, rule="highest", minimum_gain=0.0)
    old = world.train("old", 300)
    world.look()
    world.train("tied", 300, seed=1)

    look = world.look()

    assert world.champion() == old.run_id
    assert look.decision.verdict == "kept"


def test_a_copy_of_the_champion_is_kept_out_because_it_is_a_copy(world):
    old = world.train("old", 300)
    world.look()
    world.train("renamed", 300)

    look = world.look()

    assert world.champion() == old.run_id
    (line,) = [line for line in look.document["ranking"] if line["name"] == "renamed"]
    assert line["codes"] == ["copy"]
    assert "the champion" in line["reasons"][0]


def test_models_that_answer_alike_compete_as_one_even_with_other_bytes(world):
    world.train("first", 300)
    answers = world.answers(300)
    world.train("same answers", answers=[bool(a) for a in answers])

    look = world.look()

    assert look.document["champion"]["name"] == "first"
    assert look.document["ranking"][1]["codes"] == ["copy"]


def test_a_model_trained_on_the_holdout_is_held_and_the_best_honest_one_is_promoted(world):
    for number, wrong in enumerate((300, 310, 290)):
        world.train(f"honest {number}", wrong, seed=number)
    world.train("leaky", 10, seed=9)
    world.train("perfect", 0)

    look = world.look()

    assert look.document["champion"]["name"] == "honest 2"
    held = {line["name"]: line["codes"] for line in look.document["ranking"] if not line["eligible"]}
    assert held == {"leaky": ["too-good"], "perfect": ["too-good"]}


def test_candidates_that_cannot_compete_are_named_with_the_reason(world):
    world.train("fine", 300)
    world.train("failed", 100, status="FAILED")
    world.train("running", 100, status="RUNNING")
    world.train("nan", 100, seed=2, metrics={"f1": math.nan})
    world.train("infinite", 100, seed=3, metrics={"f1": 1.7976931348623157e308})
    world.train("percent", 400, seed=4, metrics={"f1": 97.0})
    world.train("no model")

    look = world.look()

    codes = {line["name"]: line["codes"] for line in look.document["ranking"]}
    assert codes == {
        "fine": [],
        "percent": [],
        "failed": ["run-not-finished"],
        "running": ["run-not-finished"],
        "nan": ["logged-not-a-number"],
        "infinite": ["logged-infinite"],
        "no model": ["no-model"],
    }
    assert look.document["champion"]["name"] == "fine"


def test_one_unreadable_model_costs_only_itself(world):
    world.train("fine", 300)
    broken = world.train("broken", 200)
    world.registry.files[broken.models[0].uri] = {"MLmodel": b"", "answers.json": b"not json"}
    gone = world.train("gone", 100)
    del world.registry.files[gone.models[0].uri]

    look = world.look()

    assert look.document["champion"]["name"] == "fine"
    assert [line["codes"] for line in look.document["ranking"]] == [[], ["not-scored"], ["not-scored"]]


def test_a_model_that_always_gives_one_answer_never_becomes_champion(world):
    world.train("always yes", answers=[1] * 2_000)

    look = world.look()

    assert look.decision.verdict == "refused"
    assert world.model is None


def test_an_empty_experiment_is_no_candidate_and_says_what_is_missing(world):
    look = world.look()

    assert look.decision.verdict == "no_candidate"
    assert look.document["notes"] == ["Experiment 'exp' does not exist."]
    world.registry.add_experiment("exq")
    assert "did you mean 'exq'?" in world.look().document["notes"][0]


def test_a_dry_run_writes_nothing_anywhere(world):
    world.train("a", 200)

    look = world.look(dry_run=True)

    assert look.decision.verdict == "promoted"
    assert world.registry.writes == []
    assert world.store.entries() == ()
    assert world.reports.reports == {}
    assert "alias champion: nothing -> the new version" in look.steps


def test_a_paused_model_is_decided_on_but_not_written(world):
    world.train("a", 200)
    world.store.pause("churn", "holiday")

    look = world.look()

    assert look.decision.verdict == "promoted"
    assert world.registry.writes == []
    assert "paused: holiday" in look.text


def test_a_shadow_model_is_decided_on_but_not_written(world):
    world.shadow = True
    world.train("a", 200)

    assert world.look().decision.verdict == "promoted"
    assert world.registry.writes == []


def test_an_alias_moved_by_hand_is_respected_and_recorded(world):
    world.train("a", 300)
    worse = world.train("b", 320, seed=1)
    world.look()
    version = world.registry.create_version("churn", worse.models[0].uri, worse.run_id, {})
    world.registry.set_alias("churn", "champion", version)

    look = world.look()

    assert world.champion() == worse.run_id
    assert look.decision.verdict == "kept"
    moved = world.store.entries(kinds=("foreign_change",))
    assert [(e.version, e.previous) for e in moved] == [(2, 1)]
    world.look()
    assert world.store.entries(kinds=("foreign_change",)) == moved


def test_a_champion_that_cannot_be_scored_is_not_replaced_without_a_comparison(world):
    world.registry.create_registered_model("churn")
    world.registry.files["models:/m-gone"] = {"MLmodel": b"", "answers.json": b"?"}
    world.registry.add_version("churn", ModelVersion(7, "models:/m-gone"), "champion")
    world.train("a", 100)

    look = world.look()

    assert look.decision.verdict == "inconclusive"
    assert look.decision.code == "champion-not-scored"
    assert world.model.aliases["champion"] == 7


def test_a_version_of_a_deleted_run_does_not_compete(world):
    world.train("a", 300)
    world.registry.create_registered_model("churn")
    world.registry.files["models:/m-old"] = {"MLmodel": b"", "answers.json": b"[]"}
    world.registry.add_version("churn", ModelVersion(1, "models:/m-old", run_id="deleted"))

    look = world.look()

    assert look.document["champion"]["name"] == "a"
    assert look.document["ranking"][1]["codes"] == ["run-deleted"]


def test_too_few_rows_say_nothing_in_either_direction(world):
    world.train("old", 300)
    world.look()
    world.train("hardly different", 294)
    world.policy = replace(world.policy, minimum_gain=0.0)

    look = world.look()

    assert look.decision.verdict == "inconclusive"
    assert look.decision.code == "too-few-rows"


def test_challengers_refused_before_raise_the_bar_for_later_ones(world):
    world.train("old", 300)
    world.look()
    world.train("c0", 285, seed=1)
    first = world.look().document["ranking"]
    bar = next(line["needed_lead"] for line in first if line["name"] == "c0")
    for number in range(1, 8):
        world.train(f"c{number}", 285 + number, seed=number + 1)
        world.look()

    last = world.look().document["ranking"]

    assert next(line["needed_lead"] for line in last if line["name"] == "c0") > bar


def test_ties_keep_the_older_run_when_there_is_no_champion(world):
    older = world.train("older", 300, seed=1)
    world.train("newer", 300, seed=1)

    world.look()

    assert world.champion() == older.run_id


class TestLoggedMetricsOnly:
    def test_the_best_logged_value_wins_and_is_marked_unproven(self, world):
        world.shared_rows = False
        world.train("a", 300, metrics={"f1_score": 0.80})
        best = world.train("b", 310, metrics={"f1_score": 0.85})

        look = world.look()

        assert world.champion() == best.run_id
        assert (look.decision.verdict, look.decision.proof) == ("promoted", "unproven")
        assert "unproven" in look.decision.reason
        assert world.scorer.scored == []

    def test_a_missing_metric_is_never_zero_and_a_nan_never_wins(self, world):
        world.shared_rows = False
        world.train("none", 300)
        world.train("nan", 301, metrics={"f1": math.nan})
        world.train("training only", 302, metrics={"training_f1_score": 0.99})
        world.train("real", 303, metrics={"f1": 0.0})

        look = world.look()

        assert look.document["champion"]["name"] == "real"
        codes = {line["name"]: line["codes"] for line in look.document["ranking"]}
        assert codes["nan"] == ["logged-not-a-number"]
        assert codes["none"] == codes["training only"] == ["logged-missing"]

    def test_values_of_other_data_are_not_called_better(self, world):
        world.shared_rows = False
        old = world.train("old", 300, metrics={"f1": 0.80}, datasets=frozenset({"monday"}))
        world.look()
        world.train("new", 301, metrics={"f1": 0.90}, datasets=frozenset({"tuesday"}))

        look = world.look()

        assert (look.decision.verdict, look.decision.code) == ("inconclusive", "other-data")
        assert world.champion() == old.run_id

    def test_values_of_the_same_data_are_compared(self, world):
        world.shared_rows = False
        world.train("old", 300, metrics={"f1": 0.80}, datasets=frozenset({"monday"}))
        world.look()
        new = world.train("new", 301, metrics={"f1": 0.90}, datasets=frozenset({"monday"}))

        assert world.look().decision.verdict == "promoted"
        assert world.champion() == new.run_id

    def test_trusted_values_are_compared_whatever_their_data(self, world):
        world.shared_rows = False
        world.policy = Policy(world.policy.metric, trust_logged=True)
        world.train("old", 300, metrics={"f1": 0.80})
        world.look()
        world.train("slightly better", 301, metrics={"f1": 0.804})
        assert world.look().decision.code == "below-minimum-gain"
        new = world.train("new", 302, metrics={"f1": 0.90})

        assert world.look().decision.verdict == "promoted"
        assert world.champion() == new.run_id

    def test_nothing_is_promoted_where_the_policy_asks_for_proof(self, world):
        world.shared_rows = False
        world.policy = Policy(world.policy.metric, without_proof="keep")
        world.train("a", 300, metrics={"f1": 0.80})

        assert world.look().decision.verdict == "refused"
        assert world.model is None

    def test_values_of_another_averaging_than_most_are_not_ranked_with_them(self, world):
        world.shared_rows = False
        world.policy = Policy(metric("f1"))
        world.train("a", 300, metrics={"f1_weighted": 0.80})
        best = world.train("b", 301, metrics={"f1_weighted": 0.82})
        world.train("binary", 302, metrics={"f1_binary": 0.90})

        look = world.look()

        assert world.champion() == best.run_id
        assert look.document["metric"] == "weighted F1"
        assert {line["name"]: line["codes"] for line in look.document["ranking"]}["binary"] == ["logged-averaging"]
