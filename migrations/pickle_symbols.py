"""What stands for the objects of a pickle while its opcodes are walked: small symbols of bounded size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAX_ITEMS: Final = 512


class DamagedPickleError(Exception):
    """The stream breaks off or holds something that no pickle holds."""


class TooComplexError(Exception):
    """The stream is longer than we are willing to walk."""


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the pickle would import."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Instance:
    """An object that the pickle would build by calling `of`."""

    of: Any
    args: Any = None
    state: dict[Any, Any] | None = None
    raw_state: Any = None

    def update(self, attributes: dict[Any, Any]) -> None:
        """Keep the first attributes."""
        held = self.state = {} if self.state is None else self.state
        for key, value in attributes.items():
            if len(held) < MAX_ITEMS or key in held:
                held[key] = value


@dataclass(slots=True, eq=False)
class ListSymbol:
    """A list, tuple or set: its first items and how many there are."""

    kind: str
    items: list[Any] = field(default_factory=list)
    size: int = 0

    def add(self, values: list[Any]) -> None:
        """Count all values and keep the first ones."""
        self.size += len(values)
        self.items.extend(values[: MAX_ITEMS - len(self.items)])


@dataclass(slots=True, eq=False)
class DictSymbol:
    """A dict: its first items by plain keys, and how many there are."""

    items: dict[Any, Any] = field(default_factory=dict)
    size: int = 0

    def add(self, values: list[Any]) -> None:
        """Take alternating keys and values."""
        self.size += len(values) // 2
        for key, value in zip(values[::2], values[1::2], strict=False):
            if len(self.items) >= MAX_ITEMS:
                return
            if isinstance(key, str | int | float | bool | type(None)):
                self.items[key] = value


@dataclass(frozen=True, slots=True)
class Opaque:
    """A long text or bytes of which only kind and length are kept."""

    kind: str
    size: int


@dataclass(slots=True)
class Walk:
    """The result: the symbol of the top object, every global in order, and what joblib left in the stream."""

    top: Any = None
    globals: dict[tuple[str, str], None] = field(default_factory=dict)
    sklearn_version: str | None = None
    protocol: int = 0
    arrays: int = 0
    opcodes: int = 0
    old_arrays: bool = False
