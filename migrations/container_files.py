"""What is in a file that other tools packed: skops and Keras archives, CatBoost, ONNX, HDF5."""

from __future__ import annotations

import json
import re
import zipfile
from typing import Any, BinaryIO, Final

from migrations.byte_source import ByteSource, ShortReadError, TooLargeError
from migrations.model import ModelFile
from migrations.pickle_classes import is_preprocessor
from migrations.pickle_symbols import Global

MAX_SCHEMA: Final = 16 << 20
MAX_MEMBERS: Final = 100_000
MAX_NODES: Final = 5_000_000
HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
KNOWN_ROOTS: Final = ("sklearn.", "numpy.", "scipy.", "lightgbm.", "xgboost.", "builtins.", "collections.")
CLASS_ROOTS: Final = ("sklearn.", "lightgbm.", "xgboost.")
CONTAINERS: Final = frozenset({"collections.OrderedDict", "collections.defaultdict"})
_CLASS: Final = re.compile(r"[\w.]+\._?[A-Z]\w*")
_ONNX_FIELDS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})


def read_zip(stream: BinaryIO) -> ModelFile:
    """Tell a skops archive from a Keras one and from any other zip file."""
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ModelFile("zip", "unknown", "is cut off", damaged=True)
    with archive:
        names = {member.filename: member for member in archive.infolist()[:MAX_MEMBERS]}
        if "schema.json" in names:
            return _skops(archive, names["schema.json"])
        if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
            return ModelFile(
                "keras", "model", "is a Keras model; importing these is not supported", contains="Keras model"
            )
        if any(name.endswith("data.pkl") for name in names):
            return ModelFile(
                "torch", "model", "is a PyTorch file; importing these is not supported", contains="PyTorch file"
            )
        if "arr_0.npy" in names or any(name.endswith(".npy") for name in names):
            return ModelFile("npz", "data", "holds arrays, not a model", contains="arrays")
    return ModelFile("zip", "data", "is a zip archive that holds no model we know", contains="zip archive")


def _skops(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ModelFile:
    """Read the types that a skops file names; those outside our list stay untrusted and are named."""
    if member.file_size > MAX_SCHEMA:
        return ModelFile("skops", "model", "has a schema that is too large to read")
    try:
        with archive.open(member) as file:
            schema = json.loads(file.read(MAX_SCHEMA + 1))
    except (ValueError, OSError, EOFError, RecursionError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return ModelFile("skops", "model", "is damaged: its schema cannot be read", damaged=True)
    if not isinstance(schema, dict):
        return ModelFile("skops", "model", "is damaged: its schema is no object", damaged=True)
    types = _types(schema)
    top = f"{schema.get('__module__')}.{schema.get('__class__')}"
    foreign = sorted(name for name in types if not name.startswith(KNOWN_ROOTS))
    version = schema.get("_skops_version")
    told: dict[str, Any] = {
        "contains": str(schema.get("__class__")),
        "model_class": top,
        "packages": tuple(dict.fromkeys(name.partition(".")[0] for name in sorted(types) if "." in name and not
                                        name.startswith(("builtins.", "collections.")))),
        "versions": {"skops": version} if isinstance(version, str) else {},
        "trusted": tuple(sorted(name for name in types if _is_class(name))),
    }  # fmt: skip
    if foreign:
        return ModelFile("skops", "model", f"needs types that are not trusted: {', '.join(foreign[:5])}", **told)
    if is_preprocessor(Global(str(schema.get("__module__")), str(schema.get("__class__")))):
        return ModelFile("skops", "preprocessor", f"is a preprocessor ({schema.get('__class__')}), not a model", **told)
    return ModelFile("skops", "model", **told)


def _is_class(name: str) -> bool:
    """Return whether a name is a class of a library of estimators, by its spelling.

    Only these go on the list of trusted types that consumers load the model with. Functions never do: which of them
    are harmless is for skops to say.
    """
    return name in CONTAINERS or (name.startswith(CLASS_ROOTS) and _CLASS.fullmatch(name) is not None)


def _types(schema: dict[str, Any]) -> set[str]:
    """Return every `module.class` that the schema's tree names, without recursion."""
    found: set[str] = set()
    todo: list[Any] = [schema]
    for _ in range(MAX_NODES):
        if not todo:
            break
        node = todo.pop()
        if isinstance(node, dict):
            module, name = node.get("__module__"), node.get("__class__")
            if isinstance(module, str) and isinstance(name, str):
                found.add(f"{module}.{name}")
            todo.extend(value for value in node.values() if isinstance(value, dict | list))
        elif isinstance(node, list):
            todo.extend(value for value in node if isinstance(value, dict | list))
    return found


def read_catboost(stream: BinaryIO, size: int) -> ModelFile:
    """Tell whether a CatBoost binary model has all the bytes that its header announces."""
    head = stream.read(8)
    if size < int.from_bytes(head[4:8], "little") + 8:
        return ModelFile("catboost", "model", "is cut off", damaged=True)
    return ModelFile(
        "catboost", "model", contains="CatBoost model", model_class="catboost.core.CatBoost", packages=("catboost",)
    )


def read_hdf5(stream: BinaryIO, size: int, name: str) -> ModelFile:
    """Tell a whole Keras model from bare weights, as far as the superblock and attribute names say."""
    head = stream.read(1 << 20)
    end = int.from_bytes(head[40:48], "little") if head[8:9] in {b"\x00", b"\x01"} else size
    if end > size:
        return ModelFile("hdf5", "unknown", "is cut off", damaged=True)
    if b"model_config" in head and not name.endswith(".weights.h5"):
        return ModelFile("keras", "model", "is a Keras model; importing these is not supported", contains="Keras model")
    return ModelFile("hdf5", "data", "holds weights without the model's structure", contains="weights")


def read_onnx(stream: BinaryIO) -> ModelFile | None:
    """Step over the top-level fields of an ONNX protobuf; None where the bytes are no ONNX model at all."""
    source, seen = ByteSource(stream), set()
    try:
        while (tag := _varint(source, first=True)) is not None:
            field, wire = tag >> 3, tag & 7
            if field not in _ONNX_FIELDS:
                return None
            seen.add(field)
            length = _varint(source)
            if wire == 2:  # noqa: PLR2004  protobuf's length-delimited wire type
                source.skip(length or 0)
            elif wire != 0:
                return None
    except ShortReadError:
        return ModelFile("onnx", "model", "is cut off", damaged=True) if {1, 7} <= seen else None
    except TooLargeError:
        return None
    if not {1, 7} <= seen:
        return None
    return ModelFile("onnx", "model", contains="ONNX graph", packages=("onnxruntime",))


def _varint(source: ByteSource, *, first: bool = False) -> int | None:
    """Read a protobuf varint; None at the end of the stream where one may end."""
    value = 0
    for shift in range(0, 70, 7):
        try:
            byte = source.read(1)[0]
        except ShortReadError:
            if first and shift == 0:
                return None
            raise
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the high bit says that more follows
            return value
    raise ShortReadError
