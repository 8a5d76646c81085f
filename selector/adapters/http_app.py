"""What does the daemon tell over HTTP: whether it lives, whether it is ready, its metrics and its state; read-only."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from selector.adapters.http_exchange import HTTP_LIMITS, Answer, Request, document, listening, serving, text
from selector.adapters.http_page import PAGE_POLICY, page
from selector.adapters.listener import Limits, Listener
from selector.domain.service import ServiceState
from selector.domain.service_document import state_document, why_not_ready

METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Shown:
    """Where the answers come from; each is asked at each request, from the listener's thread.

    Attributes:
        state: the daemon's present state.
        alive: whether its loop keeps its promises.
        metrics: the page of metrics.
        safe: makes a text that came from outside fit to be shown.

    """

    state: Callable[[], ServiceState]
    alive: Callable[[], bool]
    metrics: Callable[[], bytes]
    safe: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class HttpApp:
    """Answers requests. A page of another site cannot read it: its Host header names another host.

    Args:
        shown: where the answers come from.
        hosts: names by which it may be called, lower case, without a port.
        any_address: whether any IP address will do; a name that was rebound to us is never one.

    """

    shown: Shown
    hosts: Collection[str]
    any_address: bool = False

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if not self._is_meant(request.headers):
            return text(421, "this is not the host that you asked for")
        answers: dict[str, Callable[[], Answer]] = {
            "/": self._page,
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": lambda: Answer(200, self.shown.metrics(), METRICS_TYPE),
            "/api/status": lambda: document(200, state_document(self.shown.state(), self.shown.safe)),
        }
        answer = answers.get(request.path)
        return answer() if answer else text(404, f"there is {', '.join(answers)}")

    def _is_meant(self, headers: Mapping[str, str]) -> bool:
        found = _HOST.fullmatch(headers.get("host", "").lower())
        if found is None:
            return False
        return found[1] in self.hosts or (self.any_address and _is_ip(found[1]))

    def _health(self) -> Answer:
        if self.shown.alive():
            return text(200, "ok")
        return text(503, "the loop does not come back from what it is doing")

    def _readiness(self) -> Answer:
        state = self.shown.state()
        if why := why_not_ready(state):
            return text(503, self.shown.safe(why))
        old = f"; the configuration on disk is not in force: {state.configuration}" if state.configuration else ""
        return text(200, self.shown.safe(f"ready{old}"))

    def _page(self) -> Answer:
        shown = state_document(self.shown.state(), self.shown.safe)
        return Answer(200, page(shown, alive=self.shown.alive()).encode(), HTML_TYPE, PAGE_POLICY)


def http_listener(
    shown: Shown, bind: tuple[str, int], hosts: Collection[str] = (), limits: Limits = HTTP_LIMITS
) -> Listener:
    """Return what serves it at an IP address and port; names beside the address's own have to be given."""
    host, port = bind
    loopback = ipaddress.ip_address(host).is_loopback
    names = {f"[{host}]" if ":" in host else host, *(name.lower() for name in hosts)}
    names |= {"localhost", "127.0.0.1", "[::1]"} if loopback else set()
    app = HttpApp(shown, frozenset(names), any_address=not loopback)
    return Listener(f"The HTTP address {host}:{port}", lambda: listening(host, port), serving(app), limits)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
