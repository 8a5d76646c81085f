"""Do stages become aliases without moving anything that somebody decided?"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations.stages import apply_stages, plan_stages, stages_document
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

    planned = plan_stages([look()])
    assert apply_stages(planned, registry, dry_run=True) == planned
    assert look().aliases == {}
    assert [move.status for move in apply_stages(planned, registry)] == ["done"]
    assert dict(look().aliases) == {"champion": 1}
    assert look().version(1).stage == "Production"
    assert [move.status for move in apply_stages(plan_stages([look()]), registry)] == ["already"]


def test_the_document_counts_what_was_done(registry):
    moves = plan_stages([model({1: "Production"}, name="a"), model({1: "Production"}, {"champion": 1}, name="b")])
    document = stages_document(apply_stages(moves, registry))
    assert json.loads(json.dumps(document))["moves"][0]["status"] == "failed", "the model a is not in this registry"
    assert (document["found"], document["done"], document["skipped"], document["failed"]) == (2, 0, 1, 1)
