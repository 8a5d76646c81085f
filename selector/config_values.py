"""How do people write durations, sizes, paths and names, and what do they mean?"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1 << 10, "m": 10**6, "mb": 10**6, "mib": 1 << 20}
_BYTES |= {"g": 10**9, "gb": 10**9, "gib": 1 << 30, "t": 10**12, "tb": 10**12, "tib": 1 << 40}
_NUMBER_AND_UNIT = re.compile(r"([0-9]*\.?[0-9]+)\s*([A-Za-z]*)")
_ALIAS = re.compile(r"[\w-]{1,255}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_NOT_FILES = ("databricks", "databricks-uc", "uc", "ldap")


def parse_duration(value: Any) -> float:
    """Return seconds from "5m", "1h30m", "250ms" or a plain number of seconds.

    Raises:
        ValueError: not a duration.

    """
    text = str(value).strip()
    parts = list(_NUMBER_AND_UNIT.finditer(text))
    if isinstance(value, bool) or not parts or re.sub(r"\s", "", _NUMBER_AND_UNIT.sub("", text)):
        raise ValueError("not a duration; write it as 30s, 5m, 2h or 1d")
    total = 0.0
    for part in parts:
        number, unit = part.group(1), part.group(2).lower()
        if unit not in _SECONDS and (unit or len(parts) > 1):
            raise ValueError(f"{unit or number!r} is no unit of time; use ms, s, m, h, d or w")
        total += float(number) * _SECONDS.get(unit, 1.0)
    if not math.isfinite(total) or total <= 0:
        raise ValueError("a duration must be longer than nothing")
    return total


def parse_size(value: Any) -> int:
    """Return bytes from "4GiB", "500 MB" or a plain number of bytes.

    Raises:
        ValueError: not a size.

    """
    found = _NUMBER_AND_UNIT.fullmatch(str(value).strip())
    if isinstance(value, bool) or found is None or found.group(2).lower() not in _BYTES:
        raise ValueError("not a size; write it as 512MiB or 4GiB")
    size = int(float(found.group(1)) * _BYTES[found.group(2).lower()])
    if size < 1:
        raise ValueError("a size must be larger than nothing")
    return size


def parse_fraction(value: Any) -> Any:
    """Return "95%" as 0.95; leave everything else to pydantic."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return float(value.strip()[:-1]) / 100
    return value


def model_name(name: str) -> str:
    """Return the name of a registered model if MLflow would accept it.

    Raises:
        ValueError: empty, with "/" or ":", or a path such as "..".

    """
    if not name.strip():
        raise ValueError("a registered model needs a name")
    for character in "/:":
        if character in name:
            raise ValueError(f"registered model {name!r}: MLflow does not allow {character!r} in the name; use - or _")
    if name in (".", ".."):
        raise ValueError(f"registered model {name!r}: MLflow does not allow this name")
    if any(ord(c) < 32 or ord(c) == 127 for c in name):  # noqa: PLR2004 - the ASCII control characters
        raise ValueError(f"registered model {name!r}: control characters are not allowed")
    return name


def alias_name(name: str) -> str:
    """Return the alias if MLflow would accept it (utils/validation.py of MLflow 3.17).

    Raises:
        ValueError: other characters than letters, digits, _ and -, "latest", or v<number>.

    """
    if not _ALIAS.fullmatch(name):
        raise ValueError(f"alias {name!r}: MLflow allows letters, digits, _ and - only, at most 255 of them")
    if name.lower() == "latest" or re.fullmatch(r"[vV]\d+", name):
        raise ValueError(f"alias {name!r}: MLflow keeps this name for itself; choose another")
    return name


def base_folder(context: Mapping[str, Any] | None) -> Path:
    """Return the folder that relative paths start from: the configuration file's."""
    return Path((context or {}).get("folder") or Path.cwd())


def absolute_path(text: str, folder: Path) -> Path:
    """Return the path, relative to `folder`, with ~ expanded and without "..", symbolic links left as they are."""
    return Path(os.path.normpath(folder / Path(text).expanduser()))


def absolute_uri(text: str, folder: Path) -> str:
    """Return a path or a sqlite/file URI as absolute; any other URI stays as it is.

    `sqlite:///mlflow.db` is relative and `sqlite:////srv/mlflow.db` is not, as SQLAlchemy has it.
    """
    if not text.strip():
        raise ValueError("is empty; give an address such as http://localhost:5000, or a path")
    scheme = _SCHEME.match(text)
    name = scheme.group(1).lower() if scheme else ""
    if name.partition("+")[0] == "sqlite":
        head, slashes, rest = text.partition(":///")
        if not slashes or not rest or rest.startswith((":memory:", "file:")):
            return text
        path, mark, query = rest.partition("?")
        return f"{head}:///{absolute_path(path, folder)}{mark}{query}"
    if name == "file":
        path = unquote(urlsplit(text).path) or text[len("file:") :]
        return absolute_path(path, folder).as_uri()
    if name or text in _NOT_FILES:
        return text
    return str(absolute_path(text, folder))


def _path(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError("not a path")
    return absolute_path(str(value), base_folder(info.context))


def _uri(value: str, info: ValidationInfo) -> str:
    return absolute_uri(value, base_folder(info.context))


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_DURATION_SCHEMA = {"type": ["string", "number"], "x-kind": "duration"}
_SIZE_SCHEMA = {"type": ["string", "integer"], "x-kind": "size"}
_WORD_SCHEMA = {"type": ["string", "number", "boolean"], "x-kind": "text"}

Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
Bytes = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_SIZE_SCHEMA)]
Word = Annotated[str, BeforeValidator(_text), WithJsonSchema(_WORD_SCHEMA)]
FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string", "x-kind": "path"})]
Address = Annotated[str, AfterValidator(_uri), WithJsonSchema({"type": "string", "x-kind": "path or URI"})]
AliasName = Annotated[str, AfterValidator(alias_name)]
ModelName = Annotated[str, AfterValidator(model_name)]
