"""Does the kernel's word of an arrival reach us, whatever happens to the folder and to those who watch it?"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time

import pytest
from watchdog.events import DirModifiedEvent, FileClosedNoWriteEvent, FileOpenedEvent

from selector.adapters import events_folder
from selector.adapters.events_folder import FolderEvents
from selector.adapters.file_system import REMOTE, remote_kind
from selector.workflows.house import Staging
from selector.workflows.staged_files import walk
from selector.workflows.staged_memory import FolderMemory

PATIENCE = 20.0
NEVER = 600.0


class Hints:
    """Counts hints."""

    def __init__(self):
        self.count, self.moments = 0, []
        self._changed = threading.Condition()

    def __call__(self, wake):
        assert wake.source == "staging"
        assert not wake.everything
        with self._changed:
            self.count += 1
            self.moments.append(time.monotonic())
            self._changed.notify_all()

    def until(self, said):
        with self._changed:
            return self._changed.wait_for(lambda: said(self.count), PATIENCE)


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "staging"
    found.mkdir()
    return found


@pytest.fixture
def watching():
    """Start sources; looks after the watchers are so rare by default that only the kernel can have told."""
    sources = []

    def start(*folders, check=NEVER, mode="inotify"):
        source, hints = FolderEvents(dict.fromkeys(folders, mode), check=check), Hints()
        sources.append(source)
        source.start(hints)
        return source, hints

    yield start
    for source in sources:
        source.stop()
        source.stop()


def armed(source, hints):
    """Wait until the folders are watched; that gives a hint of its own, for something may have come before."""
    assert hints.until(lambda n: n >= 1)
    assert source._observer is not None
    return hints.count


def test_the_first_hint_comes_with_the_watch_itself(folder, watching):
    source, hints = watching(folder)
    armed(source, hints)
    assert source.trouble() is None


@pytest.mark.parametrize(
    "arrive",
    [
        lambda folder, other: (folder / "a.pkl").write_bytes(b"x"),
        lambda folder, other: (other / "f").rename(folder / "a.pkl"),
        lambda folder, other: os.link(other / "f", folder / "a.pkl"),
        lambda folder, other: (folder / "a.pkl").symlink_to(other / "f"),
        lambda folder, other: shutil.copytree(other, folder / "tree"),
        lambda folder, other: other.rename(folder / "moved"),
        lambda folder, other: (folder / "below" / "deeper" / "a.pkl").write_bytes(b"x"),
    ],
    ids=["write", "rename", "hard link", "link", "copied tree", "moved folder", "deep below"],
)
def test_every_way_of_arriving_is_told(folder, tmp_path, watching, arrive):
    other = tmp_path / "other"
    other.mkdir()
    (other / "f").write_bytes(b"x")
    (folder / "below" / "deeper").mkdir(parents=True)
    source, hints = watching(folder)
    before = armed(source, hints)
    arrive(folder, other)
    assert hints.until(lambda n: n > before)


def test_files_in_a_folder_that_was_made_just_now_are_told(folder, watching, monkeypatch):
    monkeypatch.setattr(events_folder, "LONGEST_PAUSE", 0.1)
    source, hints = watching(folder)
    for number in range(3):
        before = armed(source, hints)
        made = folder / f"forest_{number}"
        made.mkdir()
        assert hints.until(lambda n, before=before: n > before)
        before = hints.count
        (made / "model.pkl").write_bytes(b"x")
        assert hints.until(lambda n, before=before: n > before)


def test_reading_the_folder_gives_no_hint(folder, watching):
    (folder / "a.pkl").write_bytes(b"x")
    source, hints = watching(folder)
    before = armed(source, hints)
    for _ in range(5):
        (folder / "a.pkl").read_bytes()
        walk(folder)
    (folder / "b.pkl").write_bytes(b"x")  # hints come in order: had reading given one, there would be two
    assert hints.until(lambda n: n > before)
    assert hints.count == before + 1


def test_a_burst_of_thirty_thousand_files_ends_with_a_scan_that_sees_them_all(folder, watching):
    memory, staging = FolderMemory(), Staging(folder, "churn", "exp")
    source, hints = watching(folder)
    armed(source, hints)
    for number in range(30_000):
        os.close(os.open(folder / f"f{number}", os.O_CREAT | os.O_WRONLY))
    last = time.monotonic()
    assert hints.until(lambda _: hints.moments[-1] > last)
    memory.scanned(walk(folder), time.monotonic())
    assert len(memory.pending) == 30_000
    assert all(memory.due(name, staging.quiet) < float("inf") for name in ("f0", "f29999"))


def test_hints_of_a_long_burst_are_few(folder, watching):
    source, hints = watching(folder)
    before = armed(source, hints)
    for number in range(100):
        (folder / f"f{number}").write_bytes(b"x")
        time.sleep(0.01)
    assert hints.until(lambda n: n > before)
    assert hints.count - before < 10


def test_a_folder_that_is_missing_at_the_start_is_told_of_and_watched_once_it_is_there(tmp_path, watching):
    folder = tmp_path / "later"
    source, hints = watching(folder, check=0.05)
    _until(source.trouble)
    assert str(folder) in source.trouble()
    folder.mkdir()
    armed(source, hints)
    _until(lambda: source.trouble() is None)
    before = hints.count
    (folder / "a.pkl").write_bytes(b"x")
    assert hints.until(lambda n: n > before)


def test_a_folder_that_is_removed_made_again_or_replaced_is_watched_again(folder, tmp_path, watching):
    source, hints = watching(folder, check=0.05)
    armed(source, hints)
    for change in ("removed", "replaced"):
        if change == "removed":
            shutil.rmtree(folder)
            _until(source.trouble)
            folder.mkdir()
        else:
            folder.rename(tmp_path / "old")
            (tmp_path / "new").mkdir()
            (tmp_path / "new").rename(folder)
        _until(lambda: source._watched.get(folder, (0, 0))[1] == folder.stat().st_ino and source._is_alive())
        _until_still(hints)
        before = hints.count
        (folder / f"{change}.pkl").write_bytes(b"x")
        assert hints.until(lambda n, before=before: n > before)


@pytest.mark.parametrize("who", ["observer", "emitter"])
def test_a_watcher_that_dies_is_replaced_and_the_folder_scanned(folder, watching, who):
    source, hints = watching(folder, check=0.05)
    before = armed(source, hints)
    first = source._observer
    if who == "observer":
        first.stop()
    else:
        next(iter(first.emitters)).stop()
    assert hints.until(lambda n: n > before)
    _until(lambda: source._observer is not None and source._observer is not first)
    _until_still(hints)
    before = hints.count
    (folder / "a.pkl").write_bytes(b"x")
    assert hints.until(lambda n: n > before)


def test_a_queue_that_ran_over_is_a_reason_to_scan(folder, watching):
    source, hints = watching(folder)
    before = armed(source, hints)
    logging.getLogger("watchdog.observers.inotify").warning("Inotify queue overflowed; reconciling")
    assert hints.until(lambda n: n > before)


def test_more_than_three_thousand_folders_and_an_overflow_end_in_rest(folder, watching):
    for number in range(3500):
        (folder / f"d{number}").mkdir()
    source, hints = watching(folder)
    before = armed(source, hints)
    (emitter,) = source._observer.emitters
    group = emitter._inotify
    reading = {FileOpenedEvent, FileClosedNoWriteEvent, DirModifiedEvent}
    assert emitter.watch.event_filter, "without a filter it answers its own reading for ever"
    assert not emitter.watch.event_filter & reading
    group.on_queue_overflow()
    _until_still(hints, 1.0)
    assert hints.count <= before + 1, "the watcher answers its own events"
    before = hints.count
    (folder / "d3499" / "a.pkl").write_bytes(b"x")
    assert hints.until(lambda n: n > before)


def test_a_system_without_watches_left_is_said_and_not_asked_again_at_once(folder, watching, monkeypatch):
    asked = []

    class Refusing(events_folder.Observer):
        def schedule(self, *_args, **_more):
            asked.append(1)
            raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(events_folder, "Observer", Refusing)
    source, _hints = watching(folder, check=0.02)
    _until(source.trouble)
    assert "only scanned now and then: inotify watch limit reached" in source.trouble()
    time.sleep(0.3)
    assert len(asked) == 1


@pytest.mark.parametrize("kind", ["NFS", "CIFS", "FUSE"])
def test_on_network_file_systems_nobody_watches_unless_told_to(folder, watching, monkeypatch, kind):
    monkeypatch.setattr(events_folder, "remote_kind", lambda _folder: kind)
    source, _ = watching(folder, mode="auto", check=0.05)
    _until(source.trouble)
    assert f"lies on {kind}" in source.trouble()
    assert source._observer is None
    told, hints = watching(folder, mode="inotify")
    armed(told, hints)
    assert told.trouble() is None


def test_polling_is_no_trouble_where_it_was_asked_for(folder, watching):
    source, _ = watching(folder, mode="polling", check=0.02)
    time.sleep(0.2)
    assert source._observer is None
    assert source.trouble() is None


def test_the_kind_of_a_file_system_is_read_from_the_kernel(folder, tmp_path, monkeypatch):
    assert remote_kind(folder) is None
    assert remote_kind(tmp_path / "missing") is None
    monkeypatch.setitem(REMOTE, 0x9FA0, "proc")
    assert remote_kind(type(folder)("/proc")) == "proc"


def _until(holds):
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.02)


def _until_still(hints, still=0.5):
    """Wait until no hint has come for a while."""
    ends = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < ends, "hints never end"
        before = hints.count
        time.sleep(still)
        if hints.count == before:
            return
