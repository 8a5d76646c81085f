"""How is a JSON file of unknown quality read: bounded, with a byte order mark, with bare NaN, cut off?"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any, BinaryIO, Final

from migrations.byte_source import open_regular

MAX_DOCUMENT: Final = 16 << 20
MAX_TEXT: Final = 64 << 20
MAX_NESTING: Final = 128
_CHUNK: Final = 1 << 20
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]|"', re.DOTALL)


class UnreadableJsonError(Exception):
    """The file is no whole JSON document; the text says why, without the file's name."""


def json_flaw(stream: BinaryIO) -> str:
    """Return what is wrong with the brackets and texts of a JSON stream, or an empty string.

    Runs in constant memory, whatever the size of the stream.
    """
    depth, held, closed = 0, b"", False
    while piece := stream.read(_CHUNK):
        data, held, end = held + piece, b"", 0
        for token in _TOKEN.finditer(data):
            text = token[0]
            if text == b'"':
                held = data[token.start() :]
                break
            end = token.end()
            if closed:
                return "is damaged: something follows its end"
            if text in b"{[":
                depth += 1
                if depth > MAX_NESTING:
                    return "is damaged: it is nested too deeply"
            elif text in b"}]":
                depth -= 1
                closed = depth == 0
        if len(held) > MAX_TEXT:
            return "is damaged: a text in it never ends"
        if closed and data[end:].strip():
            return "is damaged: something follows its end"
    return "" if closed and not held else "is cut off"


def read_json(path: Path) -> Any:
    """Return the document in a JSON file; NaN and infinities are accepted as people write them.

    Raises:
        UnreadableJsonError: it is cut off, damaged, empty, too large or cannot be opened.

    """
    try:
        with open_regular(path) as stream:
            data = stream.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise UnreadableJsonError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_DOCUMENT:
        raise UnreadableJsonError(f"is larger than {MAX_DOCUMENT >> 20} MB")
    if not data.strip():
        raise UnreadableJsonError("is empty")
    try:
        return json.loads(decoded(data))
    except RecursionError as error:
        raise UnreadableJsonError("is nested too deeply") from error
    except ValueError as error:
        flaw = json_flaw(io.BytesIO(data))
        raise UnreadableJsonError(flaw or f"is damaged: {str(error).partition(':')[0]}") from error


def decoded(data: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 by its mark, else Windows' Western encoding."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
