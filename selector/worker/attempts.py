"""What did the model try that it may not? Noted from Python's audit events, to say so in the reason.

Only for the sentence that people read: what stops the model is the kernel, and a model can get around these events.
Source: https://docs.python.org/3/library/audit_events.html.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_ATTEMPTS = {
    "socket.__new__": "tried to open a socket",
    "socket.connect": "tried to open a connection",
    "socket.getaddrinfo": "tried to look up a host name",
    "os.fork": "tried to start a process",
    "os.forkpty": "tried to start a process",
    "os.exec": "tried to start a program",
    "os.posix_spawn": "tried to start a program",
    "os.system": "tried to start a program",
    "subprocess.Popen": "tried to start a program",
    "os.kill": "tried to signal a process",
    "os.killpg": "tried to signal a process",
    "os.chmod": "tried to change a file's mode",
    "os.remove": "tried to delete a file",
    "os.rename": "tried to rename a file",
    "os.mkdir": "tried to make a folder",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_KEPT = 20


class Attempts:
    """Keeps the last few attempts in words."""

    def __init__(self) -> None:
        """Start with none."""
        self.seen: list[str] = []

    def watch(self) -> None:
        """Begin; an audit hook cannot be taken back."""
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writing = isinstance(flags, int) and bool(flags & _WRITING)
            self._keep(f"tried to {'write' if writing else 'read'} {str(path)[:200]!r}")
        elif event in _ATTEMPTS:
            self._keep(_ATTEMPTS[event])

    def _keep(self, sentence: str) -> None:
        self.seen.append(sentence)
        del self.seen[:-_KEPT]
