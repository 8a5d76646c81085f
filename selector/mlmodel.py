"""What does a model's MLmodel file say? Read as plain values, with bounds on what a hostile one can cost."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 4 << 20
MAX_DEPTH = 30
MAX_ALIASES = 200


class UnreadableMlmodelError(Exception):
    """The MLmodel is missing, too large, too deep or no YAML mapping; the message is one sentence."""


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Return the MLmodel as plain values.

    Raises:
        UnreadableMlmodelError: with the reason in one sentence.

    """
    path = folder / "MLmodel"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableMlmodelError(f"its MLmodel file cannot be opened ({os.strerror(error.errno or 0)})") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnreadableMlmodelError("its MLmodel is no regular file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnreadableMlmodelError(f"its MLmodel is larger than {MAX_BYTES >> 20} MiB")
    try:
        _refuse_bombs(content)
        loaded = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UnreadableMlmodelError(
            f"its MLmodel is not readable YAML ({' '.join(str(error).split())[:200]})"
        ) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("flavors"), dict):
        raise UnreadableMlmodelError("its MLmodel names no flavors")
    return loaded


def _refuse_bombs(content: bytes) -> None:
    """Raise ValueError where the YAML nests or repeats beyond reason; events are read one by one, nothing is built."""
    depth = aliases = 0
    for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.events.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            raise ValueError("it nests too deeply" if depth > MAX_DEPTH else "it repeats itself too often")
