"""The service as a process that is told to end, or is killed, while a model is being scored: nobody stays behind."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from selector.demo.customers import make_customers, split

pytestmark = pytest.mark.live

PATIENCE = 60.0
MOST_SECONDS_TO_END = 30
NAME = "logistic_regression_20250820_104738"


@pytest.fixture
def service(tmp_path, mlflow_sqlite):
    """A service at work, whose only worker stopped in the middle of scoring its first model."""
    train, holdout = split(make_customers())
    numbers = list(train.select_dtypes("number").columns)
    holdout[[*numbers, "Churn"]].to_csv(tmp_path / "holdout.csv", index=False)
    staged = tmp_path / "staging" / NAME
    staged.mkdir(parents=True)
    model = pickle.dumps(LogisticRegression(max_iter=2000).fit(train[numbers], train["Churn"] == "Yes"))
    (staged / "model.pkl").write_bytes(model)
    (staged / "SHA256SUMS").write_text(f"{hashlib.sha256(model).hexdigest()}  model.pkl\n")
    (tmp_path / "selector.yaml").write_text(
        f'mlflow: {{tracking_uri: "{mlflow_sqlite}"}}\n'
        "models:\n  churn:\n    experiments: [churn]\n    metric: f1\n"
        '    holdout: {data: holdout.csv, target: Churn, positive: "Yes"}\n'
        "staging: [{folder: staging, model: churn, experiment: churn}]\n"
        "watch: {poll: 1s}\nscoring: {workers: 1}\n"
    )
    started = _start(tmp_path)
    try:
        stopped = _stop_whoever_scores(started)
        yield started, stopped
    finally:
        started.kill()
        started.wait(PATIENCE)


def _start(folder):
    command = [sys.executable, "-m", "selector", "--config", str(folder / "selector.yaml"), "run"]
    with (folder / "service.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


def _stop_whoever_scores(started):
    """Send SIGSTOP to the process that has locked itself up with a model; return everybody below the service."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for pid in _below(started.pid):
            if _status(pid, "Seccomp") == "2":
                _signal(pid, signal.SIGSTOP)
                return _below(started.pid)
        assert started.poll() is None, "the service ended by itself"
        time.sleep(0.002)
    pytest.fail("nobody ever scored")


def _status(pid, name):
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:")), "")


def _below(pid):
    """Return the processes that this one, or one below it, has started; from any of its threads."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                found += [int(child), *_below(int(child))]
    return found


def _signal(pid, number):
    subprocess.run(["kill", f"-{number}", str(pid)], check=False, capture_output=True)


def _lives(pid):
    return _status(pid, "State") not in {"", "Z", "X"}


def _gone(pids):
    deadline = time.monotonic() + PATIENCE
    while any(map(_lives, pids)):
        assert time.monotonic() < deadline, f"left behind: {[p for p in pids if _lives(p)]}"
        time.sleep(0.02)


def _history(folder):
    command = [sys.executable, "-m", "selector", "--config", str(folder / "selector.yaml"), "history", "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def _until_promoted(folder):
    deadline = time.monotonic() + PATIENCE
    while "becomes the first champion" not in (folder / "service.log").read_text():
        assert time.monotonic() < deadline, (folder / "service.log").read_text()[-3000:]
        time.sleep(0.1)


def test_the_end_does_not_wait_for_a_model_that_is_slow_and_the_next_start_scores_it(service, tmp_path):
    started, workers = service
    started.send_signal(signal.SIGTERM)
    assert started.wait(MOST_SECONDS_TO_END) == 0
    _gone(workers)
    log = (tmp_path / "service.log").read_text()
    assert "nothing was decided" in log
    assert "Traceback" not in log
    assert json.loads((tmp_path / ".mlflow-selector" / "heartbeat.json").read_text())["phase"] == "stopping"
    again = _start(tmp_path)
    try:
        _until_promoted(tmp_path)
        again.send_signal(signal.SIGTERM)
        assert again.wait(MOST_SECONDS_TO_END) == 0
    finally:
        again.kill()
    assert _history(tmp_path).count('"kind": "promoted"') == 1


def test_workers_do_not_outlive_a_killed_service(service):
    started, workers = service
    started.kill()
    started.wait(PATIENCE)
    _gone(workers)
