"""What lies in a staging folder, and how is it copied so that what is judged is what is imported?

Whoever writes to the folder may write at any time. So nothing is read twice in place: each file is opened once, without
following links, copied into a folder of our own while it is hashed, and believed only where it stayed as it was.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selector.domain.settling import Listing, StagedEntry, Stamp
from selector.errors import StagingError, StateUnavailableError

MOST_BYTES: Final = 16 << 30
"""Of one entry; no model that is scored here comes near, and a sparse file may claim any size."""

MOST_NESTED: Final = 40
MOST_NAMES: Final = 2_000_000
CLOSED_FOLDER: Final = "a folder that cannot be read"
SKIPPED: Final = frozenset({"venv", "node_modules", "__pycache__"})

_CHUNK: Final = 1 << 20
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})


class NotYetError(Exception):
    """The entry changed meanwhile, or is still being written: it is not the one that the scan saw."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A private copy of one entry.

    Attributes:
        digests: sha256 of each file, by its name in the staging folder.
        manifests: the text of each manifest.

    """

    digests: Mapping[str, str]
    manifests: Mapping[str, str]


@contextlib.contextmanager
def private_folder(spool: Path) -> Iterator[Path]:
    """Make a folder that only we can enter, and remove it at the end."""
    try:
        spool.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="staged-", dir=spool))  # mkdtemp makes it 0700
    except OSError as error:
        raise _no_room(spool, error) from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def walk(folder: Path) -> Listing:
    """List what lies below a folder without opening any file and without following any link below it.

    Raises:
        StagingError: the folder itself cannot be read.

    """
    files: dict[str, Stamp] = {}
    others: dict[str, str] = {}
    todo = [""]
    while todo:
        here = todo.pop()
        try:
            with os.scandir(folder / here) as found:
                for entry in found:
                    _take(entry, f"{here}/{entry.name}" if here else entry.name, files, others, todo)
        except OSError as error:
            if not here:
                raise StagingError(f"The staging folder {folder} cannot be read: {error.strerror}.") from error
            if error.errno not in _GONE:
                others[here] = f"{CLOSED_FOLDER} ({error.strerror})"
        if len(files) > MOST_NAMES:
            raise StagingError(f"The staging folder {folder} holds more than {MOST_NAMES:,} files.")
    return Listing(files, others)


def _take(entry: os.DirEntry[str], name: str, files: dict[str, Stamp], others: dict[str, str], todo: list[str]) -> None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return  # it was there and is not: the next scan sees what became of it
    if stat.S_ISREG(found.st_mode):
        files[name] = _stamp(found)
    elif not stat.S_ISDIR(found.st_mode):
        if not entry.name.startswith("."):
            others[name] = _kind(found.st_mode)
    elif not entry.name.startswith(".") and entry.name not in SKIPPED and name.count("/") < MOST_NESTED:
        todo.append(name)


def _kind(mode: int) -> str:
    words = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return words.get(stat.S_IFMT(mode), "a device")


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def silent(_bytes: int) -> None:
    """Take note of no progress."""


def copy(
    folder: Path, entry: StagedEntry, into: Path, *, writers: bool = True, tell: Callable[[int], None] = silent
) -> Copied:
    """Copy an entry's files with their times, hashing them; links and pipes are replaced by others that lead nowhere.

    Args:
        folder: the staging folder.
        entry: as the last scan saw it.
        into: stands for the staging folder; made where it is missing.
        writers: refuse a file that somebody has open for writing, where the system tells.
        tell: called with the bytes copied so far, for a copy may take minutes.

    Raises:
        NotYetError: a file is another one than the scan saw, or changed while it was copied, or is still open.
        StagingError: a file cannot be read or is too large.
        StateUnavailableError: our own disk cannot take the copy.

    """
    total = sum(stamp.size for stamp in entry.files.values())
    if total > MOST_BYTES:
        raise StagingError(f"it has {total:,} bytes, and more than {MOST_BYTES:,} are not taken")
    _make(into)
    free = shutil.disk_usage(into).free
    if total > free:
        raise StateUnavailableError(f"{into} has room for {free:,} bytes, and {entry.name} has {total:,}.")
    digests: dict[str, str] = {}
    done = 0
    root = _opened(folder, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for name, stamp in entry.files.items():

            def so_far(count: int, before: int = done) -> None:
                tell(before + count)

            digests[name] = _copy_file(root, name, stamp, into / name, writers=writers, tell=so_far)
            done += stamp.size
        for name, stamp in entry.files.items():
            if _stamp(_looked_at(root, name)) != stamp:
                raise NotYetError(name)
    finally:
        os.close(root)
    for name, kind in entry.others.items():
        _stand_in(into / name, kind)
    texts = {n: (into / n).read_bytes()[:_CHUNK].decode("utf-8", "surrogateescape") for n in entry.manifests}
    return Copied(digests, texts)


def _copy_file(root: int, name: str, stamp: Stamp, target: Path, *, writers: bool, tell: Callable[[int], None]) -> str:
    handle = _open_below(root, name)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or _stamp(found) != stamp:
            raise NotYetError(name)
        if writers and _is_open_for_writing(handle):
            raise NotYetError(name)
        digest = _pour(handle, name, stamp.size, target, tell)
        if _stamp(os.fstat(handle)) != stamp:
            raise NotYetError(name)
        os.utime(target, ns=(stamp.mtime_ns, stamp.mtime_ns))
    finally:
        os.close(handle)
    return digest


def _pour(handle: int, name: str, size: int, target: Path, tell: Callable[[int], None]) -> str:
    """Copy the bytes and return their digest; holes stay holes, so that a sparse file costs no room."""
    digest, left = hashlib.sha256(), size
    _make(target.parent)
    try:
        out = target.open("xb")
    except OSError as error:
        raise _no_room(target.parent, error) from error
    with out:
        while left:
            piece = _piece(handle, name, min(_CHUNK, left))
            digest.update(piece)
            left -= len(piece)
            tell(size - left)
            try:
                if piece.count(0) == len(piece):
                    out.seek(len(piece), os.SEEK_CUR)
                else:
                    out.write(piece)
            except OSError as error:
                raise _no_room(target.parent, error) from error
        out.truncate(size)
    return digest.hexdigest()


def _piece(handle: int, name: str, most: int) -> bytes:
    try:
        piece = os.read(handle, most)
    except OSError as error:
        raise StagingError(f"{name} cannot be read: {error.strerror}") from error
    if not piece:
        raise NotYetError(name)
    return piece


def _open_below(root: int, name: str) -> int:
    """Open a file step by step, so that no folder on the way can be swapped for a link."""
    *folders, last = name.split("/")
    here = root
    try:
        for part in folders:
            below = _opened(part, _FOLDER, here, name)
            if here != root:
                os.close(here)
            here = below
        return _opened(last, _FILE, here, name)
    finally:
        if here != root:
            os.close(here)


def _opened(path: str | Path, flags: int, here: int | None = None, name: str = "") -> int:
    try:
        return os.open(path, flags, dir_fd=here)
    except OSError as error:
        if error.errno in _GONE or error.errno == errno.ENXIO:
            raise NotYetError(name or str(path)) from error
        raise StagingError(f"{name or path} cannot be read: {error.strerror}") from error


def _looked_at(root: int, name: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=root, follow_symlinks=False)
    except OSError as error:
        raise NotYetError(name) from error


def _is_open_for_writing(handle: int) -> bool:
    """Tell whether somebody has the file open for writing: the kernel grants no read lease then, see fcntl(2).

    Only the file's owner, or who may take leases, is told; everybody else learns nothing, which counts as no.
    """
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # SIGIO, the default, would end the process
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno in {errno.EAGAIN, errno.EWOULDBLOCK}
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _stand_in(path: Path, kind: str) -> None:
    """Put something of the same kind there, so that the reader of the folder can say what it found and did not open."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "a link":
            path.symlink_to("nowhere")
        elif kind == "a named pipe":
            os.mkfifo(path, 0o600)
        elif kind == "a socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_room(folder, error) from error


def _no_room(folder: Path, error: OSError) -> StagingError | StateUnavailableError:
    if error.errno == errno.ENAMETOOLONG:
        return StagingError("its path is too long")
    return StateUnavailableError(f"Nothing can be written to {folder}: {error.strerror}.", advice="Make room there.")
