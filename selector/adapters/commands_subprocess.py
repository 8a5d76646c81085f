"""How does an operator's command run beside us: without a shell, in a session of its own, ended at its deadline?

A small process of ours watches the command and writes down how it ended. It outlives the command line that started it,
so that a daemon that was restarted, or the next `monitor`, learns what came of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selector.errors import SelectorError
from selector.ports_production import Ended

OUTPUT = 4_000
"""Characters that are kept of the end of a command's output."""

GRACE = 10.0
"""Seconds between asking a command to end and ending it."""


class SubprocessCommands:
    """Implements ports_production.Commands.

    Args:
        folder: where records are kept; made when it is needed.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, name: str, command: tuple[str, ...], environment: Mapping[str, str], timeout: float) -> None:
        """Start it and return at once.

        Raises:
            SelectorError: the record cannot be written, or no process started.

        """
        record = self._record(name)
        job = {"command": list(command), "timeout": timeout, "started": time.time()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            record.with_suffix(".out").write_bytes(b"")
            watcher = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__)), str(record), json.dumps(job)],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            record.with_suffix(".pid").write_text(json.dumps([watcher.pid, _born(watcher.pid)]))
        except OSError as error:
            raise SelectorError(f"The command {command[0]} cannot be started: {error}.") from error
        _WATCHERS.append(watcher)

    def ended(self, name: str) -> Ended | None:
        """Return how it ended; None while it runs. A command that nobody watches any more is lost."""
        record = self._record(name)
        _WATCHERS[:] = [watcher for watcher in _WATCHERS if watcher.poll() is None]
        found = _read(record)
        if found is None and self._watched(record):
            return None
        found = found or _read(record)
        if found is None:
            return Ended(None, 0.0, _tail(record), "it was stopped from outside, or never began")
        return Ended(found["code"], float(found["seconds"]), _tail(record), str(found["reason"]))

    def _record(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"

    def _watched(self, record: Path) -> bool:
        """Tell whether the watching process still is the one that was started."""
        try:
            pid, born = json.loads(record.with_suffix(".pid").read_text())
        except (OSError, ValueError):
            return False
        return born is not None and _born(pid) == born


_WATCHERS: list[subprocess.Popen[bytes]] = []
"""Children of this process, so that those that ended leave no zombie."""


def _born(pid: int) -> str | None:
    """Return what tells a process from a later one of the same number; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _read(record: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"code", "seconds", "reason"} <= found.keys() else None


def _tail(record: Path) -> str:
    try:
        with record.with_suffix(".out").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - OUTPUT * 4, 0))
            return file.read().decode("utf-8", "replace")[-OUTPUT:]
    except OSError:
        return ""


def watch(record: Path, command: Sequence[str], timeout: float) -> None:
    """Run the command, end it with all its children at the deadline, and write down how it ended."""
    began, code, reason = time.monotonic(), None, ""
    with record.with_suffix(".out").open("wb") as output:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
            try:
                code = child.wait(timeout)
            except subprocess.TimeoutExpired:
                reason = f"it was ended after {timeout:g} s"
                _end(child)
        except OSError as error:
            reason = f"it cannot be started: {error.strerror}"
    seconds = time.monotonic() - began
    part = record.with_suffix(".part")
    part.write_text(json.dumps({"code": code, "seconds": seconds, "reason": reason}), encoding="utf-8")
    part.replace(record)


def _end(child: subprocess.Popen[bytes]) -> None:
    for signum, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # children of its that stayed


if __name__ == "__main__":
    job_record, job_text = Path(sys.argv[1]), json.loads(sys.argv[2])
    watch(job_record, job_text["command"], job_text["timeout"])
