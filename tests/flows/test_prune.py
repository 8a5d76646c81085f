"""Does the service forget what nobody needs, and nothing else?"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_memory import MemoryStore
from selector.adapters.store_sql import open_store
from selector.daemon_prune import Pruning
from selector.domain.model import Predictions
from selector.errors import StateUnavailableError
from selector.exchange import Entry, Notice
from selector.workflows import prune
from selector.workflows.prune import answers_of, prune_answers, prune_outbox
from selector.workflows.replay import NotReplayable, replay

DAY = 86_400.0
PATIENCE = 10.0


@pytest.fixture(params=["memory", "sqlite"])
def world(request, world, tmp_path):
    world.clock = MemoryClock(world.clock.now())
    if request.param == "memory":
        world.store = MemoryStore(world.clock)
    else:
        world.store = open_store(tmp_path / "state", None, writable=True, clock=world.clock)
    yield world
    world.store.close()


def put(world, *keys):
    world.store.put([Notice(key=key, model="churn", kind="promoted", title="t", body="") for key in keys])
    now = world.clock.now()
    world.store.share_out({key: ["hook"] for key in keys}, complete=True, oldest=now - timedelta(days=1))


def counts(world):
    return dict(world.store.counts())


def test_delivered_notices_go_after_thirty_days_and_given_up_ones_after_ninety(world):
    put(world, "sent", "dead", "waiting")
    sent, dead, _ = world.store.waiting("hook")
    world.store.sent(sent)
    world.store.given_up([dead], "dead", "404")
    found = []
    for days in (29, 2, 58, 2):
        world.clock.advance(days * DAY)
        found.append((prune_outbox(world.house), counts(world)))
    rest = {"dead": 1, "waiting": 1}
    assert found == [(0, {"sent": 1, **rest}), (2, rest), (0, rest), (2, {"waiting": 1})]


def test_the_outbox_is_pruned_in_steps_and_stops_when_asked(world, monkeypatch):
    monkeypatch.setattr(prune, "STEP", 2)
    put(world, *"12345")
    for row in world.store.waiting("hook"):
        world.store.sent(row)
    world.clock.advance(31 * DAY)
    asked = iter([False, True])
    assert prune_outbox(world.house, lambda: next(asked)) == 2
    assert counts(world) == {"sent": 3}
    assert prune_outbox(world.house) == 8
    assert counts(world) == {}


def looked(world, *models):
    for name, wrong in models:
        world.train(name, wrong, seed=wrong)
    world.look()


def decisions(world):
    return world.store.entries("churn", kinds=("decision",))


def replayable(world):
    return [not isinstance(replay(world.house, entry), NotReplayable) for entry in decisions(world)]


def test_answers_that_no_decision_of_the_quarter_needs_go_and_replay_says_so(world):
    looked(world, ("first", 400))
    looked(world, ("second", 250))
    world.registry.delete_run("run0000")
    world.clock.advance(95 * DAY)
    looked(world, ("third", 100))
    assert len(decisions(world)) == 3
    needed = answers_of(decisions(world)[-1])
    assert (prune_answers(world.house), prune_answers(world.house)) == (0, 0)  # all were read by that look
    old = answers_of(decisions(world)[0]) | answers_of(decisions(world)[1])
    for version in world.model.versions[:-1]:
        world.registry.delete_version("churn", version.version)
    world.registry.delete_run("run0001")
    world.clock.advance(95 * DAY)
    assert prune_answers(world.house) == len(old - needed)
    assert {one for one in old | needed if world.store.predictions(*one) is not None} == needed


def test_what_the_newest_decision_was_made_from_stays_however_old_it_is(world):
    looked(world, ("first", 400), ("second", 250))
    world.clock.advance(1_000 * DAY)
    assert prune_answers(world.house) == 0
    assert replayable(world) == [True]


def test_the_newest_decision_keeps_its_answers_also_where_it_was_no_promotion(world):
    looked(world, ("first", 400))
    (promotion,) = decisions(world)
    emptied(world, replace(promotion, details={}))
    world.store.append([replace(promotion, decision="D9")])
    world.clock.advance(1_000 * DAY)
    assert prune_answers(world.house) == 0


def emptied(world, *entries):
    """Somebody else has made another version champion; the decisions before say nothing of it."""
    foreign = Entry(world.clock.now(), "churn", "foreign_change", version=7)
    world.store.append([*entries, foreign])


def test_what_any_decision_of_the_last_ninety_days_was_made_from_stays(world):
    looked(world, ("first", 400))
    (promotion,) = decisions(world)
    world.clock.advance(30 * DAY)
    now = world.clock.now()
    emptied(world, replace(promotion, at=now, decision="D8"), replace(promotion, at=now, decision="D9", details={}))
    world.clock.advance(89 * DAY)
    assert len(world.store.unread_predictions(world.clock.now() - timedelta(days=90))) == 1
    assert prune_answers(world.house) == 0
    world.clock.advance(2 * DAY)
    assert prune_answers(world.house, lambda: True) == 0
    assert prune_answers(world.house) == 1


def test_what_the_champion_was_promoted_for_stays_however_many_decisions_came_later(world):
    looked(world, ("first", 400))
    (promotion,) = decisions(world)
    world.clock.advance(DAY)
    world.store.append([replace(promotion, at=world.clock.now(), decision="D9", details={"verdict": "kept"})])
    world.clock.advance(1_000 * DAY)
    assert prune_answers(world.house) == 0
    assert replay(world.house, promotion).verdict == "promoted"


def test_an_answer_that_no_decision_needs_goes_and_its_decision_is_not_replayable_any_more(world):
    looked(world, ("first", 400))
    (promotion,) = decisions(world)
    emptied(world, replace(promotion, at=world.clock.now(), decision="D9", details={}))
    world.clock.advance(89 * DAY)
    assert prune_answers(world.house) == 0
    world.clock.advance(2 * DAY)
    assert prune_answers(world.house) == 1
    said = replay(world.house, promotion)
    assert said == NotReplayable("the answers of its candidates are not kept any more")


def test_all_decisions_of_the_quarter_are_asked_however_many_came_at_one_moment(world, monkeypatch):
    monkeypatch.setattr(prune, "PAGE", 2)
    looked(world, ("first", 400))
    (promotion,) = decisions(world)
    other = [replace(promotion, model="other", decision=f"D{n}", details={}) for n in range(7)]
    emptied(world, *other, replace(promotion, details={}))
    world.clock.advance(80 * DAY)
    world.store.append([replace(one, at=world.clock.now()) for one in other])
    assert prune_answers(world.house) == 0
    found = [entry.at for entry in prune._decisions(world.store, datetime.fromtimestamp(0, promotion.at.tzinfo))]
    assert len(found) >= 16


def test_answers_that_no_decision_speaks_of_go_and_a_service_that_ends_stops_at_once(world):
    world.store.remember_predictions("m", "rows", Predictions(np.array([1])))
    world.clock.advance(91 * DAY)
    assert prune_answers(world.house, lambda: True) == 0
    assert prune_answers(world.house) == 1


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"inputs": None},
        {"inputs": {"holdout": "rows"}},
        {"inputs": {"holdout": "rows", "snapshot": {"digests": []}}},
    ],
)
def test_a_record_that_does_not_say_what_it_was_made_from_needs_nothing(world, details):
    assert answers_of(Entry(world.clock.now(), "churn", "decision", details=details)) == set()


def soon(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def at_work(world):
    made = []

    def start(**more):
        made.append(Pruning(world.house, **more))
        made[-1].start(lambda _wake: None)
        return made[-1]

    yield start
    for one in made:
        one.stop()


def test_the_service_prunes_again_and_again_and_trouble_stops_nothing(world, at_work, monkeypatch, caplog):
    done = threading.Event()
    answers = iter([StateUnavailableError("the disk is full"), ZeroDivisionError("a bug")])

    def pruned(*_):
        for error in answers:
            raise error
        done.set()
        return 0

    monkeypatch.setattr(type(world.store), "prune", pruned)
    pruning = at_work(first=0.0, every=0.0)
    soon(done.is_set)
    pruning.stop()
    assert "the disk is full" in caplog.text
    assert "not foreseen" in caplog.text
    assert pruning.trouble() is None


def test_the_service_prunes_notices_and_answers(world, at_work):
    put(world, "1")
    world.store.sent(world.store.waiting("hook")[0])
    looked(world, ("first", 400))
    (promotion,) = decisions(world)
    emptied(world, replace(promotion, details={}))
    world.clock.advance(91 * DAY)
    at_work(first=0.0)
    soon(lambda: counts(world) == {} and world.store.unread_predictions(world.clock.now()) == ())


def test_a_service_that_has_just_started_prunes_nothing_yet(world, at_work):
    put(world, "1")
    world.store.sent(world.store.waiting("hook")[0])
    world.clock.advance(91 * DAY)
    pruning = at_work()
    pruning.stop()
    pruning.stop()
    assert counts(world) == {"sent": 1}
