"""Has something arrived in a staging folder just now?"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from selector.adapters.file_system import remote_kind
from selector.domain.events import WakeUp

log = logging.getLogger(__name__)

Mode = Literal["auto", "inotify", "polling"]

QUIET = 0.2
"""Seconds. Files come in bursts; so long nothing more must come before a hint is given."""

LONGEST_QUIET = 1.0
"""Where files never stop coming, a hint is given after so many seconds all the same."""

LONGEST_PAUSE = 2.0
"""Seconds between two hints, where files come all the time: each hint costs a scan."""

CHECK = 5.0
"""Seconds between two looks whether those who watch are still alive, and watch the right folder."""

TRY_AGAIN = 60.0
"""Seconds after which watching is tried again where the system had no watches left."""

WATCHDOG_LOG = "watchdog"

# Without a filter, an overflow in more than about 3,300 folders makes watchdog 7.1 answer its own events for ever.
_ARRIVALS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]


class FolderEvents:
    """A source of hints (`selector.ports.WakeUps`): the kernel tells that something moved below the folders.

    A hint says "scan", and nothing more; what it would say of files is often wrong. A folder that is missing, removed,
    made again or replaced, a watcher that died and a queue that ran over are mended by the look every few seconds, and
    each mending gives a hint. On network file systems the kernel does not tell what other computers write: there the
    scans that take place anyway have to do.

    Args:
        folders: each with how it is to be watched.
        check: seconds between two looks at the watchers themselves.

    """

    name = "staging"

    def __init__(self, folders: Mapping[Path, Mode], *, check: float = CHECK) -> None:
        self._folders = dict(folders)
        self._check = check
        self._end = threading.Event()
        self._hint = threading.Event()
        self._handler = _Handler(self._hint)
        self._overflow = _Overflow(self._hint)
        self._thread: threading.Thread | None = None
        self._observer: BaseObserver | None = None
        self._watched: dict[Path, tuple[int, int]] = {}
        self._trouble: str | None = None
        self._refused_until = float("-inf")

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to tell of arrivals."""
        self._end.clear()
        logging.getLogger(WATCHDOG_LOG).addHandler(self._overflow)
        self._thread = threading.Thread(target=self._run, args=(wake,), name="staging", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._end.set()
        self._hint.set()
        logging.getLogger(WATCHDOG_LOG).removeHandler(self._overflow)
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def trouble(self) -> str | None:
        """Return what keeps the kernel from telling; the folders are scanned now and then all the same."""
        return self._trouble

    def _run(self, wake: Callable[[WakeUp], None]) -> None:
        pause, woken_at = 0.0, float("-inf")
        try:
            while not self._end.is_set():
                self._mend()
                if not self._hint.wait(self._check) or self._end.is_set():
                    continue
                self._settle()
                busy = time.monotonic() - woken_at < 2.0 * pause + 1.0
                pause = min(LONGEST_PAUSE, 2.0 * pause + QUIET) if busy else 0.0
                self._end.wait(max(0.0, woken_at + pause - time.monotonic()))
                self._hint.clear()
                if not self._end.is_set():
                    woken_at = time.monotonic()
                    wake(WakeUp(self.name, words="something arrived in a staging folder"))
        finally:
            self._unwatch()

    def _settle(self) -> None:
        """Wait until nothing more comes for a moment."""
        until = time.monotonic() + LONGEST_QUIET
        while not self._end.is_set() and time.monotonic() < until:
            self._hint.clear()
            if not self._hint.wait(QUIET):
                return

    def _mend(self) -> None:
        """Watch the folders, anew where one was replaced or a watcher died."""
        polled, wanted, missing = self._sorted_out()
        if wanted == self._watched and (not wanted or self._is_alive()):
            self._trouble = _sentence(missing, polled)
            return
        if time.monotonic() < self._refused_until:
            return
        self._unwatch()
        self._hint.set()
        if wanted:
            observer = Observer()
            try:
                for folder in wanted:
                    observer.schedule(self._handler, str(folder), recursive=True, event_filter=_ARRIVALS)
                observer.start()
            except OSError as error:
                self._trouble = f"Staging folders are only scanned now and then: {error.strerror}."
                self._refused_until = time.monotonic() + TRY_AGAIN
                with contextlib.suppress(RuntimeError):  # it may not have come to the start
                    observer.stop()
                return
            self._observer = observer
        self._watched = wanted
        self._trouble = _sentence(missing, polled)

    def _sorted_out(self) -> tuple[dict[Path, str], dict[Path, tuple[int, int]], list[Path]]:
        """Return folders that nobody tells of, with the reason; those to be watched, with their identity; the rest."""
        polled: dict[Path, str] = {}
        wanted: dict[Path, tuple[int, int]] = {}
        missing: list[Path] = []
        for folder, mode in self._folders.items():
            try:
                found = folder.stat()
            except OSError:
                missing.append(folder)
                continue
            kind = remote_kind(folder) if mode == "auto" else None
            if kind is not None:
                polled[folder] = kind
            elif mode != "polling":
                wanted[folder] = found.st_dev, found.st_ino
        return polled, wanted, missing

    def _is_alive(self) -> bool:
        observer = self._observer
        return observer is not None and observer.is_alive() and all(e.is_alive() for e in tuple(observer.emitters))

    def _unwatch(self) -> None:
        observer, self._observer, self._watched = self._observer, None, {}
        if observer is not None:
            with contextlib.suppress(OSError):  # watches of a folder that is gone cannot be taken back
                observer.stop()
            observer.join(5)


def _sentence(missing: list[Path], polled: Mapping[Path, str]) -> str | None:
    if missing:
        return f"The staging folder {missing[0]} does not exist."
    if polled:
        folder, kind = next(iter(polled.items()))
        return f"The staging folder {folder} lies on {kind}, so it is only scanned now and then."
    return None


class _Handler(FileSystemEventHandler):
    """Passes on that something happened. It must not raise: that would end the watcher."""

    def __init__(self, hint: threading.Event) -> None:
        self._hint = hint

    def on_any_event(self, _event: FileSystemEvent) -> None:
        """Set the hint."""
        self._hint.set()


class _Overflow(logging.Handler):
    """Watchdog only logs that the kernel's queue ran over: whatever it warns of is a reason to scan."""

    def __init__(self, hint: threading.Event) -> None:
        super().__init__(logging.WARNING)
        self._hint = hint

    def emit(self, _record: logging.LogRecord) -> None:
        """Set the hint."""
        self._hint.set()
