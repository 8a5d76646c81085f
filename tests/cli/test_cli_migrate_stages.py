"""Do stages of a real MLflow become aliases by one command, as the configuration names them?"""

import warnings

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.ports import NewRun

CONFIG = """\
mlflow: {{tracking_uri: {uri}}}
models:
  churn: {{metric: f1, stages: mirror}}
  fraud: {{metric: f1, aliases: {{champion: live, challenger: next}}}}
  "tariff-{{region}}": {{metric: f1, experiments: [e], split_by: region}}
  missing: {{metric: f1}}
"""


@pytest.fixture
def registry(folder, mlflow_sqlite):
    """Models with stages in a real MLflow, some configured and some not."""
    (folder / "selector.yaml").write_text(CONFIG.format(uri=mlflow_sqlite))
    (folder / "model").mkdir()
    (folder / "model" / "MLmodel").write_text("flavors: {}\n")
    registry = MlflowRegistry(mlflow_sqlite)
    written = registry.write(NewRun("exp", "run", None, None, model_folder=folder / "model"))
    for name in ("churn", "fraud", "tariff-north", "foreign"):
        registry.create_registered_model(name)
        for _ in range(3):
            registry.create_version(name, written.model_uri, written.run_id, {})
        registry.set_stage(name, 2, "Production")
    registry.set_stage("fraud", 3, "Staging")
    return registry


def aliases(registry):
    return {name: dict(model.aliases) for name, model in registry.all_registered_models().items() if model.aliases}


def test_the_configured_models_get_the_aliases_that_the_configuration_names(run, registry, one_document):
    done = run("migrate", "stages", "--json")
    assert done.exit_code == 0, done.stderr
    document = one_document(done.stdout)
    assert (document["found"], document["done"], document["failed"]) == (4, 4, 0)
    expected = {"churn": {"champion": 2}, "fraud": {"live": 2, "next": 3}, "tariff-north": {"champion": 2}}
    assert aliases(registry) == expected
    assert registry.registered_model("churn").version(2).stage == "Production"
    again = one_document(run("migrate", "stages", "--json").stdout)
    assert (again["done"], again["skipped"]) == (0, 4)


def test_a_dry_run_says_what_it_would_do_and_sets_nothing(run, registry):
    done = run("migrate", "stages", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "new     churn" in done.stdout
    assert aliases(registry) == {}


def test_every_model_of_the_server_is_moved_when_asked_for(run, registry):
    assert run("migrate", "stages", "--all").exit_code == 0
    assert aliases(registry)["foreign"] == {"champion": 2}
    assert run("migrate", "stages", "--all", "churn").exit_code == 2


def test_a_model_that_is_not_there_is_wrong_usage(run, registry):
    done = run("migrate", "stages", "chrun")
    assert done.exit_code == 2
    assert "there is no registered model 'chrun'" in done.stderr


def test_mirroring_brings_the_stage_in_step_with_an_alias(run, registry):
    registry.set_alias("churn", "challenger", 3)
    registry.set_alias("foreign", "challenger", 3)
    assert run("migrate", "stages", "churn", "foreign").exit_code == 0
    assert registry.registered_model("churn").version(3).stage == "Staging", "its configuration says stages: mirror"
    assert registry.registered_model("foreign").version(3).stage == "None"
    assert run("migrate", "stages", "foreign", "--mirror").exit_code == 0
    assert registry.registered_model("foreign").version(3).stage == "Staging"


def test_what_a_person_has_to_decide_exits_1(run, registry):
    registry.set_alias("churn", "champion", 1)
    done = run("migrate", "stages", "churn")
    assert done.exit_code == 1
    assert "champion points at version 1, and version 2 is in Production; move one of them" in done.stdout
    assert aliases(registry) == {"churn": {"champion": 1}}


def test_the_ledger_knows_the_champion_that_a_stage_made(run, registry, one_document):
    run("migrate", "stages", "fraud")
    entries = one_document(run("history", "fraud", "--json").stdout)["entries"]
    assert [(e["kind"], e["version"], e["reason"]) for e in entries] == [
        ("foreign_change", 2, "alias live was set, as stage Production said"),
        ("imported", 3, "alias next was set, as stage Staging said"),
    ]


def test_the_move_is_listed_finished_and_taken_back_by_command(run, registry, one_document):
    run("migrate", "stages", "fraud")
    listed = one_document(run("migrate", "stages", "--list", "--json").stdout)
    told = {(one["model"], one["stage"]): (one["version"], one["alias"], one["in_step"]) for one in listed["by_stage"]}
    assert told["fraud", "Production"] == (2, "live", True)
    assert told["churn", "Production"] == (2, "champion", False)
    refused = run("migrate", "stages", "churn", "--finish")
    assert refused.exit_code == 1
    assert "stages: mirror" in refused.stdout
    done = one_document(run("migrate", "stages", "fraud", "--finish", "--json").stdout)
    assert (done["action"], done["done"], done["by_stage"]) == ("finish", 2, [])
    assert registry.registered_model("fraud").version(2).stage == "None"
    done = run("migrate", "stages", "fraud", "--revert")
    assert done.exit_code == 0, done.stderr
    assert "models:/fraud/Production" in done.stdout
    found = registry.registered_model("fraud")
    assert ({v.version: v.stage for v in found.versions}, dict(found.aliases)) == (
        {1: "None", 2: "Production", 3: "Staging"}, {},
    )  # fmt: skip
    said = one_document(run("history", "fraud", "--json").stdout)["entries"]
    assert [(e["kind"], e["version"], e["previous"]) for e in said if e["kind"] == "foreign_change"] == [
        ("foreign_change", 2, None), ("foreign_change", None, 2),
    ]  # fmt: skip
    assert run("migrate", "stages", "--finish", "--revert").exit_code == 2


def test_consumers_that_load_by_stage_keep_up_with_promotions_until_the_end(run, registry):
    run("migrate", "stages", "churn")
    assert run("promote", "churn", "3", "--force", "the new one").exit_code == 0
    found = registry.registered_model("churn")
    assert found.aliases["champion"] == 3
    assert {v.version: v.stage for v in found.versions}[3] == "Production"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        loaded = registry._connection.ask("ask", lambda client: client.get_latest_versions("churn", ["Production"]))
    assert [int(v.version) for v in loaded] == [3]
