"""A model folder that is copied in slowly ends as a finished run, selected and promoted, by the service alone."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

pytestmark = pytest.mark.live

PATIENCE = 90.0
WEAK, STRONG, HALF, LATE = (f"logistic_2025082{n}_104603" for n in range(4))


def rows(seed, count):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.normal(size=count) for name in ("a", "b", "c")})
    churn = frame["a"] + frame["b"] + 0.5 * random.normal(size=count) > 0.5
    return frame, np.where(churn, "Yes", "No")


class Project:
    """A holdout, a staging folder, and the service as a process."""

    def __init__(self, folder: Path, uri: str, name: str) -> None:
        self.folder, self.uri, self.name = folder, uri, name
        self.staging, self.log = folder / "models" / "staging", folder / "service.log"
        self.staging.mkdir(parents=True)
        frame, churn = rows(1, 1500)
        frame.assign(Churn=churn).to_csv(folder / "holdout.csv", index=False)
        self.file = folder / "selector.yaml"
        self.file.write_text(f"""
mlflow: {{tracking_uri: "{uri}"}}
models:
  {name}:
    experiments: ["{name}"]
    metric: f1
    holdout: {{data: holdout.csv, target: Churn, positive: "Yes"}}
staging:
  - {{folder: models/staging, model: "{name}", experiment: "{name}", quiet: 1s}}
watch: {{poll: 10m}}
logging: {{level: info}}
""")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "selector", "--config", str(self.file), "run"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, how: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            self.process.wait(40)
        finally:
            self.process.kill()

    def until(self, holds, what):
        ends = time.monotonic() + PATIENCE
        while not (found := holds()):
            said = self.log.read_text(errors="replace")
            assert time.monotonic() < ends, f"{what}:\n{said[-3000:]}"
            assert self.process.poll() is None, f"the service ended:\n{said[-3000:]}"
            time.sleep(0.1)
        return found

    def said(self, words):
        return self.until(lambda: words in self.log.read_text(errors="replace"), f"the log never said {words!r}")

    def runs(self):
        from mlflow import MlflowClient  # noqa: PLC0415 - slow

        client = MlflowClient(self.uri, self.uri)
        experiment = client.get_experiment_by_name(self.name)
        return {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])} if experiment else {}

    def champion(self):
        from mlflow import MlflowClient, MlflowException  # noqa: PLC0415 - slow

        client = MlflowClient(self.uri, self.uri)
        with contextlib.suppress(MlflowException):
            return client.get_run(client.get_model_version_by_alias(self.name, "champion").run_id).info.run_name
        return None


def trained(features):
    """Return the bytes of a model that looks at some of the features only, and its metadata."""
    frame, churn = rows(2, 800)
    frame = frame.assign(**{name: 0.0 for name in "abc" if name not in features})
    made = LogisticRegression().fit(frame, churn)
    # What was left out gets no weight, so the holdout's own columns can be used as they are.
    numbers = {"performance_metrics": {"f1_score": 0.6}, "registered_at": "2025-08-20T10:46:03"}
    return pickle.dumps(made), json.dumps(numbers).encode()


def copy_slowly(content: bytes, path: Path, steps: int = 10) -> None:
    with path.open("wb") as out:
        for step in range(steps):
            out.write(content[len(content) * step // steps : len(content) * (step + 1) // steps])
            out.flush()
            os.fsync(out.fileno())
            time.sleep(0.2)


@pytest.fixture
def project(tmp_path, mlflow_server):
    return Project(tmp_path, mlflow_server, f"staged-{uuid.uuid4().hex[:8]}")


@pytest.mark.timeout(400)
def test_a_model_that_is_copied_in_slowly_is_imported_selected_and_promoted_once_whatever_happens(project):
    with project:
        project.said("At work")
        content, metadata = trained("b")
        (project.staging / WEAK).mkdir()
        (project.staging / WEAK / "metadata.json").write_bytes(metadata)
        copy_slowly(content, project.staging / WEAK / "model.pkl")
        assert WEAK not in project.runs(), "it was imported before it was complete"
        project.until(lambda: project.champion() == WEAK, "the first model never became champion")
        run = project.runs()[WEAK]
        assert (run.info.status, run.data.metrics) == ("FINISHED", {"f1_score": 0.6})

        content, metadata = trained("ab")
        made = project.folder / STRONG
        made.mkdir()
        (made / "model.pkl").write_bytes(content)
        (made / "metadata.json").write_bytes(metadata)
        half = project.staging / HALF
        half.mkdir()
        (half / "model.pkl").write_bytes(content[: len(content) // 2])
        made.rename(project.staging / STRONG)
        project.until(lambda: project.champion() == STRONG, "the better model never became champion")
        project.said(f"did not import {HALF}: model.pkl is cut off")
        project.end(signal.SIGKILL)

    late = project.staging / LATE
    late.mkdir()
    (late / "model.pkl").write_bytes(trained("abc")[0])
    with project:
        project.until(lambda: LATE in project.runs(), "what arrived while nobody watched was missed")
        (half / "model.pkl").write_bytes(trained("a")[0])
        project.until(lambda: HALF in project.runs(), "what was completed later was missed")
    runs = project.runs()
    assert sorted(runs) == sorted([WEAK, STRONG, HALF, LATE])
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
