"""Does every write to MLflow's database give a hint, and nothing else?"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time

import pytest

from selector.adapters import events_database
from selector.adapters.events_database import DatabaseEvents, database_files
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.sqlite_stamp import stamp

PATIENCE = 10.0


class Hints:
    """Counts hints."""

    def __init__(self):
        self.count = 0
        self._changed = threading.Condition()

    def __call__(self, wake):
        assert wake.source == "database"
        assert not wake.everything
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def until(self, said):
        with self._changed:
            return self._changed.wait_for(lambda: said(self.count), PATIENCE)


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "store" / "mlflow.db"
    found.parent.mkdir()
    write(found, "CREATE TABLE t (x)")
    return found


@pytest.fixture
def watching(file, request):
    """A source at work, with what it told; looks at the file so seldom that only the kernel can have told."""
    source, hints = DatabaseEvents([file], check=getattr(request, "param", 60.0)), Hints()
    source.start(hints)
    ends = time.monotonic() + PATIENCE
    while source._observer is None and time.monotonic() < ends:
        time.sleep(0.01)
    time.sleep(0.05)
    yield source, hints
    source.stop()


def write(file, statement="INSERT INTO t VALUES (1)"):
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def test_a_write_is_told_by_the_kernel(file, watching):
    _, hints = watching
    write(file)
    assert hints.until(lambda n: n == 1)


def test_each_of_several_writes_is_followed_by_a_hint(file, watching):
    _, hints = watching
    for _ in range(3):
        seen = hints.count
        write(file)
        assert hints.until(lambda n, seen=seen: n > seen)


def test_a_burst_of_writes_gives_a_few_hints(file, watching):
    _, hints = watching
    for _ in range(40):
        write(file)
    assert hints.until(lambda n: n > 0)
    assert hints.count < 10


def test_reading_gives_no_hint(file, watching):
    _, hints = watching
    for mode in ("delete", "wal"):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
        assert mode == "delete" or hints.until(lambda n: n > 0)
        time.sleep(1.0)
        seen = hints.count
        for _ in range(5):
            with contextlib.closing(sqlite3.connect(file)) as connection:
                connection.execute("SELECT * FROM t").fetchall()
        (file.parent / "another.db").write_bytes(b"x")
        time.sleep(1.0)
        assert hints.count == seen


def test_a_write_ahead_log_counts_as_the_file(file, watching):
    _, hints = watching
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=wal")
        assert hints.until(lambda n: n > 0)
        time.sleep(1.0)
        seen, before = hints.count, file.stat().st_mtime_ns
        connection.execute("INSERT INTO t VALUES (2)")
        assert hints.until(lambda n: n > seen)
        assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("watching", [0.1], indirect=True)
def test_a_file_that_is_replaced_is_watched_as_the_new_one(file, watching):
    _, hints = watching
    copy = file.with_name("copy.db")
    shutil.copy2(file, copy)
    copy.replace(file)
    assert hints.until(lambda n: n == 1)
    write(file)
    assert hints.until(lambda n: n == 2)


@pytest.mark.parametrize("watching", [0.1], indirect=True)
def test_a_folder_that_is_removed_and_made_again_is_watched_again(file, watching):
    source, hints = watching
    shutil.rmtree(file.parent)
    assert hints.until(lambda n: n == 1)
    until(lambda: source.trouble() is not None)
    assert "does not exist" in source.trouble()
    file.parent.mkdir()
    write(file, "CREATE TABLE t (x)")
    assert hints.until(lambda n: n == 2)
    until(lambda: source.trouble() is None)
    source._check = 60.0
    time.sleep(0.3)
    write(file)
    assert hints.until(lambda n: n == 3)


@pytest.mark.parametrize("watching", [0.1], indirect=True)
def test_a_folder_made_again_with_the_same_number_is_watched_again(file, watching, monkeypatch):
    source, hints = watching
    monkeypatch.setattr(events_database, "_inode", lambda _folder: source._watched.get(file.parent))
    shutil.rmtree(file.parent)
    file.parent.mkdir()
    write(file, "CREATE TABLE t (x)")
    assert hints.until(lambda n: n > 0)
    time.sleep(0.5)
    source._check = 60.0
    time.sleep(0.3)
    seen = hints.count
    write(file)
    assert hints.until(lambda n: n > seen)


def test_a_system_without_watches_left_is_told_and_the_file_looked_at(file, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(events_database.Observer, "schedule", refuse)
    source, hints = DatabaseEvents([file], check=0.05), Hints()
    source.start(hints)
    try:
        write(file)
        assert hints.until(lambda n: n == 1)
        until(lambda: "inotify watch limit reached" in (source.trouble() or ""))
    finally:
        source.stop()


@pytest.mark.parametrize("watching", [0.1], indirect=True)
def test_a_watcher_that_died_is_replaced(file, watching):
    source, hints = watching
    dead = source._observer
    dead.stop()
    dead.join(5)
    until(lambda: source._observer is not None and source._observer is not dead)
    write(file)
    assert hints.until(lambda n: n > 0)


def test_it_ends_at_once_and_may_be_stopped_twice_or_without_a_start(file):
    DatabaseEvents([file]).stop()
    source = DatabaseEvents([file])
    source.start(Hints())
    source.stop()
    source.stop()
    assert not any(t.name == "database" and t.is_alive() for t in threading.enumerate())


def test_only_files_are_watched(tmp_path):
    uris = (
        "http://127.0.0.1:5000",
        "postgresql://x/y",
        f"sqlite:///{tmp_path}/a.db",
        None,
        f"sqlite:///{tmp_path}/a.db",
    )
    assert database_files(uris) == (tmp_path / "a.db",)


def test_a_stamp_changes_with_content_and_place_and_not_with_empty_journals(file):
    first = stamp(file)
    file.with_name("mlflow.db-wal").touch()
    assert stamp(file) == first
    link = file.parent.parent / "link.db"
    link.symlink_to(file)
    assert stamp(link) == first
    os.utime(file, ns=(1, 1))
    second = stamp(file)
    assert second[1] != first[1]
    shutil.copy2(file, file.with_name("copy.db"))
    file.with_name("copy.db").replace(file)
    assert stamp(file)[1] != second[1]
    file.unlink()
    assert stamp(file) == (0.0, "")


def test_a_file_written_just_now_is_not_trusted_and_a_server_never(file):
    registry = MlflowRegistry(f"sqlite:///{file}")
    assert registry.written() is None
    os.utime(file, (1_600_000_000, 1_600_000_000))
    assert registry.written() is not None
    os.utime(file, (time.time() + 3600,) * 2)
    assert registry.written() is None
    assert MlflowRegistry("http://127.0.0.1:1").written() is None
    assert MlflowRegistry(f"sqlite:///{file}", registry_uri="http://127.0.0.1:1").written() is None


def until(said):
    ends = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.02)
