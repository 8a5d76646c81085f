"""Which models compete, on real MLflow and from a configuration file: a family, a tuning, several models in one run."""

import subprocess
import sys
import uuid

import pytest

from selector.bootstrap import open_house
from selector.config import load
from selector.workflows import look, select_champion

TRAINING = """
import sys
import mlflow, mlflow.sklearn
from sklearn.dummy import DummyClassifier

uri, prefix = sys.argv[1:]
mlflow.set_tracking_uri(uri)
model = DummyClassifier().fit([[0], [1]], [0, 1])

def log(name="model"):
    options = {"pip_requirements": ["scikit-learn"], "serialization_format": "cloudpickle"}
    return mlflow.sklearn.log_model(model, name=name, **options).model_id

def cluster(year, score, **params):
    mlflow.set_experiment(f"{prefix} clusters {year}")
    with mlflow.start_run(run_name=f"{year} {score}"):
        mlflow.log_params(params)
        log()
        mlflow.log_metric("silhouette_score", score)

cluster(2025, 0.4, tech_center="North West")
cluster(2025, 0.6, tech_center="South")
cluster(2025, 0.9, tech_center="A/B")
cluster(2025, 0.8)
cluster(2026, 0.5, tech_center="North West")

mlflow.set_experiment(f"{prefix} tuning")
with mlflow.start_run(run_name="tuning"):
    for score in (0.6, 0.8, 0.7):
        with mlflow.start_run(run_name=f"trial {score}", nested=True):
            log()
            mlflow.log_metric("f1", score)
    mlflow.log_metric("RandomForest_f1_score", 0.99)

mlflow.set_experiment(f"{prefix} zoo")
with mlflow.start_run(run_name="zoo"):
    first, second = log("forest"), log("boost")
    mlflow.log_metric("f1", 0.7, model_id=first)
    mlflow.log_metric("f1", 0.8, model_id=second)
with mlflow.start_run(run_name="careless"):
    log("a")
    mlflow.log_metric("f1", 0.3)
    log("b")
    mlflow.log_metric("f1", 0.95)
"""

CONFIGURATION = """
mlflow: {{tracking_uri: "{uri}"}}
models:
  "{prefix} HDBSCAN-{{tech_center}}":
    split_by: tech_center
    experiments: ["{prefix} clusters *"]
    metric: {{name: silhouette_score}}
    trust_logged: true
  "{prefix} tuned": {{experiments: ["{prefix} tuning"], metric: f1, trust_logged: true}}
  "{prefix} zoo": {{experiments: ["{prefix} zoo"], metric: f1, trust_logged: true}}
"""


@pytest.fixture(params=["mlflow_sqlite", pytest.param("mlflow_server", marks=pytest.mark.live)])
def world(request, tmp_path, counting_proxy):
    """Training that has happened, and a configuration; the proxy counts what a server is asked."""
    uri, prefix = request.getfixturevalue(request.param), uuid.uuid4().hex[:6]
    command = [sys.executable, "-W", "ignore", "-c", TRAINING, uri, prefix]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    proxy = counting_proxy(uri) if uri.startswith("http") else None
    path = tmp_path / "selector.yaml"
    path.write_text(CONFIGURATION.format(uri=proxy.url if proxy else uri, prefix=prefix))
    return path, prefix, proxy


def test_from_one_configuration_each_member_each_model_and_the_best_trial_compete(world):
    path, prefix, proxy = world
    with open_house(load(path), writable=True) as house:
        looks = {
            f.model.removeprefix(prefix).strip(): f for f in select_champion.select(house, (), dry_run=False, actor="t")
        }
        if proxy:
            proxy.reset()
        again = select_champion.select(house, (), dry_run=False, actor="t")
        quiet = (proxy.total, list(proxy.writes)) if proxy else (0, [])
        shown = {s["model"].removeprefix(prefix).strip(): s["champion"] for s in look.status(house, ())}
        one = select_champion.select(house, (f"{prefix} HDBSCAN-North West",), dry_run=True, actor="t")

    names = {model: found.document["champion"]["name"] for model, found in looks.items() if found.decision}
    assert names == {
        "HDBSCAN-North West": "2026 0.5",
        "HDBSCAN-South": "2025 0.6",
        "tuned": "trial 0.8",
        "zoo": "zoo/boost",
    }
    assert {model: who["name"] for model, who in shown.items() if model.startswith(("H", "t"))} == {
        model: name for model, name in names.items() if model != "zoo"
    }
    assert "holds '/'" in looks["HDBSCAN-A/B"].error.message
    assert [line["name"] for line in looks["HDBSCAN-{tech_center}"].document["ranking"]] == ["2025 0.8"]
    codes = {m: {line["name"]: line["codes"] for line in looks[m].document["ranking"]} for m in ("tuned", "zoo")}
    assert codes["tuned"] == {"trial 0.8": [], "trial 0.7": ["trial"], "trial 0.6": ["trial"], "tuning": ["no-model"]}
    assert codes["zoo"] == {
        "zoo/boost": [],
        "zoo/forest": [],
        "careless/a": ["logged-unsure"],
        "careless/b": ["logged-unsure"],
    }
    assert not any(found.news for found in again if found.decision)
    assert quiet[1] == []
    assert quiet[0] <= 17  # five for each of two models, seven for the family, whatever its size
    assert len(one) == 1
