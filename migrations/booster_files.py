"""Is this file a complete native model of LightGBM or XGBoost? Nothing in these formats can run code."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from migrations.byte_source import ByteSource, ShortReadError, TooLargeError
from migrations.json_files import json_flaw
from migrations.model import ModelFile

_CHUNK: Final = 1 << 20
_TAIL: Final = 1 << 20
_MODERN: Final = re.compile(rb"^version=v[34]\s", re.MULTILINE)
_UBJ_WIDTH: Final = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1, b"T": 0, b"F": 0, b"Z": 0}
_UBJ_INTEGER: Final = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}
_UBJ_CLOSING: Final = {b"{": b"}", b"[": b"]"}
MAX_NESTING: Final = 128


def read_lightgbm(stream: BinaryIO, size: int) -> ModelFile:
    """Tell whether a LightGBM text model is whole: header, all trees, and the end of its parameters.

    LightGBM aborts the whole process on many damaged files, so what is cut off must not get as far as a loader.
    """
    head = stream.read(_CHUNK)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    text = "lightgbm-text"
    if b"\nend of trees" not in tail and b"\nend of trees" not in head and not _contains(stream, b"\nend of trees"):
        return ModelFile(text, "model", "is cut off", damaged=True)
    if _MODERN.search(head) and not _ends_well(tail):
        return ModelFile(text, "model", "is cut off", damaged=True)
    if not _tree_sizes_fit(head, size):
        return ModelFile(text, "model", "is damaged: its trees are shorter than its header says", damaged=True)
    return ModelFile(
        text, "model", contains="LightGBM booster", model_class="lightgbm.basic.Booster", packages=("lightgbm",)
    )


def _ends_well(tail: bytes) -> bool:
    """Versions 3 and 4 end with their parameters; the Python package adds one line about pandas categories."""
    last = tail.rstrip().rpartition(b"\n")[2].strip()
    return last == b"end of parameters" or (last.startswith(b"pandas_categorical:") and last.endswith((b"]", b"null")))


def _contains(stream: BinaryIO, word: bytes) -> bool:
    """Search the whole stream in pieces."""
    stream.seek(0)
    held = b""
    while piece := stream.read(_CHUNK):
        if word in held + piece:
            return True
        held = piece[-len(word) :]
    return False


def _tree_sizes_fit(head: bytes, size: int) -> bool:
    """The header lists the bytes of each tree; together they must fit into the file."""
    found = re.search(rb"^tree_sizes=([0-9 ]*)$", head, re.MULTILINE)
    return found is None or sum(int(n) for n in found[1].split() if len(n) < 16) <= size  # noqa: PLR2004  longer numbers are no sizes


def read_xgboost_json(stream: BinaryIO) -> ModelFile:
    """Tell whether an XGBoost JSON model closes every bracket that it opens, and nothing follows."""
    return _xgboost("xgboost-json", json_flaw(stream))


def read_xgboost_ubj(stream: BinaryIO) -> ModelFile:
    """Tell whether an XGBoost UBJSON model is whole by stepping through its typed values."""
    try:
        _walk_ubj(ByteSource(stream))
        reason = "is damaged: something follows its end" if stream.read(1) else ""
    except ShortReadError:
        reason = "is cut off"
    except (TooLargeError, ValueError) as error:
        reason = f"is damaged: {error}"
    return _xgboost("xgboost-ubj", reason)


def _xgboost(form: str, reason: str) -> ModelFile:
    if reason:
        return ModelFile(form, "model", reason, damaged=True)
    return ModelFile(
        form, "model", contains="XGBoost booster", model_class="xgboost.core.Booster", packages=("xgboost",)
    )


def _integer(source: ByteSource) -> int:
    marker = source.read(1)
    if marker not in _UBJ_INTEGER:
        raise ValueError(f"{marker!r} stands where a length should be")
    value = int.from_bytes(source.read(_UBJ_INTEGER[marker]), "big", signed=marker != b"U")
    if value < 0:
        raise ValueError("a length is negative")
    return value


def _walk_ubj(source: ByteSource) -> None:
    """Step over one UBJSON value without recursion; raise where it breaks off."""
    open_: list[tuple[bytes, int | None]] = []  # (kind, items left or None up to the closing bracket)
    _value(source, source.read(1), open_)
    while open_:
        kind, left = open_[-1]
        if left == 0:
            open_.pop()
            continue
        if left is None and source.peek() == _UBJ_CLOSING[kind]:
            source.read(1)
            open_.pop()
            continue
        if left is not None:
            open_[-1] = (kind, left - 1)
        if kind == b"{":
            source.skip(_integer(source))
        _value(source, source.read(1), open_)


def _value(source: ByteSource, marker: bytes, open_: list[tuple[bytes, int | None]]) -> None:
    """Consume one value, or open a container."""
    if marker in _UBJ_CLOSING:
        if len(open_) >= MAX_NESTING:
            raise ValueError("it is nested too deeply")
        _open(source, marker, open_)
    elif marker in {b"S", b"H"}:
        source.skip(_integer(source))
    elif marker in _UBJ_WIDTH:
        source.skip(_UBJ_WIDTH[marker])
    else:
        raise ValueError(f"{marker!r} is no UBJSON value")


def _open(source: ByteSource, marker: bytes, open_: list[tuple[bytes, int | None]]) -> None:
    """Open a container; arrays of one fixed type (`[$d#L…`) are skipped in one go."""
    if source.peek() == b"$":
        source.read(1)
        kind = source.read(1)
        if source.read(1) != b"#" or kind not in _UBJ_WIDTH or marker != b"[":
            raise ValueError("a typed container is malformed")
        source.skip(_integer(source) * _UBJ_WIDTH[kind])
        return
    left: int | None = None
    if source.peek() == b"#":
        source.read(1)
        left = _integer(source)
    open_.append((marker, left))
