"""Killed after any single write, or after any two: the next start finishes the plan, exactly once."""

import contextlib
import itertools
from dataclasses import replace

import pytest

from selector.adapters.registry_memory import KilledError
from selector.domain.policy import Approval
from selector.errors import MlflowRefusedError, MlflowUnreachableError, UsageError
from selector.workflows import approval

STORE_WRITES = ("begin", "step_done", "finish", "append")


class Countdown:
    """Kills the process after so many writes, to MLflow or to our own state, whichever comes; None: never."""

    def __init__(self, world):
        self.left = None
        self.writes = 0
        self.inside = False
        self.world = world
        self.had_champion = world.champion() is not None
        for owner, names in ((world.registry, _writing(world.registry)), (world.store, STORE_WRITES)):
            for name in names:
                setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, method):
        def call(*args, **named):
            if self.inside:
                return method(*args, **named)
            self.inside = True  # what one write does within itself is one transaction
            try:
                result = method(*args, **named)
            finally:
                self.inside = False
            self.writes += 1
            self._check_the_champion_is_there()
            if self.left is not None:
                self.left -= 1
                if self.left == 0:
                    raise KilledError
            return result

        return call

    def _check_the_champion_is_there(self):
        there = self.world.champion() is not None
        assert there or not self.had_champion, "there is a moment without a champion"
        self.had_champion = there


def _writing(registry):
    return [n for n in dir(registry) if n.startswith(("set_", "delete_", "create_")) or n == "log_report"]


def story(world):
    world.train("old", 300)
    world.train("second", 305, seed=5)
    world.look()
    world.train("new", 200)


def end_state(world):
    model = world.model
    tags = {v.version: (v.run_id, v.tags.get("selector.status"), v.tags.get("selector.reason")) for v in model.versions}
    ledger = [(e.kind, e.version, e.previous) for e in world.store.entries()]
    return dict(model.aliases), tags, ledger


def finished(world):
    """Look until nothing is left to do, as a restarted daemon would."""
    world.look()
    assert world.look().news is False
    assert world.store.unfinished() == ()
    return end_state(world)


def run(act, world, kills):
    """Do it, killed after these numbers of writes, and return how it ended and how many writes it took."""
    if act == "first":
        world.train("old", 300)
    else:
        story(world)
    if act == "rollback":
        world.look()
    if act in {"approve", "reject"}:
        world.policy = replace(world.policy, approval=Approval(required=True))
        world.registry.create_version("churn", "models:/m-0002", "run0002", {})
        world.look()
    countdown = Countdown(world)
    for kill in kills:
        countdown.left = kill
        with contextlib.suppress(KilledError):
            do(act, world)
    countdown.left = None
    do(act, world)
    state = finished(world)
    return state, countdown.writes


def do(act, world):
    if act in {"approve", "reject"}:
        world.clock.advance(60)
        question = world.store.entries(kinds=("decision",))[1].decision
        say = approval.approve if act == "approve" else approval.reject
        with contextlib.suppress(UsageError):  # it may have its answer already
            say(world.house, "churn", question, candidate=None, reason="", dry_run=False, actor="ada")
        return
    if act == "rollback" and not any(e.kind == "rolled_back" for e in world.store.entries()):
        world.roll_back()
    else:
        world.look()


@pytest.mark.parametrize("act", ["first", "promote", "rollback", "approve", "reject"])
def test_killed_after_any_single_write_the_next_start_finishes_exactly_once(act, new_world):
    expected, writes = run(act, new_world(), ())
    assert writes > 5
    for kill in range(1, writes + 1):
        assert run(act, new_world(), (kill,))[0] == expected, f"killed after write {kill}"


@pytest.mark.parametrize("act", ["first", "promote", "rollback", "approve", "reject"])
def test_killed_after_any_two_writes_the_next_starts_finish_exactly_once(act, new_world):
    expected, writes = run(act, new_world(), ())
    for first, second in itertools.product(range(1, writes + 1), (1, 2, 5)):
        assert run(act, new_world(), (first, second))[0] == expected, f"killed after {first}, then after {second} more"


def test_a_report_that_cannot_be_kept_in_mlflow_does_not_stop_a_promotion(world):
    def refuse(*_):
        raise MlflowRefusedError("the artifact store is read-only")

    world.registry.log_report = refuse
    old = world.train("old", 300)
    world.look()
    new = world.train("new", 200)
    world.look()

    assert world.champion() == new.run_id
    assert world.model.version(1).run_id == old.run_id
    assert world.model.version(1).tags["selector.status"] == "archived"


def test_an_unreachable_mlflow_leaves_the_plan_to_the_next_look(world):
    world.train("old", 300)
    real = world.registry.set_alias

    def unreachable(*_):
        raise MlflowUnreachableError("MLflow does not answer")

    world.registry.set_alias = unreachable
    assert isinstance(world.look().error, MlflowUnreachableError)
    assert len(world.store.unfinished()) == 1
    world.registry.set_alias = real
    world.look()

    assert world.store.unfinished() == ()
    assert world.model.aliases["champion"] == 1
    assert len(world.model.versions) == 1
