"""How many finished runs does a watermark miss, and how many our look, at the same machines with the same wrong clocks?

Six seeded days over MLflow in memory: clocks a few seconds off, imports with original times, runs resumed, deleted
and restored. "Watermark": remember the newest end seen, ask for what ended after it. "Ours": `FinishedRuns`, with the
cheap look alone and with the complete reading that the service makes every 15 minutes. Then the price of a look with
nothing new at 50,000 runs in SQLite: calls, seconds, memory.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import tempfile
import time
import tracemalloc
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selector.adapters.registry_memory import MemoryRegistry
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.domain.model import Run
from selector.workflows.finished_runs import FinishedRuns

DAYS, LOOKS, THOROUGH = 6, 500, 30
MANY = 50_000
START = datetime(2026, 1, 1, tzinfo=UTC)


class Day:
    """Machines at one MLflow; a look every 30 seconds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.registry = MemoryRegistry()
        self.registry.add_experiment("exp")
        self.now = START
        self.finished: set[str] = set()
        self.unseen: set[str] = set()
        self.watermark = START - timedelta(days=2000)

    def finish(self, run_id: str | None = None) -> None:
        """End a run by a clock of its own; one in ten is an import with its original times."""
        if run_id is None:
            run_id = f"{self.random.getrandbits(128):032x}"
            self.registry.add_run(Run(run_id, "r", "exp", "RUNNING", self.now))
        skew = self.random.choice((0, 0, 0, 0, 0, -2, -20, -40, 3, 30))
        back = timedelta(days=self.random.randrange(1, 900)) if self.random.random() < 1 / 10 else timedelta(0)
        run = self.registry._runs[run_id]  # noqa: SLF001 - what a client would change
        self.registry.add_run(replace(run, status="FINISHED", ended_at=self.now + timedelta(seconds=skew) - back))
        self.finished.add(run_id)
        self.unseen.add(run_id)

    def between(self) -> None:
        """Do what happens between two looks."""
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 3))):
            self.now += timedelta(seconds=self.random.random() * 10)
            self.finish()
            self.meddle()
        self.now += timedelta(seconds=20)

    def meddle(self) -> None:
        """Resume, delete or restore a run now and then."""
        if self.random.random() < 0.05:
            run_id = self.random.choice(sorted(self.finished))
            self.registry.add_run(replace(self.registry._runs[run_id], status="RUNNING"))  # noqa: SLF001 - as above
            self.finish(run_id)
        if self.random.random() < 0.03:
            self.registry.delete_run(self.random.choice(sorted(self.finished)))
        if self.random.random() < 0.01 and self.registry._deleted:  # noqa: SLF001 - as above
            self.registry.restore_run(min(self.registry._deleted))  # noqa: SLF001 - as above

    def missed(self) -> set[str]:
        """Return what a watermark will never find."""
        runs = {i: self.registry._runs[i].ended_at for i in self.unseen}  # noqa: SLF001 - as above
        found = {i for i, ended in runs.items() if ended is not None and ended > self.watermark}
        self.watermark = max([self.watermark, *(runs[i] or self.watermark for i in found)])
        missed, self.unseen = self.unseen - found, set()
        return missed


def one_day(seed: int) -> tuple[int, int, int, int]:
    """Return how many runs finished, and how many were missed by a watermark, by cheap looks, and by all looks."""
    day, cheap, both = Day(seed), FinishedRuns(), FinishedRuns()
    told_cheap: set[str] = set()
    told_both: set[str] = set()
    missed: set[str] = set()
    list(cheap.look(day.registry, ["exp"]))
    list(both.look(day.registry, ["exp"]))
    for look in range(LOOKS):
        day.between()
        missed |= day.missed()
        told_cheap |= {e.run_id for e in cheap.look(day.registry, ["exp"])}
        told_both |= {e.run_id for e in both.look(day.registry, ["exp"], thorough=look % THOROUGH == THOROUGH - 1)}
    told_both |= {e.run_id for e in both.look(day.registry, ["exp"], thorough=True)}
    there = day.finished - day.registry._deleted  # noqa: SLF001 - as above
    return len(there), len(missed & there), len(there - told_cheap), len(there - told_both)


def fill(database: Path) -> None:
    """Put finished runs with two metrics into MLflow's tables."""
    runs = [(uuid.uuid4().hex, f"r{n}", 1_600_000_000_000 + 1000 * n) for n in range(MANY)]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id,"
            " source_type, source_name, entry_point_name, user_id, artifact_uri)"
            " VALUES (?, ?, 'FINISHED', ?3, ?3 + 900, 'active', 1, 'LOCAL', '', '', 'u', 'x')",
            runs,
        )
        connection.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, 0.5, 1, 0, 0, ?)",
            [(key, run_id) for run_id, *_ in runs for key in ("f1", "accuracy")],
        )


def price(folder: Path) -> None:
    """Print what looks cost at 50,000 runs."""
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db")
    connection = registry._connection  # noqa: SLF001 - to count what is asked
    connection.ask("create", lambda client: client.create_experiment("exp"))
    fill(folder / "mlflow.db")
    asked: list[str] = []
    ask = connection.ask
    connection.ask = lambda doing, *rest, **more: (asked.append(doing), ask(doing, *rest, **more))[1]  # type: ignore[method-assign]
    runs = FinishedRuns()
    for what in ("first look", "nothing new", "nothing new", "complete reading"):
        asked.clear()
        begun = time.perf_counter()
        list(runs.look(registry, ["exp"], thorough=what == "complete reading"))
        print(f"{what:18} {len(asked):3d} calls {time.perf_counter() - begun:7.3f} s")
    tracemalloc.start()
    again = FinishedRuns()
    list(again.look(registry, ["exp"]))
    kept, peak = tracemalloc.get_traced_memory()
    print(
        f"remembered: {kept / MANY:.0f} bytes a run, {kept / 1e6:.0f} MB in all; peak while reading {peak / 1e6:.0f} MB"
    )


def main() -> None:
    print("seed  finished  watermark misses  cheap looks alone  with complete readings")
    total = [0, 0, 0, 0]
    for seed in range(DAYS):
        found = one_day(seed)
        total = [a + b for a, b in zip(total, found, strict=True)]
        print(f"{seed:4d}  {found[0]:8d}  {found[1]:16d}  {found[2]:17d}  {found[3]:22d}")
    rates = [f"{100 * missed / total[0]:.2f} %" for missed in total[1:]]
    print(f" all  {total[0]:8d}  {rates[0]:>16}  {rates[1]:>17}  {rates[2]:>22}")
    with tempfile.TemporaryDirectory() as folder:
        price(Path(folder))


if __name__ == "__main__":
    main()
