"""How does MLflow's scikit-learn flavour, which knows only pickles, read a joblib file as it is?

joblib puts raw arrays between a pickle's opcodes, or compresses the whole, so `pickle.load` cannot read its files.
Own code beside the model would help, but careful loaders refuse models that bring code. So the file goes, byte for
byte, into a pickle of a few opcodes more that says `joblib.load(io.BytesIO(<the file>))`. Whoever loads it needs
joblib, which scikit-learn needs anyway. Measured with joblib 1.6: 88 bytes more, plain, zlib, gzip, bz2 and lzma.
"""

from __future__ import annotations

import struct

PROTOCOL = b"\x80\x04"


def envelope(size: int, member: str | None = None) -> tuple[bytes, bytes]:
    """Return the bytes before and after a file that make it a pickle.

    Args:
        size: bytes of the file; the pickle states it.
        member: the key under which the loaded dict holds the model, where it is a dict.

    """
    load = _name("joblib.numpy_pickle", "load") + _name("_io", "BytesIO") + b"\x8e" + struct.pack("<Q", size)
    loaded = b"\x85R\x85R"  # BytesIO of the one-tuple of the bytes; load of the one-tuple of that
    if member is None:
        return PROTOCOL + load, loaded + b"."
    key = member.encode("utf-8", "surrogatepass")
    text = b"X" + struct.pack("<I", len(key)) + key
    return PROTOCOL + _name("operator", "getitem") + load, loaded + text + b"\x86R."


def _name(module: str, name: str) -> bytes:
    """Return the opcodes that push an imported name."""
    return b"".join(b"\x8c" + bytes([len(text)]) + text.encode("ascii") for text in (module, name)) + b"\x93"
