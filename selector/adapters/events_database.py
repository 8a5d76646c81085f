"""Has somebody written to MLflow's database file just now?"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from selector.adapters.mlflow_schema import is_database, sqlite_file
from selector.adapters.sqlite_stamp import stamp
from selector.domain.events import WakeUp

log = logging.getLogger(__name__)

QUIET = 0.1
"""Seconds. One statement of MLflow writes the file several times; so long nothing more must come."""

LONGEST_QUIET = 0.5
"""Where writes never stop, a hint is given after so many seconds all the same."""

LONGEST_PAUSE = 5.0
"""Between two hints, where the file is written all the time: training code that logs each step writes each second."""

CHECK = 5.0
"""Seconds between two looks at the file itself, for the case that nobody tells of writes."""

_WRITES: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]


def database_files(uris: Iterable[str | None]) -> tuple[Path, ...]:
    """Return the files of those of these MLflow addresses that are SQLite databases."""
    found = (sqlite_file(uri) for uri in dict.fromkeys(uris) if uri and is_database(uri))
    return tuple(file for file in found if file is not None)


class DatabaseEvents:
    """A source of hints (`selector.ports.WakeUps`): the kernel tells of writes, and the file itself proves them.

    A file or a folder that is replaced, a watcher that dies and a system without watches left are all mended by the
    look at the file that is taken every few seconds. Reading gives no hint, nor does what comes and goes while reading.

    Args:
        files: SQLite databases; those that do not exist yet are waited for.
        check: seconds between two looks at the files.

    """

    name = "database"

    def __init__(self, files: Sequence[Path], *, check: float = CHECK) -> None:
        self._files = tuple(files)
        self._check = check
        self._end = threading.Event()
        self._hint = threading.Event()
        self._thread: threading.Thread | None = None
        self._observer: BaseObserver | None = None
        self._watched: dict[Path, int] = {}
        self._trouble: str | None = None

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to tell of writes."""
        self._end.clear()
        present = self._stamps()
        self._thread = threading.Thread(target=self._run, args=(wake, present), name="database", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._end.set()
        self._hint.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None

    def trouble(self) -> str | None:
        """Return what keeps the kernel from telling; the files are looked at every few seconds all the same."""
        return self._trouble

    def _run(self, wake: Callable[[WakeUp], None], told: tuple[str, ...]) -> None:
        pause, woken_at = 0.0, 0.0
        try:
            while not self._end.is_set():
                self._mend()
                self._hint.wait(self._check)
                self._hint.clear()
                if self._end.is_set() or self._stamps() == told:
                    continue
                self._settle()
                busy = time.monotonic() - woken_at < 2.0 * pause + 1.0
                pause = min(LONGEST_PAUSE, 2.0 * pause + QUIET) if busy else 0.0
                self._end.wait(max(0.0, woken_at + pause - time.monotonic()))
                told, woken_at = self._stamps(), time.monotonic()
                wake(WakeUp(self.name, words="the database was written to"))
        finally:
            self._unwatch()

    def _settle(self) -> None:
        """Wait until a writer pauses for breath."""
        until = time.monotonic() + LONGEST_QUIET
        while not self._end.is_set() and time.monotonic() < until:
            self._hint.clear()
            if not self._hint.wait(QUIET):
                return

    def _stamps(self) -> tuple[str, ...]:
        return tuple(stamp(file)[1] for file in self._files)

    def _mend(self) -> None:
        """Watch the folders, anew where one was replaced or the watcher died."""
        folders = {file.resolve().parent for file in self._files}
        present = {folder: inode for folder in folders if (inode := _inode(folder)) is not None}
        alive = self._observer is not None and self._observer.is_alive()
        if alive and present == self._watched and all(e.is_alive() for e in self._emitters()):
            return
        self._unwatch()
        missing = sorted(str(folder) for folder in folders - present.keys())
        if missing:
            self._trouble = f"The folder {missing[0]} of MLflow's database does not exist."
        if not present:
            return
        observer = Observer()
        try:
            for folder in present:
                observer.schedule(_Handler(self._files, self._hint), str(folder), event_filter=_WRITES)
            observer.start()
        except OSError as error:
            self._trouble = f"Writes to MLflow's database are noticed every {self._check:g} s only: {error.strerror}."
            with contextlib.suppress(RuntimeError):  # it may not have come to the start
                observer.stop()
            return
        self._observer, self._watched = observer, present
        if not missing:
            self._trouble = None
        self._hint.set()

    def _emitters(self) -> Iterable[threading.Thread]:
        return tuple(self._observer.emitters) if self._observer is not None else ()

    def _unwatch(self) -> None:
        observer, self._observer, self._watched = self._observer, None, {}
        if observer is not None:
            observer.stop()
            observer.join(5)


class _Handler(FileSystemEventHandler):
    """Passes on that a file, or a journal beside it, was touched. It must not raise: that would end the watcher."""

    def __init__(self, files: Sequence[Path], hint: threading.Event) -> None:
        self._names = {name for file in files for name in (file.name, file.resolve().name)}
        self._hint = hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Set the hint; names that only begin alike cost one look at the file."""
        for path in (event.src_path, event.dest_path):
            name = os.path.basename(os.fsdecode(path))  # noqa: PTH119 - watchdog hands out text or bytes
            if any(name.startswith(one) for one in self._names):
                self._hint.set()


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None
