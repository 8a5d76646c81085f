"""Old archived versions go from a real MLflow, their runs and files stay, and a deleted version can come back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.cli.app import app
from selector.ports import NewRun

pytestmark = pytest.mark.live

START = datetime(2025, 1, 1, tzinfo=UTC)


class Lived:
    """A registered model on real MLflow, and a selector.yaml that says how many archived versions stay."""

    def __init__(self, uri, folder):
        self.uri, self.folder, self.name = uri, folder, f"retained-{uuid.uuid4().hex[:6]}"
        self.registry = MlflowRegistry(uri)
        self.path = folder / "selector.yaml"
        self.model = folder / "model"
        self.model.mkdir()
        (self.model / "MLmodel").write_text("flavors: {}\n")

    def trained(self, number):
        """Log one more run, better than all before."""
        (self.model / "weights.bin").write_bytes(bytes([number]) * 100)
        when = START + timedelta(days=number)
        new = NewRun(self.name, f"model {number}", when, when, {"f1": 0.5 + number / 100}, {}, {}, self.model)
        return self.registry.write(new)

    def selected(self, *options, keep=""):
        settings = f"experiments: [{self.name}], metric: f1, trust_logged: true"
        keep = f", keep: {keep}" if keep else ""
        self.path.write_text(f"mlflow: {{tracking_uri: '{self.uri}'}}\nmodels:\n  {self.name}: {{{settings}{keep}}}\n")
        return self.asked("select", *options)["models"][0]

    def asked(self, *words):
        done = CliRunner().invoke(app, ["--config", str(self.path), *words, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def registered_as_the_page_says(self):
        """Run the lines of docs/retention.md that bring a deleted version back."""
        page = (Path(__file__).parents[2] / "docs" / "retention.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
        environment = os.environ | {"MLFLOW_TRACKING_URI": self.uri, "MLFLOW_SELECTOR_CONFIG": str(self.path)}
        command = [sys.executable, "-W", "ignore", "-c", code.replace('"churn"', repr(self.name))]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, env=environment | {"PATH": path}
        )
        assert done.returncode == 0, done.stderr[-3000:]

    @property
    def versions(self):
        return sorted(v.version for v in self.registry.registered_model(self.name).versions)


@pytest.fixture
def lived(tmp_path, monkeypatch):
    """Makes a model with so many champions, one after the other."""
    monkeypatch.chdir(tmp_path)

    def live(uri, champions):
        one = Lived(uri, tmp_path)
        for number in range(1, champions + 1):
            one.trained(number)
            assert one.selected()["verdict"] == "promoted"
        return one

    return live


def deleted(document):
    return [line["version"] for line in document["retention"]["deleted"]]


def test_archived_versions_go_from_sqlite_and_their_runs_stay(lived, mlflow_sqlite, tmp_path):
    model = lived(mlflow_sqlite, 5)
    model.registry.set_alias(model.name, "audit", 2)
    before = model.registry.registered_model(model.name).version(1)

    assert deleted(model.selected("--dry-run", keep="1")) == [1]
    assert model.versions == [1, 2, 3, 4, 5]
    assert deleted(model.selected(keep="1")) == [1]
    assert model.versions == [2, 3, 4, 5]
    assert deleted(model.selected(keep="1")) == []
    assert model.registry.registered_model(model.name).aliases["audit"] == 2
    assert model.registry.run(before.run_id).status == "FINISHED"
    assert (model.registry.fetch(before.source, tmp_path / "again") / "weights.bin").read_bytes() == b"\x01" * 100


def test_a_version_deleted_from_a_server_can_be_registered_again_as_the_page_says(lived, mlflow_server):
    model = lived(mlflow_server, 4)
    before = model.registry.registered_model(model.name).version(1)
    assert deleted(model.selected(keep="1")) == [1]

    (gone,) = (e for e in model.asked("history", model.name)["entries"] if e["kind"] == "deleted")
    assert (gone["version"], gone["was"]["run_id"], gone["was"]["source"]) == (1, before.run_id, before.source)
    model.registered_as_the_page_says()
    made = model.registry.registered_model(model.name).version(5)
    assert (made.source, made.run_id, made.tags) == (before.source, before.run_id, before.tags)
