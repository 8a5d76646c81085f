"""How are bytes of unknown size read so that neither a false length nor a compression bomb costs memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Mapping
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final

MAX_LINE: Final = 1 << 28
MAX_UNPACKED: Final = 4 << 30
_CHUNK: Final = 1 << 18


class ShortReadError(Exception):
    """There are fewer bytes than the file promises."""


class TooLargeError(Exception):
    """The file unpacks to more than we are willing to read."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file without following a link at its end; a FIFO or device is refused without blocking.

    Raises:
        OSError: it cannot be read, is a link, or is no regular file.

    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path.name} is no regular file")
    return os.fdopen(handle, "rb", buffering=1 << 18)


class ByteSource:
    """Exact reads from a stream: every byte that is asked for is there, or ShortReadError.

    Args:
        stream: a buffered binary stream.
        limit: bytes that may be read in all; beyond it TooLargeError.

    """

    def __init__(self, stream: BinaryIO | BufferedIOBase, limit: int = MAX_UNPACKED) -> None:
        self._stream = stream
        self._read = stream.read
        self.read_any: Callable[[int], bytes] = stream.read
        self._left = limit
        self._peeked = b""

    def peek(self) -> bytes:
        """Return the next byte without consuming it."""
        if not self._peeked:
            self._peeked = self._stream.read(1)
        if not self._peeked:
            raise ShortReadError
        return self._peeked

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes; big lengths are believed only chunk by chunk."""
        if self._peeked and size:
            held, self._peeked = self._peeked, b""
            return held + self.read(size - 1)
        self._left -= size
        if self._left < 0:
            raise TooLargeError("it unpacks to more bytes than are read")
        if size <= _CHUNK:
            data = self._read(size)
            if len(data) != size:
                raise ShortReadError
            return data
        parts = bytearray()
        while len(parts) < size:
            part = self._read(min(_CHUNK, size - len(parts)))
            if not part:
                raise ShortReadError
            parts += part
        return bytes(parts)

    def skip(self, size: int) -> None:
        """Step over `size` bytes that must be there; no more than a chunk is held."""
        if self._peeked and size:
            self._peeked = b""
            size -= 1
        self._left -= size
        if self._left < 0:
            raise TooLargeError("it unpacks to more bytes than are read")
        while size > 0:
            part = self._read(min(_CHUNK, size))
            if not part:
                raise ShortReadError
            size -= len(part)

    def readline(self) -> bytes:
        """Return a line with its end; used by pickle's text opcodes."""
        line = self._stream.readline(MAX_LINE)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            raise ShortReadError
        return line

    def count(self, size: int) -> None:
        """Count bytes that were read with `read_any`, the stream's own quick read without checks."""
        self._left -= size
        if self._left < 0:
            raise TooLargeError("it unpacks to more bytes than are read")

    def drain(self) -> None:
        """Read to the end, so that whatever checks the end can raise."""
        while part := self._read(_CHUNK):
            self._left -= len(part)
            if self._left < 0:
                raise TooLargeError("it unpacks to more bytes than are read")

    def require(self, size: int) -> None:
        """Refuse a frame that is larger than anything we would read."""
        if size > self._left:
            raise ShortReadError


class _ZlibStream(RawIOBase):
    """A zlib stream as a raw file; joblib's default compression."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._unpack = zlib.decompressobj()

    def readable(self) -> bool:
        """Return True: it can only be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with unpacked bytes; never unpack more than fits into it."""
        view = memoryview(buffer)
        while not self._unpack.eof:
            packed = self._unpack.unconsumed_tail or self._stream.read(_CHUNK)
            data = self._unpack.decompress(packed, len(view))
            if data:
                view[: len(data)] = data
                return len(data)
            if not packed:
                raise ShortReadError
        return 0


UNPACKERS: Final[Mapping[str, tuple[bytes, Callable[[BinaryIO], BufferedIOBase]]]] = {
    "zlib": (b"\x78", lambda stream: BufferedReader(_ZlibStream(stream), _CHUNK)),
    "gzip": (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    "bz2": (b"BZh", bz2.BZ2File),
    "xz": (b"\xfd7zXZ\x00", lzma.LZMAFile),
    "lzma": (b"\x5d\x00\x00", lzma.LZMAFile),
}


def compression(head: bytes) -> str:
    """Return the name of the compression that these first bytes announce, or an empty string."""
    if head[:1] == b"\x78" and (len(head) < 2 or int.from_bytes(head[:2], "big") % 31):  # noqa: PLR2004  two bytes
        return ""
    return next((name for name, (magic, _) in UNPACKERS.items() if head.startswith(magic)), "")


def unpacked(stream: BinaryIO, name: str) -> BufferedIOBase:
    """Return the stream unpacked; reading it may raise EOFError, OSError, zlib.error, lzma.LZMAError."""
    return UNPACKERS[name][1](stream)
