"""How does a receiver know that a webhook is ours, and not an old one once more? As Standard Webhooks has it.

See https://www.standardwebhooks.com: webhook-signature is "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def signature(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header webhook-signature.

    Args:
        secret: as configured; after "whsec_" it is base64, otherwise it is taken as it is.
        identity: the header webhook-id.
        timestamp: the header webhook-timestamp, seconds since 1970.
        body: of the request.

    """
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()
