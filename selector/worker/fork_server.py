"""Who forks the workers? A process that has imported the libraries once and never touches a model itself.

It reads jobs from a socket of the selector's, forks a worker for each, kills it at its deadline or when nobody waits
for it any more, and says how it ended. A worker's exit is all that ever comes back to it from a model.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from selector.worker import job as worker

MAX_REQUEST = 1 << 20
DESCRIPTORS = 4
TICK_SECONDS = 5.0


@dataclass(slots=True)
class _Child:
    pid: int
    handle: int
    status: int
    deadline: float
    timed_out: bool = False


class ForkServer:
    """Serves one selector until its end of the socket closes.

    Args:
        control: a SOCK_SEQPACKET socket; each packet is one job in JSON with four descriptors: answer, log, features
            and status.
        idle_seconds: end after so long without a job.

    """

    def __init__(self, control: socket.socket, idle_seconds: float) -> None:
        """Start without children."""
        self._control, self._idle = control, idle_seconds
        self._children: dict[int, _Child] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._last_used = time.monotonic()

    def serve(self) -> None:
        """Serve; returns when the selector is gone or the idle time is over. No child outlives it."""
        try:
            while not self._idle_for_long():
                for descriptor, _ in self._poll.poll(self._patience() * 1000):
                    if descriptor == self._control.fileno():
                        if not self._accept():
                            return
                    else:
                        self._attend(descriptor)
                self._enforce_deadlines()
        finally:
            for child in self._alive():
                self._end(child)

    def _alive(self) -> list[_Child]:
        return [child for key, child in self._children.items() if key == child.handle]

    def _idle_for_long(self) -> bool:
        return not self._children and time.monotonic() - self._last_used > self._idle

    def _patience(self) -> float:
        """Return the seconds until the next deadline."""
        nearest = min((child.deadline for child in self._children.values()), default=time.monotonic() + TICK_SECONDS)
        return max(0.01, min(nearest - time.monotonic(), TICK_SECONDS, self._idle))

    def _accept(self) -> bool:
        """Fork a worker for the next job; False where the selector is gone."""
        packet, descriptors, _, _ = socket.recv_fds(self._control, MAX_REQUEST, DESCRIPTORS)
        if not packet:
            return False
        job: dict[str, Any] = json.loads(packet)
        answer, log, features, status = descriptors
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # too many processes: closing the status unreported says that this job has failed
            os.close(status)
            return True
        else:
            if pid == 0:
                worker.run(job, server, (answer, log, features))
        finally:
            for descriptor in (answer, log, features):
                os.close(descriptor)
        child = _Child(pid, os.pidfd_open(pid), status, time.monotonic() + float(job["seconds"]))
        self._children[child.handle] = self._children[child.status] = child
        self._poll.register(child.handle, select.POLLIN)
        self._poll.register(child.status, 0)  # nothing but the other end's closing
        return True

    def _attend(self, descriptor: int) -> None:
        """End a child that has exited, or that nobody waits for any more."""
        child = self._children.get(descriptor)
        if child is not None:
            self._end(child)

    def _enforce_deadlines(self) -> None:
        for child in self._alive():
            if time.monotonic() >= child.deadline:
                child.timed_out = True
                self._end(child)

    def _end(self, child: _Child) -> None:
        """Kill what is left of the child's session, reap it, and report: exit status and whether it ran out of time."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(child.handle, signal.SIGKILL)
        _, status = os.waitpid(child.pid, 0)
        self._last_used = time.monotonic()
        for descriptor in (child.handle, child.status):
            self._poll.unregister(descriptor)
            del self._children[descriptor]
        with contextlib.suppress(BrokenPipeError):
            os.write(child.status, struct.pack("<i?", os.waitstatus_to_exitcode(status), child.timed_out))
        os.close(child.handle)
        os.close(child.status)
