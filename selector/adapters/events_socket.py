"""How does another program on this computer say "look now", and hear what came of it?"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector.adapters.listener import Client, Limits, Listener
from selector.adapters.socket_file import bound, identity, point_to
from selector.domain.events import WakeUp

SOURCE = "socket"

LINE_SECONDS = 5.0
"""A line that drips in is cut off."""

LONGEST_WAIT = 3_600.0
MOST_REQUESTS = 100
"""On one connection."""

MOST_MODELS = 1_000

LIMITS = Limits(connections=32, seconds=LINE_SECONDS, size=1 << 16)

_ANSWER_SECONDS = 5.0
_AT_EOF_SECONDS = 1.0
_KEYS = {"look", "wait", "timeout", "state"}
_PEER_GROUPS = 59
"""SO_PEERGROUPS of Linux (socket(7)); Python has no name for it."""

_MOST_BUFFER = 1_024
"""Python asks for no more; it is room for 256 groups."""

PassOn = Callable[[WakeUp], None]


@dataclass(frozen=True, slots=True)
class Asking:
    """What the socket asks the daemon.

    Attributes:
        give: pass a hint on.
        ask: pass a hint on, and hear what the looks came to.
        knows: whether a name is that of a configured model or family.
        state: the daemon's present state as a JSON document.

    """

    give: Callable[[WakeUp, PassOn], None]
    ask: Callable[[WakeUp, PassOn], Future[tuple[dict[str, Any], ...]]]
    knows: Callable[[str], bool]
    state: Callable[[], dict[str, Any]]


class SocketWakeUps:
    """Takes hints at a UNIX socket: a line of JSON in, a line of JSON out.

    `{"look": ["churn"]}` or `{"look": "*"}` looks now, with `"wait": true` it is answered when the looks are done;
    `{"state": true}` tells how the daemon is. Only the daemon's own user, root, and the members of one group may ask.

    Args:
        path: where it is; its folder has to be there.
        asking: what it asks the daemon.
        group: whose members may connect.
        link: a symbolic link that leads to it, for programs that know only the state folder.

    """

    name = SOURCE

    def __init__(
        self, path: Path, asking: Asking, *, group: str | None = None, link: Path | None = None, limits: Limits = LIMITS
    ) -> None:
        self._path, self._asking, self._group, self._link = path, asking, group, link
        self._wake: PassOn | None = None
        self._made: tuple[int, int] | None = None
        self._listener = Listener(f"The socket {path}", self._open, self._serve, limits)

    def start(self, wake: PassOn) -> None:
        """Begin to listen."""
        self._wake = wake
        self._listener.start()

    def stop(self) -> None:
        """End; the socket goes, unless another one has taken its place."""
        self._listener.stop()
        made, self._made = self._made, None
        if made is not None and identity(self._path) == made:
            self._path.unlink(missing_ok=True)
            if self._link is not None and self._link.is_symlink() and self._link.readlink() == self._path:
                self._link.unlink(missing_ok=True)

    def trouble(self) -> str | None:
        """Return why nobody can connect; None where they can. A socket that somebody removed is made again."""
        if self._made is not None and identity(self._path) != self._made:
            self._made = None
            self._listener.stop()
            self._listener.start()
        return self._listener.trouble()

    def _open(self) -> list[socket.socket]:
        made = bound(self._path, self._group)
        self._made = identity(self._path)
        if self._link is not None:
            point_to(self._link, self._path)
        return [made]

    async def _serve(self, client: Client) -> None:
        if not _may(client.writer.get_extra_info("socket"), self._path):
            return await _tell(client, _error("you may not ask this daemon"))
        for _ in range(MOST_REQUESTS):
            client.settled = False
            client.extend(LINE_SECONDS)
            try:
                line = await client.reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                line = error.partial
            except asyncio.LimitOverrunError:
                return await _tell(client, _error(f"a line may have {LIMITS.size} bytes"))
            if not line.strip():
                return None
            client.settled = True
            answer = await self._answer(client, line)
            client.extend(_ANSWER_SECONDS)
            await _tell(client, answer)
        return None

    async def _answer(self, client: Client, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            look, wait = _understood(request)
            unknown = [name for name in look if name != "*" and not self._asking.knows(name)]
        except (ValueError, RecursionError) as error:
            return _error(str(error))
        if unknown:
            return _error(f"model {unknown[0]!r} is not in the configuration of the daemon")
        if not look:
            return {"ok": True, "state": self._asking.state()}
        if "*" in look:
            wake = WakeUp(SOURCE, everything=True, words="asked to look at everything")
        else:
            wake = WakeUp(SOURCE, models=look, words=f"asked to look at {', '.join(look)}")
        if self._wake is None:
            return _error("the daemon is ending")
        if wait is None:
            self._asking.give(wake, self._wake)
            return {"ok": True}
        client.extend(wait + _ANSWER_SECONDS)
        return await _in_time(self._asking.ask(wake, self._wake), client, wait)


async def _in_time(answer: Future[tuple[dict[str, Any], ...]], client: Client, wait: float) -> dict[str, Any]:
    """Wait for the looks; who stopped talking is answered too, unless somebody else needs the place."""
    looks = asyncio.ensure_future(asyncio.wrap_future(answer))
    ends = asyncio.get_running_loop().time() + wait
    try:
        while not looks.done() and (left := ends - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait({looks}, timeout=min(left, _AT_EOF_SECONDS))
            client.settled = not client.reader.at_eof()
        if looks.done():
            return {"ok": True, "looked": list(looks.result())}
        return _error(f"the looks were not done within {wait:g} s; they go on")
    finally:
        looks.cancel()


async def _tell(client: Client, answer: Mapping[str, Any]) -> None:
    client.writer.write(json.dumps(answer).encode() + b"\n")
    with suppress(ConnectionError):
        await client.writer.drain()


def _understood(request: Any) -> tuple[tuple[str, ...], float | None]:
    """Return which models to look at (none: tell the state), and for how many seconds to wait (None: not at all).

    Raises:
        ValueError: not a request.

    """
    if not isinstance(request, dict) or not request.keys() <= _KEYS or ("look" in request) == ("state" in request):
        raise ValueError('ask {"look": ["MODEL"]}, {"look": "*"} or {"state": true}')
    if "state" in request:
        return (), None
    look = request["look"]
    if look == "*":
        look = ["*"]
    if not isinstance(look, list) or not 0 < len(look) <= MOST_MODELS or not all(isinstance(n, str) for n in look):
        raise ValueError(f"look: a list of 1 to {MOST_MODELS} names, or *")
    seconds = request.get("timeout", LONGEST_WAIT)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_WAIT:
        raise ValueError(f"timeout: more than 0 and at most {LONGEST_WAIT:g} seconds")
    if not isinstance(request.get("wait", False), bool):
        raise ValueError("wait: true or false")  # noqa: TRY004 - told to who asked, like the others
    return tuple(dict.fromkeys(look)), float(seconds) if request.get("wait") else None


def _may(peer: Any, path: Path) -> bool:
    """Return whether who connected is the daemon's own user, root, or in the group that the socket belongs to."""
    _pid, user, group = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user in (0, os.geteuid()):
        return True
    try:
        found = path.stat()
    except OSError:
        return False
    return bool(found.st_mode & 0o060) and found.st_gid in {group, *_groups(peer)}


def _groups(peer: Any) -> tuple[int, ...]:
    try:
        raw = peer.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _MOST_BUFFER)
    except OSError:
        return ()
    return struct.unpack(f"{len(raw) // 4}I", raw)


def _error(text: str) -> dict[str, Any]:
    return {"ok": False, "error": text}
