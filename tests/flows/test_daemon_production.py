"""The service measures production by itself, and does what the policy says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from selector.domain.events import WakeUp
from selector.domain.health_policy import MonitorPolicy
from selector.errors import HoldoutError, LeaseHeldError
from selector.workflows import production_watch
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders
from selector.workflows.monitor import Monitored
from selector.workflows.production_watch import ProductionWatch
from selector.workflows.sentences import sentence


@pytest.fixture
def watched(world, monkeypatch):
    """A cycle over a house with one watched model, and what measuring it comes to."""
    calls, answers = [], []

    def measured(_house, setup, *, dry_run, actor):
        calls.append((setup.model, dry_run, actor))
        answer = answers.pop(0) if answers else Monitored("churn", None, "churn: healthy", {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(production_watch, "monitor", measured)
    setup = SimpleNamespace(model="churn", monitor=MonitorPolicy(), family=None, experiments=(), shadow=False)
    monkeypatch.setattr(production_watch, "known", lambda _house, _names: (setup,))
    world.train("first", 300)
    house = world.house
    object.__setattr__(house.setups["churn"], "monitor", MonitorPolicy())
    return SimpleNamespace(
        cycle=Cycle(house, StagedFolders(), production=ProductionWatch(60.0)), calls=calls, answers=answers
    )


START = [WakeUp("start", everything=True)]


def test_a_watched_model_is_measured_every_so_often_and_not_more(watched):
    cycle = watched.cycle
    cycle.turn(START, 0.0)
    cycle.turn([], 30.0)
    assert watched.calls == [("churn", False, "daemon")]
    assert cycle.next_at == 60.0
    cycle.turn([], 60.0)
    assert len(watched.calls) == 2


def test_what_production_says_is_told_in_the_turns_sentence(watched):
    told = Monitored(
        "churn", None, "churn: version 5 is degraded.\nMore.", {}, actions=("Rolled back to v1",), news=True
    )
    watched.answers.append(told)
    turn = watched.cycle.turn(START, 0.0)
    assert "churn: version 5 is degraded; Rolled back to v1" in sentence(turn)
    assert "More" not in sentence(turn)


@pytest.mark.parametrize("error", [HoldoutError("the folder is gone"), ZeroDivisionError("a bug")])
def test_a_model_that_cannot_be_measured_is_a_trouble_of_its_own_and_comes_again(watched, error):
    watched.answers.append(error)
    turn = watched.cycle.turn(START, 0.0)
    assert [t.about for t in turn.troubles] == ["churn"]
    assert watched.cycle.turn([], 60.0).troubles == ()


def test_a_writer_in_the_way_is_waited_for_a_second_and_not_a_minute(watched):
    watched.answers.append(LeaseHeldError("Another instance"))
    watched.cycle.turn(START, 0.0)
    assert watched.cycle.next_at == 1.0


def test_nothing_is_measured_where_nothing_is_watched(world, monkeypatch):
    monkeypatch.setattr(production_watch, "monitor", lambda *_a, **_k: pytest.fail("measured"))
    world.train("first", 300)
    cycle = Cycle(world.house, StagedFolders())
    assert cycle.turn(START, 0.0).monitored == ()
    assert cycle.next_at is None
