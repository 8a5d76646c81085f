"""How does the daemon live: wait for hints, take a turn, say one sentence, tell that it lives, reload, end in order?"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

from selector.daemon_pulse import Pulse
from selector.daemon_state import Keeper, Observer
from selector.domain.events import WakeUp
from selector.errors import LeaseHeldError, SelectorError
from selector.ports import Clock, Lease, Supervisor, WakeUps
from selector.workflows.cycle import Cycle, Turn
from selector.workflows.house import House
from selector.workflows.sentences import sentence

log = logging.getLogger(__name__)

STANDBY_SECONDS = 1.0
"""How often a standby asks for the lease, and so how long a takeover takes."""

GATHER_SECONDS = 0.2
"""Hints come in bursts; so long the first one waits for the others."""

SHORTEST_WAIT = 1.0
"""After a turn that could not do all it was asked to; a tighter loop would only burn processor time."""

LONGEST_STEP = 120.0
"""No step (one call to MLflow, one model scored) takes longer, unless the loop hangs."""

INTERRUPTIBLE = frozenset({"reading models", "scoring models", "copying staged models"})
"""Work in which nothing has been decided yet, so that nothing is lost when it is broken off."""

TRANSFERS = ("reading", "scoring", "exporting", "importing", "fetching")
"""Work, by its first word, in which a large model may travel from or to MLflow's artifact store."""

TRANSFER_SECONDS = 660.0
"""Such a journey has a deadline of its own, ten minutes, and ends a little after it at the latest."""


class Interrupted(BaseException):
    """The end was asked for while models were being scored."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What the daemon works with until its configuration changes.

    Attributes:
        lease: the right to be the one daemon; apart from the lease that guards single writes.
        sources: of hints.
        poll: seconds between two looks at MLflow where no hint comes.
        thorough: seconds between two complete readings.
        longest: seconds that one step may take before the daemon counts as hung.

    """

    house: House
    cycle: Cycle
    lease: Lease
    sources: tuple[WakeUps, ...] = ()
    poll: float = 30.0
    thorough: float = 900.0
    longest: float = LONGEST_STEP


def _level(turn: Turn) -> int:
    """Return how loud a turn is told: another writer is an everyday matter, a failure is not."""
    if any(not isinstance(trouble.error, LeaseHeldError) for trouble in turn.troubles):
        return logging.WARNING
    return logging.DEBUG if turn.quiet else logging.INFO


@dataclass(eq=False)
class Daemon:
    """The service; `run` returns when it is told to stop.

    Args:
        load: reads and checks the configuration; called again at each reload.
        open: wires everything for a configuration.
        supervisor: who started it.
        clock: the time of day, for people.
        standby: wait where another daemon is at work, instead of giving up.
        once: end after the first turn.
        monotonic: seconds that no jump of the wall clock moves; all waiting is done by them.
        observers: told after each turn.
        at_end: called when it ends, in order or not.

    """

    load: Callable[[], Any]
    open: Callable[[Any, Daemon], AbstractContextManager[Parts]]
    supervisor: Supervisor
    clock: Clock
    standby: bool = False
    once: bool = False
    monotonic: Callable[[], float] = time.monotonic
    observers: list[Observer] = field(default_factory=list)
    at_end: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.keeper = Keeper(self.clock)
        self.pulse = Pulse(self.supervisor, self.monotonic)
        self._inbox: queue.SimpleQueue[WakeUp | None] = queue.SimpleQueue()
        self._stop, self._reload = threading.Event(), threading.Event()
        self._interruptible = False
        self._longest = LONGEST_STEP

    def wake(self, wake: WakeUp) -> None:
        """Hand over a hint; may be called from any thread."""
        self._inbox.put(wake)

    def stop(self) -> None:
        """End after the step that is being carried out; called from a signal handler in the main thread."""
        self._stop.set()
        self._inbox.put(None)
        if self._interruptible:
            self._interruptible = False
            raise Interrupted

    def reload(self) -> None:
        """Read the configuration again after this turn."""
        self._reload.set()
        self._inbox.put(None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Take note of a step of long work: the loop lives, and may be interrupted or not.

        Raises:
            Interrupted: the end was asked for, and nothing has been decided yet.

        """
        travels = what.partition(" ")[0] in TRANSFERS
        self.pulse.beat(self._longest + (TRANSFER_SECONDS if travels else 0.0))
        self._interruptible = what in INTERRUPTIBLE and done < total
        if self._interruptible and self._stop.is_set():
            self._interruptible = False
            raise Interrupted

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            ConfigurationError: at the start; a broken configuration at a reload is reported, and the old one stays.
            LeaseHeldError: another daemon is at work, and this one does not stand by.
            DamagedStateError: our own state cannot be trusted.

        """
        config = self.load()
        working: Any = None
        self.pulse.beat(LONGEST_STEP)
        self.pulse.start()
        try:
            while True:
                try:
                    with self.open(config, self) as parts:
                        why = self._serve(parts)
                    working = config
                except (LeaseHeldError, Interrupted):
                    raise
                except SelectorError as error:
                    if working is None or working is config:
                        raise
                    self._not_reloaded(error)
                    config = working
                    continue
                if why == "stop":
                    return
                config = self._reloaded(config)
        except Interrupted:
            log.info("Stopped while models were being scored; nothing was decided, the next start looks again.")
        finally:
            self.supervisor.stopping()
            self.pulse.stop()
            self._end()

    def _end(self) -> None:
        """Leave word that this was an end in order; one that never came to work has nothing to say."""
        if self.keeper.state.phase == "active":
            self.keeper.phase("stopping", "stopped")
            for tell in self.at_end:
                tell()

    def _reloaded(self, config: Any) -> Any:
        """Return the configuration as it is on disk now, or the old one where that is wrong."""
        self._reload.clear()
        self.supervisor.reloading()
        try:
            found = self.load()
        except SelectorError as error:
            self._not_reloaded(error)
            return config
        self.keeper.configured("")
        log.info("The configuration was read again.")
        return found

    def _not_reloaded(self, error: SelectorError) -> None:
        self.keeper.configured(error.message)
        log.error("The configuration was not reloaded, the old one stays in force: %s", error.message)

    def _serve(self, parts: Parts) -> Literal["stop", "reload"]:
        self._longest = parts.longest
        if self.keeper.state.phase == "standby":
            # A reload ended the standing by, and whoever asked for it waits to hear that it is over.
            self.keeper.phase("starting", "starting")
        while not self._stop.is_set() and not self._reload.is_set():
            with ExitStack() as stack:
                try:
                    stack.enter_context(parts.lease.hold())
                except LeaseHeldError as error:
                    if not self.standby and not self.keeper.state.turns:
                        raise
                    # One that was at work, and was reloaded or lost the lease, comes back when the other one ends.
                    self._stand_by(error)
                    continue
                self._work(parts)
        return "stop" if self._stop.is_set() else "reload"

    def _stand_by(self, error: LeaseHeldError) -> None:
        if self.keeper.state.phase != "standby":
            self.keeper.phase("standby", "standing by")
            self.supervisor.ready("standing by: another daemon is at work")
            log.info("Standing by. %s", error.message)
        self.pulse.beat(STANDBY_SECONDS + LONGEST_STEP)
        self._stop.wait(STANDBY_SECONDS)

    def _work(self, parts: Parts) -> None:
        """Take turns until the end, a reload, or the loss of the lease."""
        self.keeper.phase("active", "starting")
        self.supervisor.ready("looking at everything")
        models = len(parts.house.setups)
        log.info("At work for %d model%s on %s.", models, "" if models == 1 else "s", parts.house.store.describe())
        with ExitStack() as stack:
            for source in parts.sources:
                source.start(self.wake)
                stack.callback(source.stop)
            self._turns(parts)

    def _turns(self, parts: Parts) -> None:
        wakes = [WakeUp("start", everything=True)]
        thorough_at = self.monotonic() + parts.thorough
        while not self._stop.is_set() and not self._reload.is_set():
            began = self.monotonic()
            thorough = began >= thorough_at
            turn = self._turn(parts, wakes, thorough=thorough)
            if thorough:
                # A complete reading that takes long is repeated less often: it may cost one part in fifty of the time.
                thorough_at = self.monotonic() + max(parts.thorough, 50.0 * (self.monotonic() - began))
            if self.once:
                self._stop.set()
                return
            if not parts.lease.still_held():
                log.warning("The lease was lost; standing by until it is free again.")
                return
            wakes = self._wait(parts, turn)

    def _turn(self, parts: Parts, wakes: list[WakeUp], *, thorough: bool) -> Turn | None:
        """Take one turn; whatever fails in it is told, and tried again."""
        self.pulse.beat(self._longest)
        began = self.monotonic()
        try:
            turn = parts.cycle.turn(wakes, began, thorough=thorough)
        except Exception:
            log.exception("A turn failed in a way that was not foreseen; the next one looks at everything again.")
            parts.cycle.start_over()
            return None
        finally:
            self._interruptible = False
        said = sentence(turn)
        log.log(_level(turn), "%s", said)
        hints = {source.name: source.trouble() for source in parts.sources}
        state = self.keeper.turned(turn, said, hints, waiting=len(parts.cycle.agenda.due))
        broken = state.configuration and f"The configuration on disk is not in force: {state.configuration} | "
        self.supervisor.status(broken + said)
        for observe in self.observers:
            observe(state, turn, self.monotonic() - began)
        return turn

    def _wait(self, parts: Parts, turn: Turn | None) -> list[WakeUp]:
        """Wait for the next hint, or until something is due."""
        now = self.monotonic()
        until = min(now + parts.poll, parts.cycle.next_at or now + parts.poll)
        if turn is None or turn.troubles:
            until = max(until, now + SHORTEST_WAIT)
        self.pulse.beat(until - now + self._longest)
        found = self._heard(until)
        if found:
            self._stop.wait(GATHER_SECONDS)
            while not self._inbox.empty():
                found += self._heard(0.0)
        if turn is not None and turn.troubles:
            self._stop.wait(max(0.0, now + SHORTEST_WAIT - self.monotonic()))
        return found

    def _heard(self, until: float) -> list[WakeUp]:
        try:
            wake = self._inbox.get(timeout=max(0.0, until - self.monotonic()))
        except queue.Empty:
            return []
        return [wake] if wake is not None else []
