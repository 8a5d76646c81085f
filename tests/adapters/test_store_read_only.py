"""Does looking at our own state leave no trace at all?"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from selector.adapters.store_read_only import ReadOnlyStore
from selector.adapters.store_sql import SqlStore, open_store
from selector.domain.model import Predictions, Unscorable
from selector.domain.promotion import Plan
from selector.errors import SelectorError
from selector.ports import Entry

ROOT = Path(__file__).parents[2]
ENTRY = Entry(datetime(2026, 1, 1, tzinfo=UTC), "churn", "decision", decision="d1")
PLAN = Plan("d1", "churn", "promotion", ())


def trace(folder):
    """Everything that a write could change: names, sizes, times, bytes (but the bytes and times of live -shm files)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() and not path.name.endswith("-shm") else b""
        changed = 0 if path.name.endswith("-shm") else path.stat().st_mtime_ns
        found[str(path)] = (path.stat().st_size, changed, content)
    return found


def look_at_everything(store):
    store.entries()
    store.last_decisions()
    store.verify()
    store.unfinished()
    store.paused()
    store.digests(["u"])
    store.predictions("m", "h")
    store.remember_digest("u2", "d2")
    store.remember_predictions("m2", "h", Predictions(np.array([1])))
    store.describe()


def test_looking_where_there_is_no_state_makes_none(tmp_path):
    with closing(open_store(tmp_path / "state", None, writable=False)) as store:
        look_at_everything(store)
        assert store.entries() == ()
        assert store.verify() == 0
    assert list(tmp_path.iterdir()) == []
    assert SqlStore.open(tmp_path / "state.db", create=False) is None


def test_looking_at_a_closed_state_changes_nothing(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.append([ENTRY])
        store.remember_predictions("m", "h", Predictions(np.array([1])))
    before = trace(tmp_path)
    with closing(open_store(tmp_path, None, writable=False)) as store:
        look_at_everything(store)
        assert store.entries() == (ENTRY,)
        assert store.predictions("m", "h").labels.tolist() == [1]
        assert trace(tmp_path) == before
    assert trace(tmp_path) == before


def test_looking_beside_a_running_writer_sees_what_it_confirmed_and_changes_nothing(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as writer:
        writer.append([ENTRY])
        before = trace(tmp_path)
        with closing(open_store(tmp_path, None, writable=False)) as store:
            look_at_everything(store)
            assert store.entries() == (ENTRY,)
            assert trace(tmp_path) == before
            writer.append([ENTRY])
            assert store.verify() == 2


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from selector.adapters.store_sql import open_store
from selector.ports import Entry
store = open_store(Path(sys.argv[1]), None, writable=True)
store.append([Entry(datetime(2026, 1, 1, tzinfo=UTC), "churn", "decision", decision="d1")])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def crashed(tmp_path):
    folder = tmp_path / "crashed"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (folder / "state.db-wal").stat().st_size > 0
    return folder


def test_looking_after_a_crash_sees_the_last_entry_and_changes_nothing(crashed):
    before = trace(crashed)
    with closing(open_store(crashed, None, writable=False)) as store:
        look_at_everything(store)
        assert store.entries() == (ENTRY,)
    assert trace(crashed) == before


def test_looking_at_a_copied_state_without_its_shm_file_makes_none(crashed, tmp_path):
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(crashed / name, copied / name)
    before = trace(copied)
    with closing(open_store(copied, None, writable=False)) as store:
        look_at_everything(store)
        assert store.entries() == (ENTRY,)
    assert trace(copied) == before


@pytest.mark.postgres
def test_looking_at_postgresql_makes_no_tables_and_the_server_refuses_writes(tmp_path, postgres_database):
    with closing(open_store(tmp_path / "s", postgres_database, writable=False)) as store:
        look_at_everything(store)
        assert store.entries() == ()
    with closing(open_store(tmp_path / "s", postgres_database, writable=True)) as writer:
        writer.append([ENTRY])
    reader = SqlStore.open(postgres_database, create=False, folder=tmp_path / "s")
    with closing(reader):
        assert reader.entries() == (ENTRY,)
        with pytest.raises(SelectorError, match="must not be written"):
            reader.append([ENTRY])
    assert not (tmp_path / "s" / "predictions").exists()


def test_what_a_dry_run_learns_is_known_to_it_until_it_ends(tmp_path):
    with closing(open_store(tmp_path / "s", None, writable=False)) as store:
        store.remember_digest("u", "d")
        store.remember_predictions("m", "h", Unscorable("no"))
        assert store.digests(["u", "v"]) == {"u": "d"}
        assert store.predictions("m", "h") == Unscorable("no")
    with closing(open_store(tmp_path / "s", None, writable=False)) as store:
        assert store.digests(["u"]) == {}


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.append([ENTRY]),
        lambda store: store.begin(PLAN, {}),
        lambda store: store.step_done("d1", 0),
        lambda store: store.finish("d1", [ENTRY], notices=[]),
        lambda store: store.abandon("d1", [ENTRY]),
        lambda store: store.pause("churn", reason="audit"),
        lambda store: store.resume("churn"),
    ],
)
def test_everything_that_must_last_is_refused(tmp_path, write):
    with closing(open_store(tmp_path / "s", None, writable=False)) as store:
        assert isinstance(store, ReadOnlyStore)
        with pytest.raises(SelectorError, match="read only"):
            write(store)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_predictions_file_stays_where_it_is_while_only_looking(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.remember_predictions("m", "h", Predictions(np.array([1])))
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(b"damaged")
    before = trace(tmp_path)
    with closing(open_store(tmp_path, None, writable=False)) as store:
        assert store.predictions("m", "h") is None
    assert trace(tmp_path) == before
