"""How fast is `migrate store` beside the bare client calls and mlflow-export-import, and does its memory stay flat?

    python benchmarks/store_speed.py [--runs 1000 10000] [--rounds 3] [--metrics 10] [--export-import PYTHON]

Writes file stores of small runs, and carries each into fresh SQLite databases of MLflow in three ways: with
`migrations`, with nothing but the client calls that the same work needs (create_run, log_batch, set_terminated, from
values that lie ready in memory), and with mlflow-export-import, where the Python that is named has it installed. Each
way runs in a process of its own. Prints seconds, runs a second, the peak of memory, and ratios; a ratio says how many
times as fast our import is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
BEGUN = 1_600_000_000_000
PARAMS = 5

EXPORT_IMPORT = """
import os, sys, time
source, target, scratch = sys.argv[1:]
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_TRACKING_URI"] = source
import mlflow
from mlflow_export_import.bulk.export_experiments import export_experiments
from mlflow_export_import.bulk.import_experiments import import_experiments
begun = time.perf_counter()
export_experiments(mlflow.MlflowClient(source, source), "tuning", scratch)
os.environ["MLFLOW_TRACKING_URI"] = target
mlflow.set_tracking_uri(target)
import_experiments(mlflow.MlflowClient(target, target), scratch)
print("\\nseconds", time.perf_counter() - begun)
"""


def values(run: int, metrics: int) -> tuple[list[tuple[str, float]], list[tuple[str, str]]]:
    """Return metrics and params of one run."""
    measured = [(f"metric_{n}", (run * 31 + n * 7) % 1000 / 1000) for n in range(metrics)]
    return measured, [(f"param_{n}", str(run * n)) for n in range(PARAMS)]


def build(root: Path, runs: int, metrics: int) -> None:
    """Write a file store as MLflow 2 does."""
    for number, name in (("0", "Default"), ("1", "tuning")):
        folder = root / number
        folder.mkdir(parents=True)
        (folder / "meta.yaml").write_text(
            f"artifact_location: {folder.as_uri()}\nexperiment_id: '{number}'\nlifecycle_stage: active\nname: {name}\n"
        )
    for run in range(runs):
        run_id = f"{run:031x}a"
        place = root / "1" / run_id
        for part in ("metrics", "params", "tags", "artifacts"):
            (place / part).mkdir(parents=True)
        measured, params = values(run, metrics)
        for key, value in measured:
            (place / "metrics" / key).write_text(f"{BEGUN + run} {value} 0\n")
        for key, text in params:
            (place / "params" / key).write_text(text)
        (place / "tags" / "mlflow.user").write_text("ada")
        (place / "tags" / "mlflow.runName").write_text(f"run {run}")
        (place / "meta.yaml").write_text(
            f"artifact_uri: {place.as_uri()}/artifacts\nend_time: {BEGUN + run + 500}\nentry_point_name: ''\n"
            f"experiment_id: '1'\nlifecycle_stage: active\nrun_id: {run_id}\nrun_name: run {run}\nrun_uuid: {run_id}\n"
            f"source_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {BEGUN + run}\nstatus: 3\ntags: []\n"
            "user_id: ada\n"
        )


def ours(source: Path, folder: Path, _runs: int, _metrics: int) -> float:
    """Carry the store."""
    # Only in its own process: the peak of memory is to be that of one way.
    from migrations.stores.carry import Carrier  # noqa: PLC0415 - each way loads its own
    from migrations.stores.open import open_store  # noqa: PLC0415 - each way loads its own
    from selector.adapters.registry_mlflow import MlflowRegistry  # noqa: PLC0415 - each way loads its own

    registry = MlflowRegistry(f"sqlite:///{folder / 'mlflow.db'}")
    registry.experiments()
    begun = time.perf_counter()
    with open_store(str(source), folder / "spool") as store:
        outcome = Carrier(store, registry.store_writer(), registry, "benchmark").carry()
    seconds = time.perf_counter() - begun
    assert outcome.runs["failed"] == 0, outcome.left_out[:5]
    return seconds


def bare(_source: Path, folder: Path, runs: int, metrics: int) -> float:
    """Make the client calls that the same work needs."""
    from mlflow import MlflowClient  # noqa: PLC0415 - each way loads its own
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - each way loads its own

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.search_experiments()
    begun = time.perf_counter()
    number = client.create_experiment("tuning", (folder / "artifacts").as_uri())
    for run in range(runs):
        measured, params = values(run, metrics)
        tags = {
            "mlflow.user": "ada",
            "selector.source_run": f"{run:031x}a",
            "selector.batch": "b",
            "selector.source": "s",
        }
        made = client.create_run(number, start_time=BEGUN + run, tags=tags, run_name=f"run {run}")
        client.log_batch(
            made.info.run_id,
            [Metric(key, value, BEGUN + run, 0) for key, value in measured],
            [Param(key, text) for key, text in params],
        )
        client.set_terminated(made.info.run_id, "FINISHED", BEGUN + run + 500)
    return time.perf_counter() - begun


WAYS = {"ours": ours, "bare": bare}


class Taken(NamedTuple):
    """What one way took: seconds, the peak of memory in MB, and seconds of a processor, which no neighbour changes."""

    seconds: float
    memory: float
    processor: float


def measure(way: str, source: Path, template: Path, runs: int, metrics: int) -> Taken:
    """Return what one way took, in a process of its own."""
    with fresh(template) as folder:
        command = [sys.executable, __file__, "--way", way, str(source), str(folder), str(runs), str(metrics)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
        check(folder / "mlflow.db", runs, metrics)
    return Taken(*json.loads(answer.stdout.splitlines()[-1]))


def check(database: Path, runs: int, metrics: int) -> None:
    """Refuse a way that did less than the work."""
    with sqlite3.connect(database) as connection:
        found = connection.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()[0]
        values = connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
    assert (found, values) == (runs, runs * metrics), (found, values)


class fresh:  # noqa: N801 - used like the functions of contextlib
    """A private folder with an empty MLflow database."""

    def __init__(self, template: Path) -> None:
        self._template = template

    def __enter__(self) -> Path:
        self._folder = Path(tempfile.mkdtemp(dir=self._template.parent))
        shutil.copyfile(self._template, self._folder / "mlflow.db")
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def export_import(python: Path, source: Path, work: Path, runs: int) -> tuple[float, str]:
    """Return seconds of mlflow-export-import, and what it kept of the runs' times."""
    target = work / "export-import.db"
    command = [str(python), "-c", EXPORT_IMPORT, source.as_uri(), f"sqlite:///{target}", str(work / "exported")]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, cwd=work)
    if answer.returncode:
        return 0.0, f"it failed: {answer.stderr.strip().splitlines()[-1][:200]}"
    seconds = float(answer.stdout.rpartition("seconds ")[2])
    with sqlite3.connect(target) as connection:
        found, kept = connection.execute("SELECT count(*), sum(start_time < ?) FROM runs", (BEGUN + 10**9,)).fetchone()
    if found < runs:
        return 0.0, f"it brought {found} of {runs} runs, for it expects a server's errors and not a database's"
    return seconds, f"{found} of {runs} runs, {kept or 0} with their original times"


def rounds_of(source: Path, template: Path, runs: int, metrics: int, rounds: int) -> Iterator[dict[str, Taken]]:
    """Yield what each way took, alternating, so that a busy machine is busy for both."""
    for index in range(rounds):
        order = list(WAYS) if index % 2 == 0 else list(WAYS)[::-1]
        yield {way: measure(way, source, template, runs, metrics) for way in order}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--export-import", type=Path, help="A Python that has mlflow-export-import installed.")
    parser.add_argument(
        "--way", nargs=5, metavar=("WAY", "SOURCE", "FOLDER", "RUNS", "METRICS"), help=argparse.SUPPRESS
    )
    asked = parser.parse_args()
    if asked.way:
        way, source, folder, runs, metrics = asked.way
        begun = time.process_time()
        seconds = WAYS[way](Path(source), Path(folder), int(runs), int(metrics))
        used = time.process_time() - begun
        print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, used]))
        return
    with tempfile.TemporaryDirectory() as work:
        compare(asked, Path(work))


def compare(asked: argparse.Namespace, work: Path) -> None:
    """Print seconds, rates, memory and ratios."""
    from mlflow import MlflowClient  # noqa: PLC0415 - each way loads its own

    template = work / "template.db"
    MlflowClient(f"sqlite:///{template}", f"sqlite:///{template}").search_experiments()
    peaks: dict[int, float] = {}
    for runs in asked.runs:
        source = work / f"store-{runs}" / "mlruns"
        build(source, runs, asked.metrics)
        measured = list(rounds_of(source, template, runs, asked.metrics, asked.rounds))
        for way in WAYS:
            seconds = statistics.median(one[way].seconds for one in measured)
            peak = max(one[way].memory for one in measured)
            print(f"{runs:>6} runs  {way:<6} {seconds:8.2f} s  {runs / seconds:7.0f} runs/s  peak {peak:5.0f} MB")
        peaks[runs] = max(one["ours"].memory for one in measured)
        ratio = statistics.median(one["bare"].seconds / one["ours"].seconds for one in measured)
        work_ratio = statistics.median(one["bare"].processor / one["ours"].processor for one in measured)
        said = f"{ratio:.2f} times the rate of the bare calls by the clock, {work_ratio:.2f} by processor time"
        print(f"{runs:>6} runs  ours has {said}")
        if asked.export_import:
            compare_with_export_import(asked, source, work, runs, measured)
        else:
            print(f"{runs:>6} runs  mlflow-export-import: NOT MEASURED, say --export-import PYTHON of a place with it")
    if len(peaks) > 1:
        few, many = min(peaks), max(peaks)
        per_run = (peaks[many] - peaks[few]) / (many - few) * 1024
        print(f"memory: {peaks[few]:.0f} MB at {few} runs, {peaks[many]:.0f} MB at {many}: {per_run:.2f} KB a run")


def compare_with_export_import(
    asked: argparse.Namespace, source: Path, work: Path, runs: int, measured: list[dict[str, Taken]]
) -> None:
    """Print what mlflow-export-import takes for the same, on a copy, for it opens a store with MLflow."""
    private = work / f"private-{runs}"
    copy = private / "mlruns"
    shutil.copytree(source, copy)
    seconds, said = export_import(asked.export_import, copy, private, runs)
    if seconds:
        ratio = seconds / statistics.median(one["ours"].seconds for one in measured)
        print(f"{runs:>6} runs  mlflow-export-import {seconds:.2f} s, {said}; ours has {ratio:.1f} times its rate")
    else:
        print(f"{runs:>6} runs  mlflow-export-import: NOT MEASURED, {said}")


if __name__ == "__main__":
    main()
