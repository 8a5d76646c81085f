"""Do gates hold on a real MLflow database, with real models scored in the confined worker?"""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

TRAINING = """
    import sys
    import mlflow, pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier
    name, uri, labels, trees = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("training")
    rows = pd.read_csv("train.csv")
    many = RandomForestClassifier(int(trees), random_state=0)
    model = many if int(trees) > 1 else DecisionTreeClassifier(max_depth=6, random_state=0)
    model.fit(rows[["one", "two", "north"]], rows[labels])
    with mlflow.start_run(run_name=name):
        mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
"""

CONFIG = """
    mlflow: {{tracking_uri: "{uri}"}}
    models:
      churn:
        experiments: [training]
        metric: accuracy
        holdout: {{data: holdout.csv, target: left, positive: "yes", slices: [region]}}
        gates:
          - {{slices: all, maximum_regression: 0.05}}
          - {{size: true, maximum: 500kB}}
          - {{latency: p95_per_row, maximum: 30s}}
          - {{artifacts: [MLmodel, "*.pkl"]}}
          - {{tags: [validated_by], observe: true}}
"""


def customers(rows, seed):
    """In the north one column says who leaves, in the south the other; some labels are wrong in one region only."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"one": rng.normal(size=rows), "two": rng.normal(size=rows), "north": rng.random(rows) < 0.25})
    left = (np.where(frame["north"], frame["one"], frame["two"]) > 0) ^ (rng.random(rows) < 0.15)
    turned = rng.random(rows) < 0.7
    names = {True: "yes", False: "no"}
    for column, where in (("left", False), ("wrong_north", frame["north"]), ("wrong_south", ~frame["north"])):
        frame[column] = pd.Series(np.where(where, np.where(turned, frame["two"] > 1, left), left)).map(names)
    frame["region"] = frame["north"].map({True: "north", False: "south"})
    frame["north"] = frame["north"].astype(int)
    return frame


@pytest.fixture
def project(tmp_path, mlflow_sqlite):
    customers(6_000, 1).to_csv(tmp_path / "train.csv", index=False)
    customers(2_000, 2).drop(columns=["wrong_north", "wrong_south"]).to_csv(tmp_path / "holdout.csv", index=False)
    (tmp_path / "train.py").write_text(textwrap.dedent(TRAINING))
    (tmp_path / "selector.yaml").write_text(textwrap.dedent(CONFIG.format(uri=mlflow_sqlite)))

    def run(*words):
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    class Project:
        folder = tmp_path

        def trains(self, name, labels, trees=1):
            run("train.py", name, mlflow_sqlite, labels, str(trees))

        def looks(self):
            return json.loads(run("-m", "selector", "select", "--json"))["models"][0]

    return Project()


@pytest.mark.slow
def test_a_slice_gate_and_a_size_gate_stop_real_models_until_one_passes(project):
    project.trains("wrong about the south", "wrong_south")
    first = project.looks()
    assert (first["verdict"], first["champion"]["version"]) == ("promoted", 1)

    project.trains("wrong about the north", "wrong_north")
    project.trains("too large", "left", 60)
    stopped = project.looks()

    assert stopped["verdict"] == "refused"
    assert stopped["champion"]["name"] == "wrong about the south"
    answers = {c["name"]: {g["gate"]: g for g in c["gates"]} for c in stopped["ranking"]}
    slices = answers["wrong about the north"]["accuracy of every slice at most 0.05 worse than the champion's"]
    assert slices["verdict"] == "failed"
    assert slices["value"] > 0.05
    assert "region=north: 0." in slices["detail"]
    size = answers["too large"]["model size at most 0.5 MB"]
    assert size["verdict"] == "failed"
    assert size["value"] > 0.5
    assert answers["too large"]["p95 latency of a single row at most 30000 ms"]["verdict"] == "passed"
    assert answers["too large"]["files of the model: MLmodel, *.pkl"]["verdict"] == "passed"
    assert answers["too large"]["tags: validated_by"]["observe"] is True

    project.trains("right everywhere", "left")
    last = project.looks()

    assert (last["verdict"], last["champion"]["name"]) == ("promoted", "right everywhere")
    page = (project.folder / ".mlflow-selector" / "reports").rglob("*.html")
    assert any("region=" in html.read_text(encoding="utf-8") for html in page)
