"""How is a notice sent through Apprise: e-mail, Slack, Teams and a hundred others?

Apprise runs in a process of its own that is killed at the deadline: some of its plugins wait a minute for a receiver
that drips, and what it logs on the way stays there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable

from selector.adapters.notify_chosen import Chosen
from selector.exchange import Delivery
from selector.ports import Notice
from selector.redaction import printable, redact

DEADLINE_SECONDS = 10.0
CHILD = "selector.adapters.apprise_child"
KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
"""Of our environment: no proxies, and no secrets."""

GOOD, BAD, INFO = "success", "failure", "info"
TYPES = {
    "promoted": GOOD,
    "degraded": BAD,
    "failed": BAD,
    "missing_data": BAD,
    "unreachable": BAD,
    "rolled_back": "warning",
    "warning": "warning",
    "foreign_change": "warning",
}


class AppriseNotifier:
    """Implements ports.Notifier.

    Args:
        url: an Apprise URL; secrets may stand in it.
        name: see ports.Notifier.
        chosen: which notices it takes.
        deadline: seconds for the whole attempt.

    """

    def __init__(self, url: str, name: str, chosen: Chosen, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._url, self._name, self._chosen, self._deadline = url, name, chosen, deadline

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self._name

    def takes(self, notice: Notice) -> bool:
        """Return whether it was configured for such notices."""
        return self._chosen.takes(notice)

    def send(self, notice: Notice) -> Delivery:
        """Let a child send it; never raises."""
        resolved = notice.title.partition(": ")[2].startswith("resolved")
        order = {
            "url": stay(self._url),
            "title": notice.title,
            "body": notice.body,
            "type": GOOD if resolved else TYPES.get(notice.kind, INFO),
        }
        command = [sys.executable, "-I", "-W", "ignore", "-m", CHILD]
        kept = {key: os.environ[key] for key in KEPT if key in os.environ}
        try:
            done = subprocess.run(
                command,
                input=json.dumps(order).encode() + b"\n",
                capture_output=True,
                timeout=self._deadline,
                check=False,
                env=kept,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return Delivery("later", f"no answer within {self._deadline:g} s")
        except OSError as error:
            return Delivery("later", f"the sending process could not be started: {error.strerror}")
        return self._told(done.stdout)

    def _told(self, said: bytes) -> Delivery:
        try:
            told = json.loads(said)
            outcome, why = told["outcome"], str(told["why"])
        except (ValueError, KeyError, TypeError):
            return Delivery("later", "the sending process ended without an answer")
        if outcome not in ("sent", "later", "refused"):
            return Delivery("later", "the sending process gave no answer that makes sense")
        return Delivery(outcome, printable(redact(why, {self._url, *_parts(self._url)})))


def stay(url: str) -> str:
    """Return the URL with Apprise's own redirects switched off: a receiver must not send our texts elsewhere."""
    if "redirect=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}redirect=no"


def _parts(url: str) -> Iterable[str]:
    """Return the pieces of a URL in which tokens may stand, so that none of them is ever shown."""
    rest = url.partition("://")[2]
    return {piece for piece in rest.replace("?", "/").replace("@", "/").replace(":", "/").split("/") if len(piece) > 7}  # noqa: PLR2004 - shorter ones are words
