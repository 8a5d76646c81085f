"""Which bytes make a model: one digest for "the same model", one for "exactly the files that were scored"."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

DESCRIPTIONS = frozenset(
    {
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "registered_model_meta",
        "input_example.json",
        "serving_input_example.json",
        "input_example_metadata.json",
    }
)
"""Files that tell about a model and differ from one logging of it to the next: run ids, times, environments."""

BESIDE = frozenset({"metadata", "extra"})
"""Folders that lie beside the model and are not loaded with it."""

REWRITTEN = frozenset({"registered_model_meta"})
"""Files that MLflow itself adds when it hands a registered version out."""


@dataclass(frozen=True, slots=True)
class ModelBytes:
    """The digests of one model folder, sha256 in hex.

    Attributes:
        content: the same for every logging of the same model file; for a single file it is that file's sha256,
            which an import keeps as the tag `selector.fingerprint`.
        files: over every file, descriptions included; what is compared before a promotion.

    """

    content: str
    files: str

    def __str__(self) -> str:
        return f"{self.content}:{self.files}"

    @staticmethod
    def parse(text: str) -> ModelBytes:
        """Read what `str` wrote."""
        content, _, files = text.partition(":")
        return ModelBytes(content, files)


def model_bytes(folder: Path) -> ModelBytes:
    """Hash the files of a model folder, streamed; links are hashed as links, never followed."""
    found = {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if _is_leaf(path)}
    everything = {name: digest for name, digest in found.items() if name not in REWRITTEN}
    payload = {n: d for n, d in found.items() if n not in DESCRIPTIONS and n.partition("/")[0] not in BESIDE}
    single = next(iter(payload.values())) if len(payload) == 1 else None
    return ModelBytes(content=single or _over(payload or everything), files=_over(everything))


def _is_leaf(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _sha256(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(f"link to {path.readlink()}".encode(errors="surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _over(digests: dict[str, str]) -> str:
    text = "".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
