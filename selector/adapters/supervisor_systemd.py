"""How does systemd hear that the service is ready, lives, reloads and ends (sd_notify(3))?"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from selector.adapters.logs import clean

LONGEST_STATUS = 200


class SystemdSupervisor:
    """Speaks sd_notify where systemd asks for it, and does nothing elsewhere.

    Args:
        environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; the process's own where it is None.

    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._patience = _patience(environment)

    @property
    def patience(self) -> float | None:
        """Seconds after which systemd would kill us without a sign of life; None where it would not."""
        return self._patience

    def ready(self, status: str) -> None:
        """Say that the start, or a reload, is over."""
        self._tell("READY=1", _status(status))

    def status(self, status: str) -> None:
        """Show one sentence in `systemctl status`."""
        self._tell(_status(status))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, *fields: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.connect(address)
                sender.send("\n".join(fields).encode())
        except OSError:
            # Nobody listens: there is nobody to tell that nobody listens.
            return


def _status(text: str) -> str:
    """Return STATUS= on one line: a line break would let a model's name speak to systemd in our place."""
    return "STATUS=" + clean(text)[:LONGEST_STATUS]


def _patience(environment: Mapping[str, str]) -> float | None:
    told, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isdigit() or int(told) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(told) / 1e6
