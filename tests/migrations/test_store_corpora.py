"""Do real MLflow stores arrive in a fresh MLflow with everything that they hold, and stay untouched?"""

from __future__ import annotations

import collections
import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from migrations.stores.carry import Carrier
from migrations.stores.open import open_store
from migrations.stores.verify import StoreVerifier
from selector.adapters.registry_mlflow import MlflowRegistry

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"
EXPECTED = CORPORA / "expected" / "mlflow-stores.json"
STORES = {store["store"]: store for store in json.loads(EXPECTED.read_text())} if EXPECTED.is_file() else {}

pytestmark = pytest.mark.skipif(not STORES, reason=f"the real stores are missing: {EXPECTED}")


@pytest.fixture
def unpacked(tmp_path):
    """Copy one real store, with what lies around it; returns its path."""

    def copy(name):
        project = name.partition("/")[0]
        target = tmp_path / "there" / project
        shutil.copytree(CORPORA / project, target)
        packed = target / "mlflow-store.tar.gz"
        if packed.exists():
            with tarfile.open(packed) as archive:
                archive.extractall(target, filter="data")
        return tmp_path / "there" / name

    return copy


def bytes_below(folder):
    """Everything about a tree that a write would change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (content, path.stat().st_mtime_ns)
    return found


def states(client):
    """Every run that was carried, by its id in the source, with its experiment's name."""
    experiments = {e.experiment_id: e for e in client.search_experiments(view_type=3)}
    runs = client.search_runs(list(experiments), run_view_type=3, max_results=5000)
    return experiments, {r.data.tags["selector.source_run"]: r for r in runs}


@pytest.mark.parametrize("name", STORES)
def test_a_real_store_arrives_whole_and_a_second_import_changes_nothing(name, unpacked, mlflow_sqlite, tmp_path):
    expected, source = STORES[name], unpacked(name)
    registry = MlflowRegistry(mlflow_sqlite)
    before = bytes_below(tmp_path / "there")

    def carry():
        with open_store(str(source), tmp_path / "spool") as store:
            return Carrier(store, registry.store_writer(), registry, "batch").carry()

    outcome = carry()
    assert outcome.runs == {"new": 0, "imported": expected["runs"], "already": 0, "failed": 0}
    client = registry._connection.ask("open", lambda client: client)
    experiments, runs = states(client)

    names = collections.Counter((e.name.split(" (")[0], e.lifecycle_stage) for e in experiments.values())
    wanted = collections.Counter((e["name"], e["lifecycle"]) for e in expected["experiments"])
    assert names == wanted | collections.Counter({("Default", "active"): 1})
    found = collections.Counter(f"{r.info.lifecycle_stage}/{r.info.status}" for r in runs.values())
    assert found == expected["by_state"]
    for key, told in expected["f1_keys"].items():
        values = {i: r.data.metrics[key] for i, r in runs.items() if key in r.data.metrics}
        assert (len(values), max(values.values())) == (told["n"], told["best"])
        assert {i for i, value in values.items() if value == told["best"]} == set(told["run_ids"])
    for told in expected["runs_f1"]:
        assert {k: runs[told["id"]].data.metrics[k] for k in told["f1"]} == told["f1"]

    models = registry.all_registered_models()
    assert set(models) == {model["name"] for model in expected["registry"]}
    for told in expected["registry"]:
        live = {v["version"]: v for v in told["versions"] if v["stage"] != "Deleted_Internal"}
        model = models[told["name"]]
        assert {v.version: v.stage for v in model.versions} == {n: v["stage"] for n, v in live.items()}
        aliases = {alias: int(n) for alias, n in told["aliases"].items() if int(n) in live}
        assert dict(model.aliases) == aliases
        for version in model.versions:
            source_run = live[version.version]["run_id"]
            assert version.run_id == (runs[source_run].info.run_id if source_run in runs else None)

    with open_store(str(source), tmp_path / "spool") as store:
        parts = (registry.store_writer(), registry.store_reader(), registry, tmp_path / "spool")
        verified = StoreVerifier(store, *parts).verify()
    assert verified.differences == []
    assert verified.checked["runs"] == expected["runs"]
    assert [one for one in outcome.left_out if one.failed] == []
    again = carry()
    assert again.runs == {"new": 0, "imported": 0, "already": expected["runs"], "failed": 0}
    assert {v.status for v in again.versions} <= {"already"}
    assert registry.all_registered_models() == models
    assert bytes_below(tmp_path / "there") == before


def test_models_of_a_windows_store_can_be_fetched_under_their_versions(unpacked, mlflow_sqlite, tmp_path):
    source = unpacked("yijing0612__mlops-customer-churn/mlruns")
    registry = MlflowRegistry(mlflow_sqlite)
    with open_store(str(source), tmp_path / "spool") as store:
        Carrier(store, registry.store_writer(), registry, "batch").carry()
    for name, versions in (("ChurnModel", (1,)), ("RF_200_10", (1, 2, 3))):
        for version in versions:
            folder = registry.fetch(f"models:/{name}/{version}", tmp_path / f"{name}-{version}")
            run = registry.registered_model(name).version(version).run_id
            source_run = registry.run(run).tags["selector.source_run"]
            original = next(source.glob(f"*/{source_run}/artifacts/model"))
            assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
                p.name: p.read_bytes() for p in original.iterdir()
            }


def test_an_alias_to_a_missing_version_and_files_that_are_elsewhere_are_named(unpacked, mlflow_sqlite, tmp_path):
    registry = MlflowRegistry(mlflow_sqlite)
    with open_store(str(unpacked("FRYEL__Credit_Risk/mlruns")), tmp_path / "spool") as store:
        outcome = Carrier(store, registry.store_writer(), registry, "batch").carry()
    told = {(one.what, one.name): one.reason for one in outcome.left_out}
    assert told["alias", "XGBoost@sovereign"] == "it points at version 14, which is not there"
    assert told["version", "XGBoost 9"].startswith("its run 3a513cecde234e8ea983d7f0b9817c5d is not there")
    notes = [plan.note for plan, _ in outcome.experiments if plan.note and plan.action == "create"]
    assert notes == [
        "'XGBoost_Hyperparameter_Tuning' becomes 'XGBoost_Hyperparameter_Tuning (389901588864882854)': that name is taken"
    ]
