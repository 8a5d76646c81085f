"""Does who says "look now" hear what came of it, exactly then?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from selector.daemon_answers import MOST_GIVEN, Answers
from selector.domain.events import WakeUp
from selector.domain.service import ServiceState
from selector.errors import LeaseHeldError, MlflowUnreachableError
from selector.workflows.cycle import Trouble, Turn
from selector.workflows.select_champion import Look, failed

STATE = ServiceState("active", datetime(2026, 6, 1, tzinfo=UTC))
CHURN = WakeUp("socket", models=("churn",))
ALL = WakeUp("socket", everything=True)


def look(model):
    return Look(model, None, {"champion": {"version": 3}, "decision": "d-1"}, f"{model}: kept")


class Given:
    def __init__(self):
        self.now, self.passed = 100.0, []
        self.answers = Answers(lambda: self.now)

    def ask(self, wake):
        return self.answers.ask(wake, self.passed.append)

    def turn(self, *wakes, looks=(), troubles=(), seconds=0.0):
        self.answers.observe(STATE, Turn(wakes=wakes, looks=tuple(looks), troubles=tuple(troubles)), seconds)


@pytest.fixture
def given():
    return Given()


def test_the_turn_that_takes_the_hint_up_answers(given):
    future = given.ask(CHURN)
    given.turn(*given.passed, looks=[look("churn"), look("fraud")])
    (found,) = future.result(0)
    assert (found["model"], found["champion"], found["text"], found["error"]) == ("churn", 3, "churn: kept", None)


def test_a_turn_that_had_begun_before_does_not_answer(given):
    future = given.ask(CHURN)
    given.turn(looks=[look("churn")], seconds=5.0)
    assert not future.done()
    given.turn(*given.passed, looks=[look("churn")])
    assert future.done()


def test_a_later_turn_answers_although_the_one_that_took_the_hint_up_broke_down(given):
    future = given.ask(CHURN)
    given.now += 2.0
    given.turn(looks=[look("churn")], seconds=1.0)
    assert future.done()


def test_where_another_writer_is_at_work_the_turn_that_looks_answers(given):
    future = given.ask(ALL)
    given.turn(*given.passed, troubles=[Trouble("lease", LeaseHeldError("held"))])
    assert not future.done()
    given.turn(looks=[look("churn"), look("fraud")])
    assert [d["model"] for d in future.result(0)] == ["churn", "fraud"]


def test_a_look_that_failed_is_an_answer(given):
    future = given.ask(CHURN)
    given.turn(*given.passed, looks=[failed("churn", MlflowUnreachableError("MLflow is away"))])
    assert future.result(0)[0]["error"] == "MLflow is away"


def test_a_family_is_answered_with_its_members(given):
    future = given.ask(WakeUp("socket", models=("M-{x}",)))
    given.turn(*given.passed, looks=[look("M-1"), look("M-2")])
    assert [d["model"] for d in future.result(0)] == ["M-1", "M-2"]


def test_a_flood_of_equal_hints_is_passed_on_once_until_a_turn_takes_it_up(given):
    futures = [given.ask(WakeUp("socket", models=("churn",))) for _ in range(1_000)]
    for _ in range(1_000):
        given.answers.give(WakeUp("socket", models=("churn",)), given.passed.append)
    assert len(given.passed) == 1
    given.turn(*given.passed, looks=[look("churn")])
    assert all(f.done() for f in futures)
    given.ask(CHURN)
    assert len(given.passed) == 2


def test_a_flood_of_different_hints_ends_in_one_look_at_everything(given):
    many = [WakeUp("socket", models=(f"m{n}",)) for n in range(5_000)]
    for wake in many:
        given.answers.give(wake, given.passed.append)
    assert len(given.passed) == MOST_GIVEN + 1
    assert given.passed[-1].everything
    future = given.ask(CHURN)
    given.turn(*given.passed, looks=[look("churn"), look("fraud")])
    assert [d["model"] for d in future.result(0)] == ["churn"]
    assert not given.answers._given


def test_what_went_down_with_a_failed_turn_is_forgotten(given):
    given.answers.give(CHURN, given.passed.append)
    given.now += 10.0
    given.turn(seconds=5.0)
    assert not given.answers._given


def test_a_hint_that_got_lost_is_passed_on_again_after_a_second(given):
    given.answers.give(CHURN, given.passed.append)
    given.now += 1.5
    given.answers.give(CHURN, given.passed.append)
    assert len(given.passed) == 2


def test_who_went_away_is_forgotten(given):
    future = given.ask(CHURN)
    future.cancel()
    assert not given.answers._waiting
    given.turn(*given.passed, looks=[look("churn")])
