"""A promotion awaits a person in a real MLflow: somebody tags the run in MLflow, and the next look promotes it."""

from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.bootstrap import open_house
from selector.config import load
from selector.ports import NewRun
from selector.workflows import look as looking
from selector.workflows import select_champion

START = datetime(2025, 8, 20, tzinfo=UTC)


@pytest.fixture
def project(tmp_path, mlflow_sqlite):
    path = tmp_path / "selector.yaml"
    path.write_text(
        f"mlflow: {{tracking_uri: '{mlflow_sqlite}'}}\n"
        "models:\n"
        "  churn: {experiments: [exp], metric: f1, trust_logged: true, approval: true}\n"
    )
    return load(path)


@pytest.fixture
def log(mlflow_sqlite, tmp_path):
    registry, numbers = MlflowRegistry(mlflow_sqlite), iter(range(9))

    def log_run(name, f1):
        number = next(numbers)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "MLmodel").write_text("flavors: {}\n")
        (folder / "weights.bin").write_bytes(bytes([number]) * 100)
        when = START + timedelta(hours=number)
        return registry.write(NewRun("exp", name, when, when, {"f1": f1}, model_folder=folder)).run_id

    return log_run


def select(project):
    with open_house(project, writable=True) as house:
        [found] = select_champion.select(house, ["churn"], dry_run=False, actor="daemon")
        [status] = looking.status(house, ["churn"])
        return found, status, [(e.kind, e.actor) for e in house.store.entries("churn")]


def test_a_promotion_awaits_until_a_tag_on_the_run_approves_it(project, log, mlflow_sqlite):
    from mlflow import MlflowClient  # noqa: PLC0415 - slow to import

    client = MlflowClient(mlflow_sqlite, mlflow_sqlite)
    run_id = log("night-1", 0.81)

    found, status, _ = select(project)
    assert found.document["verdict"] == "awaiting_approval"
    assert (status["pending"]["kind"], status["pending"]["name"]) == ("approval", "night-1")
    assert client.search_registered_models() == []
    assert select(project)[0].news is False

    client.set_tag(run_id, "selector.approve", found.document["decision"])
    promoted, status, ledger = select(project)

    assert promoted.document["verdict"] == "promoted"
    assert client.get_model_version_by_alias("churn", "champion").run_id == run_id
    assert status["pending"] is None
    assert ledger == [
        ("decision", "daemon"),
        ("approved", "MLflow tag"),
        ("decision", "daemon"),
        ("promoted", "daemon"),
    ]
    assert select(project)[0].news is False


def test_a_tag_on_the_run_rejects_and_the_champion_stays(project, log, mlflow_sqlite):
    from mlflow import MlflowClient  # noqa: PLC0415 - slow to import

    client = MlflowClient(mlflow_sqlite, mlflow_sqlite)
    first = log("night-1", 0.81)
    client.set_tag(first, "selector.approve", select(project)[0].document["decision"])
    assert select(project)[0].document["verdict"] == "promoted"

    better = log("night-2", 0.85)
    assert select(project)[0].document["verdict"] == "awaiting_approval"
    client.set_tag(better, "selector.approve", "reject")
    kept, status, ledger = select(project)

    assert kept.document["verdict"] == "kept"
    assert ("rejected", "MLflow tag") in ledger
    assert status["pending"] is None
    assert client.get_model_version_by_alias("churn", "champion").run_id == first
