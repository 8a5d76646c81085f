"""Which kind of model file is this? Told from its bytes; the name counts only where bytes cannot tell."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO, Final

from migrations.booster_files import read_lightgbm, read_xgboost_json, read_xgboost_ubj
from migrations.byte_source import compression, open_regular
from migrations.container_files import HDF5_MAGIC, read_catboost, read_hdf5, read_onnx, read_zip
from migrations.model import ModelFile
from migrations.pickle_contents import read_pickle

HEAD: Final = 4096
PICKLE_SUFFIXES: Final = frozenset({".pkl", ".pickle", ".joblib", ".jbl", ".p", ".sav", ".model", ".bin"})
MODEL_SUFFIXES: Final = PICKLE_SUFFIXES | {
    ".cbm", ".onnx", ".skops", ".ubj", ".xgb", ".lgb", ".h5", ".hdf5", ".keras", ".pt", ".pth", ".dvc",
}  # fmt: skip
ANYTHING: Final = frozenset({".bin", ".p", ".model"})
"""Suffixes of many other things: an index, a vocabulary, a cache."""
NEVER_MODELS: Final = frozenset({
    ".csv", ".tsv", ".parquet", ".md", ".py", ".ipynb", ".png", ".jpg", ".jpeg", ".svg", ".html", ".yaml", ".yml",
    ".toml", ".log", ".db", ".sqlite", ".npy", ".sig", ".sh", ".cfg", ".ini", ".lock", ".pyc", ".so", ".gz", ".tar",
    ".tmp", ".part", ".xlsx", ".docx", ".pptx", ".whl", ".jar", ".npz",
})  # fmt: skip
DOCUMENT_SUFFIXES: Final = frozenset({".json", ".txt"})
_CALLED_MODEL: Final = re.compile(
    r"^(?!.*(meta|info|metric|report|summary|result|registry|comparison|param|config|feature|perform|card|name|schema))"
    r".*(model|classifier|regressor|booster|xgb|lgb|lightgbm|pipeline)",
    re.IGNORECASE,
)
"""How a booster is called that is written as JSON or text."""
_TENSORFLOW_JS: Final = re.compile(rb'^\{\s*"(modelTopology|format"\s*:\s*"(layers|graph)-model")')
_UNSUPPORTED: Final = {
    ".tflite": "TensorFlow Lite model", ".safetensors": "safetensors file", ".pmml": "PMML model",
    ".ckpt": "checkpoint",
}  # fmt: skip
_XGBOOST_JSON: Final = re.compile(
    rb'"learner"\s*:\s*\{\s*"(attributes|feature_names|feature_types|gradient_booster|learner_model_param|objective)"'
)
PROTOCOL_BYTE: Final = 0x80
PROTOCOLS: Final = range(2, 6)
_UBJ_INTEGERS: Final = frozenset({b"L", b"l", b"i", b"I", b"U"})
_TEXT_PICKLE_STARTS: Final = b"(]c}ilIFSVLN.0deaburptg"


def tell(path: Path) -> ModelFile | None:
    """Tell what a file is without running anything in it.

    Args:
        path: a regular file.

    Returns:
        What it is; with a reason where it cannot be imported. None where it is nothing that concerns models
        (text, tables, metadata).

    Raises:
        OSError: the file cannot be read.

    """
    suffix = path.suffix.lower()
    if suffix in NEVER_MODELS:
        return None
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(HEAD)
        stream.seek(0)
        if not head:
            return _by_suffix(path, b"\0") and ModelFile("empty", "unknown", "is empty", damaged=True)
        return _by_magic(path, stream, size, head) or _by_suffix(path, head)


def _by_magic(path: Path, stream: BinaryIO, size: int, head: bytes) -> ModelFile | None:
    """Dispatch on the first bytes."""
    if head.startswith((b"tree\n", b"tree\r\n")):
        return read_lightgbm(stream, size)
    if head.startswith(b"CBM1"):
        return read_catboost(stream, size)
    if head.startswith(b"PK\x03\x04"):
        return read_zip(stream)
    if head.startswith(HDF5_MAGIC):
        return read_hdf5(stream, size, path.name)
    if head.startswith(b"{"):
        return _braces(stream, head)
    return _pointer(path, head) or _pickle(path, stream, head)


def _pointer(path: Path, head: bytes) -> ModelFile | None:
    """Tell files that stand for a model without holding its bytes, and one format that nothing reads any more."""
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        if path.suffix.lower() in DOCUMENT_SUFFIXES and not _CALLED_MODEL.search(path.stem):
            reason = "is a Git-LFS pointer; what it says is not here"
            return ModelFile("git-lfs-pointer", "data", reason, damaged=True)
        return ModelFile("git-lfs-pointer", "pointer", "is a Git-LFS pointer; the model's bytes are not here")
    if path.suffix == ".dvc":
        kept = Path(path.stem)
        if kept.suffix.lower() not in MODEL_SUFFIXES and "model" not in kept.stem.lower():
            return None
        return ModelFile("dvc-pointer", "pointer", "is a DVC pointer; the model's bytes are not here")
    if head.startswith(b"binf"):
        reason = "is in XGBoost's old binary format, which XGBoost 3 cannot read; save it as UBJSON with an older one"
        return ModelFile("xgboost-binary", "model", reason, contains="XGBoost booster")
    return None


def _pickle(path: Path, stream: BinaryIO, head: bytes) -> ModelFile | None:
    """Tell pickles by their protocol byte, joblib files by their compression, ONNX only by name and structure."""
    if head[0] == PROTOCOL_BYTE and len(head) > 1 and head[1] in PROTOCOLS:
        return read_pickle(path, stream)
    if compression(head):
        return read_pickle(path, stream)
    if path.suffix.lower() == ".onnx":
        return read_onnx(stream) or ModelFile("onnx", "unknown", "is no ONNX model", damaged=True)
    return None


def _braces(stream: BinaryIO, head: bytes) -> ModelFile | None:
    """A brace opens JSON or UBJSON: a booster where `learner` comes first, else somebody's metadata."""
    if head[1:2] in _UBJ_INTEGERS and b"learner" in head[:32]:
        return read_xgboost_ubj(stream)
    if _XGBOOST_JSON.search(head):
        return read_xgboost_json(stream)
    if _TENSORFLOW_JS.match(head):
        reason = "is a TensorFlow.js model; importing these is not supported"
        return ModelFile("tensorflow-js", "model", reason, contains="TensorFlow.js model")
    return None


def _by_suffix(path: Path, head: bytes) -> ModelFile | None:
    """Files that call themselves models but do not look like one; protocol 0 pickles have no magic."""
    suffix = path.suffix.lower()
    kind = "TensorFlow SavedModel" if path.name == "saved_model.pb" else _UNSUPPORTED.get(suffix)
    if kind:
        return ModelFile(suffix[1:], "model", f"is a {kind}; importing these is not supported", contains=kind)
    if suffix not in MODEL_SUFFIXES or suffix == ".dvc":
        return None
    if suffix in ANYTHING and not re.search(r"model|classifier|regressor|pipeline", path.stem, re.IGNORECASE):
        return None
    if suffix in PICKLE_SUFFIXES and head[0] in _TEXT_PICKLE_STARTS:
        with open_regular(path) as stream:
            return read_pickle(path, stream)
    return ModelFile("unknown", "unknown", "is in no format that we know", damaged=True)
