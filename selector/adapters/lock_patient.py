"""Who may write, where another writer is usually done in a moment?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from selector.errors import LeaseHeldError
from selector.ports import Lease

PAUSE_SECONDS = 0.1


class PatientLease:
    """Another lease, asked again for a while before it is given up: the service writes for moments only.

    Args:
        lease: which one.
        seconds: how long to ask, >= 0.

    """

    def __init__(self, lease: Lease, seconds: float) -> None:
        self._lease, self._seconds = lease, seconds

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lease within the context; raise LeaseHeldError where another instance keeps it for too long."""
        with ExitStack() as stack:
            ends = time.monotonic() + self._seconds
            while True:
                try:
                    stack.enter_context(self._lease.hold())
                    break
                except LeaseHeldError:
                    if time.monotonic() >= ends:
                        raise
                time.sleep(PAUSE_SECONDS)
            yield

    def still_held(self) -> bool:
        """Return whether this instance has the lease now."""
        return self._lease.still_held()
