"""Are many models looked at together at the price of a few, and does one that fails still stop no other?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.domain.events import WakeUp
from selector.errors import HoldoutError, MlflowUnreachableError, UsageError
from selector.ports import HoldoutSpec
from selector.workflows.cycle import Cycle
from selector.workflows.families import meant
from selector.workflows.import_staged import StagedFolders
from selector.workflows.select_champion import GIVEN_UP, select
from selector.workflows.together import FEW, ReadOnce


class Many:
    """Several models, each with an experiment of its own, that share one holdout."""

    def __init__(self, world, count):
        self.world = world
        setup = world.house.setups["churn"]
        self.names = [f"m{n}" for n in range(count)]
        for n, name in enumerate(self.names):
            world.train(f"{name} a", 300 + n, seed=n, experiment=f"e-{name}")
            world.train(f"{name} b", 320 + n, seed=n, experiment=f"e-{name}")
        setups = {name: replace(setup, model=name, experiments=(f"e-{name}",)) for name in self.names}
        self.house = replace(world.house, setups=setups)

    def select(self, *names):
        self.world.clock.advance(60)
        return {k.model: k for k in select(self.house, names, dry_run=False, actor="test")}

    def champions(self):
        found = self.world.registry.all_registered_models()
        return {m: r.version(r.aliases["champion"]).run_id for m, r in found.items()}


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 12])
def test_each_model_gets_the_champion_that_it_gets_alone(world, new_world, count):
    together, alone = Many(world, count), Many(new_world(), count)
    looks = together.select()
    assert {k.decision.verdict for k in looks.values()} == {"promoted"}
    for name in alone.names:
        alone.select(name)
    assert together.champions() == alone.champions()


def test_a_second_look_at_many_asks_as_much_as_a_look_at_one_more_than_a_few(world, new_world):
    asked = {}
    for count, each in ((FEW + 1, world), (15, new_world())):
        many = Many(each, count)
        many.select()
        before = each.registry.reads
        assert not any(k.news for k in many.select().values())
        asked[count] = each.registry.reads - before - count  # memory counts a page of models as one question each
    assert asked[15] == asked[FEW + 1]


def test_rows_that_models_share_are_read_once(world, monkeypatch):
    many, read = Many(world, 10), []
    many.select()
    rows = type(many.house.holdouts)
    real = rows.read
    monkeypatch.setattr(rows, "read", lambda self, spec: read.append(spec) or real(self, spec))
    many.select()
    assert len(read) == 1


def test_shared_rows_are_kept_until_the_last_model_has_had_them():
    class Rows:
        def read(self, spec):
            if spec.data == "bad":
                raise HoldoutError("no rows")
            reads.append(spec.data)
            return spec.data, None

    class Wanting:
        def __init__(self, data):
            self.holdout = HoldoutSpec(data, "y") if data else None

    reads = []
    shared = ReadOnce(Rows(), [Wanting(d) for d in ("a", "b", "a", "", "bad", "bad", "a")])
    for data in ("a", "b", "a"):
        shared.read(HoldoutSpec(data, "y"))
    for _ in range(2):
        with pytest.raises(HoldoutError):
            shared.read(HoldoutSpec("bad", "y"))
    assert reads == ["a", "b"]
    shared.read(HoldoutSpec("a", "y"))
    assert reads == ["a", "b"]
    assert shared._kept == {}
    shared.read(HoldoutSpec("a", "y"))  # one more than was announced is read again
    assert reads == ["a", "b", "a"]


def test_a_filter_that_mlflow_refuses_fails_its_own_model_only(world, caplog):
    many = Many(world, 6)
    many.house = replace(
        many.house, setups=many.house.setups | {"m2": replace(many.house.setups["m2"], filter="nonsense")}
    )
    looks = many.select()
    assert [m for m, k in looks.items() if k.error] == ["m2"]
    assert sorted(many.champions()) == ["m0", "m1", "m3", "m4", "m5"]
    assert "cannot be read together" in caplog.text


def test_mlflow_going_away_between_two_models_is_not_waited_for_once_per_model(world, monkeypatch):
    many = Many(world, 12)
    many.select()
    asked = []

    def away(*_args):
        asked.append(1)
        raise MlflowUnreachableError("MLflow at http://x did not answer within 10 s")

    monkeypatch.setattr("selector.workflows.select_champion.observe", away)
    looks = many.select()
    assert len(looks) == 12
    assert all(isinstance(k.error, MlflowUnreachableError) for k in looks.values())
    assert len(asked) == GIVEN_UP


def test_mlflow_that_does_not_answer_at_all_fails_all_models_of_a_turn_at_once(world, monkeypatch):
    many = Many(world, 12)
    cycle = Cycle(many.house, StagedFolders())
    cycle.turn([WakeUp("start", everything=True)], 0.0)
    asked = []

    def away(*_args):
        asked.append(1)
        raise MlflowUnreachableError("MLflow at http://x did not answer within 10 s")

    monkeypatch.setattr(world.registry, "all_registered_models", away)
    monkeypatch.setattr(world.registry, "registered_models", away)
    monkeypatch.setattr(world.registry, "registered_model", away)
    turn = cycle.turn([WakeUp("signal", everything=True)], 30.0)
    assert {t.about for t in turn.troubles} == {"mlflow", *many.names}
    assert len(asked) == 2
    assert cycle.next_at is not None


def test_a_promotion_reads_the_model_again_before_it_writes(world, monkeypatch):
    many = Many(world, 5)
    real = world.registry.runs

    def meddle(*args):
        found = real(*args)
        if world.registry.registered_model("m1") is None:
            run = next(r for r in found if r.experiment == "e-m1" and r.name == "m1 b")
            world.registry.create_registered_model("m1")
            world.registry.create_version("m1", run.models[0].uri, run.run_id, {})
            world.registry.set_alias("m1", "champion", 1)
        return found

    monkeypatch.setattr(world.registry, "runs", meddle)
    looks = many.select()
    assert looks["m1"].error is None
    assert [e.previous for e in world.store.entries("m1", kinds=("foreign_change",))] == [None]


def test_an_unknown_model_among_many_is_still_refused(world):
    with pytest.raises(UsageError, match="'nobody' is not in the configuration"):
        meant(Many(world, 6).house, ["m0", "m1", "m2", "m3", "nobody"])
