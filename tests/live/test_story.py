"""The main job from the command line, with the same results on every kind of MLflow."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from selector.demo.customers import make_customers, split
from selector.demo.old_store import CUT_OFF, KNOWN_ROWS, LEAKED, WITHOUT_MODEL, WITHOUT_SCORE, build_store

pytestmark = pytest.mark.live

TRAINING = """
    # A training script that knows nothing of us.
    import sys
    import mlflow, pandas as pd
    from selector.demo.training import ALL_NUMBERS, OLD_NUMBERS, train
    name, uri, experiment, rows, numbers = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment)
    table = pd.read_csv("train.csv").iloc[: int(rows)]
    if name == "copy":
        model = mlflow.sklearn.load_model("models:/" + numbers + "@champion")
    else:
        model = train(name, table, 42, ALL_NUMBERS if numbers == "all" else OLD_NUMBERS)
    with mlflow.start_run(run_name=name):
        mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
"""

CONSUMER = """
    import sys
    import mlflow, pandas as pd
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_registry_uri(sys.argv[1])
    model = mlflow.pyfunc.load_model("models:/" + sys.argv[2] + "@champion")
    print("answers", len(model.predict(pd.read_csv("holdout.csv").drop(columns="Churn"))))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A legacy project: tables and a staging store."""
    folder = tmp_path_factory.mktemp("project")
    train, holdout = split(make_customers())
    train.to_csv(folder / "train.csv", index=False)
    holdout.to_csv(folder / "holdout.csv", index=False)
    build_store(folder / "models" / "staging", train, holdout)
    (folder / "train.py").write_text(textwrap.dedent(TRAINING))
    (folder / "consume.py").write_text(textwrap.dedent(CONSUMER))
    return folder


class Person:
    """Somebody at a terminal, in the project's folder."""

    def __init__(self, project, state, uri, name):
        self.project, self.uri, self.name = project, uri, name
        self.experiment = f"{name} monitoring"
        self.file = state / "selector.yaml"
        self.file.write_text(
            textwrap.dedent(f"""
            mlflow: {{tracking_uri: "{uri}"}}
            models:
              {name}:
                experiments: ["{self.experiment}"]
                metric: f1
                holdout: {{data: "{project}/holdout.csv", target: Churn, positive: "Yes"}}
            staging:
              - {{folder: "{project}/models/staging", model: {name}, experiment: "{self.experiment}"}}
            """)
        )

    def run(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, *words], cwd=self.project, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def says(self, *words, code=0):
        return json.loads(self.run("-m", "selector", "--config", str(self.file), *words, "--json", code=code))

    def looks(self):
        return self.says("select")["models"][0]

    def trains(self, name, rows=KNOWN_ROWS, numbers="old"):
        self.run("train.py", name, self.uri, self.experiment, str(rows), numbers)

    def serves(self):
        assert self.run("consume.py", self.uri, self.name).split() == ["answers", "1500"]


def server_and_name(kind, request):
    if kind == "sqlite":
        return request.getfixturevalue("mlflow_sqlite"), "churn"
    return request.getfixturevalue(kind), f"churn-{os.getpid()}"


@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["mlflow_server", "mlflow_postgres_server"])  # on SQLite the tutorial's test tells it
def test_from_a_folder_of_models_to_a_champion_and_back(kind, project, tmp_path, request):
    uri, name = server_and_name(kind, request)
    person = Person(project, tmp_path, uri, name)

    scanned = person.says("migrate", "scan", str(project / "models" / "staging"))
    assert (scanned["found"], scanned["failed"]) == (9, 2)
    assert {m["name"]: m["reason"] for m in scanned["models"] if m["status"] == "failed"} == {
        CUT_OFF: "model.pkl is cut off",
        WITHOUT_MODEL: "no model file",
    }
    applied = person.says("migrate", "apply", code=1)
    assert (applied["imported"], applied["failed"]) == (7, 2)
    assert person.says("migrate", "apply", code=1)["imported"] == 0

    first = person.looks()
    assert first["verdict"] == "promoted"
    reasons = {line["name"]: line["codes"] for line in first["ranking"]}
    assert (reasons[LEAKED], reasons[WITHOUT_SCORE]) == (["too-good"], ["logged-not-a-number"])
    person.serves()
    assert person.looks()["verdict"] == "kept"

    person.trains("copy", numbers=name)
    person.trains("lightgbm", rows=KNOWN_ROWS - 1)
    kept = person.looks()
    assert kept["verdict"] == "kept"
    assert {line["name"]: line["codes"] for line in kept["ranking"]}["copy"] == ["copy"]

    person.trains("lightgbm", rows=5500, numbers="all")
    better = person.looks()
    assert (better["verdict"], better["proof"]) == ("promoted", "proven")
    assert better["previous"]["version"] == first["champion"]["version"]
    person.serves()

    back = person.says("rollback", name)
    assert (back["version"], back["quarantined"]) == (first["champion"]["version"], better["champion"]["version"])
    person.serves()
    assert person.looks()["verdict"] == "kept"
    status = person.says("status")["models"][0]
    assert status["champion"]["version"] == first["champion"]["version"]
    assert status["last_decision"]["verdict"] == "kept"
    kinds = [entry["kind"] for entry in person.says("history", name)["entries"]]
    assert kinds == ["imported", "promoted", "kept", "promoted", "rolled_back", "kept"]


def test_a_plan_sends_no_write_request_to_the_server(counting_proxy, mlflow_server, project, tmp_path):
    proxy = counting_proxy(mlflow_server)
    person = Person(project, tmp_path, proxy.url, f"dry-{os.getpid()}")
    person.says("migrate", "apply", code=1)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    proxy.reset()

    planned = person.says("plan")["models"][0]
    person.says("migrate", "apply", "--dry-run", code=1)
    person.says("select", "--dry-run")

    assert planned["verdict"] == "promoted"
    assert proxy.total > 0
    assert proxy.writes == []
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
