"""How is one HTTP request read and answered, within limits; what is not one is refused?"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import h11

from selector.adapters.listener import Client, Limits, Serve
from selector.domain.model import NOTHING

HEAD_SECONDS = 5.0
"""From the connection to the end of the header; a header that drips in is cut off."""

MOST_BYTES = 1 << 16
"""Of a header, and of a body."""

MOST_HEADERS = 100

HTTP_LIMITS = Limits(connections=32, seconds=10.0, size=MOST_BYTES)

HTML_POLICY = "default-src 'none'"

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Connection", "close"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        path: without the query, as it was sent.
        headers: by lower-case name; a name that came twice holds both values, joined by a comma.

    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        allow: the methods there are, for 405.

    """

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    policy: str = HTML_POLICY
    allow: str = ""


class RefusedError(Exception):
    """A request that is not answered with what it asks for; carries the status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


App = Callable[[Request], Answer]


def text(status: int, words: str) -> Answer:
    """Return a line of plain text."""
    return Answer(status, f"{words}\n".encode())


def document(status: int, value: Any) -> Answer:
    """Return a JSON document."""
    return Answer(status, json.dumps(value, allow_nan=False).encode(), "application/json")


def serving(app: App, *, head: float = HEAD_SECONDS, methods: tuple[str, ...] = ("GET", "HEAD")) -> Serve:
    """Return what answers one connection: one request, one answer, and the end of it.

    Args:
        app: answers a request that is well-formed.
        head: seconds for the header.
        methods: others are refused before anything else of the request is looked at.

    """

    async def serve(client: Client) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_BYTES)
        method = ""
        try:
            async with asyncio.timeout(head):
                asked = await _head(client, connection)
            method = asked.method.decode()
            if method not in methods:
                answer = Answer(405, b"method not allowed\n", allow=", ".join(methods))
            else:
                body = b"" if method in ("GET", "HEAD") else await _body(client, connection, asked)
                client.settled = True
                answer = app(Request(method, asked.target.decode().partition("?")[0], _headers(asked), body))
        except RefusedError as refused:
            answer = text(refused.status, str(refused))
        except h11.RemoteProtocolError as error:
            # A transfer coding that nobody knows is 501 for h11; the mistake is the client's all the same.
            status = error.error_status_hint if error.error_status_hint < HTTPStatus.INTERNAL_SERVER_ERROR else 400
            answer = text(status, "this is no proper HTTP request")
        if connection.our_state in (h11.SEND_RESPONSE, h11.IDLE):
            _send(client, connection, answer, with_body=method != "HEAD")

    return serve


async def _head(client: Client, connection: h11.Connection) -> h11.Request:
    event = await _event(client, connection)
    if not isinstance(event, h11.Request):
        raise ConnectionError("the client went away")
    if len(event.headers) > MOST_HEADERS:
        raise RefusedError(431, "too many header fields")
    return event


async def _body(client: Client, connection: h11.Connection, asked: h11.Request) -> bytes:
    length = _headers(asked).get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > MOST_BYTES:
        raise RefusedError(413, f"a body may have {MOST_BYTES} bytes")
    if connection.they_are_waiting_for_100_continue:
        client.writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
    parts, size = [], 0
    while isinstance(event := await _event(client, connection), h11.Data):
        parts.append(bytes(event.data))
        size += len(event.data)
        if size > MOST_BYTES:
            raise RefusedError(413, f"a body may have {MOST_BYTES} bytes")
    return b"".join(parts)


async def _event(client: Client, connection: h11.Connection) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await client.reader.read(1 << 14))
    return event


def _headers(asked: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in asked.headers:
        key, words = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {words}" if key in found else words
    return found


def _send(client: Client, connection: h11.Connection, answer: Answer, *, with_body: bool) -> None:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Content-Security-Policy", answer.policy),
        *_ALWAYS,
        *([("Allow", answer.allow)] if answer.allow else []),
    ]
    reason = HTTPStatus(answer.status).phrase.encode()
    head = h11.Response(status_code=answer.status, headers=headers, reason=reason)
    out = [connection.send(head)]
    if with_body:
        out.append(connection.send(h11.Data(data=answer.body)))
    client.writer.write(b"".join(part or b"" for part in out))


def listening(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for an IP address.

    Raises:
        OSError: the address is taken, or not of this computer.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    made.settimeout(0)
    return [made]
