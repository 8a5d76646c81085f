"""Where is a UNIX socket in the file system: made at one stroke, under any path, never in place of something else?"""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_ADDRESS = 100
"""Linux takes 107 bytes; a longer path goes by way of its folder."""

_CROWDED_SECONDS = 0.02

OWNER_ONLY, WITH_GROUP = 0o600, 0o660


def bound(path: Path, group: str | None = None) -> socket.socket:
    """Return a listening socket at a path; one that a daemon left behind is replaced.

    It is made under another name and renamed once only those may connect who should.

    Args:
        path: its folder has to be there.
        group: whose members may connect, besides the owner and root.

    Raises:
        OSError: something else lies there, somebody listens there, or the group is not known or not ours.

    """
    _may_be_replaced(path)
    number = _group(group) if group is not None else -1
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(new) as address:
            made.bind(address)
        try:
            # A hardened unit may not change owners; where the group is the service's own, it need not.
            if number not in (-1, new.stat().st_gid):
                os.chown(new, -1, number)
            new.chmod(OWNER_ONLY if number == -1 else WITH_GROUP)
            made.listen(128)
            new.rename(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
    except OSError:
        made.close()
        raise
    made.settimeout(0)
    return made


def connected(path: Path, timeout: float) -> socket.socket:
    """Return a connection to the socket at a path.

    Raises:
        OSError: nobody listens there, or we may not connect.

    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    ends = time.monotonic() + timeout
    try:
        made.settimeout(timeout)
        with _short(path) as address:
            while True:
                try:
                    made.connect(address)
                except BlockingIOError:
                    # Many others are connecting. Linux does not wait for room where a time limit is set (unix(7)).
                    if time.monotonic() > ends:
                        raise
                    time.sleep(_CROWDED_SECONDS)
                else:
                    return made
    except OSError:
        made.close()
        raise


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this very file from another one of the same name; None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def point_to(link: Path, target: Path) -> None:
    """Let a symbolic link lead to a socket that lies elsewhere.

    Raises:
        OSError: something else lies there.

    """
    _may_be_replaced(link)
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(link)


def _may_be_replaced(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, f"{path} is no socket")
    if _answers(path):
        raise OSError(errno.EADDRINUSE, f"another daemon listens at {path}")


def _answers(path: Path) -> bool:
    try:
        connected(path, timeout=1.0).close()
    except OSError:
        return False
    return True


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(errno.EINVAL, f"there is no group {name}") from None


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield an address for a path that may be longer than addresses can be."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
