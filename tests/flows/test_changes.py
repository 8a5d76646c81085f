"""Is every finished run found, whatever clocks, imports and people do, and at what price?"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.registry_memory import MemoryRegistry
from selector.domain.events import RunFinished, RunGone
from selector.domain.finished import imprint
from selector.domain.model import Run
from selector.errors import MlflowRefusedError, MlflowUnreachableError
from selector.workflows.changes import Changes
from selector.workflows.finished_runs import KEPT, SHOWN, FinishedRuns
from selector.workflows.house import Setup

PATTERNS = ("exp", "more-*")


class Lab:
    """Training machines, imports and people at one MLflow, seeded, with clocks that are wrong."""

    def __init__(self, seed, registry=None):
        self.random = random.Random(seed)
        self.registry = registry or MemoryRegistry()
        self.registry.add_experiment("exp")
        self.now = MemoryClock().now()
        self.number = 0
        self.running: list[str] = []
        self.to_be_told: set[str] = set()
        self.watermark = datetime.min.replace(tzinfo=self.now.tzinfo)
        self.ended_unseen: set[str] = set()

    def run(self, run_id):
        return self.registry._runs[run_id]

    def alive(self, status="FINISHED"):
        return [
            r for r in self.registry._runs.values() if r.status == status and r.run_id not in self.registry._deleted
        ]

    def change(self, run, **facts):
        self.registry.add_run(replace(run, **facts))

    def start(self, experiment="exp"):
        self.number += 1
        run = Run(f"{self.random.getrandbits(64):016x}", f"r{self.number}", experiment, "RUNNING", self.now)
        self.registry.add_run(run)
        return run

    def finish(self, run=None, ended=None, **facts):
        run = run or self.start()
        skew = timedelta(seconds=self.random.choice((0, 0, 0, 0, 0, -2, -40, 3, 30)))
        ended = self.now + skew if ended is None else ended
        self.change(run, status="FINISHED", ended_at=ended, **facts)
        self.to_be_told.add(run.run_id)
        self.ended_unseen.add(run.run_id)

    def act(self):
        """Do one thing that people and machines do."""
        self.now += timedelta(milliseconds=self.random.choice((0, 1, 500, 20_000, 90_000, 300_000)))
        kind = self.random.choices(
            ("finish", "import", "endless", "late", "resume", "delete", "restore", "glob", "gone", "back"),
            (70, 8, 1, 5, 4, 4, 3, 3, 1, 1),
        )[0]
        getattr(self, f"_{kind}")()

    def _finish(self):
        self.finish()

    def _import(self):
        self.finish(ended=self.now - timedelta(days=self.random.randrange(1, 900)))

    def _endless(self):
        run = self.start()
        self.change(run, status="FINISHED")
        self.to_be_told.add(run.run_id)

    def _late(self):
        if recent := sorted(self.alive(), key=lambda r: (r.ended_at is None, r.ended_at or 0, r.run_id))[-SHOWN:]:
            run = self.random.choice(recent)
            self.change(run, metrics=MappingProxyType({"f1": self.random.random()}))
            self.to_be_told.add(run.run_id)

    def _resume(self):
        if finished := self.alive():
            run = self.random.choice(finished)
            self.change(run, status="RUNNING")
            self.to_be_told.add(run.run_id)
            if self.random.random() < 0.5:
                self.finish(self.run(run.run_id))

    def _delete(self):
        if finished := self.alive():
            run_id = self.random.choice(finished).run_id
            self.registry.delete_run(run_id)
            self.to_be_told.add(run_id)

    def _restore(self):
        deleted = sorted(i for i in self.registry._deleted if self.run(i).experiment in self.registry._experiments)
        if deleted:
            self.registry.restore_run(self.random.choice(deleted))

    def _glob(self):
        self.finish(self.start(f"more-{self.random.randrange(4)}"))

    def _gone(self):
        if there := sorted(set(self.registry._experiments) - {"exp"}):
            self.registry.remove_experiment(self.random.choice(there))

    def _back(self):
        gone = sorted({r.experiment for r in self.registry._runs.values()} - set(self.registry._experiments))
        if gone:
            self.registry.restore_experiment(gone[0])

    def truth(self):
        return {
            r.run_id: imprint(r, round(r.ended_at.timestamp() * 1000) if r.ended_at else None)
            for r in self.alive()
            if r.experiment in self.registry._experiments
        }

    def missed_by_a_watermark(self):
        """Poll as one does who asks for what ended after the last one seen; return what it will never find."""
        found = {i for i in self.ended_unseen if i in self.truth() and self.run(i).ended_at > self.watermark}
        missed = {i for i in self.ended_unseen - found if i in self.truth()}
        self.watermark = max([self.watermark, *(self.run(i).ended_at for i in found)])
        self.ended_unseen = set()
        return missed


def known(runs):
    return {run_id: value for found in runs._imprints.values() for run_id, value in found.items()}


@pytest.mark.parametrize("seed", range(12))
def test_one_thing_at_a_time_is_found_by_the_next_look_whatever_it_is(seed):
    lab, runs = Lab(seed), FinishedRuns()
    for _ in range(60):
        lab.act()
    list(runs.look(lab.registry, PATTERNS))
    for _ in range(150):
        before = known(runs)
        lab.act()
        events = list(runs.look(lab.registry, PATTERNS))
        assert known(runs) == lab.truth()
        assert {e.run_id for e in events} == {i for i, _ in known(runs).items() ^ before.items()}


@pytest.mark.parametrize("seed", range(8))
def test_a_busy_day_leaves_no_gap_where_a_watermark_misses_many(seed):
    lab, runs = Lab(seed), FinishedRuns()
    list(runs.look(lab.registry, PATTERNS))
    lab.missed_by_a_watermark()
    told, missed, ended = set(), set(), 0
    for look in range(200):
        for _ in range(lab.random.choice((0, 0, 1, 2, 5))):
            lab.act()
        told |= {e.run_id for e in runs.look(lab.registry, PATTERNS, thorough=look % 30 == 29)}
        ended += len(lab.ended_unseen)
        missed |= lab.missed_by_a_watermark()
    told |= {e.run_id for e in runs.look(lab.registry, PATTERNS, thorough=True)}
    assert known(runs) == lab.truth()
    assert lab.to_be_told & lab.truth().keys() <= told
    assert 0.05 < len(missed) / ended < 0.35


def test_what_one_look_cannot_see_is_found_by_the_complete_reading():
    lab, runs = Lab(1), FinishedRuns()
    for hour in range(300):
        lab.finish(ended=lab.now - timedelta(hours=hour))
    list(runs.look(lab.registry, PATTERNS))
    oldest = min(lab.alive(), key=lambda r: r.ended_at)
    lab.registry.delete_run(oldest.run_id)
    lab.finish(ended=oldest.ended_at)

    assert list(runs.look(lab.registry, PATTERNS)) == []
    assert len(list(runs.look(lab.registry, PATTERNS, thorough=True))) == 2
    assert known(runs) == lab.truth()


def test_a_run_that_moves_to_the_end_while_another_takes_its_place_is_found_with_it():
    lab, runs = Lab(1), FinishedRuns()
    for hour in range(100):
        lab.finish(ended=lab.now - timedelta(hours=hour))
    list(runs.look(lab.registry, PATTERNS))
    oldest = min(lab.alive(), key=lambda r: r.ended_at)
    lab.finish(oldest, ended=lab.now + timedelta(hours=1))
    lab.finish(ended=lab.now - timedelta(days=900))
    assert len(list(runs.look(lab.registry, PATTERNS))) == 2
    assert known(runs) == lab.truth()


def test_nothing_new_costs_two_questions_and_globs_a_third(world):
    for number in range(3):
        world.train(f"r{number}", 300)
    setup = world.house.setups["churn"]
    for experiments, price in ((("exp",), 2), (("exp", "ex*"), 3), (("exp", "missing"), 3), ((), 1)):
        house = replace(world.house, setups={"churn": replace(setup, experiments=experiments)})
        changes = Changes()
        changes.look(house)
        for _ in range(3):
            before = world.registry.reads
            assert changes.look(house).events == ()
            assert world.registry.reads - before == price


def test_a_run_that_finishes_is_told_without_another_question(world):
    world.train("a", 300)
    changes = Changes()
    changes.look(world.house)
    world.train("b", 200)
    before = world.registry.reads
    news = changes.look(world.house)
    assert [e.words for e in news.events] == ["run b finished"]
    assert news.models == ("churn",)
    assert world.registry.reads - before == 2


def test_the_first_look_names_every_model_and_no_single_event(world):
    world.train("a", 300)
    news = Changes().look(world.house)
    assert (news.events, news.models) == ((), ("churn",))


def test_a_value_that_is_not_a_number_is_no_news_for_ever():
    lab, runs = Lab(0), FinishedRuns()
    lab.finish(metrics=MappingProxyType({"f1": math.nan}))
    list(runs.look(lab.registry, PATTERNS))
    for run in lab.alive():  # what MLflow hands out is another NaN each time
        lab.change(run, metrics=MappingProxyType({"f1": float("nan")}))
    assert list(runs.look(lab.registry, PATTERNS)) == []
    assert list(runs.look(lab.registry, PATTERNS, thorough=True)) == []


@pytest.mark.parametrize("count", [1, SHOWN, SHOWN + 1, KEPT, 3 * KEPT])
def test_many_runs_without_an_end_hide_no_other(count):
    lab, runs = Lab(3), FinishedRuns()
    lab.finish()
    for _ in range(count):
        lab._endless()
    list(runs.look(lab.registry, PATTERNS))
    for _ in range(3):
        lab.finish()
        (event,) = runs.look(lab.registry, PATTERNS)
        assert isinstance(event, RunFinished)
    assert known(runs) == lab.truth()


def test_more_new_runs_than_one_answer_holds_are_all_found():
    lab, runs = Lab(4), FinishedRuns()
    lab.finish()
    list(runs.look(lab.registry, PATTERNS))
    for _ in range(1500):
        lab.finish()
    assert len(list(runs.look(lab.registry, PATTERNS))) == 1500
    assert known(runs) == lab.truth()


def test_a_server_that_refuses_our_page_token_is_read_whole_each_time(monkeypatch, caplog):
    lab, runs = Lab(5), FinishedRuns()
    lab.finish()
    list(runs.look(lab.registry, PATTERNS))

    def refuse(*_args):
        raise MlflowRefusedError("Invalid page token")

    monkeypatch.setattr(lab.registry, "finished_from", refuse)
    lab.finish()
    assert len(list(runs.look(lab.registry, PATTERNS))) == 1
    assert list(runs.look(lab.registry, PATTERNS)) == []
    assert [r.message for r in caplog.records].count(
        "MLflow does not show the end of a list; every look reads it whole: Invalid page token"
    ) == 1


def test_a_server_that_orders_otherwise_than_we_do_is_taken_at_its_word(monkeypatch):
    lab, runs = Lab(6), FinishedRuns()
    for _ in range(SHOWN * 2):
        lab.finish(ended=lab.now)
    real = lab.registry.finished

    def otherwise(experiments, offset, most):
        rows = sorted(real(experiments), key=lambda r: (r.ended, r.run_id[::-1]))
        return tuple(rows[offset : offset + most])

    monkeypatch.setattr(lab.registry, "finished_from", otherwise)
    list(runs.look(lab.registry, PATTERNS))
    list(runs.look(lab.registry, PATTERNS))
    before = lab.registry.reads
    assert list(runs.look(lab.registry, PATTERNS)) == []
    assert lab.registry.reads - before <= 2
    lab.finish()
    assert len(list(runs.look(lab.registry, PATTERNS))) == 1


@pytest.mark.parametrize("broken", ["outlines", "finished_from", "finished", "experiments_like"])
def test_mlflow_going_away_in_the_middle_of_a_look_loses_no_event(world, monkeypatch, broken):
    setup = world.house.setups["churn"]
    house = replace(world.house, setups={"churn": replace(setup, experiments=("exp", "more-*"))})
    world.train("a", 300)
    changes = Changes()
    changes.look(house)
    world.train("b", 200, experiment="more-1")
    world.train("c", 100)

    def away(*_args):
        raise MlflowUnreachableError("MLflow at http://x cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(world.registry, broken, away)
        with pytest.raises(MlflowUnreachableError):
            changes.look(house)
    assert {e.words for e in changes.look(house).events} == {"run b finished", "run c finished"}


def test_a_deleted_run_and_a_running_one_again_are_told_as_gone():
    lab, runs = Lab(7), FinishedRuns()
    for _ in range(3):
        lab.finish()
    list(runs.look(lab.registry, PATTERNS))
    first, second, _ = lab.alive()
    lab.registry.delete_run(first.run_id)
    lab.change(second, status="RUNNING")
    assert set(runs.look(lab.registry, PATTERNS)) == {RunGone("exp", first.run_id), RunGone("exp", second.run_id)}


@given(
    st.lists(
        st.sampled_from(["finish", "import", "late", "resume", "delete", "restore", "glob", "gone", "back", "look"]),
        max_size=40,
    ),
    st.integers(0, 99),
)
def test_whatever_happened_a_complete_reading_knows_the_truth(things, seed):
    lab, runs = Lab(seed), FinishedRuns()
    for _ in range(5):
        lab.finish()
    for thing in things:
        if thing == "look":
            list(runs.look(lab.registry, PATTERNS))
        else:
            getattr(lab, f"_{thing}")()
    list(runs.look(lab.registry, PATTERNS, thorough=True))
    assert known(runs) == lab.truth()
    assert list(runs.look(lab.registry, PATTERNS)) == []


def test_a_setup_without_experiments_is_woken_by_its_versions_only(world):
    house = replace(world.house, setups={"churn": Setup("churn", world.policy)})
    changes = Changes()
    changes.look(house)
    run = world.train("a", 300)
    assert changes.look(house).models == ()
    world.registry.create_registered_model("churn")
    world.registry.create_version("churn", run.models[0].uri, run.run_id, {})
    news = changes.look(house)
    assert news.models == ("churn",)
    assert [e.words for e in news.events] == ["version 1 was registered"]
