"""How are notices sent while other work goes on: threads of their own, and one quick try where a process ends?"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from selector.domain.events import WakeUp
from selector.errors import SelectorError
from selector.ports import Notifier
from selector.workflows.alarm import mlflow_away, tick
from selector.workflows.deliver import Delivered, deliver, share_out
from selector.workflows.house import House

if TYPE_CHECKING:
    from selector.domain.service import ServiceState
    from selector.workflows.cycle import Turn

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""So often the outbox is looked into where nobody says that something is new: commands write to it too."""

TICK_SECONDS = 30.0
"""So often alerts are looked at that change by the clock alone."""

LONGEST_SLEEP = 60.0
SHORTEST_SLEEP = 1.0
QUICK_SECONDS = 5.0
"""A process that ends tries for so long to deliver; the rest stays in the outbox."""


def quick(house: House, notifiers: Sequence[Notifier], *, complete: bool, seconds: float = QUICK_SECONDS) -> None:
    """Try once to deliver what waits, and come back after `seconds` at the latest; what fails stays in the outbox.

    Args:
        house: the ports; its state is open for writing.
        notifiers: the channels that can be told from here.
        complete: there are no others.
        seconds: for everything together.

    """
    end = time.monotonic() + seconds

    def prepared() -> None:
        tick(house)
        share_out(house.store, notifiers, house.clock, complete=complete)

    def sent(notifier: Notifier) -> Callable[[], None]:
        return lambda: _log(deliver(house.store, [notifier], house.clock, stop=lambda: time.monotonic() > end))

    for works in ([prepared], [sent(one) for one in notifiers]):
        threads = [threading.Thread(target=_quietly, args=(work,), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


def _quietly(work: Callable[[], None]) -> None:
    """Do it; what fails is told in the log, and nothing is lost: the outbox keeps it."""
    try:
        work()
    except SelectorError as error:
        log.info("Notices are kept and sent later: %s", error.message)
    except Exception:
        log.exception("Sending notices failed in a way that was not foreseen; they are kept.")


def _log(done: Delivered) -> None:
    if done.sent or done.failed:
        log.info("%d notices sent, %d failed and kept, %d waiting.", done.sent, done.failed, done.waiting)


@dataclass(eq=False)
class Deliveries:
    """Sends notices while the daemon is at work; a turn never waits for it.

    It is started and stopped with the sources of hints, and gives none.

    Args:
        house: the ports.
        notifiers: the channels that can be told from here.
        complete: there are no others.
        counted: told what each round of a channel came to, and how many notices wait.

    """

    house: House
    notifiers: Sequence[Notifier]
    complete: bool = True
    counted: Callable[[Delivered, int], None] = field(default=lambda _done, _waiting: None)
    name: str = "notices"

    def __post_init__(self) -> None:
        """Begin with nothing to do."""
        self._end = threading.Event()
        self._news = threading.Event()
        self._wakes = {one.name: threading.Event() for one in self.notifiers}
        self._state: ServiceState | None = None
        self._trouble: str | None = None
        self._ticked = float("-inf")
        self._threads: list[threading.Thread] = []

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to send."""
        del wake
        self._end.clear()
        self._threads = [self._thread("notices", self._prepare_all)]
        self._threads += [self._thread(f"notices to {one.name}", self._send_all, one) for one in self.notifiers]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, after one last quick try; safe to call twice, and without `start`."""
        if not self._threads:
            return
        self._end.set()
        for event in (self._news, *self._wakes.values()):
            event.set()
        self._threads = []
        quick(self.house, self.notifiers, complete=self.complete)

    def trouble(self) -> str | None:
        """Return what keeps notices from being sent at all; what single channels fail with is told by their rows."""
        return self._trouble

    def observe(self, state: ServiceState, turn: Turn, seconds: float) -> None:
        """Take note of how things are after a turn, which may have put something into the outbox."""
        del turn, seconds
        self._state = state
        self._news.set()

    def _thread(self, name: str, target: Callable[..., None], *args: object) -> threading.Thread:
        return threading.Thread(target=target, args=args, name=name, daemon=True)

    def _prepare_all(self) -> None:
        """Look after alerts and share out notices until the end."""
        while not self._end.is_set():
            self._trouble = self._told(self._prepare)
            self._news.wait(LOOK_SECONDS)
            self._news.clear()

    def _prepare(self) -> None:
        house, state = self.house, self._state
        if state is not None and state.phase == "active":
            now = house.clock.now()
            away = now - (state.good_at or state.started_at) if state.mlflow else None
            mlflow_away(house, None if away is None else max(away, timedelta(0)), state.mlflow)
        if time.monotonic() - self._ticked >= TICK_SECONDS:
            self._ticked = time.monotonic()
            tick(house)
        if house.store.notices():
            share_out(house.store, self.notifiers, house.clock, complete=self.complete)
            for event in self._wakes.values():
                event.set()

    def _send_all(self, notifier: Notifier) -> None:
        """Send through one channel until the end."""
        wake = self._wakes[notifier.name]
        while not self._end.is_set():
            sleep = LONGEST_SLEEP

            def once() -> None:
                nonlocal sleep
                wake.clear()
                done = deliver(self.house.store, [notifier], self.house.clock, stop=self._end.is_set)
                if done.next_at is not None:
                    sleep = (done.next_at - self.house.clock.now()).total_seconds()
                self.counted(done, self.house.store.counts().get("waiting", 0))

            self._told(once)
            wake.wait(min(max(sleep, SHORTEST_SLEEP), LONGEST_SLEEP))

    def _told(self, work: Callable[[], None]) -> str | None:
        """Do it; return what failed, as one sentence."""
        try:
            work()
        except SelectorError as error:
            log.warning("Notices are kept and sent later: %s", error.message)
            return error.message
        except Exception as error:
            log.exception("Sending notices failed in a way that was not foreseen; they are kept.")
            return f"unexpected {type(error).__name__}"
        return None
