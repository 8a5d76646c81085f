"""How does one thread serve many clients, none of which can hold up the others or the daemon?"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""An address that is taken, or not there yet, is tried again after this time."""

LINGER_SECONDS = 1.0
"""So long a client that was answered may go on sending; closed at once, it would lose the answer (RFC 9112, 9.6)."""

STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener grants.

    Attributes:
        connections: at most so many at a time. A newcomer pushes out the oldest that has not asked anything yet.
        seconds: from the connection to the end of the answer.
        size: bytes that one line, or the head of a request, may have.

    """

    connections: int = 32
    seconds: float = 10.0
    size: int = 1 << 16


@dataclass(slots=True, eq=False)
class Client:
    """One connection.

    Attributes:
        settled: whether its request is complete, so that no newcomer pushes it out.

    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    deadline: asyncio.Timeout
    settled: bool = False

    def extend(self, seconds: float) -> None:
        """Let it take so long from now on."""
        self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)


Serve = Callable[[Client], Awaitable[None]]


@dataclass(eq=False)
class Listener:
    """Accepts connections in a thread of its own, closes what takes too long, and survives a taken address.

    Args:
        what: what it is called in logs.
        open: makes the listening sockets; called again after a failure.
        serve: answers one client.
        limits: what it grants.

    """

    what: str
    open: Callable[[], Sequence[socket.socket]]
    serve: Serve
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Begin idle."""
        self._clients: dict[Client, None] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._trouble: str | None = None
        self._tried = threading.Event()

    def start(self) -> None:
        """Begin to listen; returns when the address is taken, or known not to be free."""
        if self._thread is not None:
            return
        self._tried.clear()
        self._thread = threading.Thread(target=self._run, name=self.what, daemon=True)
        self._thread.start()
        self._tried.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End, and cut off who is still there; safe to call twice, and without `start`."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._end is not None:
            with suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
        thread.join(STOP_SECONDS)

    def trouble(self) -> str | None:
        """Return why nobody can connect, as one sentence; None where they can."""
        return self._trouble

    @property
    def clients(self) -> int:
        """How many are connected now."""
        return len(self._there())

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:
            self._trouble = f"{self.what} ended in a way that was not foreseen"
            log.exception("%s.", self._trouble)
        finally:
            self._tried.set()

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        while not self._end.is_set():
            try:
                sockets = self.open()
            except OSError as error:
                self._not_open(error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), RETRY_SECONDS)
                continue
            if self._trouble is not None:
                log.info("%s listens again.", self.what)
            self._trouble = None
            await self._listen(sockets, self._end)

    def _not_open(self, error: OSError) -> None:
        text = f"{self.what} cannot listen: {error.strerror or error}"
        if text != self._trouble:
            log.warning("%s; trying again every %g s.", text, RETRY_SECONDS)
        self._trouble = text
        self._tried.set()

    async def _listen(self, sockets: Sequence[socket.socket], end: asyncio.Event) -> None:
        # Also for UNIX sockets: start_unix_server of Python 3.13 removes the file, by a name that it has no longer.
        servers = [await asyncio.start_server(self._attend, sock=s, limit=self.limits.size) for s in sockets]
        self._tried.set()
        await end.wait()
        for server in servers:
            server.close()
        for client in self._clients:
            client.writer.transport.abort()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self.limits.seconds) as deadline:
                client = Client(reader, writer, deadline)
                if not self._room():
                    return
                self._clients[client] = None
                writer.transport.set_write_buffer_limits(0)  # so that drain() waits for all of the answer
                try:
                    await self.serve(client)
                    client.settled = False
                    await _linger(client)
                finally:
                    del self._clients[client]
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client was too slow or went away, or the thread ends; there is nobody to tell.
            return
        except Exception:
            log.exception("Serving a client of %s failed in a way that was not foreseen.", self.what)
        finally:
            writer.transport.abort()

    def _room(self) -> bool:
        """Return whether there is room for one more, after the oldest that only holds a place was sent away."""
        there = self._there()
        if len(there) < self.limits.connections:
            return True
        for client in there:
            if not client.settled:
                client.writer.transport.abort()
                return True
        return False

    def _there(self) -> list[Client]:
        """Return who is connected and was not sent away, the oldest first."""
        return [client for client in list(self._clients) if not client.writer.transport.is_closing()]


async def _linger(client: Client) -> None:
    """Send all of the answer, then let the client finish what it is saying."""
    await client.writer.drain()
    if client.writer.can_write_eof():
        client.writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while await client.reader.read(1 << 16):
                pass
