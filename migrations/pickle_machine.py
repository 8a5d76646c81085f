"""The machine on which a pickle is walked: a stack of symbols, a memo, and nothing that could run code.

joblib puts the raw bytes of an array into the stream right after the object that describes it; these are skipped by
their stated size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from migrations.byte_source import ByteSource, ShortReadError
from migrations.pickle_symbols import (
    DamagedPickleError,
    DictSymbol,
    Global,
    Instance,
    ListSymbol,
    TooComplexError,
    Walk,
)

MAX_OPCODES: Final = 20_000_000
MAX_DEPTH: Final = 32
MAX_GLOBALS: Final = 4096
ARRAY_WRAPPER: Final = ("joblib.numpy_pickle", "NumpyArrayWrapper")
OLD_WRAPPERS: Final = frozenset(
    {
        ("joblib.numpy_pickle", "NDArrayWrapper"),
        ("joblib.numpy_pickle_compat", "NDArrayWrapper"),
        ("sklearn.externals.joblib.numpy_pickle", "NDArrayWrapper"),
    }
)
MARK: Final = object()
_RECONSTRUCTORS: Final = frozenset(
    (module, name) for module in ("copyreg", "copy_reg") for name in ("_reconstructor", "__newobj__")
)
_DICTS: Final = frozenset({("collections", "OrderedDict"), ("builtins", "dict"), ("__builtin__", "dict")})
MAX_HELD: Final = 2_000_000
_BETWEEN_CHECKS: Final = 4096
_STOP: Final = b"."
_ITEM_SIZE: Final = 5  # where the state of a pickled numpy.dtype holds its bytes per item

Handlers = Mapping[bytes, Callable[["Machine"], None]]


class Machine:
    """One pickle stream being walked.

    Args:
        source: the bytes, positioned at the stream's start.
        walk: where globals and versions are noted.
        handlers: what each opcode does.
        depth: how many streams this one is nested in.

    """

    def __init__(self, source: ByteSource, walk: Walk, handlers: Handlers, depth: int = 0) -> None:
        self.source, self.walk, self.handlers, self.depth = source, walk, handlers, depth
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Walk until STOP and return the top symbol."""
        read, handlers, walk = self.source.read_any, self.handlers, self.walk
        while walk.opcodes < MAX_OPCODES:
            for _ in range(_BETWEEN_CHECKS):
                code = read(1)
                if code == _STOP:
                    return self.pop()
                handler = handlers.get(code)
                if handler is None:
                    if not code:
                        raise ShortReadError
                    raise DamagedPickleError(f"{code!r} is no pickle opcode")
                handler(self)
            walk.opcodes += _BETWEEN_CHECKS
            self.source.count(_BETWEEN_CHECKS)
            if len(self.stack) > MAX_HELD or len(self.memo) > MAX_HELD:
                raise TooComplexError(f"more than {MAX_HELD:,} objects at once")
        raise TooComplexError(f"more than {MAX_OPCODES:,} opcodes")

    def pop(self) -> Any:
        """Take the top symbol off the stack."""
        if not self.stack or self.stack[-1] is MARK:
            raise DamagedPickleError("it takes more from its stack than it put there")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the top symbol."""
        if not self.stack:
            raise DamagedPickleError("it uses an empty stack")
        return self.stack[-1]

    def to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is MARK:
                values = stack[index + 1 :]
                del stack[index:]
                return values
        raise DamagedPickleError("a mark is missing")

    def import_(self, module: Any, name: Any) -> None:
        """Note a global and push its symbol; names that the stream computes stay visible as text."""
        found = Global(module if isinstance(module, str) else "?", name if isinstance(name, str) else "?")
        self.walk.globals[found.module, found.name] = None
        if len(self.walk.globals) > MAX_GLOBALS:
            raise TooComplexError(f"more than {MAX_GLOBALS:,} names")
        if (found.module, found.name) in OLD_WRAPPERS:
            self.walk.old_arrays = True
        self.stack.append(found)

    def build_instance(self, of: Any, args: Any) -> None:
        """Push what calling `of` would give; copyreg's reconstructors are looked through."""
        if isinstance(of, Global):
            if (of.module, of.name) in _RECONSTRUCTORS and isinstance(args, ListSymbol) and args.items:
                of, args = args.items[0], ListSymbol("tuple", args.items[1:], args.size - 1)
            if isinstance(of, Global) and (of.module, of.name) in _DICTS:
                self.stack.append(DictSymbol())
                return
        self.stack.append(Instance(of, args))

    def skip_array(self, wrapper: Instance) -> None:
        """Step over the raw array that joblib writes right behind its description."""
        state = wrapper.state or {}
        self.walk.arrays += 1
        dtype = state.get("dtype")
        itemsize, is_object = _dtype(dtype)
        if is_object:
            if self.depth >= MAX_DEPTH:
                raise TooComplexError(f"arrays of objects nested deeper than {MAX_DEPTH}")
            Machine(self.source, self.walk, self.handlers, self.depth + 1).run()
            return
        shape = state.get("shape")
        if not isinstance(shape, ListSymbol) or not all(isinstance(n, int) and n >= 0 for n in shape.items):
            raise DamagedPickleError("an array has no readable shape")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.source.skip(self.source.read(1)[0])
        self.source.skip(itemsize * math.prod(shape.items))


def _dtype(symbol: Any) -> tuple[int, bool]:
    """Return (bytes per item, whether items are Python objects) of a pickled numpy.dtype."""
    if isinstance(symbol, Instance) and isinstance(symbol.args, ListSymbol) and symbol.args.items:
        text = symbol.args.items[0]
        state = symbol.raw_state.items if isinstance(symbol.raw_state, ListSymbol) else []
        if len(state) > _ITEM_SIZE and isinstance(state[_ITEM_SIZE], int) and state[_ITEM_SIZE] > 0:
            return state[_ITEM_SIZE], False
        if isinstance(text, str) and text.strip("<>|="):
            code = text.strip("<>|=")
            if code.startswith("O"):
                return 0, True
            if code[1:].isdigit():
                return int(code[1:]) * (4 if code[0] == "U" else 1), False
    raise DamagedPickleError("an array has no readable type")
