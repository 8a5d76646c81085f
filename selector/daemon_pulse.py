"""Is the loop making progress, and who is told so?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from selector.ports import Supervisor

CALLS_PER_PATIENCE = 4.0
UNWATCHED_PATIENCE = 60.0
"""Where no supervisor watches, others may still look at the signs of life."""


@dataclass(eq=False)
class Pulse:
    """Tells the supervisor that we live, for as long as the loop keeps its promises.

    The loop promises at each step when it will be back at the latest. A thread passes on that we live only while the
    newest promise is not broken, so that a loop that hangs is noticed although this thread goes on.
    (A heartbeat of a free-running thread would call a hung daemon healthy.)

    Args:
        supervisor: who is told.
        monotonic: seconds that no jump of the wall clock moves.
        others: told as well.

    """

    supervisor: Supervisor
    monotonic: Callable[[], float] = time.monotonic
    others: list[Callable[[], None]] = field(default_factory=list)
    _until: float = 0.0
    _end: threading.Event = field(default_factory=threading.Event)

    def beat(self, within: float) -> None:
        """Promise to be back in `within` seconds."""
        self._until = self.monotonic() + within

    @property
    def fresh(self) -> bool:
        """Whether the newest promise is not broken."""
        return self.monotonic() <= self._until

    def start(self) -> None:
        """Begin to pass it on."""
        patience = self.supervisor.patience or UNWATCHED_PATIENCE
        threading.Thread(target=self._pass_on, args=(patience,), name="pulse", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._end.set()

    def _pass_on(self, patience: float) -> None:
        while not self._end.is_set():
            # At once the first time: whoever looks from outside after a boot should find a fresh sign.
            if self.fresh:
                self.supervisor.alive()
                for tell in self.others:
                    tell()
            self._end.wait(patience / CALLS_PER_PATIENCE)
