"""How are models ranked by metrics that no holdout can give: histories of training, clusterings, anomaly rates?"""

from __future__ import annotations

import math

import pytest

from selector.domain.metric import metric
from selector.domain.policy import Policy


def order(look):
    return [line["name"] for line in look.document["ranking"] if line["eligible"]]


def codes(look):
    return {line["name"]: line["codes"] for line in look.document["ranking"] if not line["eligible"]}


@pytest.fixture
def ranked(world):
    """Log runs with these values of one metric, oldest first, and look."""

    def ask(asked, **values):
        world.shared_rows = False
        world.policy = Policy(asked, trust_logged=True)
        for number, (name, value) in enumerate(values.items()):
            world.train(name, 300 + number, metrics={asked.name: value})
        return world.look()

    return ask


def test_a_family_of_clusterings_is_ranked_by_silhouette(ranked):
    look = ranked(metric("silhouette"), low=-0.2, best=0.71, middle=0.3, nan=math.nan, inf=math.inf, above=1.2)
    assert order(look) == ["best", "middle", "low"]
    assert codes(look) == {
        "nan": ["logged-not-a-number"],
        "inf": ["logged-infinite"],
        "above": ["logged-out-of-range"],
    }
    assert look.decision.proof == "unproven"


def test_davies_bouldin_is_better_when_it_is_smaller_and_an_infinity_of_mlflow_is_none(ranked):
    look = ranked(metric("davies_bouldin"), large=2.5, small=0.4, database=1.7976931348623157e308, zero=-0.1)
    assert order(look) == ["small", "large"]
    assert codes(look) == {"database": ["logged-infinite"], "zero": ["logged-out-of-range"]}


def test_an_anomaly_rate_is_best_inside_its_band_and_ties_keep_the_older_run(ranked, world):
    band = metric("anomaly_rate", target=(0.01, 0.05))
    look = ranked(band, none=0.0, inside=0.02, also_inside=0.05, above=0.09, nan=math.nan, minus_inf=-math.inf)
    assert order(look) == ["inside", "also_inside", "none", "above"]
    assert set(codes(look)) == {"nan", "minus_inf"}
    first = world.champion()
    world.train("inside as well", 320, metrics={"anomaly_rate": 0.03})
    assert world.look().decision.code == "nobody-better"
    assert world.champion() == first


@pytest.mark.parametrize(("name", "old", "new"), [("silhouette", 0.3, 0.4), ("davies_bouldin", 0.4, 0.3)])
def test_a_better_value_replaces_the_champion_and_an_equal_one_does_not(ranked, world, name, old, new):
    asked = metric(name)
    ranked(asked, first=old)
    first = world.champion()
    world.train("tied", 310, metrics={asked.name: old})
    assert world.look().decision.verdict == "kept"
    assert world.champion() == first
    better = world.train("better", 311, metrics={asked.name: new})
    assert world.look().decision.verdict == "promoted"
    assert world.champion() == better.run_id


class TestAggregation:
    @pytest.fixture
    def trained(self, world):
        """Log runs with a history of one metric."""
        world.shared_rows = False

        def log(name, wrong, key="f1", **values):
            run = world.train(name, wrong)
            for step, value in values.items():
                world.registry.log_metric(run.run_id, key, value, int(step.removeprefix("at")))
            return run

        return log

    def test_the_last_value_counts_without_any_further_question(self, world, trained):
        trained("peaked", 300, at0=0.9, at1=0.5)
        trained("steady", 301, at0=0.6, at1=0.7)
        asked = []
        world.registry.metric_values = lambda *words: asked.append(words)
        assert order(world.look()) == ["steady", "peaked"]
        assert asked == []

    def test_the_best_value_counts_where_the_policy_says_so(self, world, trained):
        world.policy = Policy(metric("f1", aggregation="best"))
        trained("peaked", 300, at0=0.9, at1=0.5, at2=math.nan)
        trained("steady", 301, at0=0.6, at1=0.7)
        trained("hopeless", 302, at0=math.nan, at1=math.inf)
        look = world.look()
        assert order(look) == ["peaked", "steady"]
        assert look.document["ranking"][0]["score"] == 0.9
        assert codes(look) == {"hopeless": ["logged-not-a-number"]}

    def test_the_best_loss_is_the_smallest(self, world, trained):
        world.policy = Policy(metric("log_loss", aggregation="best"))
        trained("a", 300, key="log_loss", at0=0.2, at1=0.9)
        trained("b", 301, key="log_loss", at0=0.4, at1=0.3)
        assert order(world.look()) == ["a", "b"]

    def test_the_value_of_a_step_counts_and_a_run_that_never_came_so_far_says_so(self, world, trained):
        world.policy = Policy(metric("f1", aggregation=100))
        early = trained("early", 300, at10=0.95)
        world.registry.log_metric(early.run_id, "loss", 0.1, 100)
        trained("a", 301, at100=0.6, at200=0.9)
        trained("b", 302, at100=0.7, at200=0.1)
        look = world.look()
        assert order(look) == ["b", "a"]
        assert codes(look) == {"early": ["logged-missing"]}
        line = next(line for line in look.document["ranking"] if line["name"] == "early")
        assert line["reasons"] == ["The run logs no F1 at step 100; it logs loss"]

    def test_only_runs_whose_model_competes_are_asked_for(self, world, trained):
        world.policy = Policy(metric("f1", aggregation="best"))
        fine = trained("fine", 300, at0=0.6)
        world.train("failed", 301, status="FAILED", metrics={"f1": 0.9})
        world.train("no model", metrics={"f1": 0.9})
        world.train("no f1", 302, metrics={"loss": 0.9})
        asked = []
        answer = world.registry.metric_values
        world.registry.metric_values = lambda ids, key: asked.append((list(ids), key)) or answer(ids, key)
        world.look()
        assert asked == [([fine.run_id], "f1")]
