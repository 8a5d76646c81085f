"""What does each pickle opcode do to a stack of symbols? Arguments are read by pickletools' own tables."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any, Final, cast

from migrations.pickle_machine import ARRAY_WRAPPER, MARK, Handlers, Machine
from migrations.pickle_symbols import MAX_ITEMS, DamagedPickleError, DictSymbol, Global, Instance, ListSymbol, Opaque

KEEP_BYTES: Final = 4096
_LENGTH_BYTES: Final = {
    "BINUNICODE": 4,
    "SHORT_BINUNICODE": 1,
    "BINUNICODE8": 8,
    "BINBYTES": 4,
    "SHORT_BINBYTES": 1,
    "BINBYTES8": 8,
    "BYTEARRAY8": 8,
    "BINSTRING": 4,
    "SHORT_BINSTRING": 1,
    "LONG1": 1,
    "LONG4": 4,
}


def _keep(kind: str) -> Callable[[Machine], None]:
    """Return a handler for length-prefixed content: short texts are kept, the rest is skipped."""
    width = _LENGTH_BYTES[kind]

    def handler(machine: Machine) -> None:
        source = machine.source
        length = int.from_bytes(source.read(width), "little")
        if length > KEEP_BYTES:
            source.skip(length)
            machine.stack.append(Opaque("text" if "UNICODE" in kind else "bytes", length))
            return
        data = source.read(length)
        if "LONG" in kind:
            machine.stack.append(int.from_bytes(data, "little", signed=True))
        elif "UNICODE" in kind:
            machine.stack.append(data.decode("utf-8", "surrogatepass"))
        elif "STRING" in kind:
            machine.stack.append(data.decode("latin-1"))
        else:
            machine.stack.append(Opaque("bytes", length))
        _remember_version(machine)

    return handler


def _remember_version(machine: Machine) -> None:
    """Keep the value that stands behind the key `_sklearn_version`, wherever in the stream it is."""
    if len(machine.stack) > 1 and machine.stack[-2] == "_sklearn_version" and isinstance(machine.stack[-1], str):
        machine.walk.sklearn_version = machine.walk.sklearn_version or machine.stack[-1]


def _argument(reader: Callable[[Any], Any]) -> Callable[[Machine], None]:
    """Return a handler that pushes the opcode's own argument, read by pickletools."""

    def handler(machine: Machine) -> None:
        machine.stack.append(reader(machine.source))

    return handler


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


def _new(kind: str) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(DictSymbol() if kind == "dict" else ListSymbol(kind))


def _collect(kind: str) -> Callable[[Machine], None]:
    """Return a handler that makes a container of everything above the mark."""

    def handler(machine: Machine) -> None:
        values = machine.to_mark()
        made: DictSymbol | ListSymbol = DictSymbol() if kind == "dict" else ListSymbol(kind)
        made.add(values)
        machine.stack.append(made)

    return handler


def _tuple(size: int) -> Callable[[Machine], None]:
    def handler(machine: Machine) -> None:
        values = [machine.pop() for _ in range(size)][::-1]
        machine.stack.append(ListSymbol("tuple", values, size))

    return handler


def _append(machine: Machine) -> None:
    value = machine.pop()
    _extend(machine.top(), [value])


def _appends(machine: Machine) -> None:
    values = machine.to_mark()
    _extend(machine.top(), values)


def _extend(target: Any, values: list[Any]) -> None:
    if isinstance(target, ListSymbol):
        target.add(values)


def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _update(machine.top(), [key, value])


def _setitems(machine: Machine) -> None:
    values = machine.to_mark()
    _update(machine.top(), values)


def _update(target: Any, values: list[Any]) -> None:
    if isinstance(target, DictSymbol):
        target.add(values)
    elif isinstance(target, Instance):
        held = DictSymbol()
        held.add(values)
        target.update(held.items)


def _build(machine: Machine) -> None:
    """BUILD: keep the state; behind joblib's array description comes the array itself."""
    state = machine.pop()
    target = machine.top()
    if isinstance(target, Instance):
        target.raw_state = state
        attributes = state
        if isinstance(state, ListSymbol) and state.items and isinstance(state.items[0], DictSymbol):
            attributes = state.items[0]
        if isinstance(attributes, DictSymbol):
            target.update(attributes.items)
        if isinstance(target.of, Global) and (target.of.module, target.of.name) == ARRAY_WRAPPER:
            machine.skip_array(target)


def _reduce(machine: Machine) -> None:
    args, of = machine.pop(), machine.pop()
    machine.build_instance(of, args)


def _newobj_ex(machine: Machine) -> None:
    machine.pop()
    _reduce(machine)


def _global(machine: Machine) -> None:
    module, _, name = pickletools.read_stringnl_noescape_pair(cast("IO[bytes]", machine.source)).partition(" ")
    machine.import_(module, name)


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.import_(module, name)


def _inst(machine: Machine) -> None:
    _global(machine)
    of = machine.pop()
    values = machine.to_mark()
    machine.build_instance(of, ListSymbol("tuple", values[:MAX_ITEMS], len(values)))


def _obj(machine: Machine) -> None:
    values = machine.to_mark()
    if not values:
        raise DamagedPickleError("OBJ without a class")
    machine.build_instance(values[0], ListSymbol("tuple", values[1 : MAX_ITEMS + 1], len(values) - 1))


def _put(reader: Callable[[Any], int]) -> Callable[[Machine], None]:
    def handler(machine: Machine) -> None:
        machine.memo[reader(machine.source)] = machine.top()

    return handler


def _get(reader: Callable[[Any], int]) -> Callable[[Machine], None]:
    def handler(machine: Machine) -> None:
        index = reader(machine.source)
        if index not in machine.memo:
            raise DamagedPickleError(f"memo {index} was never written")
        machine.stack.append(machine.memo[index])
        _remember_version(machine)

    return handler


def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _proto(machine: Machine) -> None:
    version = machine.source.read(1)[0]
    if version > 5:  # noqa: PLR2004  5 is the newest pickle protocol there is
        raise DamagedPickleError(f"pickle protocol {version} does not exist")
    machine.walk.protocol = max(machine.walk.protocol, version)


def _pop_mark(machine: Machine) -> None:
    machine.to_mark()


def _pop(machine: Machine) -> None:
    machine.top()
    machine.stack.pop()


def _outside(kind: str, reader: Callable[[Any], Any] | None = None, *, takes: int = 0) -> Callable[[Machine], None]:
    """Return a handler for objects that come from outside the stream: persistent ids, extension codes, buffers."""

    def handler(machine: Machine) -> None:
        if reader is not None:
            reader(machine.source)
        for _ in range(takes):
            machine.pop()
        machine.walk.globals["?", kind] = None
        machine.stack.append(Instance(Global("?", kind)))

    return handler


def _nothing(machine: Machine) -> None:
    """Opcodes that change nothing that we look at."""


def _handlers() -> Handlers:
    """Return the handlers of all opcodes that pickletools knows."""
    read = {op.name: op.arg.reader for op in pickletools.opcodes if op.arg is not None}
    table: dict[str, Callable[[Machine], None]] = {name: _keep(name) for name in _LENGTH_BYTES}
    table |= {
        name: _argument(read[name])
        for name in ("INT", "LONG", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "STRING", "UNICODE")
    }
    table |= {
        "NONE": _constant(value=None),
        "NEWTRUE": _constant(value=True),
        "NEWFALSE": _constant(value=False),
        "MARK": _constant(value=MARK),
    }
    table |= {
        "EMPTY_LIST": _new("list"),
        "EMPTY_TUPLE": _new("tuple"),
        "EMPTY_SET": _new("set"),
        "EMPTY_DICT": _new("dict"),
    }
    table |= {
        "LIST": _collect("list"),
        "TUPLE": _collect("tuple"),
        "FROZENSET": _collect("set"),
        "DICT": _collect("dict"),
    }
    table |= {"TUPLE1": _tuple(1), "TUPLE2": _tuple(2), "TUPLE3": _tuple(3)}
    table |= {"APPEND": _append, "APPENDS": _appends, "ADDITEMS": _appends, "SETITEM": _setitem, "SETITEMS": _setitems}
    table |= {
        "BUILD": _build,
        "REDUCE": _reduce,
        "NEWOBJ": _reduce,
        "NEWOBJ_EX": _newobj_ex,
        "INST": _inst,
        "OBJ": _obj,
    }
    table |= {"GLOBAL": _global, "STACK_GLOBAL": _stack_global, "MEMOIZE": _memoize, "PROTO": _proto, "STOP": _nothing}
    table |= {name: _put(read[name]) for name in ("PUT", "BINPUT", "LONG_BINPUT")}
    table |= {name: _get(read[name]) for name in ("GET", "BINGET", "LONG_BINGET")}
    table |= {"POP": _pop, "POP_MARK": _pop_mark, "DUP": lambda machine: machine.stack.append(machine.top())}
    table |= {"FRAME": lambda machine: machine.source.require(int.from_bytes(machine.source.read(8), "little"))}
    table |= {"READONLY_BUFFER": _nothing, "NEXT_BUFFER": _outside("NEXT_BUFFER")}
    table |= {name: _outside(name, read[name]) for name in ("EXT1", "EXT2", "EXT4", "PERSID")}
    table |= {"BINPERSID": _outside("BINPERSID", takes=1)}
    return {op.code.encode("latin-1"): table[op.name] for op in pickletools.opcodes}


HANDLERS: Final = _handlers()
