"""What does it cost to score a model in a confined process of its own?

    python benchmarks/scoring_overhead.py [--models N] [--rows N]

Prints medians and ratios, as absolute times differ from machine to machine.
"""

from __future__ import annotations

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from selector.adapters.holdout_files import HoldoutFiles
from selector.adapters.scorer_confined import ConfinedScorer
from selector.domain.model import Predictions
from selector.ports import Features, HoldoutSpec, ScoreJob
from selector.worker.confine import confine

PLAIN_SCRIPT = """
import pickle, sys, pandas as pd
frame = pd.read_csv(sys.argv[2]).drop(columns="y")
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
model.predict(frame), model.predict_proba(frame)
"""


def world(base: Path, rows: int, models: int) -> tuple[Features, list[ScoreJob]]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 20)), columns=[f"f{i}" for i in range(20)])
    target = (frame.sum(axis=1) > 0).astype(int)
    frame.assign(y=target).to_csv(base / "holdout.csv", index=False)
    model = RandomForestClassifier(50, max_depth=8, n_jobs=1, random_state=0).fit(frame[:2000], target[:2000])
    jobs = []
    for number in range(models):
        folder = base / f"m{number}"
        folder.mkdir()
        (folder / "model.pkl").write_bytes(pickle.dumps(model))
        flavors = {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "pickle"}}
        (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
        jobs.append(ScoreJob(str(number), folder))
    _, features = HoldoutFiles(base).read(HoldoutSpec("holdout.csv", "y"))
    return features, jobs


def each(repeat: int, action: Callable[[], object]) -> float:
    """Return the median seconds of an action."""
    taken = []
    for _ in range(repeat):
        begin = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def forked(action: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def scored(scorer: ConfinedScorer, jobs: list[ScoreJob], features: Features) -> None:
    for answer in scorer.score(jobs, features):
        assert isinstance(answer.result, Predictions), answer.result


def fresh(job: ScoreJob, features: Features) -> None:
    scorer = ConfinedScorer(1)
    scorer._confinement = "tested before"  # noqa: SLF001  the self-test is once per daemon, not once per model
    scored(scorer, [job], features)
    scorer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        empty = each(30, lambda: forked(lambda: None))
        lock = each(30, lambda: forked(lambda: confine(folder, 4 << 30, 60, None, required=True))) - empty
        features, jobs = world(base, arguments.rows, arguments.models)
        warm = ConfinedScorer(1)
        begin = time.perf_counter()
        print("confinement:", warm.self_test())
        start = time.perf_counter() - begin
        per_model = each(3, lambda: scored(warm, jobs, features)) / len(jobs)
        warm.close()
        fresh_process = each(3, lambda: fresh(jobs[0], features))
        command = [
            sys.executable,
            "-I",
            "-c",
            PLAIN_SCRIPT,
            str(jobs[0].folder / "model.pkl"),
            str(base / "holdout.csv"),
        ]
        script = each(3, lambda: subprocess.run(command, check=True))
        python = each(5, lambda: subprocess.run([sys.executable, "-I", "-c", ""], check=True))
    for name, seconds in {
        "bare Python start": python,
        "locking up one worker": lock,
        "one model, warm fork server": per_model,
        "one model, fork server of its own": fresh_process,
        "one model, plain unconfined script": script,
        "fork server start with self-test": start,
    }.items():
        print(f"{name:36} {seconds * 1000:9.2f} ms  {seconds / per_model:8.3f} x one model, warm")


if __name__ == "__main__":
    main()
