"""The daemon's loop on a world in memory: hints, failures, standby, reload, the end."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.lock_memory import MemoryLease
from selector.daemon import LONGEST_STEP, TRANSFER_SECONDS, Daemon, Interrupted, Parts
from selector.domain.events import WakeUp
from selector.errors import ConfigurationError, LeaseHeldError, MlflowUnreachableError, StateUnavailableError
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders

PATIENCE = 10.0


class Witness:
    """A supervisor that remembers what it was told."""

    patience = None

    def __init__(self):
        self.told = []

    def ready(self, status):
        self.told.append(("ready", status))

    def status(self, status):
        self.told.append(("status", status))

    def alive(self):
        self.told.append(("alive", ""))

    def reloading(self):
        self.told.append(("reloading", ""))

    def stopping(self):
        self.told.append(("stopping", ""))


class Running:
    """A daemon at work in a thread, on one world."""

    def __init__(self, world, *, standby=False, lease=None, load=None, poll=0.05, thorough=60.0, opened=None):
        self.world, self.turns, self.error = world, [], None
        self.supervisor = Witness()
        self._changed = threading.Condition()

        @contextmanager
        def wired(config, running):
            if opened is not None:
                opened(config)
            house = world.house
            yield Parts(
                house,
                Cycle(house, StagedFolders()),
                lease or MemoryLease(f"daemon-{id(world)}"),
                poll=poll,
                thorough=thorough,
            )

        self.daemon = Daemon(load or (lambda: "config"), wired, self.supervisor, MemoryClock(), standby=standby)
        self.daemon.observers.append(self._observe)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _observe(self, state, turn, seconds):
        with self._changed:
            self.turns.append(turn)
            self._changed.notify_all()

    def _run(self):
        try:
            self.daemon.run()
        except BaseException as error:  # noqa: BLE001 - the test asks for it
            self.error = error
        finally:
            with self._changed:
                self._changed.notify_all()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.daemon.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the daemon did not end"

    def until(self, said):
        """Wait until something holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: said() or self.error is not None, PATIENCE), "it never came to that"
        assert self.error is None, self.error

    def looked(self, verdict):
        self.until(lambda: any(k.decision and k.decision.verdict == verdict for t in self.turns for k in t.looks))


@pytest.fixture
def unreachable(monkeypatch, world):
    """Makes MLflow go away and come back."""
    away = threading.Event()
    real = world.registry.outlines

    def ask():
        if away.is_set():
            raise MlflowUnreachableError("MLflow at http://x cannot be reached")
        return real()

    monkeypatch.setattr(world.registry, "outlines", ask)
    return away


def test_what_was_there_before_the_start_is_looked_at_first(world):
    world.train("first", 300)
    with Running(world) as running:
        running.looked("promoted")
    assert world.champion() == "run0000"
    assert next(word for word, _ in running.supervisor.told if word != "alive") == "ready"
    assert running.supervisor.told[-1] == ("stopping", "")


def test_a_run_that_finishes_while_the_daemon_waits_is_promoted_without_any_hint(world):
    world.train("first", 300)
    with Running(world) as running:
        running.looked("promoted")
        world.train("better", 100, seed=0)
        running.until(lambda: world.champion() == "run0001")


def test_turns_without_news_decide_nothing_and_write_nothing(world):
    world.train("first", 300)
    with Running(world) as running:
        running.looked("promoted")
        running.until(lambda: running.turns[-1].looks == ())
        entries = world.store.entries()
        seen = len(running.turns)
        running.until(lambda: len(running.turns) > seen + 5)
    assert world.store.entries() == entries
    assert all(turn.quiet for turn in running.turns[seen:])


def test_mlflow_away_for_many_turns_loses_nothing_and_the_daemon_stays(world, unreachable, monkeypatch):
    monkeypatch.setattr("selector.daemon.SHORTEST_WAIT", 0.02)
    monkeypatch.setattr("selector.workflows.cycle.FIRST_RETRY", 0.02)
    world.train("first", 300)
    with Running(world) as running:
        running.looked("promoted")
        unreachable.set()
        world.train("better", 100, seed=0)
        running.until(lambda: sum(t.about == "mlflow" for turn in running.turns for t in turn.troubles) > 3)
        assert not running.daemon.keeper.state.ready
        assert world.champion() == "run0000"
        unreachable.clear()
        running.until(lambda: world.champion() == "run0001")
        running.until(lambda: running.daemon.keeper.state.ready)


def test_a_failure_that_nobody_foresaw_is_logged_and_the_next_turn_looks_at_everything(world, monkeypatch, caplog):
    monkeypatch.setattr("selector.daemon.SHORTEST_WAIT", 0.02)
    world.train("first", 300)
    real, broken = world.registry.all_registered_models, [True]

    def ask():
        if broken:
            broken.pop()
            raise ZeroDivisionError("a bug")
        return real()

    monkeypatch.setattr(world.registry, "all_registered_models", ask)
    with Running(world) as running:
        running.looked("promoted")
    assert "not foreseen" in caplog.text


def test_a_bug_that_one_model_meets_is_its_own_trouble(world, monkeypatch):
    monkeypatch.setattr("selector.workflows.cycle.FIRST_RETRY", 0.02)
    world.train("first", 300)

    def broken(*_args, **_more):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("selector.workflows.select_champion.observe", broken)
    with Running(world) as running:
        running.until(lambda: any(t.about == "churn" for turn in running.turns for t in turn.troubles))
        trouble = next(t for turn in running.turns for t in turn.troubles)
    assert "unexpected ZeroDivisionError: a bug" in trouble.error.message


def test_a_second_daemon_is_refused_and_a_standby_takes_over_when_the_first_one_ends(world, monkeypatch):
    monkeypatch.setattr("selector.daemon.STANDBY_SECONDS", 0.02)
    world.train("first", 300)
    name = f"daemon-{id(world)}"
    with Running(world, lease=MemoryLease(name)) as first:
        first.looked("promoted")
        second = Running(world, lease=MemoryLease(name))
        second.thread.start()
        second.thread.join(PATIENCE)
        assert isinstance(second.error, LeaseHeldError)
        standby = Running(world, lease=MemoryLease(name), standby=True)
        with standby:
            deadline = time.monotonic() + PATIENCE
            while standby.daemon.keeper.state.phase != "standby" and time.monotonic() < deadline:
                time.sleep(0.01)
            assert standby.daemon.keeper.state.phase == "standby"
            assert standby.daemon.keeper.state.ready
            assert standby.turns == []
            first.daemon.stop()
            standby.until(lambda: bool(standby.turns))


def test_a_lost_lease_makes_a_standby_of_the_active_one(world, monkeypatch):
    monkeypatch.setattr("selector.daemon.STANDBY_SECONDS", 0.02)
    lost = threading.Event()

    class Fragile(MemoryLease):
        def still_held(self):
            return not lost.is_set()

    with Running(world, lease=Fragile(f"daemon-{id(world)}"), standby=True) as running:
        running.until(lambda: len(running.turns) > 1)
        lost.set()
        readies = lambda: [s for w, s in running.supervisor.told if w == "ready"]  # noqa: E731 - asked several times
        before = len(readies())
        running.until(lambda: len(readies()) > before)
        lost.clear()


def test_a_broken_configuration_at_a_reload_leaves_the_old_one_in_force(world):
    files = ["good", "broken", "better"]
    opened = []

    def load():
        name = files.pop(0)
        if name == "broken":
            raise ConfigurationError("selector.yaml:3:5: unknown key 'modles'")
        return name

    with Running(world, load=load, opened=opened.append) as running:
        running.until(lambda: len(running.turns) > 1)
        running.daemon.reload()
        running.until(lambda: running.daemon.keeper.state.configuration != "")
        assert opened[-1] == "good"
        running.until(lambda: any(w == "status" and "'modles'" in said for w, said in running.supervisor.told))
        seen = len(running.turns)
        running.until(lambda: len(running.turns) > seen)
        running.daemon.reload()
        running.until(lambda: "better" in opened)
        running.until(lambda: running.daemon.keeper.state.configuration == "")
        seen = len(running.turns)
        running.until(lambda: len(running.turns) > seen)
        assert "modles" not in [said for word, said in running.supervisor.told if word == "status"][-1]


def test_every_reload_is_said_to_be_over_also_by_a_standby(world, monkeypatch):
    monkeypatch.setattr("selector.daemon.STANDBY_SECONDS", 0.02)
    name = f"daemon-{id(world)}"
    with Running(world, lease=MemoryLease(name)) as first, ExitStack() as stack:
        first.until(lambda: bool(first.turns))
        two = stack.enter_context(Running(world, lease=MemoryLease(name), standby=True))
        for running in (two, first):
            told = running.supervisor.told
            _until(lambda told=told: "ready" in [word for word, _ in told])
            running.daemon.reload()
            _until(lambda told=told: "ready" in [w for w, _ in told][_reloading(told) :])


def test_one_that_was_at_work_and_finds_the_lease_taken_after_a_reload_stands_by(world, monkeypatch):
    monkeypatch.setattr("selector.daemon.STANDBY_SECONDS", 0.02)
    name = f"daemon-{id(world)}"
    other = MemoryLease(name)
    taken = threading.Event()

    def opened(_config):
        if taken.is_set():
            stack.enter_context(other.hold())
            taken.clear()

    with ExitStack() as stack, Running(world, lease=MemoryLease(name), opened=opened) as running:
        running.until(lambda: bool(running.turns))
        taken.set()
        running.daemon.reload()
        _until(lambda: running.daemon.keeper.state.phase == "standby")
        seen = len(running.turns)
        stack.close()
        running.until(lambda: len(running.turns) > seen)


def _reloading(told):
    words = [word for word, _ in told]
    return words.index("reloading") if "reloading" in words else len(words)


def _until(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_a_configuration_that_cannot_be_wired_at_a_reload_gives_way_to_the_old_one(world):
    files = ["good", "unusable"]
    opened = []

    def wire(config):
        opened.append(config)
        if config == "unusable":
            raise StateUnavailableError("The state folder /full cannot be made: No space left on device.")

    with Running(world, load=lambda: files.pop(0), opened=wire) as running:
        running.until(lambda: len(running.turns) > 1)
        running.daemon.reload()
        running.until(lambda: opened == ["good", "unusable", "good"])
        seen = len(running.turns)
        running.until(lambda: len(running.turns) > seen)
        assert "No space left" in running.daemon.keeper.state.configuration


def test_the_end_while_models_are_scored_decides_nothing_and_the_next_start_does(world, monkeypatch):
    world.train("first", 300)
    running = Running(world)

    def stop_here(jobs, features):
        for _job in jobs:
            running.daemon._stop.set()  # what a signal does, in a thread where signals cannot come
            running.daemon.progress("scoring models", 0, 1)
            yield None

    monkeypatch.setattr(world.scorer, "score", stop_here)
    monkeypatch.setattr(type(world), "house", property(_with_progress(world, running)))
    with running:
        running.thread.join(PATIENCE)
    assert running.error is None
    assert world.champion() is None
    assert not world.store.entries()
    monkeypatch.undo()
    with Running(world) as again:
        again.looked("promoted")


def _with_progress(world, running):
    plain = type(world).house.fget(world)
    return lambda _self: replace(plain, progress=running.daemon.progress)


def test_a_signal_while_a_plan_is_carried_out_waits_for_its_end(world):
    running = Running(world)
    running.daemon.progress("promotion of churn", 1, 5)
    running.daemon.stop()
    running.daemon.progress("promotion of churn", 2, 5)
    with pytest.raises(Interrupted):
        running.daemon.progress("scoring models", 0, 5)


def test_a_burst_of_hints_is_answered_by_few_turns(world):
    world.train("first", 300)
    with Running(world, poll=60.0) as running:
        running.looked("promoted")
        seen = len(running.turns)
        for _ in range(1_000):
            running.daemon.wake(WakeUp("staging"))
        running.until(lambda: len(running.turns) > seen)
        time.sleep(0.5)
    assert len(running.turns) - seen <= 3


def test_a_hint_that_names_a_model_looks_at_it_although_nothing_is_new(world):
    world.train("first", 300)
    with Running(world, poll=60.0) as running:
        running.looked("promoted")
        running.daemon.wake(WakeUp("schedule", models=("churn",)))
        running.looked("kept")


def test_a_hint_for_a_model_that_nobody_configured_troubles_only_itself(world):
    world.train("first", 300)
    with Running(world, poll=60.0) as running:
        running.looked("promoted")
        running.daemon.wake(WakeUp("webhook", models=("nobody", "churn")))
        running.looked("kept")
        assert any(t.about == "nobody" for turn in running.turns for t in turn.troubles)


def test_another_writer_is_waited_for(world, monkeypatch):
    monkeypatch.setattr("selector.daemon.SHORTEST_WAIT", 0.02)
    world.train("first", 300)
    with world.house.lease.hold(), Running(world) as running:
        running.until(lambda: len(running.turns) > 3)
        assert world.champion() is None
        assert {t.about for turn in running.turns for t in turn.troubles} <= {"recovery", "lease"}
    with Running(world) as running:
        running.looked("promoted")


def test_the_wall_clock_may_jump_and_nothing_comes_more_often_or_later(world):
    world.train("first", 300)
    with Running(world, poll=0.05) as running:
        running.looked("promoted")
        seen = len(running.turns)
        world.clock.advance(-10 * 365 * 86_400)
        running.until(lambda: len(running.turns) > seen + 2)
        world.clock.advance(20 * 365 * 86_400)
        world.train("better", 100, seed=0)
        running.until(lambda: world.champion() == "run0001")


@pytest.mark.parametrize(
    ("work", "promise"),
    [
        ("looking at models", LONGEST_STEP),
        ("promotion of churn", LONGEST_STEP),
        ("scoring models", LONGEST_STEP + TRANSFER_SECONDS),
        ("fetching the champion", LONGEST_STEP + TRANSFER_SECONDS),
        ("importing churn_20250820", LONGEST_STEP + TRANSFER_SECONDS),
        ("exporting churn", LONGEST_STEP + TRANSFER_SECONDS),
    ],
)
def test_only_where_a_large_model_may_travel_the_loop_may_take_as_long_as_that(world, work, promise):
    promised = []
    running = Running(world)
    running.daemon.pulse.beat = promised.append
    running.daemon.progress(work, 0, 2)
    assert promised == [promise]
