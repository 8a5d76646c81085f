"""One rule for a family of models: which members there are, and that each of them goes its own way."""

from dataclasses import replace

import pytest

from selector.adapters.registry_memory import MemoryRegistry
from selector.domain.family import Family, members
from selector.domain.model import ModelVersion, Run
from selector.errors import HoldoutError, UsageError
from selector.ports import HoldoutSpec
from selector.workflows import by_hand, doctor, look, select_champion
from selector.workflows.house import Setup

TEMPLATE = "HDBSCAN-{tech_center}"


class FamilyWorld:
    """A world in which one rule stands for a model of each tech center."""

    def __init__(self, world, **changes):
        self.world = world
        spec = HoldoutSpec("rows", "Churn", "Yes") if world.shared_rows else None
        rule = Setup(TEMPLATE, world.policy, ("exp",), holdout=spec, family=Family(TEMPLATE, "tech_center"))
        self.setups = {TEMPLATE: replace(rule, **changes)}

    @property
    def house(self):
        return replace(self.world.house, setups=self.setups)

    def train(self, name, wrong, center, **more):
        params = {"tech_center": center} if center else {}
        return self.world.train(name, wrong, seed=wrong, params=params, **more)

    def select(self, *models, dry_run=False):
        self.world.clock.advance(60)
        looks = select_champion.select(self.house, models, dry_run=dry_run, actor="test")
        return {found.model: found for found in looks}

    def champions(self):
        found = {m: self.world.registry.registered_model(m) for m in self.world.registry._models}
        return {m: r.version(r.aliases["champion"]).run_id for m, r in found.items() if "champion" in r.aliases}


@pytest.fixture
def family(world):
    return FamilyWorld(world)


def test_each_member_gets_its_own_champion(family):
    north = family.train("a", 300, "North West")
    family.train("b", 400, "North West")
    south = family.train("c", 350, "South")

    looks = family.select()

    assert {m: found.decision.verdict for m, found in looks.items()} == {
        "HDBSCAN-North West": "promoted",
        "HDBSCAN-South": "promoted",
    }
    assert family.champions() == {"HDBSCAN-North West": north.run_id, "HDBSCAN-South": south.run_id}


def test_deciding_again_writes_nothing(family):
    family.train("a", 300, "North West")
    family.train("b", 310, "North West")
    family.train("c", 350, "South")
    family.select()
    writes, entries = list(family.world.registry.writes), family.world.store.entries()

    again = family.select()

    assert not any(found.news for found in again.values())
    assert (family.world.registry.writes, family.world.store.entries()) == (writes, entries)


def test_the_value_may_be_a_tag_and_a_param_beats_it(family):
    family.train("by tag", 300, None, tags={"tech_center": "East"})
    family.train("by param", 310, "West", tags={"tech_center": "East"})

    assert list(family.select()) == ["HDBSCAN-East", "HDBSCAN-West"]


def test_a_value_that_makes_no_name_is_reported_and_the_others_go_on(family):
    family.train("fine", 300, "North")
    family.train("slash", 300, "A/B")
    family.train("up", 300, "..")

    looks = family.select()

    assert looks["HDBSCAN-North"].decision.verdict == "promoted"
    assert "'A/B' holds '/'" in looks["HDBSCAN-A/B"].error.message
    assert "A-B" in looks["HDBSCAN-A/B"].error.advice
    assert looks["HDBSCAN-.."].error is not None
    assert list(family.champions()) == ["HDBSCAN-North"]


def test_a_run_without_the_value_is_listed_as_left_out(family):
    family.train("fine", 300, "North")
    lost = family.train("lost", 100, None)

    left = family.select()[TEMPLATE]

    assert left.error is None
    assert left.document["verdict"] == "no_candidate"
    (line,) = left.document["ranking"]
    assert (line["run_id"], line["codes"], line["eligible"]) == (lost.run_id, ["no-member"], False)
    assert "tech_center" in left.text


def test_a_family_without_any_run_says_so(family):
    (left,) = family.select().values()

    assert left.document["verdict"] == "no_candidate"
    assert left.document["notes"] == ["Experiment 'exp' does not exist."]


def test_one_member_is_looked_at_by_its_name(family):
    family.train("a", 300, "North West")
    family.train("b", 300, "South")

    assert list(family.select("HDBSCAN-North West")) == ["HDBSCAN-North West"]
    assert list(family.champions()) == ["HDBSCAN-North West"]


def test_the_familys_own_name_stands_for_all_members(family):
    family.train("a", 300, "North")
    family.train("b", 300, "South")

    assert list(family.select(TEMPLATE)) == ["HDBSCAN-North", "HDBSCAN-South"]


def test_a_member_that_does_not_exist_is_a_slip_of_the_pen(family):
    family.train("a", 300, "North West")

    with pytest.raises(UsageError) as caught:
        family.select("HDBSCAN-Nort West")
    assert caught.value.advice == "did you mean 'HDBSCAN-North West'?"
    with pytest.raises(UsageError, match="not in the configuration"):
        family.select("churn")


def test_a_model_that_is_configured_by_name_is_no_member(family):
    family.setups["HDBSCAN-South"] = Setup("HDBSCAN-South", family.world.policy, ("other",))
    family.train("a", 300, "North")
    family.train("b", 300, "South")

    looks = family.select()

    assert looks["HDBSCAN-South"].decision.verdict == "no_candidate"
    assert list(family.champions()) == ["HDBSCAN-North"]


def test_a_member_is_judged_on_its_own_holdout(world):
    family = FamilyWorld(world, holdout=HoldoutSpec("rows of {tech_center}", "Churn", "Yes"))
    house = family.house
    house.holdouts.truths["rows of North"] = world.truth
    family.train("a", 300, "North")
    family.train("b", 300, "South")

    looks = {f.model: f for f in select_champion.select(house, (), dry_run=False, actor="test")}

    assert looks["HDBSCAN-North"].decision.verdict == "promoted"
    assert isinstance(looks["HDBSCAN-South"].error, HoldoutError)


def test_a_quiet_look_takes_as_many_questions_for_many_members_as_for_few(new_world):
    reads = []
    for count in (3, 30):
        family = FamilyWorld(new_world())
        for number in range(count):
            family.train(f"m{number}", 300 + number, f"center {number}")
        family.select()
        before = family.world.registry.reads
        family.select()
        reads.append(family.world.registry.reads - before - count)  # the memory adapter counts each name it is asked
    assert reads[0] == reads[1] <= 3


def test_what_was_read_for_all_is_read_again_before_anything_is_written(family, monkeypatch):
    family.train("a", 300, "North")
    other = family.train("b", 310, "North")
    real = MemoryRegistry.registered_models

    def then_somebody_sets_the_alias(registry, names):
        found = real(registry, names)
        registry.add_version("HDBSCAN-North", ModelVersion(1, other.models[0].uri, run_id=other.run_id), "champion")
        return found

    monkeypatch.setattr(MemoryRegistry, "registered_models", then_somebody_sets_the_alias)

    found = family.select()["HDBSCAN-North"]

    assert found.decision.verdict == "kept"
    assert family.champions() == {"HDBSCAN-North": other.run_id}


def test_status_candidates_history_and_rollback_know_members(family):
    first = family.train("a", 400, "North West")
    family.select()
    family.train("b", 200, "North West")
    family.train("new", 300, "South")
    name = "HDBSCAN-North West"
    family.select(name)

    found = {s["model"]: s["champion"] for s in look.status(family.house, ())}
    assert found[name]["name"] == "b"
    assert found["HDBSCAN-South"] is None
    assert [line["name"] for line in look.candidates(family.house, name)["ranking"]] == ["b", "a"]
    assert look.history(family.house, name, None)["entries"][-1]["kind"] == "promoted"

    family.world.clock.advance(60)
    by_hand.rollback(family.house, name, to=None, dry_run=False, actor="test")
    assert family.champions()[name] == first.run_id
    assert TEMPLATE not in found
    with pytest.raises(UsageError, match="is a family"):
        by_hand.rollback(family.house, TEMPLATE, to=None, dry_run=False, actor="test")


def test_status_still_shows_a_member_whose_runs_are_gone(family):
    run = family.train("a", 400, "North")
    family.select()
    family.world.registry.delete_run(run.run_id)

    assert [s["model"] for s in look.status(family.house, ())] == ["HDBSCAN-North"]


def test_the_doctor_names_the_members(family):
    family.train("a", 300, "North")
    checks = {c.name: c for c in doctor.checks(family.house, family.world.registry, [], dry_run=True)}
    assert checks[f"{TEMPLATE}: members"].detail == "1: North; made from tech_center"
    assert checks["HDBSCAN-North: holdout"].ok


def test_a_dry_run_writes_nothing(family):
    family.train("a", 300, "North")
    family.train("lost", 300, None)

    assert family.select(dry_run=True)["HDBSCAN-North"].decision.verdict == "promoted"
    assert family.world.registry.writes == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HDBSCAN-North West", "North West"),
        ("HDBSCAN-", None),
        ("HDBSCAN", None),
        ("other", None),
        ("HDBSCAN-a/b", None),
        ("HDBSCAN- a", None),
    ],
)
def test_a_name_tells_its_value_or_that_it_is_no_member(name, value):
    assert Family(TEMPLATE, "tech_center").value_of(name) == value


def test_every_run_is_a_members_or_refused_or_left_out():
    values = ("a", " a ", "b c", "", "x:y", "z\n", "\x00q")
    runs = [Run(f"r{n}", "r", "e", "FINISHED", params={"k": value}) for n, value in enumerate(values)]

    found = members(Family("M-{k}", "k"), runs)

    assert {value: len(part) for value, part in found.runs.items()} == {"a": 2, "b c": 1, "z": 1}
    assert list(found.refused) == ["\x00q", "x:y"]
    assert [run.run_id for run in found.left_out] == ["r3"]
