"""What lies in one folder of a legacy tree, and what are these files? Read once, remembered for all layouts."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from migrations.digests import fingerprint
from migrations.documents import is_document, read_document
from migrations.formats import tell
from migrations.json_files import UnreadableJsonError
from migrations.known_files import KnownFiles, Stamp, stamp_of
from migrations.model import ModelFile
from migrations.names import goes_with_a_model

MAX_NAMES: Final = 200_000


@dataclass(slots=True)
class Folder:
    """One directory: regular files, subfolders, and entries that are neither, with lazy knowledge of their contents.

    Attributes:
        root: the path that the scan was asked for; nothing outside it is looked at.
        files: name to path of regular files, sorted by name.
        folders: names of real subfolders.
        others: name to what it is ("a link", "a named pipe"), never opened.
        known: what earlier scans learned about files that have not changed since.
        stamps: name to size, times and inode of regular files, as they were listed.

    """

    path: Path
    root: Path
    files: Mapping[str, Path]
    folders: tuple[str, ...]
    others: Mapping[str, str]
    known: KnownFiles = field(default_factory=KnownFiles)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    _told: dict[str, ModelFile | None] = field(default_factory=dict)
    _documents: dict[str, Any] = field(default_factory=dict)

    def tell(self, name: str) -> ModelFile | None:
        """Return what the file is; a file that cannot be read is told so.

        A pointer beside the file that it stands for is nothing; one that is called after a scaler or an encoder
        stands for no model.
        """
        if name not in self._told and name.endswith(".dvc") and name.removesuffix(".dvc") in self.files:
            self._told[name] = None
        if name not in self._told:
            try:
                self._told[name] = self.known.ask("what", self.files[name], tell)
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                self._told[name] = ModelFile("", "unknown", reason, damaged=True)
            told = self._told[name]
            if told is not None and told.role in {"pointer", "unknown"} and goes_with_a_model(name.partition(".")[0]):
                self._told[name] = replace(told, role="data", damaged=True)
        return self._told[name]

    def digest(self, name: str) -> str:
        """Return the sha256 of a file's bytes; empty where it cannot be read."""
        try:
            return self.known.ask("digest", self.files[name], fingerprint)[0]
        except OSError:
            return ""

    def document(self, name: str) -> Any:
        """Return the parsed JSON or YAML, or the rows of a table; raise UnreadableJsonError where it is damaged."""
        if name not in self._documents:
            try:
                self._documents[name] = self.known.ask("document", self.files[name], read_document)
            except UnreadableJsonError as error:
                self._documents[name] = error
        found = self._documents[name]
        if isinstance(found, UnreadableJsonError):
            raise found
        return found

    def model_files(self) -> dict[str, ModelFile]:
        """Return every file that has to do with models (also refused ones), by name."""
        told = {name: self.tell(name) for name in self.files}
        return {name: what for name, what in told.items() if what is not None}

    def model_count(self) -> int:
        """Return how many models lie here, with those that other layouts have taken already."""
        self.model_files()
        return sum(what is not None and what.role == "model" for what in self._told.values())

    def document_names(self) -> list[str]:
        """Return the names of JSON files that are no models themselves, then of tables and YAML about models."""
        json = [name for name in self.files if name.lower().endswith(".json") and self.tell(name) is None]
        return [*json, *(name for name in self.files if is_document(name))]

    def without(self, names: frozenset[str]) -> Folder:
        """Return the same folder with fewer files; what is known stays known."""
        left = {name: path for name, path in self.files.items() if name not in names}
        return Folder(
            self.path, self.root, left, self.folders, self.others, self.known, self.stamps, self._told, self._documents
        )


def list_folder(path: Path, root: Path, known: KnownFiles | None = None) -> Folder:
    """Read one directory.

    Raises:
        OSError: it cannot be read or is gone.

    """
    files: dict[str, Path] = {}
    folders: list[str] = []
    others: dict[str, str] = {}
    stamps: dict[str, Stamp] = {}
    with os.scandir(path) as entries:
        for index, entry in enumerate(entries):
            if index >= MAX_NAMES:
                others["…"] = f"more than {MAX_NAMES:,} names; the rest is not looked at"
                break
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # it vanished meanwhile
                continue
            kind = _kind(status.st_mode)
            if kind == "file":
                files[entry.name] = Path(entry.path)
                stamps[entry.name] = stamp_of(status)
            elif kind == "folder":
                folders.append(entry.name)
            else:
                others[entry.name] = kind
    remembered = KnownFiles() if known is None else known
    return Folder(path, root, dict(sorted(files.items())), tuple(sorted(folders)), others, remembered, stamps)


def _kind(mode: int) -> str:
    """Return file, folder, or what else it is."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    words = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return words.get(stat.S_IFMT(mode), "a device")
