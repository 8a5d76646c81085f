"""Who may write, where all writers live in this process?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from selector.errors import LeaseHeldError

_HELD: set[str] = set()
_GUARD = Lock()


class MemoryLease:
    """A lease that all instances with the same name share.

    Args:
        name: stands for the registry.

    """

    def __init__(self, name: str = "registry") -> None:
        self._name = name
        self._mine = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lease within the context; raise LeaseHeldError at once where somebody has it."""
        with _GUARD:
            if self._name in _HELD:
                raise LeaseHeldError(f"Another instance holds the lease of {self._name}.", advice="Wait, or stop it.")
            _HELD.add(self._name)
            self._mine = True
        try:
            yield
        finally:
            with _GUARD:
                self._mine = False
                _HELD.discard(self._name)

    def still_held(self) -> bool:
        """Return whether this instance has the lease now."""
        return self._mine
