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
    "os.chown": "tried to change a file's owner",
    "os.utime": "tried to change a file's time",
    "os.setxattr": "tried to change a file's attributes",
    "os.truncate": "tried to cut off a file",
    "os.remove": "tried to delete a file",
    "os.rename": "tried to rename a file",
    "os.link": "tried to make a link",
    "os.symlink": "tried to make a link",
    "os.mkdir": "tried to make a folder",
    "os.listdir": "tried to list a folder",
    "os.scandir": "tried to list a folder",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Attempts:
    """Remembers the last thing the model did that may have been refused."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._last = ""
        self._opened: Any = None

    def watch(self) -> None:
        """Begin; an audit hook cannot be taken back."""
        sys.addaudithook(self._note)

    def behind(self, error: PermissionError) -> str:
        """Say what led to this refusal."""
        opening = self._opened is not None and error.filename == self._opened
        if self._last and (opening or not self._last.startswith(("tried to read", "tried to write"))):
            return self._last
        return f"tried to use {str(error.filename)[:200]!r}" if error.filename else "made a system call"

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._opened, _, flags = arguments
            writing = isinstance(flags, int) and bool(flags & _WRITING)
            self._last = f"tried to {'write' if writing else 'read'} {str(self._opened)[:200]!r}"
        elif event in _ATTEMPTS:
            self._last = _ATTEMPTS[event]
