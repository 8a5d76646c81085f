"""How do tests run the command line: in this process with click's runner, and as a real program?"""

import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from selector.cli.app import app

ROOT = Path(__file__).parents[2]
MODELS = "models:\n  churn:\n    metric: f1\n  fraud:\n    metric: rmse\n"


@pytest.fixture(autouse=True)
def logging_calls(monkeypatch):
    """Keep this process's logging as it is; returns what would have been set up."""
    calls = []
    monkeypatch.setattr("selector.adapters.logs.set_up_logging", lambda *rest, **more: calls.append((*rest, more)))
    for name in ("MLFLOW_SELECTOR_CONFIG", "MLFLOW_TRACKING_URI", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    yield calls
    for name in ("selector", "migrations"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a valid selector.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "selector.yaml").write_text(MODELS)
    return tmp_path


@pytest.fixture
def run():
    """Run the command line in this process."""

    def invoke(*words):
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="mlflow-selector")

    return invoke


@pytest.fixture
def start(tmp_path):
    """Run the real program in its own process."""

    def go(*words, **more):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
        environment.pop("MLFLOW_SELECTOR_CONFIG", None)
        command = [sys.executable, "-m", "selector", *map(str, words)]
        more = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120, **more}
        return subprocess.run(command, check=False, env=environment, **more)

    return go


@dataclass
class FakeHouse:
    """Stands in for everything that is wired; remembers how it was opened."""

    config: object
    options: dict
    lookups: list = field(default_factory=list)


@pytest.fixture
def fake_house(monkeypatch):
    """Open a house without MLflow; returns the houses that were opened."""
    opened = []

    @contextmanager
    def open_house(config, **options):
        opened.append(FakeHouse(config, options))
        yield opened[-1]

    monkeypatch.setattr("selector.bootstrap.open_house", open_house)
    return opened


@pytest.fixture
def one_document():
    """Check that a text is exactly one JSON document with a schema version, and return it."""

    def check(text):
        document = json.loads(text)
        assert document["schema_version"] == 1
        return document

    return check
