"""Who is told in the demo: a receiver of the user's own, which takes a message only where its signature is right?"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from selector.adapters.notify_signature import signature

TOLERANCE_SECONDS = 300
LONGEST_BODY = 1 << 16
SILENCE_SECONDS = 10
OK, FORGED = 204, 401


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody was told.

    Attributes:
        identity: the header webhook-id; a message that comes twice has the same one.
        kind: promoted, degraded and so on; see docs/notifications.md.
        title: one line that says it all.
        body: a few lines with what to do.

    """

    identity: str
    kind: str
    title: str
    body: str


class Receiver:
    """Takes signed webhooks and keeps them in the order in which they came.

    Args:
        secret: shared with the service.

    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._came: dict[str, Message] = {}
        self._news = Condition()
        self.refused = 0
        self.url = ""

    def take(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Keep a message, and return whether it is genuine; docs/notifications.md shows the same check.

        Args:
            headers: by lower-case names.
            body: as it came; read only where its signature is right.

        """
        identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        expected = signature(self._secret, identity, int(stamp) if _is_number(stamp) else 0, body)
        given = headers.get("webhook-signature", "").encode("utf-8", "surrogateescape")
        ours = hmac.compare_digest(given, expected.encode())
        recent = _is_number(stamp) and abs(time.time() - int(stamp)) < TOLERANCE_SECONDS
        with self._news:
            if not (ours and recent):
                self.refused += 1
                return False
            said: dict[str, Any] = json.loads(body)
            self._came.setdefault(identity, Message(identity, said["kind"], said["title"], said["body"]))
            self._news.notify_all()
        return True

    def told(self, kind: str, patience: float) -> Message | None:
        """Return the first message of a kind, or None where none comes within so many seconds."""

        def first() -> Message | None:
            # An alert that is over comes under the alert's kind once more.
            return next((one for one in self._came.values() if one.kind == kind), None)

        with self._news:
            return self._news.wait_for(first, patience)


def new_secret(path: Path) -> str:
    """Write a secret that nobody else may read, and return it."""
    secret = secrets.token_urlsafe(24)
    path.touch(mode=0o600)
    path.write_text(f"{secret}\n", encoding="utf-8")
    return secret


@contextmanager
def receiving(secret: str) -> Iterator[Receiver]:
    """Listen on a free port of this computer until the block ends."""
    receiver = Receiver(secret)

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENCE_SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            body = self.rfile.read(min(int(length), LONGEST_BODY)) if _is_number(length) else b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(OK if receiver.take(headers, body) else FORGED)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Say nothing: the screen belongs to the story."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,), name="receiver", daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12  # noqa: PLR2004 - thirty thousand years
