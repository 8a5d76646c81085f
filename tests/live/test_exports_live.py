"""The champion of a real MLflow lies in a folder, and in MLflow's artifact store, for those who do not speak MLflow."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from selector.adapters.mlflow_connection import Connection
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.cli.app import app
from selector.ports import NewRun

pytestmark = pytest.mark.live

START = datetime(2025, 1, 1, tzinfo=UTC)


class Exporting:
    """A registered model on real MLflow, and a selector.yaml that exports its champion."""

    def __init__(self, uri, folder, export="models/production"):
        self.uri, self.folder, self.name = uri, folder, f"exported-{uuid.uuid4().hex[:6]}"
        self.place = folder / "models" / "production"
        self.registry = MlflowRegistry(uri)
        self.path = folder / "selector.yaml"
        self.configure(export)

    def configure(self, export):
        settings = f"experiments: [{self.name}], metric: f1, trust_logged: true, export: {json.dumps(export)}"
        self.path.write_text(f"mlflow: {{tracking_uri: '{self.uri}'}}\nmodels:\n  {self.name}: {{{settings}}}\n")

    def trained(self, number):
        model = self.folder / "model"
        (model / "data").mkdir(parents=True, exist_ok=True)
        (model / "MLmodel").write_text("flavors: {}\n")
        (model / "data" / "weights.bin").write_bytes(bytes([number]) * 100_000)
        when = START + timedelta(days=number)
        new = NewRun(self.name, f"model {number}", when, when, {"f1": 0.5 + number / 100}, {}, {}, model)
        return self.registry.write(new).run_id

    def asked(self, *words, code=0):
        done = CliRunner().invoke(app, ["--config", str(self.path), *words, "--json"], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def selected(self, *options, code=0):
        return self.asked("select", *options, code=code)["models"][0]

    def consumed(self):
        """Which model a consumer of the folder gets: the number of its weights, and what selector.json says."""
        weights = {*(self.place / "data" / "weights.bin").read_bytes()}
        return weights.pop(), json.loads((self.place / "selector.json").read_text())

    @property
    def status(self):
        return self.asked("status", self.name)["models"][0]["export"]


@pytest.fixture
def exporting(mlflow_sqlite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Exporting(mlflow_sqlite, tmp_path)


def test_a_folder_follows_the_champion_through_all_that_can_move_it(exporting):
    run_id = exporting.trained(1)
    assert f"export the new version to {exporting.place}" in exporting.selected("--dry-run")["steps"]
    assert not exporting.place.exists()

    decision = exporting.selected()["decision"]
    weights, record = exporting.consumed()
    assert weights == 1
    assert (record["version"], record["run_id"], record["decision"]) == (1, run_id, decision)
    assert exporting.status == [{"where": str(exporting.place), "version": 1, "in_step": True, "reason": ""}]

    exporting.trained(2)
    exporting.selected()
    assert exporting.consumed()[0] == 2
    exporting.asked("rollback", exporting.name)
    assert exporting.consumed()[0] == 1
    Connection(exporting.uri).ask("move", lambda c: c.set_registered_model_alias(exporting.name, "champion", "2"))
    assert exporting.status[0]["in_step"] is False
    exporting.asked("run", "--once")
    assert exporting.consumed()[0] == 2
    names = {path.name for path in exporting.place.rglob("*")}
    assert names == {"MLmodel", "data", "weights.bin", "selector.json"}


def test_a_folder_of_somebody_else_stays_and_the_promotion_stands(exporting):
    exporting.place.mkdir(parents=True)
    (exporting.place / "model.pkl").write_text("theirs")
    exporting.trained(1)
    found = exporting.selected(code=1)
    assert found["verdict"] == "promoted"
    assert found["advice"].startswith("mv ")
    assert [path.name for path in exporting.place.iterdir()] == ["model.pkl"]
    assert exporting.registry.registered_model(exporting.name).aliases["champion"] == 1
    exporting.selected(code=1)
    kinds = [e["kind"] for e in exporting.asked("history", exporting.name)["entries"]]
    assert kinds.count("export_failed") == 1

    exporting.place.rename(exporting.place.with_name("before"))
    exporting.selected()
    assert exporting.consumed()[0] == 1


def test_mlflows_own_artifact_store_holds_the_champion_behind_a_pointer(mlflow_server, counting_proxy, tmp_path):
    proxy = counting_proxy(mlflow_server)
    where = f"mlflow-artifacts:/exports/{uuid.uuid4().hex}"
    exporting = Exporting(proxy.url, tmp_path, where)
    for number in (1, 2, 3):
        exporting.trained(number)
        assert exporting.selected()["export"][0]["in_step"] is True

    def download(name):
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - as a consumer would

        uri = f"{proxy.url}/api/2.0/mlflow-artifacts/artifacts/{where.removeprefix('mlflow-artifacts:/')}"
        return Path(download_artifacts(f"{uri}/{name}", dst_path=str(tmp_path / uuid.uuid4().hex)))

    record = json.loads(download("selector.json").read_text())
    assert record["version"] == 3
    assert {*(download(record["folder"]) / "data" / "weights.bin").read_bytes()} == {3}
    assert {*(download(record["previous"]) / "data" / "weights.bin").read_bytes()} == {2}
    assert exporting.status == [{"where": where, "version": 3, "in_step": True, "reason": ""}]

    proxy.reset()
    exporting.selected()
    exporting.selected("--dry-run")
    assert proxy.writes == []
