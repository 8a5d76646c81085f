"""What does the service cost: idle, and from a finished run to the moved alias?

    python benchmarks/daemon.py [--seconds N] [--runs N]

Idle memory and processor time stand beside those of a process that only imports mlflow. From event to alias: the time
of a turn in which a better run is promoted, and how much of it goes to MLflow's own calls and to scoring. All of it is
measured in one run; absolute times differ from machine to machine.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from selector.bootstrap import open_house
from selector.config import load
from selector.demo.customers import make_customers, split
from selector.demo.training import ALL_NUMBERS, OLD_NUMBERS, train
from selector.domain.events import WakeUp
from selector.workflows.changes import Changes
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders

CONFIGURATION = """
mlflow: {tracking_uri: "sqlite:///mlflow.db"}
models:
  churn:
    experiments: [churn]
    metric: f1
    holdout: {data: holdout.csv, target: Churn, positive: "Yes"}
"""
BARE = "import mlflow, time; print('ready', flush=True); time.sleep(3600)"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Timed:
    """Stands before an object and adds up the time spent in its methods."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.seconds, self.calls = inner, 0.0, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return self._timed(found) if callable(found) else found

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            began = time.perf_counter()
            self.calls += 1
            try:
                found = method(*args, **more)
            finally:
                self.seconds += time.perf_counter() - began
            return self._walked(found) if hasattr(found, "__next__") else found

        return call

    def _walked(self, found: Iterator[Any]) -> Iterator[Any]:
        while True:
            began = time.perf_counter()
            try:
                item = next(found)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - began
            yield item


def project(folder: Path, runs: int, rows_held_out: int) -> list[Callable[[], None]]:
    """Make a holdout and a configuration; return what finishes a run with a model, one after the other."""
    rows, holdout = split(make_customers())
    holdout = holdout.sample(rows_held_out, replace=True, random_state=0)
    holdout.to_csv(folder / "holdout.csv", index=False)
    (folder / "selector.yaml").write_text(CONFIGURATION)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    import mlflow  # noqa: PLC0415 - its cost is what is measured elsewhere

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("churn")

    def finish(number: int) -> None:
        good = number == runs - 1
        model = train(
            "lightgbm", rows if good else rows.iloc[: 200 + 20 * number], number, ALL_NUMBERS if good else OLD_NUMBERS
        )
        with mlflow.start_run(run_name=f"run {number}"):
            mlflow.sklearn.log_model(
                model, name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
            )

    return [lambda number=number: finish(number) for number in range(runs)]


def idle(folder: Path, seconds: float) -> None:
    """Print what the idle service costs beside a bare import."""
    bare = subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE)
    assert bare.stdout is not None
    bare.stdout.readline()
    log = (folder / "idle.log").open("w")
    command = [sys.executable, "-m", "selector", "--config", str(folder / "selector.yaml"), "run"]
    service = subprocess.Popen(command, stderr=log, cwd=folder)
    try:
        while "no reason" not in (folder / "idle.log").read_text() and "kept" not in (folder / "idle.log").read_text():
            assert service.poll() is None, (folder / "idle.log").read_text()
            time.sleep(0.2)
        time.sleep(2)
        used = {pid: processor(pid) for pid in (bare.pid, service.pid)}
        time.sleep(seconds)
        print(f"idle for {seconds:g} s              resident     processor")
        for name, pid in (("import mlflow", bare.pid), ("mlflow-selector", service.pid)):
            share = (processor(pid) - used[pid]) / seconds
            print(f"  {name:20}  {resident(pid) / 2**20:9.0f} MB  {100 * share:8.2f} %")
        print(f"  ratio                {resident(service.pid) / resident(bare.pid):9.2f}")
    finally:
        for process in (bare, service):
            process.terminate()
            process.wait()
        log.close()


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


@contextmanager
def timed_cycle(folder: Path) -> Iterator[tuple[Cycle, Timed, Timed]]:
    """Return a cycle whose calls to MLflow and to the scorer are timed."""
    with open_house(load(folder / "selector.yaml"), writable=True) as house:
        registry, scorer = Timed(house.registry), Timed(house.scorer)
        measured = replace(house, registry=registry, scorer=scorer)
        yield Cycle(measured, StagedFolders(), Changes()), registry, scorer


def event_to_alias(folder: Path, finish: list[Callable[[], None]]) -> None:
    """Print where the time of turns goes that score and promote."""
    shares = []
    with timed_cycle(folder) as (cycle, registry, scorer):
        cycle.turn([WakeUp("start", everything=True)], time.monotonic())
        print("from event to alias         all      MLflow    scoring    ours")
        for number, one in enumerate(finish):
            one()
            registry.seconds = scorer.seconds = 0.0
            began = time.perf_counter()
            turn = cycle.turn([WakeUp("database")], time.monotonic())
            took = time.perf_counter() - began
            if not turn.looks or turn.looks[0].decision is None:
                continue
            # Models are fetched while the scorer asks for them: that part is counted on both sides.
            within = registry.seconds
            ours = took - within - max(0.0, scorer.seconds)
            shares.append(ours / took)
            verdict = turn.looks[0].decision.verdict
            print(
                f"  run {number}: {verdict:12} "
                f"{took:8.2f} s {within:8.2f} s {scorer.seconds:8.2f} s {100 * ours / took:6.1f} %"
            )
    print(f"  median share that is ours: {100 * statistics.median(shares):.1f} %")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--rows", type=int, nargs="+", default=[1_400, 100_000])
    arguments.add_argument("--runs", type=int, default=6)
    asked = arguments.parse_args()
    for rows in asked.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.chdir(folder)
            finish = project(folder, asked.runs + 1, rows)
            finish[0]()
            print(f"\n{rows} rows held out")
            event_to_alias(folder, finish[1:])
            if rows == asked.rows[-1]:
                idle(folder, asked.seconds)
            os.chdir("/")


if __name__ == "__main__":
    main()
