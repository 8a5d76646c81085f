"""The program as a person meets it: its own process, a real MLflow database, no stand-ins."""

import json
import pickle
import sqlite3

import pytest

CONFIG = """\
mlflow: {tracking_uri: sqlite:///mlflow.db}
models:
  churn:
    experiments: [churn_monitoring]
    metric: {name: my_score, direction: maximize}
staging:
  - {folder: models/staging, model: churn, experiment: churn_monitoring}
"""


@pytest.fixture
def place(tmp_path):
    """A folder with a configuration and one staged model."""
    (tmp_path / "selector.yaml").write_text(CONFIG)
    staged = tmp_path / "models" / "staging" / "model_20250820_104603"
    staged.mkdir(parents=True)
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only these tests make a model

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    (staged / "model.pkl").write_bytes(pickle.dumps(model))
    (staged / "metadata.json").write_text(
        json.dumps({"model_type": "lr", "metrics": {"my_score": 0.8}, "created_at": "2025-08-20T10:46:03"})
    )
    return tmp_path


@pytest.mark.slow
def test_a_newcomer_imports_selects_looks_and_takes_it_back(start, place, one_document):
    scan = start("migrate", "scan", "models/staging", "--json")
    assert [m["status"] for m in one_document(scan.stdout)["models"]] == ["new"], scan.stderr
    assert not (place / "mlflow.db").exists()

    words = ("migrate", "apply", "models/staging", "--model", "churn", "--experiment", "churn_monitoring", "--json")
    tried = start(*words, "--dry-run")
    assert (tried.returncode, one_document(tried.stdout)["imported"]) == (0, 0), tried.stderr
    applied = start(*words)
    document = one_document(applied.stdout)
    assert (applied.returncode, document["imported"]) == (0, 1), applied.stderr
    again = start(*words)
    assert one_document(again.stdout)["skipped"] == 1, again.stderr

    planned = start("plan", "--json", "--exit-code")
    assert one_document(planned.stdout)["models"][0]["verdict"] == "promoted", planned.stderr
    assert planned.returncode == 0
    assert one_document(start("status", "--json").stdout)["models"][0]["champion"] is None

    selected = start("select", "--exit-code")
    assert selected.returncode == 0, selected.stderr
    assert "churn: promoted." in selected.stdout
    status = one_document(start("status", "--json").stdout)["models"][0]
    assert status["champion"]["version"] == 1

    refused = start("migrate", "undo", document["batch"], "--json")
    assert (refused.returncode, one_document(refused.stdout)["failed"]) == (1, 1), refused.stderr
    entries = one_document(start("history", "--json").stdout)["entries"]
    assert entries[0]["kind"] == "imported"
    assert "promoted" in [e["kind"] for e in entries]


def test_nothing_to_choose_from_is_verdict_14(start, tmp_path, one_document):
    (tmp_path / "selector.yaml").write_text(CONFIG)
    done = start("select", "--json", "--exit-code")
    assert (done.returncode, one_document(done.stdout)["models"][0]["verdict"]) == (14, "no_candidate"), done.stderr


def test_a_server_that_is_not_there_is_told_in_one_sentence(start, tmp_path):
    (tmp_path / "selector.yaml").write_text(
        CONFIG.replace("sqlite:///mlflow.db", "'http://alice:hunter2@127.0.0.1:9', timeout: 2s")
    )
    done = start("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "127.0.0.1:9" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_configured_is_wrong_usage(start, tmp_path):
    (tmp_path / "selector.yaml").write_text(CONFIG)
    done = start("select", "chrun")
    assert done.returncode == 2
    assert "'chrun' is not in the configuration" in done.stderr


def test_damaged_state_exits_65(start, tmp_path):
    (tmp_path / "selector.yaml").write_text(CONFIG)
    state = tmp_path / ".mlflow-selector"
    state.mkdir()
    (state / "state.db").write_bytes(b"this is no database at all" * 100)
    done = start("status")
    assert done.returncode == 65, done.stderr
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(state / "state.db").execute("SELECT 1 FROM sqlite_master")
