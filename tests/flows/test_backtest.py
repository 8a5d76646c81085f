"""History can be replayed under another policy, and replaying writes nothing."""

from dataclasses import replace

import click
import pytest

from selector.adapters.store_read_only import ReadOnlyStore
from selector.cli import backtest as page
from selector.config import load
from selector.config_policy import load_policy
from selector.domain.backtest import arrival
from selector.domain.metric import metric
from selector.errors import ConfigurationError
from selector.workflows import by_hand
from selector.workflows.backtest import backtest


def life(world):
    """A first champion, two with little more, a leak, a better one that is rolled back and cleared."""
    for name, wrong, seed in (("first", 400, 0), ("second", 390, 3), ("third", 385, 4), ("leak", 0, 0)):
        world.train(name, wrong, seed=seed)
        world.look()
    world.train("better", 250)
    world.look()
    world.roll_back()
    world.look()
    by_hand.mark(world.house, "churn", 2, "clear", dry_run=False, actor="test")
    world.look()
    return world


def champions(document, track):
    """Who became champion, in order."""
    return [m[track]["name"] for m in document["moments"] if m[track] and m[track]["how"]]


def test_the_present_policy_replays_what_was_recorded(world):
    found = backtest(life(world).house, "churn")
    assert champions(found, "policy") == ["first", "better", "first", "better"]
    assert champions(found, "recorded") == champions(found, "policy")
    hows = [m["policy"]["how"] for m in found["moments"] if m["policy"]["how"]]
    assert hows == ["promoted", "promoted", "rolled_back", "promoted"]
    assert found["summary"]["policy"]["promotions"] == 3
    assert found["summary"]["policy"]["champion"] == "better"


def test_the_naive_rule_changes_more_often_and_for_leads_that_luck_explains(world):
    found = backtest(life(world).house, "churn")
    naive = champions(found, "highest")
    assert naive[:4] == ["first", "second", "third", "better"]
    assert "leak" not in naive
    summary = found["summary"]["highest"]
    assert summary["promotions"] > found["summary"]["policy"]["promotions"]
    assert (summary["within_luck"], summary["regret"]) == (2, 0.0)
    assert found["summary"]["policy"]["within_luck"] == 0


def test_another_policy_makes_another_history(world):
    life(world)
    loose = replace(world.policy, rule="highest", minimum_gain=0.0)
    found = backtest(world.house, "churn", loose, "loose.yaml")
    assert champions(found, "policy")[:3] == ["first", "second", "third"]
    assert found["policy"]["source"] == "loose.yaml"
    strict = backtest(world.house, "churn", replace(world.policy, minimum_gain=0.5))
    assert champions(strict, "policy") == ["first"]
    assert champions(strict, "recorded") == ["first", "better", "first", "better"]


def test_regret_is_what_the_best_had_more_summed_and_per_decision(world):
    life(world)
    found = backtest(world.house, "churn", replace(world.policy, minimum_gain=0.5))
    regrets = [m["policy"]["regret"] for m in found["moments"]]
    for moment in found["moments"]:
        assert moment["policy"]["regret"] == pytest.approx(moment["best"]["score"] - moment["policy"]["score"])
    summary = found["summary"]["policy"]
    assert summary["regret"] > 0.1
    assert summary["regret"] == pytest.approx(sum(regrets))
    assert summary["mean_regret"] == pytest.approx(summary["regret"] / len(regrets))


def test_losses_are_missed_upwards(world):
    world.policy = replace(world.policy, metric=metric("accuracy"))
    life(world)
    found = backtest(world.house, "churn")
    assert all(m["policy"]["regret"] >= 0 for m in found["moments"])


def test_without_shared_rows_the_logged_values_are_replayed_and_marked(world):
    world.shared_rows = False
    world.policy = replace(world.policy, trust_logged=True)
    for i, value in enumerate((0.6, 0.65, 0.64, 0.7)):
        world.train(f"m{i}", 400, metrics={"f1": value})
    found = backtest(world.house, "churn")
    assert champions(found, "policy") == ["m0", "m1", "m3"]
    assert champions(found, "recorded") == []
    assert found["summary"]["recorded"]["mean_regret"] is None
    assert found["notes"][0].startswith("Unproven")
    assert found["summary"]["policy"]["within_luck"] == 0


def test_runs_that_never_ended_and_versions_without_a_time_do_no_harm(world):
    world.train("running", 100, status="RUNNING")
    world.train("timeless", 390, started_at=None)
    world.train("first", 400)
    found = backtest(world.house, "churn")
    assert champions(found, "policy") == ["timeless"]
    assert found["moments"][0]["at"] is None
    assert "no time" in found["notes"][-1]


def test_a_candidate_arrives_when_its_run_ended(world):
    run = world.train("first", 400)
    world.look()
    from selector.workflows.observe import observe  # noqa: PLC0415 - beside its only use

    candidate = observe(world.house, world.house.setup("churn")).snapshot.candidates[0]
    assert arrival(candidate) == run.started_at
    ended = replace(candidate, run=replace(run, ended_at=world.clock.now()))
    assert arrival(ended) == world.clock.now()


def test_replaying_history_writes_nothing(world):
    life(world)
    writes, entries = list(world.registry.writes), world.store.entries()
    world.store = ReadOnlyStore(world.store)
    backtest(world.house, "churn", replace(world.policy, rule="highest"))
    assert (world.registry.writes, world.store.entries()) == (writes, entries)
    assert world.reports.path("churn", "") is None


def test_a_policy_is_a_whole_configuration_or_the_keys_of_one_model(tmp_path):
    config = tmp_path / "selector.yaml"
    config.write_text("models:\n  churn: {metric: rmse, confidence: 0.9}\n")
    present = load(config).models["churn"]
    assert load_policy(config, "churn", present) == present.policy()
    part = tmp_path / "part.yaml"
    part.write_text("minimum_gain: 2 %\n")
    found = load_policy(part, "churn", present)
    assert (found.minimum_gain, found.metric.name, found.confidence) == (0.02, "rmse", 0.95)
    part.write_text("metric: {name: f1, average: macro}\n")
    assert load_policy(part, "churn", present).metric.average == "macro"
    for text, said in (
        ("minimum_gian: 1\n", r"part.yaml:1:1: minimum_gian: unknown key; did you mean 'minimum_gain'"),
        ("models:\n  fraud: {metric: f1}\n", "does not name the model 'churn'"),
        ("- a\n", "holds no keys"),
    ):
        part.write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            load_policy(part, "churn", present)


def test_people_see_who_would_have_been_champion_when(world, monkeypatch):
    monkeypatch.setattr(page, "width", lambda: None)
    with click.Context(click.Command("backtest")):
        text = page.history(backtest(life(world).house, "churn"))
    flat = " ".join(text.split())
    assert flat.startswith(
        "churn: 10 moments decided again, by binary F1 on the present 2,000 labelled rows policy from"
    )
    assert "rule proven, confidence 0.95, minimum gain 0.005" in flat
    assert "first (rolled back)" in flat
    assert "2025-08-20 00:00:00 first 0.6700 first - first" in flat
    assert "highest score wins" in flat
    assert "more moment changed nothing (-v lists them)" in flat
    assert "note: All scores are measured on the present holdout" in flat
