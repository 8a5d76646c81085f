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


class ForkServer:
    """Starts the fork server when it is first needed, and again where it has ended.

    Args:
        idle_seconds: it ends by itself after so long without a job.

    """

    def __init__(self, idle_seconds: float = 60.0) -> None:
        """Start nothing yet."""
        self._idle = idle_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

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
            self._stop()

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for attempt in (1, 2):
                control = self._running()
                try:
                    socket.send_fds(control, [packet], descriptors)
                except OSError as error:  # it ended after its idle time; a fresh one takes the job
                    self._stop()
                    if attempt == 2:  # noqa: PLR2004  twice is enough
                        raise ScoringError(f"The worker process does not take jobs: {error}.") from error
                else:
                    return

    def _running(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", str(WORKER), str(theirs.fileno()), str(WORKER.parents[2]), str(self._idle)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=dict(ENVIRONMENT),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
            )
        self._control = ours
        ours.settimeout(START_SECONDS)
        try:
            ready = ours.recv(64) == b"ready"
        except OSError:
            ready = False
        ours.settimeout(None)
        if not ready:
            said = self._stop().strip().splitlines()
            raise ScoringError(
                f"The worker process did not start: {said[-1] if said else 'it said nothing'}.",
                advice=f"Run `{' '.join(command[:3])}` and read what it says.",
            )
        return ours

    def _stop(self) -> str:
        """End it, and return what it wrote to stderr."""
        said = ""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5.0)
            self._process.kill()
            if self._process.stderr is not None:
                os.set_blocking(self._process.stderr.fileno(), False)  # a worker that just dies may still hold it
                said = (self._process.stderr.read(65_536) or b"").decode(errors="replace")
                self._process.stderr.close()
            self._process.wait()
        self._control = self._process = None
        return said
