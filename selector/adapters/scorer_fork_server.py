"""How are workers started? One fork server per scorer, which has imported the libraries and never touches a model.

Everything about one job travels over its own pipes, so that nothing a model does can reach another model's answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.errors import ScoringError

WORKER = Path(__file__).resolve().parents[1] / "worker" / "__main__.py"
START_SECONDS = 120.0
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a forked process must have one thread
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the usual pool reserves 1 GiB of address space at its first use
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MPLCONFIGDIR": "/nonexistent",
}
"""All that a worker knows of our environment: no PATH, no HOME, no secret."""


@dataclass(frozen=True, slots=True)
class Pipes:
    """Our ends of one job's pipes: read by the caller, who closes them. Closing `status` ends the worker."""

    answer: int
    log: int
    status: int

    def close(self) -> None:
        """Close all three."""
        for descriptor in (self.answer, self.log, self.status):
            os.close(descriptor)


@dataclass(slots=True)
class _Running:
    """The process and our end of its socket; both None where there is none."""

    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None

    def stop(self) -> str:
        """End it, and return what it wrote to stderr."""
        said = ""
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5.0)
            self.process.kill()
            if self.process.stderr is not None:
                os.set_blocking(self.process.stderr.fileno(), False)  # a worker that just dies may still hold it
                said = (self.process.stderr.read(65_536) or b"").decode(errors="replace")
                self.process.stderr.close()
            self.process.wait()
        self.control = self.process = None
        return said


class ForkServer:
    """Starts the fork server when it is first needed, and again where it has ended.

    It ends with `close`, when this object is no longer used, and at the end of our process, however that comes.

    Args:
        idle_seconds: it also ends by itself after so long without a job.

    """

    def __init__(self, idle_seconds: float = 60.0) -> None:
        """Start nothing yet."""
        self._idle = idle_seconds
        self._lock = threading.Lock()
        self._running = _Running()
        weakref.finalize(self, self._running.stop)

    @property
    def pid(self) -> int | None:
        """Its process id; None where there is none."""
        process = self._running.process
        return process.pid if process is not None and process.poll() is None else None

    def submit(self, job: Mapping[str, Any], features: int) -> Pipes:
        """Hand over a job and a descriptor with its features; the descriptor stays the caller's.

        Raises:
            ScoringError: the fork server cannot be started.

        """
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for _ in range(3):
                reading, writing = os.pipe()
                ours.append(reading)
                theirs.append(writing)
            answer, log, status = theirs
            self._send(json.dumps(job).encode(), [answer, log, features, status])
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return Pipes(*ours)

    def close(self) -> None:
        """End the fork server and with it all workers; harmless where there is none."""
        with self._lock:
            self._running.stop()

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        """Send one job; where the fork server has ended in the meantime, start another, once."""
        with self._lock:
            try:
                socket.send_fds(self._control(), [packet], descriptors)
            except OSError:
                self._running.stop()
                try:
                    socket.send_fds(self._control(), [packet], descriptors)
                except OSError as error:
                    raise ScoringError(f"The worker process does not take jobs: {error}.") from error

    def _control(self) -> socket.socket:
        if self._running.control is not None and self.pid is not None:
            return self._running.control
        self._running.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", str(WORKER), str(theirs.fileno()), str(WORKER.parents[2]), str(self._idle)]
        self._running.control = ours
        with theirs:
            self._running.process = subprocess.Popen(
                command,
                env=dict(ENVIRONMENT),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
            )
        if not _is_ready(ours):
            said = self._running.stop().strip().splitlines()
            raise ScoringError(
                f"The worker process did not start: {said[-1] if said else 'it said nothing'}.",
                advice=f"Run `{' '.join(command[:3])}` and read what it says.",
            )
        return ours


def _is_ready(control: socket.socket) -> bool:
    control.settimeout(START_SECONDS)
    try:
        return control.recv(64) == b"ready"
    except OSError:
        return False
    finally:
        control.settimeout(None)
