"""Are people told once, repeatedly but rarely, resolved once, and not at all while they asked for quiet?"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from selector.domain.alerts import (
    AlertRules,
    Board,
    Trouble,
    acknowledge,
    alert_id,
    fire,
    resolve,
    silence,
    superseded,
    tell,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = AlertRules()
HOUR = timedelta(hours=1)


class Played:
    """One board under a clock that the test moves."""

    def __init__(self):
        self.board, self.now, self.told = Board("churn"), NOON, []

    def restart(self):
        self.board = Board.from_json(self.board.to_json())

    def tell(self):
        self.board, tellings = tell(self.board, self.now, RULES)
        self.told += [(self.now, telling) for telling in tellings]
        return [telling.what for telling in tellings]

    def fire(self, key="f1", kind="degraded"):
        self.board = fire(self.board, kind, Trouble(key, f"{key} is low", "text", self.now))
        return self.tell()

    def resolve(self, key="f1", kind="degraded"):
        self.board = resolve(self.board, kind, key, "it is over", self.now)
        return self.tell()

    def after(self, **span):
        self.now += timedelta(**span)
        return self.tell()

    def acknowledge(self):
        self.board = acknowledge(self.board, ["degraded"], "ann", self.now)
        return self.tell()

    def silence(self, **span):
        self.board = silence(self.board, self.now + timedelta(**span), "ann", "a holiday")
        return self.tell()

    @property
    def state(self):
        return self.board.state(self.board.alert("degraded"), self.now)

    @property
    def whats(self):
        return [telling.what for _, telling in self.told]


@pytest.fixture
def played():
    return Played()


def test_an_alert_is_told_once_however_often_it_is_found(played):
    assert played.fire() == ["fired"]
    assert [played.fire() for _ in range(5)] == [[]] * 5
    assert played.state == "firing"


def test_it_is_repeated_after_four_hours_and_not_before(played):
    played.fire()
    assert played.after(hours=3, minutes=59) == []
    assert played.after(minutes=1) == ["repeat"]
    assert played.after(hours=3) == []
    assert played.after(hours=1) == ["repeat"]


def test_it_is_resolved_once_after_it_stayed_calm_for_five_minutes(played):
    played.fire()
    assert played.resolve() == []
    assert played.after(minutes=4) == []
    assert played.after(minutes=1) == ["resolved"]
    assert played.after(days=2) == []
    assert played.resolve() == []
    assert played.state == "resolved"


def test_what_was_never_told_is_never_resolved(played):
    assert played.resolve() == []
    assert played.after(hours=1) == []


def test_an_acknowledged_alert_is_not_repeated_and_its_end_is_told(played):
    played.fire()
    played.acknowledge()
    assert played.state == "acknowledged"
    assert played.after(days=3) == []
    played.resolve()
    assert played.after(minutes=5) == ["resolved"]


def test_an_acknowledged_alert_that_gets_worse_is_told_again(played):
    played.fire()
    played.acknowledge()
    assert played.fire("recall") == ["worse"]
    assert played.state == "firing"
    assert played.after(hours=4) == ["repeat"]


def test_an_acknowledgement_ends_with_its_alert(played):
    played.fire()
    played.acknowledge()
    played.resolve()
    played.after(hours=2)
    assert played.fire() == ["fired"]


def test_an_acknowledgement_of_a_calm_alert_holds_nothing_back(played):
    played.acknowledge()
    assert played.fire() == ["fired"]


def test_a_second_trouble_of_the_same_kind_belongs_to_the_same_alert(played):
    assert played.fire("f1") == ["fired"]
    assert played.fire("recall") == ["worse"]
    played.resolve("f1")
    assert played.after(minutes=10) == []
    played.resolve("recall")
    assert played.after(minutes=5) == ["resolved"]


def test_kinds_are_told_apart(played):
    assert played.fire(kind="degraded") == ["fired"]
    assert played.fire(kind="missing_data") == ["fired"]
    assert alert_id("churn", "degraded") != alert_id("churn", "missing_data")


def test_a_restart_in_any_state_tells_nothing_twice_and_forgets_nothing(played):
    played.fire()
    played.restart()
    assert played.after(hours=3) == []
    assert played.after(hours=1) == ["repeat"]
    played.acknowledge()
    played.restart()
    assert played.after(hours=9) == []
    played.resolve()
    played.restart()
    assert played.after(minutes=5) == ["resolved"]
    played.restart()
    assert played.after(hours=9) == []


def test_a_trouble_that_joins_one_acknowledged_under_silence_is_told_as_fired(played):
    played.silence(hours=1)
    played.fire("f1")
    played.acknowledge()
    played.fire("recall")
    assert played.after(hours=2) == ["fired"]


def test_a_silence_holds_back_everything_until_it_ends(played):
    assert played.silence(hours=4) == []
    assert played.fire() == []
    assert played.state == "silenced"
    assert played.after(hours=3, minutes=59) == []
    assert played.after(minutes=1) == ["fired"]


def test_what_came_and_went_during_a_silence_is_not_told(played):
    played.silence(hours=4)
    played.fire()
    played.resolve()
    assert played.after(hours=5) == []


def test_the_end_of_an_alert_that_was_told_is_told_after_the_silence(played):
    played.fire()
    played.silence(hours=4)
    played.resolve()
    assert played.after(hours=2) == []
    assert played.after(hours=2) == ["resolved"]
    assert played.after(hours=9) == []


def test_a_thousand_flips_in_an_hour_make_at_most_three_notices_and_end_resolved(played):
    for _ in range(500):
        played.fire()
        played.after(seconds=3.6)
        played.resolve()
        played.after(seconds=3.6)
    assert len(played.told) <= 3
    for _ in range(100):
        played.after(minutes=5)
    assert len(played.told) <= 3
    assert played.whats.count("fired") == played.whats.count("resolved") == 1


@pytest.mark.parametrize("minutes", [1, 6, 11, 20])
def test_slow_flapping_makes_at_most_three_notices_in_any_hour(played, minutes):
    for number in range(150):
        played.fire(f"metric {number % 7}")
        played.after(minutes=minutes)
        played.resolve(f"metric {number % 7}")
        played.after(minutes=minutes)
    for at, _ in played.told:
        assert sum(at <= other < at + HOUR for other, _ in played.told) <= 3
    for _ in range(100):
        played.after(minutes=5)
    assert played.whats.count("fired") == played.whats.count("resolved")


def test_a_clock_set_back_tells_nothing_twice(played):
    played.fire()
    assert played.after(days=-400) == []
    assert played.fire() == []


def test_every_notice_has_a_key_of_its_own(played):
    for _ in range(5):
        played.fire()
        played.after(hours=4)
        played.resolve()
        played.after(hours=4)
    keys = [telling.key for _, telling in played.told]
    assert len(set(keys)) == len(keys) > 10


@pytest.mark.parametrize(
    ("waiting", "left"),
    [
        (["1:fired"], ["1:fired"]),
        (["1:fired", "2:repeat", "3:repeat"], ["1:fired"]),
        (["2:repeat", "3:repeat", "4:repeat"], ["4:repeat"]),
        (["2:repeat", "3:resolved"], ["3:resolved"]),
        (["1:fired", "2:repeat", "3:worse", "4:resolved", "5:fired"], ["1:fired", "3:worse", "4:resolved", "5:fired"]),
    ],
)
def test_repeats_that_say_nothing_new_are_left_out_after_an_outage(waiting, left):
    keys = [f"alert:a:b:degraded:{one}" for one in waiting]
    needless = superseded(["promoted-1", *keys, "alert:a:b:drift:1:repeat"])
    assert [key.removeprefix("alert:a:b:degraded:") for key in keys if key not in needless] == left
    assert not {"promoted-1", "alert:a:b:drift:1:repeat"} & set(needless)


class Storm(RuleBasedStateMachine):
    """Whatever happens in whatever order, people are told rarely, and in the end as often resolved as fired."""

    def __init__(self):
        super().__init__()
        self.played = Played()
        self.silences = []

    @rule(key=st.sampled_from(["f1", "recall", "auc"]))
    def a_trouble_is_found(self, key):
        self.played.fire(key)

    @rule(key=st.sampled_from(["f1", "recall", "auc"]))
    def a_trouble_ends(self, key):
        self.played.resolve(key)

    @rule(minutes=st.sampled_from([0.05, 1, 5, 30, 60, 300, 2000]))
    def time_passes(self, minutes):
        self.played.after(minutes=minutes)

    @rule()
    def the_program_starts_anew(self):
        before = self.played.board
        self.played.restart()
        assert self.played.board == before

    @rule()
    def somebody_acknowledges(self):
        self.played.acknowledge()

    @rule(minutes=st.sampled_from([1, 60, 600]))
    def somebody_asks_for_silence(self, minutes):
        told = len(self.played.told)
        self.played.silence(minutes=minutes)
        assert len(self.played.told) == told
        self.silences.append(
            (self.played.now + timedelta(microseconds=1), self.played.now + timedelta(minutes=minutes))
        )

    @invariant()
    def fired_and_resolved_take_turns(self):
        turns = [what for what in self.played.whats if what in {"fired", "resolved"}]
        assert all(one != other for one, other in itertools.pairwise(turns))
        assert turns[:1] in ([], ["fired"])

    @invariant()
    def nobody_is_told_more_than_three_times_in_an_hour(self):
        times = [at for at, _ in self.played.told]
        assert all(last - first >= HOUR for first, last in zip(times, times[3:], strict=False))

    @invariant()
    def repeats_are_four_hours_apart(self):
        for (before, _), (at, telling) in zip(self.played.told, self.played.told[1:], strict=False):
            assert telling.what != "repeat" or at - before >= timedelta(hours=4)

    @invariant()
    def silence_is_kept(self):
        assert not any(began <= at < until for at, _ in self.played.told for began, until in self.silences[-1:])

    def teardown(self):
        for key in ("f1", "recall", "auc"):
            self.played.resolve(key)
        for _ in range(10):
            self.played.after(hours=4)
        turns = self.played.whats
        assert turns.count("fired") == turns.count("resolved")


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
