"""The lease is held for moments: nobody waits for the scoring of models who wants to roll back."""

from __future__ import annotations

import pytest

from selector.errors import LeaseHeldError
from selector.workflows import by_hand, select_champion


@pytest.fixture
def champion(world):
    world.train("first", 300)
    world.look()
    return world


def test_a_look_that_writes_nothing_needs_no_lease(champion):
    champion.look()
    with champion.house.lease.hold():
        assert not champion.look().news


def test_a_look_that_has_to_write_is_refused_while_another_one_writes(champion):
    champion.train("better", 100, seed=0)
    with champion.house.lease.hold(), pytest.raises(LeaseHeldError):
        champion.look()
    assert champion.champion() == "run0000"


def test_models_are_scored_before_the_lease_is_taken(champion, monkeypatch):
    held = []
    real = champion.scorer.score

    def score(jobs, features):
        held.append(champion.house.lease.still_held())
        with champion.house.lease.hold():  # somebody else writes meanwhile
            pass
        return real(jobs, features)

    monkeypatch.setattr(champion.scorer, "score", score)
    champion.train("better", 100, seed=0)
    assert champion.look().decision.verdict == "promoted"
    assert held == [False]


def test_a_rollback_by_hand_while_models_are_scored_counts(world, monkeypatch):
    world.train("first", 300)
    world.look()
    world.train("second", 200, seed=0)
    world.look()
    real = world.scorer.score

    def score(jobs, features):
        by_hand.rollback(world.house, "churn", to=None, dry_run=False, actor="a person")
        return real(jobs, features)

    monkeypatch.setattr(world.scorer, "score", score)
    world.train("a copy of the second", 200, seed=0)
    world.look()
    assert world.champion() == "run0000", "what was rolled back from meanwhile, or its copy, is champion"


def test_a_pause_while_models_are_scored_counts(champion, monkeypatch):
    real = champion.scorer.score

    def score(jobs, features):
        champion.store.pause("churn", "a person said so")
        return real(jobs, features)

    monkeypatch.setattr(champion.scorer, "score", score)
    champion.train("better", 100, seed=0)
    champion.look()
    assert champion.champion() == "run0000"


def test_an_alias_moved_by_hand_while_models_are_scored_is_respected(champion, monkeypatch):
    champion.train("second", 200, seed=0)
    champion.look()
    real = champion.scorer.score

    def score(jobs, features):
        champion.registry.set_alias("churn", "champion", 1)
        return real(jobs, features)

    monkeypatch.setattr(champion.scorer, "score", score)
    champion.train("worse", 400, seed=0)
    found = champion.look()
    assert champion.champion() == "run0000"
    assert any(e.kind == "foreign_change" for e in champion.store.entries())
    assert found.error is None


def test_nothing_is_asked_twice_where_nothing_moved(champion, monkeypatch):
    champion.train("better", 100, seed=0)
    asked = []
    real = champion.registry.runs
    monkeypatch.setattr(champion.registry, "runs", lambda *a, **k: asked.append(a) or real(*a, **k))
    assert select_champion.select(champion.house, ["churn"], dry_run=False, actor="test")[0].news
    assert len(asked) == 1
