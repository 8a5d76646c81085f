"""Do scan --plan, apply --plan, verify and undo work together on a real MLflow database?"""

from __future__ import annotations

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

CONFIG = """\
mlflow: {{tracking_uri: "{uri}"}}
models:
  churn:
    experiments: [legacy]
    metric: f1
    holdout: {{data: rows.csv, target: y}}
"""
TO = ("--model", "churn", "--experiment", "legacy")


@pytest.fixture
def store(folder, mlflow_sqlite):
    """A configuration, a holdout and a store of three folders, one of them broken."""
    random = np.random.default_rng(3)
    rows = pd.DataFrame({"a": random.normal(size=60), "b": random.normal(size=60)})
    labels = (rows["a"] > 0).astype(int)
    rows.assign(y=labels).to_csv(folder / "rows.csv", index=False)
    (folder / "selector.yaml").write_text(CONFIG.format(uri=mlflow_sqlite))
    for index in range(3):
        home = folder / "staging" / f"lr_2025082{index}_104603"
        home.mkdir(parents=True)
        (home / "metadata.json").write_text(json.dumps({"f1": 0.5 + index / 10, "params": {"C": 10.0**index}}))
        if index < 2:
            (home / "model.pkl").write_bytes(pickle.dumps(LogisticRegression(C=10.0**index).fit(rows, labels)))
    return folder / "staging"


def test_a_store_is_scanned_planned_applied_verified_and_taken_back(store, run, folder):
    scanned = json.loads(run("migrate", "scan", store, "--plan", "plan.yaml", *TO, "--json").output)
    assert scanned["plan"] == "plan.yaml"
    assert scanned["models"][0]["f1"] == {
        "key": "f1",
        "value": 0.5,
        "recorded": 0.5,
        "scale": "fraction",
        "average": None,
    }
    plan = yaml.safe_load(Path("plan.yaml").read_text())
    plan["entries"][1]["name"] = "the second"
    Path("plan.yaml").write_text(yaml.safe_dump(plan))
    applied = json.loads(run("migrate", "apply", "--plan", "plan.yaml", "--jobs", "2", "--json").output)
    assert (applied["imported"], applied["skipped"], applied["failed"]) == (2, 1, 0)
    report = Path(applied["report"])
    assert {p.name for p in report.parent.iterdir()} == {"report.html", "report.json", "report.txt"}
    assert report.is_relative_to(folder / ".mlflow-selector" / "reports")
    result = run("migrate", "verify", applied["batch"], "--json")
    verified = json.loads(result.output)
    assert (result.exit_code, verified["equal"], verified["different"]) == (0, 2, 0), verified
    assert verified["predictions"] == "compared"
    assert verified["models"][1]["notes"] == []
    _tamper(folder)
    result = run("migrate", "verify", applied["batch"])
    assert result.exit_code == 1
    assert "model.pkl has other bytes" in result.output
    assert run("migrate", "undo", applied["batch"]).exit_code == 0
    assert "is not in MLflow any more" in run("migrate", "verify", applied["batch"], "--no-predictions").output


def _tamper(folder):
    """Change the model's bytes in MLflow's artifacts behind everybody's back."""
    first = min(p for p in folder.rglob("model.pkl") if "staging" not in p.parts)
    first.write_bytes(first.read_bytes()[:-1] + b"x.")


def test_a_folder_is_verified_without_a_report(store, run, folder):
    applied = run("migrate", "apply", store, *TO, "--json")
    assert applied.exit_code == 1, "one folder has no model"
    shutil.rmtree(folder / ".mlflow-selector" / "reports")
    result = run("migrate", "verify", store, *TO, "--no-predictions")
    assert result.exit_code == 0, result.output
    assert re.search(r"2 found, 2 equal, 0 different; predictions not compared", result.output)
    result = run("migrate", "verify", json.loads(applied.output)["batch"])
    assert result.exit_code == 2
    assert "There is no report of the batch" in result.output + result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apply", "--plan", "plan.yaml", "."), "give no PATH"),
        (("apply", "--plan", "plan.yaml"), "the plan names none"),
        (("verify", "no such batch"), "neither a batch nor a path"),
        (("verify", "."), "Missing option '--model'"),
        (("apply", "--plan", "broken.yaml", *TO), "is no plan"),
    ],
)
def test_what_does_not_fit_together_is_said_before_anything_is_written(folder, run, arguments, words):
    (folder / "plan.yaml").write_text(f"schema_version: 1\npaths: [{folder}]\nentries: []\n")
    (folder / "broken.yaml").write_text("a: 1")
    result = run("migrate", *arguments)
    assert result.exit_code == 2
    assert words in result.output + result.stderr
