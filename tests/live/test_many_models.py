"""How many requests do 500 models of 20 versions cost, and how much memory do 10,000 runs after a day's outage?"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.lock_memory import MemoryLease
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.report_memory import MemoryReports
from selector.adapters.scorer_memory import MemoryHoldouts, MemoryScorer
from selector.adapters.store_memory import MemoryStore
from selector.domain.events import WakeUp
from selector.domain.metric import metric
from selector.domain.policy import Policy
from selector.workflows import look
from selector.workflows.cycle import Cycle
from selector.workflows.house import House, Setup
from selector.workflows.import_staged import StagedFolders

MODELS, VERSIONS = 500, 20
THOUSAND = 1000


def fill(database, prefix, models, versions, unregistered=0):
    """Put models with an experiment of their own into MLflow's tables, a run for each version and then some more.

    The run that was registered last has the best number, and its version is champion.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        first = 1 + connection.execute("SELECT max(experiment_id) FROM experiments").fetchone()[0]
        start = 1_700_000_000_000
        names = [f"{prefix}{n:04d}" for n in range(models)]
        run = {(n, v): uuid.uuid4().hex for n in range(models) for v in range(1 - unregistered, versions + 1)}

        def put(table, columns, rows):
            marks = ", ".join("?" * len(columns.split(",")))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

        put(
            "experiments",
            "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time",
            [
                (first + n, name, f"mlflow-artifacts:/{first + n}", "active", start, start)
                for n, name in enumerate(names)
            ],
        )
        put(
            "runs",
            "run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id, source_type, source_name,"
            " entry_point_name, user_id, artifact_uri",
            [
                (
                    i,
                    f"r{v}",
                    "FINISHED",
                    start + 1000 * number,
                    start + 1000 * number + 9,
                    "active",
                    first + n,
                    "LOCAL",
                    "",
                    "",
                    "u",
                    "x",
                )
                for number, ((n, v), i) in enumerate(run.items())
            ],
        )
        put(
            "latest_metrics",
            "key, value, timestamp, step, is_nan, run_uuid",
            [("f1", 0.5 + 0.4 * v / (versions + unregistered), 1, 0, 0, i) for (_, v), i in run.items()],
        )
        put(
            "logged_models",
            "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status,"
            " lifecycle_stage, model_type, source_run_id",
            [
                (f"m-{i}", first + n, "model", "x", start + number, start, 2, "active", "", i)
                for number, ((n, v), i) in enumerate(run.items())
            ],
        )
        put("registered_models", "name, creation_time, last_updated_time", [(name, start, start) for name in names])
        put(
            "model_versions",
            "name, version, creation_time, last_updated_time, current_stage, source, run_id, status",
            [(names[n], v, start, start, "None", f"models:/m-{i}", i, "READY") for (n, v), i in run.items() if v > 0],
        )
        aliases = (("champion", versions), ("challenger", versions - 1))
        put(
            "registered_model_aliases",
            "alias, version, name",
            [(alias, v, name) for name, (alias, v) in itertools.product(names, aliases)],
        )
    return names


def house_of(registry, names, spool):
    policy = Policy(metric("f1", average="binary"), trust_logged=True)
    return House(
        registry=registry,
        store=MemoryStore(),
        clock=MemoryClock(),
        lease=MemoryLease(uuid.uuid4().hex),
        reports=MemoryReports(),
        scorer=MemoryScorer(),
        holdouts=MemoryHoldouts({}),
        setups={name: Setup(name, policy, experiments=(name,)) for name in names},
        spool=spool,
    )


@pytest.mark.live
@pytest.mark.parametrize(("models", "versions"), [(40, 5), (MODELS, VERSIONS)])
def test_a_cycle_over_many_models_costs_pages_and_not_models(request, counting_proxy, tmp_path, models, versions):
    mlflow_server, mlflow_server_database = map(request.getfixturevalue, ("mlflow_server", "mlflow_server_database"))
    names = fill(mlflow_server_database, f"many-{uuid.uuid4().hex[:6]}-", models, versions)
    proxy = counting_proxy(mlflow_server)
    house = house_of(MlflowRegistry(proxy.url, timeout=60), names, tmp_path)
    cycle = Cycle(house, StagedFolders())

    turn = cycle.turn([WakeUp("start", everything=True)], 0.0)

    assert Counter(k.decision.verdict for k in turn.looks) == {"kept": models}
    assert turn.troubles == ()
    assert proxy.writes == []
    run_pages = -(-models * versions // THOUSAND)
    # Finished runs for the watch, runs and logged models for the look; the rest is listings of experiments and models.
    # The server is shared: others' experiments, models and versions may add a page to a listing.
    assert proxy.total <= 3 * (run_pages + 1) + 14, Counter(proxy.paths)

    proxy.reset()
    assert cycle.turn([], 30.0).quiet
    assert proxy.total == 2

    proxy.reset()
    assert len(look.status(house, ())) == models
    assert proxy.total <= 8 + 2 * models // 200, Counter(proxy.paths)


OUTAGE = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_many_models import house_of
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.domain.events import WakeUp
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders

house = house_of(MlflowRegistry(sys.argv[1]), [sys.argv[2]], Path(sys.argv[4]))
house.registry.outlines()
house.registry.experiments()
def peak():
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0])
before = peak()
turn = Cycle(house, StagedFolders()).turn([WakeUp("start", everything=True)], 0.0)
assert [k.decision.verdict for k in turn.looks] == ["kept"], turn
print(before // 1024, (peak() - before) // 1024)
"""


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its peak")
def test_ten_thousand_runs_of_one_model_are_caught_up_within_modest_memory(mlflow_sqlite, tmp_path):
    (name,) = fill(mlflow_sqlite.removeprefix("sqlite:///"), "outage-", 1, 20, unregistered=9_980)
    command = [sys.executable, "-c", OUTAGE, mlflow_sqlite, name, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) < 250  # megabytes
