"""Do stages become aliases without moving anything that somebody decided?"""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations.stages import ALIAS_OF_STAGE, STAGE_TAG, apply_stages, plan_stages, stages_document
from migrations.stages_end import plan_finish, plan_revert, still_found
from selector.adapters.registry_memory import MemoryRegistry
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.domain.model import ModelVersion, RegisteredModel
from selector.ports import NewRun


def model(stages, aliases=None, name="churn"):
    versions = tuple(ModelVersion(n, "models:/m-x", stage=stage) for n, stage in stages.items())
    return RegisteredModel(name, versions, aliases or {})


def told(*moves):
    return [(m.stage, m.alias, m.version, m.write, m.status) for m in moves]


@pytest.mark.parametrize(
    ("stages", "aliases", "mirror", "expected"),
    [
        ({1: "None"}, {}, False, []),
        ({1: "Production"}, {}, False, [("Production", "champion", 1, "alias", "new")]),
        ({1: "Production"}, {"champion": 1}, False, [("Production", "champion", 1, "nothing", "already")]),
        ({1: "Production", 2: "None"}, {"champion": 2}, False, [("Production", "champion", 1, "nothing", "refused")]),
        ({1: "Production", 2: "Production"}, {}, False, [("Production", "champion", None, "nothing", "refused")]),
        ({1: "None"}, {"champion": 1}, False, [("Production", "champion", 1, "nothing", "already")]),
        ({1: "None"}, {"champion": 1}, True, [("Production", "champion", 1, "stage", "new")]),
        ({1: "None"}, {"champion": 9}, True, [("Production", "champion", 9, "nothing", "refused")]),
        ({1: "Archived", 2: "Staging"}, {}, False, [("Staging", "challenger", 2, "alias", "new")]),
        ({1: "None"}, {"Production": 1}, False, []),
    ],
)
def test_what_follows_from_a_stage(stages, aliases, mirror, expected):
    assert told(*plan_stages([model(stages, aliases)], mirror=mirror)) == expected


def test_a_refusal_says_what_to_do():
    (move,) = plan_stages([model({1: "Production", 2: "Production"})])
    assert move.reason == "versions 1, 2 are all in Production; archive all but one"
    (move,) = plan_stages([model({1: "Production", 2: "None"}, {"champion": 2})])
    assert move.reason == "champion points at version 2, and version 1 is in Production; move one of them"


@given(
    st.dictionaries(st.integers(1, 5), st.sampled_from(["None", "Staging", "Production", "Archived"])),
    st.dictionaries(st.sampled_from(["champion", "challenger"]), st.integers(1, 6)),
    st.booleans(),
)
def test_no_alias_that_is_set_is_ever_moved(stages, aliases, mirror):
    for move in plan_stages([model(stages, aliases)], mirror=mirror):
        assert not (move.write == "alias" and move.alias in aliases)
        assert not (move.status == "new" and move.version not in stages)


@pytest.fixture(params=["memory", "sqlite"])
def registry(request):
    if request.param == "memory":
        return MemoryRegistry()
    return MlflowRegistry(request.getfixturevalue("mlflow_sqlite"))


def test_moving_twice_changes_nothing_and_old_consumers_find_what_they_found(registry, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    written = registry.write(NewRun("exp", "run", None, None, model_folder=folder))
    registry.create_registered_model("churn")
    for _ in range(2):
        registry.create_version("churn", written.model_uri, written.run_id, {})
    registry.set_stage("churn", 1, "Production")

    def look():
        return registry.registered_model("churn")

    def by_name():
        return {"churn": look()}

    planned = plan_stages([look()])
    assert apply_stages(planned, by_name(), registry, dry_run=True) == planned
    assert look().aliases == {}
    assert [move.status for move in apply_stages(planned, by_name(), registry)] == ["done"]
    assert dict(look().aliases) == {"champion": 1}
    assert look().version(1).stage == "Production"
    assert [move.status for move in apply_stages(plan_stages([look()]), by_name(), registry)] == ["already"]


def test_the_document_counts_what_was_done(registry):
    models = {"a": model({1: "Production"}, name="a"), "b": model({1: "Production"}, {"champion": 1}, name="b")}
    document = stages_document(apply_stages(plan_stages(models.values()), models, registry))
    assert json.loads(json.dumps(document))["moves"][0]["status"] == "failed", "the model a is not in this registry"
    assert (document["found"], document["done"], document["skipped"], document["failed"]) == (2, 0, 1, 1)


@pytest.fixture
def staged(registry, tmp_path):
    """The registered model churn: one in Staging, one in Production, two Archived, one without a stage."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    written = registry.write(NewRun("exp", "run", None, None, model_folder=folder))
    registry.create_registered_model("churn")
    for stage in ("Archived", "Archived", "Production", "Staging", "None"):
        registry.set_stage("churn", registry.create_version("churn", written.model_uri, written.run_id, {}), stage)
    return registry


def now(registry):
    found = registry.registered_model("churn")
    return {v.version: v.stage for v in found.versions}, dict(found.aliases)


def carried_out(registry, planned):
    return [m.status for m in apply_stages(planned, {"churn": registry.registered_model("churn")}, registry)]


def look_at(registry):
    return [registry.registered_model("churn")]


def test_the_move_can_be_finished_and_taken_back_at_any_time(staged):
    first = now(staged)
    assert carried_out(staged, plan_stages(look_at(staged))) == ["done", "done"]
    assert now(staged) == (first[0], {"champion": 3, "challenger": 4})
    assert [one["in_step"] for one in still_found(look_at(staged), {})] == [True, True]
    assert carried_out(staged, plan_finish(look_at(staged), {})) == ["done"] * 4
    assert now(staged) == (dict.fromkeys(range(1, 6), "None"), {"champion": 3, "challenger": 4})
    assert still_found(look_at(staged), {}) == ()
    assert carried_out(staged, plan_finish(look_at(staged), {})) == []
    assert carried_out(staged, plan_revert(look_at(staged))) == ["done"] * 6
    assert now(staged) == first
    assert carried_out(staged, plan_revert(look_at(staged))) == []


def test_nothing_that_only_its_stage_finds_is_taken_out_of_it(staged):
    moves = {m.version: m for m in plan_finish(look_at(staged), {})}
    assert {number: move.status for number, move in moves.items()} == {1: "new", 2: "new", 3: "refused", 4: "refused"}
    assert moves[3].reason == "nothing but the stage finds it, for there is no alias champion; run migrate stages first"
    staged.set_alias("churn", "champion", 5)
    assert plan_finish(look_at(staged), {})[2].reason == "champion points at version 5; move one of them first"
    assert {m.status for m in plan_finish(look_at(staged), {}, ["churn"])} == {"refused"}


def test_what_people_changed_since_is_not_taken_back(staged):
    carried_out(staged, plan_stages(look_at(staged)))
    carried_out(staged, plan_finish(look_at(staged), {}))
    staged.set_alias("churn", "champion", 5)
    staged.set_stage("churn", 4, "Production")
    staged.delete_alias("churn", "challenger")
    moves = plan_revert(look_at(staged))
    assert [(m.version, m.write, m.reason) for m in moves if m.status == "refused"] == [
        (4, "nothing", "it was put into Production since, and stays there"),
        (3, "nothing", "champion was moved to version 5 since, and stays there"),
    ]
    carried_out(staged, moves)
    stages, aliases = now(staged)
    assert (stages, aliases) == (
        {1: "Archived", 2: "Archived", 3: "Production", 4: "Production", 5: "None"},
        {"champion": 5},
    )


def test_a_stage_that_followed_an_alias_is_cleared_by_taking_it_back(staged):
    staged.set_stage("churn", 3, "None")
    staged.set_alias("churn", "champion", 5)
    assert carried_out(staged, plan_stages(look_at(staged), {"Production": "champion"}, mirror=True)) == ["done"]
    assert now(staged)[0][5] == "Production"
    assert look_at(staged)[0].version(5).tags[STAGE_TAG] == "None > Production"
    assert carried_out(staged, plan_finish(look_at(staged), {})) == ["done", "done", "refused", "done"]
    carried_out(staged, plan_revert(look_at(staged)))
    assert now(staged)[0] == {1: "Archived", 2: "Archived", 3: "None", 4: "Staging", 5: "None"}


@pytest.mark.parametrize("write", ["set_version_tag", "set_alias", "set_stage"])
def test_a_kill_between_any_two_writes_leaves_what_can_be_finished_or_taken_back(staged, write):
    class Stopped(BaseException):
        pass

    class Dying:
        def __getattr__(self, name):
            if name == write:
                raise Stopped
            return getattr(staged, name)

    first = now(staged)
    for planned in (plan_stages, lambda found: plan_finish(found, {})):
        with contextlib.suppress(Stopped):
            apply_stages(planned(look_at(staged)), {"churn": look_at(staged)[0]}, Dying())
        carried_out(staged, planned(look_at(staged)))
    assert now(staged) == (dict.fromkeys(range(1, 6), "None"), {"champion": 3, "challenger": 4})
    carried_out(staged, plan_revert(look_at(staged)))
    assert now(staged) == first


def test_the_list_says_which_of_several_versions_a_stage_loads():
    (low, high) = still_found([model({1: "Production", 2: "Production"}, {"champion": 2})], {"churn": ALIAS_OF_STAGE})
    assert (low["loaded"], high["loaded"], high["in_step"]) == (False, True, False)
    assert high["uri"] == "models:/churn/Production"
