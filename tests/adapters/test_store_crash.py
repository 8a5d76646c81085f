"""Is what was confirmed still there after kill -9, with two writers, and on a full disk?"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from selector.adapters.store_sql import open_store
from selector.errors import StateUnavailableError
from selector.ports import Entry

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from selector.adapters.store_sql import open_store
from selector.domain.model import Predictions
from selector.domain.promotion import MoveAlias, Plan
from selector.ports import Entry, Notice

folder, url, name = Path(sys.argv[1]), sys.argv[2] or None, sys.argv[3]
now = datetime(2026, 1, 1, tzinfo=UTC)
store = open_store(folder, url, writable=True)
print("ready", flush=True)
for number in range(100_000):
    key = f"{name}-{number}"
    store.append([Entry(now, name, "decision", decision=key, details={"x": "y" * 200})])
    print("decided", key, flush=True)
    store.begin(Plan(key, name, "promotion", (MoveAlias("champion", 2, 1), MoveAlias("previous", 1, None))), {"n": number})
    print("begun", key, flush=True)
    store.step_done(key, 0)
    store.remember_predictions(key, "h", Predictions(np.arange(50)))
    print("kept", key, flush=True)
    store.step_done(key, 1)
    store.finish(key, [Entry(now, name, "promoted", 2, 1, decision=key)], [Notice(key, name, "promoted", "t", "b")])
    print("finished", key, flush=True)
"""


def start(folder, url, name, *, wait=True):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(folder), url or "", name]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    if wait:
        assert child.stdout.readline() == "ready\n"
    return child


def killed_after(child, lines, pause):
    """Let the child confirm so many lines, wait a moment more, kill it, and return all that it confirmed."""
    confirmed = [child.stdout.readline().split() for _ in range(lines)]
    time.sleep(pause)
    child.send_signal(signal.SIGKILL)
    with child.stdout as rest:
        confirmed += [line.split() for line in rest if line.endswith("\n")]
    assert child.wait() == -signal.SIGKILL
    return [tuple(line) for line in confirmed if line and line[0] != "ready"]


def check_what_was_confirmed(store, confirmed):
    entries = store.entries()
    assert store.verify() == len(entries)
    decided = [e.decision for e in entries if e.kind == "decision"]
    promoted = [e.decision for e in entries if e.kind == "promoted"]
    assert len(set(decided)) == len(decided)
    assert len(set(promoted)) == len(promoted)
    assert sorted(n.key for n in store.notices()) == sorted(promoted)
    unfinished = {u.plan.id: u for u in store.unfinished()}
    assert len(unfinished) <= 1
    assert unfinished.keys().isdisjoint(promoted)
    for what, key in confirmed:
        assert key in decided
        if what == "finished":
            assert key in promoted
        elif what in {"begun", "kept"}:
            assert key in promoted or key in unfinished
        if what == "kept":
            assert store.predictions(key, "h").labels.tolist() == list(range(50))
            assert key in promoted or unfinished[key].done >= 1
    return list(unfinished)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_what_was_confirmed_survives_kill_9_at_any_moment(request, tmp_path, kind):
    url = request.getfixturevalue("postgres_database") if kind == "postgres" else None
    chance = random.Random(7)
    with closing(open_store(tmp_path, url, writable=True)):
        pass
    confirmed = []
    for round_number in range(8):
        child = start(tmp_path, url, f"round{round_number}")
        confirmed += killed_after(child, chance.randrange(1, 30), chance.random() * 0.02)
        with closing(open_store(tmp_path, url, writable=True)) as store:
            for plan_id in check_what_was_confirmed(store, confirmed):
                again = Entry(datetime(2026, 1, 2, tzinfo=UTC), "recovered", "failed", decision=plan_id)
                store.abandon(plan_id, [again])
                confirmed = [line for line in confirmed if line[1] != plan_id]
    assert len(confirmed) > 20


def test_kill_9_while_a_new_state_is_made_leaves_one_that_can_be_opened(tmp_path):
    chance = random.Random(8)
    for number in range(6):
        folder = tmp_path / str(number)
        child = start(folder, None, "first", wait=False)
        deadline = time.monotonic() + 30
        while not (folder / "state.db").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        killed_after(child, 0, chance.random() * 0.06)
        with closing(open_store(folder, None, writable=False)) as store:
            seen = store.verify()
        with closing(open_store(folder, None, writable=True)) as store:
            assert store.verify() == seen


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_two_processes_that_append_at_once_do_not_fork_the_chain(request, tmp_path, kind):
    url = request.getfixturevalue("postgres_database") if kind == "postgres" else None
    with closing(open_store(tmp_path, url, writable=True)) as store:
        children = [start(tmp_path, url, name) for name in ("left", "right")]
        for _ in range(20):
            store.append([Entry(datetime(2026, 1, 1, tzinfo=UTC), "middle", "imported")])
            store.verify()
        for child in children:
            killed_after(child, 40, 0)
        entries = store.entries()
        assert {e.model for e in entries} == {"left", "middle", "right"}
        assert store.verify() == len(entries)
        assert len(store.entries("left")) >= 15


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def appended_until_refused(store, entry):
    for kept in range(1000):
        try:
            store.append([entry])
        except StateUnavailableError as error:
            return kept, error
    pytest.fail("the disk was never full")


def test_a_really_full_disk_loses_nothing_that_was_confirmed_and_work_goes_on_with_space(small_disk):
    entry = Entry(datetime(2026, 1, 1, tzinfo=UTC), "churn", "decision", details={"x": "y" * 5000})
    with closing(open_store(small_disk, None, writable=True)) as store:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(300_000))
        kept, error = appended_until_refused(store, entry)
        assert "\n" not in error.message
        assert "space" in error.advice
        assert kept > 5
        store.remember_digest("u", "d" * 100_000)
        ballast.unlink()
        store.append([entry])
        assert store.verify() == kept + 1
    with closing(open_store(small_disk, None, writable=False)) as store:
        assert store.verify() == kept + 1


def test_a_read_only_file_system_can_be_looked_at_but_not_written(small_disk):
    with closing(open_store(small_disk, None, writable=True)) as store:
        store.append([Entry(datetime(2026, 1, 1, tzinfo=UTC), "churn", "decision")])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with closing(open_store(small_disk, None, writable=False)) as store:
        assert store.verify() == 1
    with pytest.raises(StateUnavailableError, match="cannot be opened for writing"):
        open_store(small_disk, None, writable=True).append([])
