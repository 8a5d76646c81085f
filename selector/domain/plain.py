"""How do frozen values become plain JSON, and how are they read back by their type hints?"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

KIND = "is"
"""Names the class of a value, so that a union of classes can be told apart."""


def plain(value: Any) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """Return JSON values that `read` turns back into an equal value.

    Args:
        value: frozen dataclasses, mappings with text keys, tuples, sets, times, texts and numbers, in any nesting.

    Raises:
        TypeError: something else is in it, an array for example.

    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(part) for part in value)
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {KIND: type(value).__name__, **found}
    raise TypeError(f"{type(value).__name__} has no plain form")


def read(hint: Any, value: Any) -> Any:  # noqa: PLR0911 - one return for each kind of type
    """Return the value of this type that `plain` wrote.

    Keys that the type does not know are left out, and keys that the record lacks take their defaults, so that an old
    record stays readable.

    Raises:
        ValueError: the value does not have this type.

    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(inner, value)
    if origin is Literal:
        return _checked(value, value in inner, hint)
    if origin is tuple:
        each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(read(part, item) for part, item in zip(each, value, strict=True))
    if origin in (frozenset, set):
        return frozenset(read(inner[0], item) for item in value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: read(inner[1], item) for key, item in _checked(value, isinstance(value, dict), hint).items()}
    if is_dataclass(hint):
        return _dataclass(hint, value)
    return _simple(hint, value)


def _simple(hint: Any, value: Any) -> Any:
    if hint is None or hint is type(None):
        return _checked(value, value is None, hint)
    if hint is float:
        return float(_checked(value, not isinstance(value, bool) and isinstance(value, int | float | str), hint))
    if hint is datetime:
        return datetime.fromisoformat(_checked(value, isinstance(value, str), hint))
    return _checked(value, isinstance(value, hint) and (hint is bool or not isinstance(value, bool)), hint)


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    """Return the value as the first of the types that it has; floats come last, for a text may be one."""
    for hint in sorted(hints, key=lambda h: h is float):
        try:
            return read(hint, value)
        except (ValueError, TypeError, KeyError):
            continue
    raise ValueError(f"{value!r} is none of {', '.join(str(h) for h in hints)}")


def _dataclass(hint: Any, value: Any) -> Any:
    known = _hints(hint)
    _checked(value, isinstance(value, dict) and value.get(KIND, hint.__name__) == hint.__name__, hint)
    return hint(**{name: read(known[name], item) for name, item in value.items() if name in known})


@cache
def _hints(hint: Any) -> dict[str, Any]:
    return get_type_hints(hint)


def _checked(value: Any, fits: bool, hint: Any) -> Any:
    if not fits:
        raise ValueError(f"{value!r} is no {getattr(hint, '__name__', hint)}")
    return value
