"""How is a notice sent as a signed JSON document, within a deadline, to where it was configured and nowhere else?"""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import urlsplit

from selector.adapters.notify_chosen import Chosen
from selector.adapters.notify_signature import signature
from selector.exchange import Delivery
from selector.ports import Clock, Notice
from selector.redaction import printable, redact

DEADLINE_SECONDS = 10.0
LONGEST_WAIT = 3600.0
LATER = frozenset({408, 425, 429})
SERVER_ERROR = 500
REDIRECT = 300
"""From here on, and below 400: the receiver wants it sent elsewhere, which nobody configured."""


class WebhookNotifier:
    """Implements ports.Notifier.

    Args:
        url: http(s)://…
        secret: what the document is signed with.
        name: see ports.Notifier.
        chosen: which notices it takes.
        clock: for the timestamp that is signed.
        deadline: seconds for the whole attempt, however slowly the receiver answers.

    """

    def __init__(
        self,
        url: str,
        secret: str,
        name: str,
        chosen: Chosen,
        clock: Clock,
        *,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self._url, self._secret, self._name = url, secret, name
        self._chosen, self._clock, self._deadline = chosen, clock, deadline

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self._name

    def takes(self, notice: Notice) -> bool:
        """Return whether it was configured for such notices."""
        return self._chosen.takes(notice)

    def send(self, notice: Notice) -> Delivery:
        """Post it; redirects are not followed, and no proxy of the environment is used."""
        found: list[Delivery] = []

        def post() -> None:
            found.append(self._posted(notice))

        thread = threading.Thread(target=post, name=f"webhook {self._name}", daemon=True)
        thread.start()
        # A receiver that drips its answer's head outlasts every timeout of a socket; nobody waits for it here.
        thread.join(self._deadline)
        return found[0] if found else Delivery("later", f"no answer within {self._deadline:g} s")

    def _posted(self, notice: Notice) -> Delivery:
        import requests  # noqa: PLC0415 - only a channel needs it

        at = self._clock.now()
        body = json.dumps(_document(notice, at.isoformat(timespec="seconds"))).encode()
        timestamp = int(at.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "mlflow-selector",
            "Idempotency-Key": notice.key,
            "webhook-id": notice.key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secret, notice.key, timestamp, body),
        }
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    timeout=self._deadline,
                    allow_redirects=False,
                    stream=True,
                )
                # Only the status counts: a body, however long it is or however slowly it drips, is not read.
                answer.close()
            except (requests.RequestException, OSError, ValueError) as error:
                return Delivery("later", _plain(error, self._url))
        return _judged(answer.status_code, answer.headers.get("Retry-After", ""))


def _document(notice: Notice, at: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "id": notice.key,
        "kind": notice.kind,
        "model": notice.model,
        "title": notice.title,
        "body": notice.body,
        "at": at,
    }


def _judged(status: int, retry_after: str) -> Delivery:
    """Return what the answer means: only what may pass is tried again."""
    if status < REDIRECT:
        return Delivery("sent")
    if status in LATER or status >= SERVER_ERROR:
        wait = min(float(retry_after), LONGEST_WAIT) if retry_after.isdigit() else None
        return Delivery("later", f"the receiver answered {status}", wait)
    what = "wants it sent elsewhere" if status < 400 else "refuses it"  # noqa: PLR2004 - HTTP
    return Delivery("refused", f"the receiver answered {status}: it {what}")


def _plain(error: Exception, url: str) -> str:
    """Return what went wrong without the address, in which a token may stand."""
    host = urlsplit(url).hostname or "the receiver"
    text = str(error).lower()
    for sign, said in (
        ("certificate verify failed", "its certificate cannot be verified"),
        ("refused", "the connection was refused"),
        ("timed out", "it did not answer in time"),
        ("reset", "the connection was reset"),
        ("name or service not known", "this host name is not known"),
        ("name resolution", "host names cannot be looked up"),
    ):
        if sign in text:
            return f"{host}: {said}"
    return printable(redact(f"{host}: {type(error).__name__}"))
