"""Does a service on MLflow's database file wake at once, and not wake itself for ever?"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.events_database import DatabaseEvents, database_files
from selector.adapters.lock_memory import MemoryLease
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.daemon import Daemon, Parts
from selector.ports import NewRun
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders

PATIENCE = 20.0


class Nobody:
    """A supervisor that does not care."""

    patience = None

    def ready(self, status):
        """Hear that it is ready."""

    status = ready

    def alive(self):
        """Hear that it lives."""

    reloading = stopping = alive


def test_a_run_written_to_the_file_is_promoted_at_once_and_our_own_writes_come_to_rest(world, mlflow_sqlite, tmp_path):
    world.shared_rows = False
    world.policy = replace(world.policy, trust_logged=True)
    registry = MlflowRegistry(mlflow_sqlite)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    house = replace(world.house, registry=registry)
    registry.write(NewRun("exp", "first", None, None, {"f1": 0.7}, {}, {}, folder))
    turns, changed = [], threading.Condition()

    @contextmanager
    def wired(_config, _running):
        sources = (DatabaseEvents(database_files((mlflow_sqlite,)), check=300.0),)
        lease = MemoryLease(f"daemon-{id(world)}")
        yield Parts(house, Cycle(house, StagedFolders()), lease, sources, poll=300.0, thorough=300.0)

    def observe(_state, turn, _seconds):
        with changed:
            turns.append(turn)
            changed.notify_all()

    def champion():
        model = registry.registered_model("churn")
        version = model.version(model.aliases.get("champion")) if model else None
        return version.version if version else None

    daemon = Daemon(lambda: "config", wired, Nobody(), MemoryClock())
    daemon.observers.append(observe)
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        with changed:
            assert changed.wait_for(lambda: champion() == 1, PATIENCE)
        registry.write(NewRun("exp", "better", None, None, {"f1": 0.8}, {}, {}, folder))
        with changed:
            assert changed.wait_for(lambda: champion() == 2, PATIENCE), [k.text for t in turns for k in t.looks]
        calm = len(turns)
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:  # nobody writes: the turns have to come to an end
            time.sleep(1.5)
            if len(turns) == calm:
                break
            calm = len(turns)
        assert len(turns) == calm < 15
        assert {w.source for turn in turns for w in turn.wakes} == {"start", "database"}
        assert world.store.entries(kinds=("foreign_edit",)) == ()
    finally:
        daemon.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()
