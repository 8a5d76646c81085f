"""How does MLflow's model registry say that something changed, and how is it known that it was MLflow who said so?"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from selector.adapters.http_exchange import HTTP_LIMITS, Answer, Request, listening, serving, text
from selector.adapters.listener import Listener
from selector.domain.events import WakeUp

log = logging.getLogger(__name__)

SOURCE = "webhook"
PATH = "/webhooks/mlflow"

SIGNATURE, TIMESTAMP, DELIVERY = "x-mlflow-signature", "x-mlflow-timestamp", "x-mlflow-delivery-id"
VERSION = "v1"

TOLERANCE_SECONDS = 300.0
"""A message whose time differs from ours by more is refused, as Standard Webhooks advises."""

MOST_REMEMBERED = 10_000
LONGEST_ID = 200


class RefusedDelivery(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A delivery that nothing is done about.

    Args:
        outcome: forged, stale, replayed or malformed.
        status: of the HTTP answer.

    """

    def __init__(self, outcome: str, status: int, why: str) -> None:
        super().__init__(why)
        self.outcome, self.status = outcome, status


class Deliveries:
    """Checks that a delivery is MLflow's own, fresh, and new.

    MLflow signs `id.timestamp.body` with HMAC-SHA256 (mlflow/webhooks/delivery.py), and gives a repeated delivery the
    id and the timestamp of the first.

    Args:
        secret: shared with MLflow.
        now: seconds since 1970.

    """

    def __init__(self, secret: str, now: Callable[[], float] = time.time) -> None:
        self._secret, self._now = secret.encode(), now
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Return where the delivery is genuine and new.

        Raises:
            RefusedDelivery: it is not; nothing of it may be used.

        """
        delivery, stamp = headers.get(DELIVERY, ""), headers.get(TIMESTAMP, "")
        if not (0 < len(delivery) <= LONGEST_ID and stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):  # noqa: PLR2004 - thirty thousand years
            raise RefusedDelivery("malformed", 400, "an MLflow webhook has an id and a timestamp")
        if not self._signed(headers.get(SIGNATURE, ""), f"{delivery}.{stamp}.".encode() + body):
            raise RefusedDelivery("forged", 401, "the signature is not right")
        now = self._now()
        if abs(now - int(stamp)) > TOLERANCE_SECONDS:
            raise RefusedDelivery("stale", 401, "the timestamp is not of now")
        if not self._first(delivery, now):
            raise RefusedDelivery("replayed", 200, "known already")

    def _signed(self, told: str, content: bytes) -> bool:
        """Return whether one of the signatures, separated by spaces, is right; all of them are compared in full."""
        right = hmac.new(self._secret, content, hashlib.sha256).digest()
        found = False
        for one in told.split(" ")[:10]:
            version, _, coded = one.partition(",")
            try:
                given = base64.b64decode(coded, validate=True)
            except (binascii.Error, ValueError):
                continue
            found |= hmac.compare_digest(given, right) and version == VERSION
        return found

    def _first(self, delivery: str, now: float) -> bool:
        with self._lock:
            for old in [i for i, at in self._seen.items() if abs(now - at) > 2 * TOLERANCE_SECONDS]:
                del self._seen[old]
            if delivery in self._seen:
                return False
            if len(self._seen) >= MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._seen[delivery] = now
        return True


class WebhookWakeUps:
    """Takes MLflow's webhooks as hints. The truth is read from MLflow afterwards, whatever a webhook says.

    Args:
        bind: IP address and port.
        deliveries: what tells genuine ones.
        knows: whether a name is that of a configured model.
        counted: told the outcome of each delivery.

    """

    name = SOURCE

    def __init__(
        self,
        bind: tuple[str, int],
        deliveries: Deliveries,
        knows: Callable[[str], bool],
        counted: Callable[[str], None],
    ) -> None:
        host, port = bind
        self._deliveries, self._knows, self._counted = deliveries, knows, counted
        self._wake: Callable[[WakeUp], None] | None = None
        self._listener = Listener(
            f"The webhook address {host}:{port}",
            lambda: listening(host, port),
            serving(self.answer, methods=("POST",)),
            HTTP_LIMITS,
        )

    def start(self, wake: Callable[[WakeUp], None]) -> None:
        """Begin to listen."""
        self._wake = wake
        self._listener.start()

    def stop(self) -> None:
        """End."""
        self._listener.stop()

    def trouble(self) -> str | None:
        """Return why nobody can connect; None where they can."""
        return self._listener.trouble()

    def answer(self, request: Request) -> Answer:
        """Check a delivery and pass it on as a hint."""
        if request.path != PATH:
            return text(404, f"webhooks come to {PATH}")
        try:
            self._deliveries.check(request.headers, request.body)
            wake = self._understood(request.body)
        except RefusedDelivery as refused:
            self._counted(refused.outcome)
            if refused.outcome != "replayed":
                log.warning("A webhook was refused: %s.", refused)
            return text(refused.status, str(refused))
        self._counted("accepted")
        if self._wake is not None:
            self._wake(wake)
        return text(200, "thank you")

    def _understood(self, body: bytes) -> WakeUp:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            raise RefusedDelivery("malformed", 400, "the body is no JSON") from None
        message = message if isinstance(message, dict) else {}
        data: Any = message.get("data")
        name = data.get("name") if isinstance(data, dict) else None
        what = f"{message.get('entity', 'something')} {message.get('action', 'changed')}"
        if isinstance(name, str) and self._knows(name):
            return WakeUp(SOURCE, models=(name,), words=f"{what} in {name}")
        return WakeUp(SOURCE, words=what)
