"""When does the service remove what nobody needs any more: once a day, beside the turns?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from selector.domain.events import WakeUp
from selector.errors import SelectorError
from selector.workflows.house import House
from selector.workflows.prune import prune_answers, prune_outbox

log = logging.getLogger(__name__)

FIRST_AFTER = 600.0
"""Seconds from the start: a service that is catching up, or is restarted again and again, has other worries."""

EVERY = 86_400.0
BREATH = 0.05
"""Seconds between two steps, in which everybody else may write."""

LAST_STEP = 5.0
"""The end waits so long for the step that is going on."""


class Pruning:
    """Removes old notices and answers while the daemon is at work; a turn never waits for it.

    It is started and stopped with the sources of hints, and gives none.

    Args:
        house: the ports.
        first: seconds until the first time.
        every: seconds between two times.

    """

    name = "pruning"

    def __init__(self, house: House, first: float = FIRST_AFTER, every: float = EVERY) -> None:
        """Begin with nothing to do."""
        self._house, self._first, self._every = house, first, every
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to wait."""
        del wake
        self._end.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is going on; safe to call twice, and without `start`."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(LAST_STEP)
            self._thread = None

    def trouble(self) -> str | None:
        """Return nothing: old rows take room and hold up nobody; the log says why they stay."""
        return None

    def _run(self) -> None:
        wait = self._first
        while not self._end.wait(wait):
            wait = self._every
            self._prune("old notices", lambda: prune_outbox(self._house, lambda: self._end.wait(BREATH)))
            self._prune("unread answers", lambda: prune_answers(self._house, self._end.is_set))

    def _prune(self, what: str, prune: Callable[[], int]) -> None:
        try:
            removed = prune()
        except SelectorError as error:
            log.warning("The %s stay for another day: %s", what, error.message)
        except Exception:
            log.exception("Removing the %s failed in a way that was not foreseen; they stay for another day.", what)
        else:
            if removed:
                log.info("%d %s were removed.", removed, what)
