"""Does `monitor` say, return and exit with what it found?"""

from __future__ import annotations

import json

import pytest

from selector.domain.health import Health
from selector.errors import MlflowUnreachableError
from selector.workflows.monitor import Monitored

WATCHED = """\
models:
  churn: {metric: f1, monitor: {sources: [{folder: a, label: y}]}}
  fraud: {metric: rmse, monitor: {sources: [{folder: b, label: y}], minimum: 3}}
  other: {metric: f1}
"""


@pytest.fixture
def found(folder, monkeypatch):
    """Watch three models, of which two are measured; returns what each look shall find, and how it was asked."""
    (folder / "selector.yaml").write_text(WATCHED)
    healths, asked = {"churn": "healthy", "fraud": "healthy"}, []

    def monitor(house, setup, *, dry_run, actor):
        asked.append((setup.model, dry_run))
        health = healths[setup.model]
        if isinstance(health, Exception):
            raise health
        document = {"model": setup.model, "health": health, "report": "/r.html" if health == "degraded" else None}
        return Monitored(setup.model, Health(), f"{setup.model}: {health}", document)

    monkeypatch.setattr("selector.workflows.monitor.monitor", monitor)
    return healths, asked


def test_all_watched_models_are_measured_and_others_are_not(run, found):
    result = run("monitor")
    assert result.exit_code == 0, result.output
    assert [model for model, _ in found[1]] == ["churn", "fraud"]
    assert "churn: healthy" in result.stdout


@pytest.mark.parametrize(
    ("healths", "code"),
    [
        (("healthy", "unknown"), 0),
        (("warning", "healthy"), 20),
        (("degraded", "warning"), 21),
    ],
)
def test_the_exit_code_is_the_worst_health_where_it_is_asked_for(run, found, healths, code):
    found[0].update(zip(("churn", "fraud"), healths, strict=True))
    assert run("monitor", "--exit-code").exit_code == code
    assert run("monitor").exit_code == 0


def test_json_is_one_document_with_one_part_per_model(run, found, one_document):
    result = run("monitor", "churn", "--json", "--dry-run")
    document = one_document(result.stdout)
    assert [m["model"] for m in document["models"]] == ["churn"]
    assert found[1] == [("churn", True)]


def test_one_model_that_fails_does_not_stop_the_others(run, found):
    found[0]["churn"] = MlflowUnreachableError("MLflow does not answer", advice="start it")
    result = run("monitor", "--json", "--exit-code")
    assert result.exit_code == 1
    assert [m.get("health") for m in json.loads(result.stdout)["models"]] == [None, "healthy"]
    assert "error: churn: MLflow does not answer" in result.stderr


def test_a_report_of_what_was_done_is_named(run, found):
    found[0]["churn"] = "degraded"
    assert "report: /r.html" in run("monitor", "churn").stdout


def test_where_nothing_is_watched_it_says_what_to_add(run, folder):
    result = run("monitor")
    assert result.exit_code == 2
    assert "no model is watched" in result.stderr
