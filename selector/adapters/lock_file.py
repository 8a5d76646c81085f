"""Who may write, where all writers run on one computer?"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selector.adapters.clock_system import SystemClock
from selector.errors import LeaseHeldError, StateUnavailableError
from selector.ports import Clock
from selector.redaction import printable

LEASE_FILE = "lease.lock"
_LONGEST_NOTE = 4096


class FileLease:
    """A lock (flock) on a file in the state folder; the kernel drops it with the process, also after kill -9.

    The file's content says who holds it, for people only; the file itself stays. Not for network file systems.

    Args:
        folder: the state folder; made where it is missing.
        name: of the file; two names are two leases.

    """

    def __init__(self, folder: Path, clock: Clock | None = None, *, name: str = LEASE_FILE) -> None:
        self._path = folder / name
        self._clock = clock or SystemClock()
        self._handle: int | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lease within the context.

        Raises:
            LeaseHeldError: at once, where another holder (also in this process) has it.
            StateUnavailableError: the file cannot be made or opened.

        """
        try:
            handle = self._locked()
        except OSError as error:
            raise StateUnavailableError(
                f"The lease {self._path} cannot be taken: {error.strerror}.",
                advice="Let this user write to the folder, and free some space if the disk is full.",
            ) from error
        self._handle = handle
        try:
            self._sign(handle)
            yield
        finally:
            self._handle = None
            self._unsign(handle)
            os.close(handle)

    def still_held(self) -> bool:
        """Return whether this instance holds the lease of the file that everybody else sees."""
        return self._handle is not None and _same_file(self._handle, self._path)

    def _locked(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(handle)
                os.close(handle)
                raise LeaseHeldError(
                    f"Another instance ({holder}) holds the lease {self._path}.",
                    advice="Let it work, or stop it first: two writers would undo each other's promotions.",
                ) from None
            except BaseException:
                os.close(handle)
                raise
            # Somebody may have removed or replaced the file between open and flock: then this lock guards nothing.
            if _same_file(handle, self._path):
                return handle
            os.close(handle)

    def _sign(self, handle: int) -> None:
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": self._clock.now().isoformat(timespec="seconds"),
        }
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(note).encode(), 0)
        except OSError:
            # A full disk: the lock holds all the same, only its holder stays unnamed.
            return

    def _unsign(self, handle: int) -> None:
        try:
            os.ftruncate(handle, 0)
        except OSError:
            return


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _holder(handle: int) -> str:
    try:
        note = json.loads(os.pread(handle, _LONGEST_NOTE, 0))
        return printable(f"pid {note['pid']} on {note['host']}, since {note['since']}")
    except (OSError, ValueError, KeyError, TypeError):
        return "unnamed"
