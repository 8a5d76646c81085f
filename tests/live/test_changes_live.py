"""What does a look for news cost at a real MLflow server, and does it miss anything there?"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
import uuid

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.workflows.changes import Changes
from selector.workflows.finished_runs import FinishedRuns

MANY = 50_000


@pytest.fixture
def names():
    unique = uuid.uuid4().hex[:8]
    return f"watched {unique}", f"more-{unique}-"


def insert_runs(database, experiment_id, count, *, start=1_600_000_000_000):
    """Put finished runs with two metrics into the server's database, faster than a client could."""
    ids = [uuid.uuid4().hex for _ in range(count)]
    runs = [(i, f"r{n}", start + n // 7, experiment_id) for n, i in enumerate(ids)]
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.executemany(
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id,"
            " source_type, source_name, entry_point_name, user_id, artifact_uri)"
            " VALUES (?1, ?2, 'FINISHED', ?3, ?3 + 1000, 'active', ?4, 'LOCAL', '', '', 'u', 'mlflow-artifacts:/' || ?1)",
            runs,
        )
        connection.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 1, 0, 0, ?)",
            [(key, n / count, i) for n, i in enumerate(ids) for key in ("f1", "accuracy")],
        )
    return ids


class Machines:
    """Training machines with wrong clocks, imports and people, through MLflow's own client."""

    def __init__(self, client, names, seed):
        self.client, self.random, self.names = client, random.Random(seed), names
        self.experiment = client.create_experiment(names[0])
        self.finished, self.told, self.removed = [], set(), []

    def act(self):
        kind = self.random.choices(
            ("finish", "import", "endless", "late", "resume", "delete", "restore", "glob", "nested"),
            (60, 9, 2, 6, 6, 5, 4, 4, 4),
        )[0]
        getattr(self, kind)()

    def finish(self, run_id=None, skew=None, experiment=None, **tags):
        run_id = run_id or self.client.create_run(experiment or self.experiment, tags=tags).info.run_id
        skew = self.random.choice((0, 0, 0, -2_000, -40_000, 30_000)) if skew is None else skew
        self.client.set_terminated(run_id, end_time=int(time.time() * 1000) + skew)
        self.finished.append(run_id)

    def glob(self):
        name = f"{self.names[1]}{self.random.randrange(3)}"
        found = self.client.get_experiment_by_name(name)
        self.finish(experiment=found.experiment_id if found else self.client.create_experiment(name))

    def nested(self):
        self.finish(**{"mlflow.parentRunId": self.random.choice(self.finished)} if self.finished else {})

    def endless(self):
        run_id = self.client.create_run(self.experiment).info.run_id
        self.client.update_run(run_id, status="FINISHED")
        self.finished.append(run_id)

    def late(self):
        if self.finished:
            self.client.log_metric(self.finished[-1], "f1", self.random.random())

    def resume(self):
        if self.finished:
            run_id = self.finished.pop(self.random.randrange(len(self.finished)))
            self.client.update_run(run_id, status="RUNNING")
            if self.random.random() < 0.7:
                self.finish(run_id)

    def delete(self):
        if self.finished:
            self.removed.append(self.finished.pop(self.random.randrange(len(self.finished))))
            self.client.delete_run(self.removed[-1])

    def restore(self):
        if self.removed:
            self.finished.append(self.removed.pop())
            self.client.restore_run(self.finished[-1])


def known(runs):
    return {run_id for found in runs._imprints.values() for run_id in found}


setattr(Machines, "import", lambda self: self.finish(skew=-86_400_000 * self.random.randrange(1, 900)))


@pytest.mark.parametrize(
    "where",
    [
        "mlflow_sqlite",
        pytest.param("mlflow_server", marks=pytest.mark.live),
        pytest.param("mlflow_postgres_server", marks=[pytest.mark.live, pytest.mark.postgres]),
    ],
)
def test_each_look_at_a_real_mlflow_knows_every_finished_run(request, names, where):
    from mlflow import MlflowClient  # noqa: PLC0415 - only this test trains

    uri = request.getfixturevalue(where)
    registry, runs, patterns = MlflowRegistry(uri), FinishedRuns(), (names[0], f"{names[1]}*")
    registry.experiments()
    machines = Machines(MlflowClient(uri), names, seed=7)
    for _ in range(25):
        machines.act()
    list(runs.look(registry, patterns))
    for look in range(30):
        before = known(runs)
        machines.act()
        list(runs.look(registry, patterns))
        assert known(runs) == set(machines.finished), look
        assert known(runs) ^ before <= {*machines.finished, *machines.removed, *before}
    list(runs.look(registry, patterns, thorough=True))
    assert known(runs) == set(machines.finished)


@pytest.mark.live
def test_nothing_new_among_fifty_thousand_runs_costs_two_requests(
    counting_proxy, mlflow_server, mlflow_server_database, names, world_of
):
    proxy = counting_proxy(mlflow_server)
    registry = MlflowRegistry(proxy.url)
    experiment = registry._connection.ask("create", lambda client: client.create_experiment(names[0]))
    insert_runs(mlflow_server_database, int(experiment), MANY)
    house, changes = world_of(registry, (names[0],)), Changes()

    # The first reading is made at the database itself, for it takes fewer seconds there.
    changes.look(world_of(MlflowRegistry(f"sqlite:///{mlflow_server_database}"), (names[0],)))
    assert changes._runs.count == MANY

    proxy.reset()
    assert changes.look(house).events == ()
    assert proxy.total == 2, proxy.paths
    assert proxy.writes == []

    proxy.reset()
    run_id = registry._connection.ask("train", lambda client: client.create_run(experiment).info.run_id)
    registry._connection.ask("train", lambda client: client.set_terminated(run_id))
    proxy.reset()
    (event,) = changes.look(house).events
    assert event.run_id == run_id
    assert proxy.total == 2


@pytest.mark.live
def test_globs_and_missing_experiments_cost_a_third_request(counting_proxy, mlflow_server, names, world_of):
    proxy = counting_proxy(mlflow_server)
    registry = MlflowRegistry(proxy.url)
    registry._connection.ask("create", lambda client: client.create_experiment(names[0]))
    for experiments in ((f"{names[0][:-1]}*",), (names[0], names[1])):
        house, changes = world_of(registry, experiments), Changes()
        changes.look(house)
        proxy.reset()
        changes.look(house)
        assert proxy.total == 3


def test_an_unchanged_database_file_is_not_asked_at_all(mlflow_sqlite, names, world_of, monkeypatch):
    monkeypatch.setattr("selector.adapters.registry_mlflow_watch.COARSEST_CLOCK", 0.05)
    registry = MlflowRegistry(mlflow_sqlite)
    experiment = registry._connection.ask("create", lambda client: client.create_experiment(names[0]))
    house, changes = world_of(registry, (names[0],)), Changes()
    changes.look(house)
    time.sleep(0.1)
    changes.look(house)

    asked = []
    real = registry._connection.ask
    monkeypatch.setattr(
        registry._connection, "ask", lambda doing, *rest, **more: asked.append(doing) or real(doing, *rest, **more)
    )
    assert changes.look(house).events == ()
    assert asked == []
    run_id = real("train", lambda client: client.create_run(experiment).info.run_id)
    real("train", lambda client: client.set_terminated(run_id))
    assert [e.run_id for e in changes.look(house).events] == [run_id]
    assert len(asked) == 2
    changes.look(house, thorough=True)
    assert len(asked) > 4


@pytest.fixture
def world_of(tmp_path):
    """A house with this registry and one model fed by these experiments."""
    from selector.adapters.clock_memory import MemoryClock  # noqa: PLC0415
    from selector.adapters.lock_memory import MemoryLease  # noqa: PLC0415
    from selector.adapters.report_memory import MemoryReports  # noqa: PLC0415
    from selector.adapters.scorer_memory import MemoryHoldouts, MemoryScorer  # noqa: PLC0415
    from selector.adapters.store_memory import MemoryStore  # noqa: PLC0415
    from selector.domain.metric import metric  # noqa: PLC0415
    from selector.domain.policy import Policy  # noqa: PLC0415
    from selector.workflows.house import House, Setup  # noqa: PLC0415

    def make(registry, experiments):
        policy = Policy(metric("f1", average="binary"))
        return House(
            registry=registry,
            store=MemoryStore(),
            clock=MemoryClock(),
            lease=MemoryLease(uuid.uuid4().hex),
            reports=MemoryReports(),
            scorer=MemoryScorer(),
            holdouts=MemoryHoldouts({}),
            setups={"churn": Setup("churn", policy, experiments=experiments)},
            spool=tmp_path / "spool",
        )

    return make
