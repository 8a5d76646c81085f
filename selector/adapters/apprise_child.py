"""Runs in a process of its own: sends one message through Apprise and ends. The parent kills it at the deadline.

Reads one JSON line (url, title, body, type) from stdin, so that no secret stands among arguments or in the environment;
answers one JSON line (outcome, why) on stdout.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

MOST_BYTES = 1 << 20
WORDS = 200


def answer(order: dict[str, Any]) -> dict[str, str]:
    """Send it and return what came of it."""
    import apprise  # noqa: PLC0415 - the parent never imports it

    said: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log = logging.getLogger("apprise")
    log.addHandler(Listening())
    log.setLevel(logging.WARNING)
    log.propagate = False
    sender = apprise.Apprise()
    if not sender.add(order["url"]):
        return {"outcome": "refused", "why": "Apprise does not understand this URL"}
    done = sender.notify(title=order["title"], body=order["body"], notify_type=order["type"], body_format="text")
    if done:
        return {"outcome": "sent", "why": ""}
    return {"outcome": "later", "why": (said[-1] if said else "the receiver did not take it")[:WORDS]}


def main() -> None:
    """Do what stdin asks for."""
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever a plugin prints is no answer
    try:
        told = answer(json.loads(sys.stdin.buffer.readline(MOST_BYTES)))
    except Exception as error:  # noqa: BLE001 - reported to the parent
        told = {"outcome": "later", "why": f"Apprise failed with {type(error).__name__}"}
    out.write(json.dumps(told) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
