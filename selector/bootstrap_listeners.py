"""Which addresses does the daemon listen at, and who answers there?"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from selector.adapters.events_socket import Asking, SocketWakeUps
from selector.config import Configuration
from selector.config_http import SOCKET
from selector.daemon import Daemon
from selector.daemon_answers import Answers
from selector.daemon_state import Observer
from selector.domain.service import ServiceState
from selector.domain.service_document import state_document
from selector.errors import SelectorError
from selector.ports import WakeUps
from selector.redaction import SECRET_VARIABLES, printable, redact
from selector.workflows.house import House

if TYPE_CHECKING:
    from selector.daemon_metrics import DaemonMetrics
    from selector.workflows.cycle import Turn

log = logging.getLogger(__name__)

HEALTH_SECONDS = 30.0
"""So often the health of champions is read from our state, at most."""


class Listeners:
    """What tells others about one daemon, and takes their hints; it counts on when the configuration is read again."""

    def __init__(self, running: Daemon) -> None:
        self._running = running
        self._answers = Answers(running.monotonic)
        running.observers.append(_harmless(self._answers.observe))
        self._metrics: DaemonMetrics | None = None

    @contextmanager
    def open(self, config: Configuration, house: House) -> Iterator[tuple[WakeUps, ...]]:
        """Answer over HTTP within the context, where that is configured; yield who gives hints."""
        sources = [self._socket(config, house), *self._webhook(config, house)]
        if config.http is None:
            yield tuple(sources)
            return
        from selector.adapters.http_app import Shown, http_listener  # noqa: PLC0415 - off unless asked for

        running = self._running
        shown = Shown(
            lambda: running.keeper.state, lambda: running.pulse.fresh, self._counts().page, _safe(config.secrets)
        )
        listener = http_listener(shown, config.http.address, config.http.hosts)
        for name, setup in house.setups.items():
            if setup.family is None:
                self._counts().model(name)
        healths = _harmless(_Healths(house, self._counts(), running.monotonic).observe)
        running.observers.append(healths)
        listener.start()
        try:
            yield tuple(sources)
        finally:
            listener.stop()
            running.observers.remove(healths)

    @property
    def metrics(self) -> DaemonMetrics | None:
        """What Prometheus reads; None where nobody asked for it."""
        return self._metrics

    def _counts(self) -> DaemonMetrics:
        if self._metrics is None:
            from selector.daemon_metrics import DaemonMetrics  # noqa: PLC0415 - costs 100 ms

            running = self._running
            self._metrics = DaemonMetrics(lambda: running.keeper.state, lambda: running.pulse.fresh)
            running.observers.append(_harmless(self._metrics.observe))
        return self._metrics

    def _socket(self, config: Configuration, house: House) -> WakeUps:
        keeper, safe = self._running.keeper, _safe(config.secrets)
        asking = Asking(
            self._answers.give, self._answers.ask, lambda n: knows(house, n), lambda: state_document(keeper.state, safe)
        )
        known = config.socket.known_at(config.state.folder)
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        if config.socket.path is None and runtime:
            return SocketWakeUps(Path(runtime) / SOCKET, asking, group=config.socket.group, link=known)
        return SocketWakeUps(known, asking, group=config.socket.group)

    def _webhook(self, config: Configuration, house: House) -> list[WakeUps]:
        if config.webhook is None:
            return []
        from selector.adapters.events_webhook import Deliveries, WebhookWakeUps  # noqa: PLC0415 - off unless asked for

        def counted(outcome: str) -> None:
            if self._metrics is not None:
                self._metrics.deliveries.labels(outcome).inc()

        deliveries = Deliveries(config.webhook.secret)
        return [WebhookWakeUps(config.webhook.address, deliveries, lambda n: knows(house, n), counted)]


class _Healths:
    """Takes over what production says of champions, now and then: it changes with batches, not with turns."""

    def __init__(self, house: House, metrics: DaemonMetrics, monotonic: Callable[[], float]) -> None:
        self._house, self._metrics, self._monotonic = house, metrics, monotonic
        self._next = monotonic()

    def observe(self, state: ServiceState, turn: Turn, seconds: float) -> None:
        """Read the health of each champion that is watched."""
        del turn, seconds
        watched = {n: s for n, s in self._house.setups.items() if s.monitor is not None and n in state.models}
        if not watched or self._monotonic() < self._next:
            return
        self._next = self._monotonic() + HEALTH_SECONDS
        from selector.workflows.monitor_document import production  # noqa: PLC0415 - only where champions are watched

        try:
            found = {n: production(self._house, s, state.models[n].champion)["health"] for n, s in watched.items()}
        except SelectorError as error:
            log.warning("The health of champions was not read for /metrics: %s", error.message)
            return
        self._metrics.healths(found)


def _harmless(observe: Observer) -> Observer:
    """Return an observer whose failure is told and stops nothing: to be watched matters less than to work."""

    def observing(state: ServiceState, turn: Turn, seconds: float) -> None:
        try:
            observe(state, turn, seconds)
        except Exception:
            log.exception("Counting what a turn came to failed in a way that was not foreseen; the service goes on.")

    return observing


def knows(house: House, name: str) -> bool:
    """Return whether a name is that of a configured model, of a family, or of a member of one."""
    if name in house.setups:
        return True
    return any(s.family is not None and s.family.value_of(name) is not None for s in house.setups.values())


def _safe(secrets: frozenset[str]) -> Callable[[str], str]:
    """Return what makes a text fit to be shown to whoever can connect."""
    hidden = secrets | {os.environ[name] for name in SECRET_VARIABLES if os.environ.get(name)}
    return lambda text: printable(redact(text, hidden))
