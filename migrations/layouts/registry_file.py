"""The layout of one JSON file that lists models: registry.json, model_registry.json, a deployment manifest."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from migrations.drafts import PATH_KEYS, Draft, base_name
from migrations.folder import Folder, list_folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.staging_folder import DOCUMENTS
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.timestamps import CREATED_KEYS, parse_time

FILE_NAME: Final = re.compile(r"(registry|manifest|catalog|models_index)", re.IGNORECASE)
ID_KEYS: Final = ("model_id", "id")
NAME_KEYS: Final = ("name", "model_name")
VERSION_KEYS: Final = ("model_version", "version")
MAX_RECORDS: Final = 100_000
MAX_DEPTH: Final = 4
MAX_PARTS: Final = 8
_VERSION_PART: Final = re.compile(r"\d+|\D+")


class RegistryFile:
    """Records in a list, by version, by name, or by name and version."""

    name = "registry-files"

    def read(self, folder: Folder) -> Reading | None:
        """Bind each file to the newest record that names it; older records' bytes were overwritten."""
        readings = [self._read(folder, name) for name in folder.json_names() if FILE_NAME.search(name)]
        found = [reading for reading in readings if reading is not None]
        if not found:
            return None
        return Reading(
            tuple(d for r in found for d in r.drafts),
            frozenset().union(*(r.used for r in found)),
            unreadable=tuple(u for r in found for u in r.unreadable),
            notes=tuple(n for r in found for n in r.notes),
        )

    def _read(self, folder: Folder, document: str) -> Reading | None:
        try:
            whole = folder.document(document)
        except UnreadableJsonError as error:
            return Reading(notes=(f"{folder.path / document} {error}",), used=frozenset({document}))
        shared = {key: whole[key] for key in CREATED_KEYS if key in whole} if isinstance(whole, dict) else {}
        records = [(name, {**shared, **record}) for name, record in _records(whole)]
        if not records:
            return None
        finder = _Finder(folder)
        claims: dict[Path, list[tuple[str, Mapping[str, Any]]]] = {}
        missing: list[Unreadable] = []
        for name, record in records:
            path = next((p for recorded in _named_files(record) if (p := finder.find(recorded))), None)
            if path is not None:
                claims.setdefault(path, []).append((name, record))
            else:
                named = ", ".join(dict.fromkeys(base_name(recorded) for recorded in _named_files(record)))
                missing.append(_lost(folder, document, name, record, f"no model file ({named} is not in the folder)"))
        drafts = []
        for path, held in claims.items():
            *older, (name, newest) = sorted(held, key=_age)
            note = (f"{len(held)} records of {document} name {path.name}; only the newest can be about its bytes",)
            home = finder.folders[path.parent]
            documents = tuple(d for d in DOCUMENTS if d in home.files) if home is not folder else ()
            draft = Draft(name, path, (path.name,), documents, newest, home=home, notes=note if older else ())
            drafts.append(draft)
            reason = f"{path.name} was overwritten by {name}"
            missing += [_lost(folder, document, old, lost, reason) for old, lost in older]
        used = {document, *(path.name for path in claims if path.parent == folder.path)}
        return Reading(tuple(drafts), frozenset(used), unreadable=tuple(missing))


class _Finder:
    """Finds recorded files under the registry's own folder, whatever machine the paths were written on."""

    def __init__(self, folder: Folder) -> None:
        self.root = folder
        self.folders: dict[Path, Folder] = {folder.path: folder}

    def find(self, recorded: str) -> Path | None:
        """Return the file that the longest ending of a recorded path leads to; links are not followed."""
        for spelling in dict.fromkeys((recorded, unquote(recorded))):
            parts = [part for part in spelling.replace("\\", "/").split("/") if part not in {"", "."}][-MAX_PARTS:]
            for start in range(len(parts)):
                found = self._at(parts[start:])
                if found is not None:
                    return found
        return None

    def _at(self, parts: list[str]) -> Path | None:
        here = self.root
        for part in parts[:-1]:
            if part not in here.folders:
                return None
            path = here.path / part
            try:
                here = self.folders.get(path) or list_folder(path, self.root.root)
            except OSError:
                return None
            self.folders[path] = here
        name = parts[-1]
        return here.files[name] if name in here.files and here.tell(name) is not None else None


def _lost(folder: Folder, document: str, name: str, record: Mapping[str, Any], reason: str) -> Unreadable:
    return Unreadable(
        name, folder.path / document, reason, "", str(record.get("model_type") or record.get("algorithm") or ""),
        read_metrics(record).values, _time(record),
    )  # fmt: skip


def _named_files(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of files that a record names, as recorded."""
    for key in PATH_KEYS:
        if isinstance(record.get(key), str):
            yield record[key]
    artifacts = record.get("artifacts")
    if isinstance(artifacts, dict):
        artifacts = [value for key, value in artifacts.items() if "model" in f"{key} {value}".lower()]
    for value in artifacts if isinstance(artifacts, list) else ():
        if isinstance(value, str) and ("model" in value.lower() or isinstance(record["artifacts"], dict)):
            yield value


def _records(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (name, record) wherever a file is named, without recursion; records without a name get their key."""
    todo: deque[tuple[str, Any, int]] = deque([("", document, 0)])
    yielded = 0
    while todo and yielded < MAX_RECORDS:
        name, node, depth = todo.popleft()
        if isinstance(node, dict):
            if depth and any(True for _ in _named_files(node)):
                yielded += 1
                yield _name(node, name), node
                continue
            children = [(f"{name}/{key}" if name and depth > 1 else str(key), value) for key, value in node.items()]
        elif isinstance(node, list):
            children = [(f"{name}[{index}]", value) for index, value in enumerate(node)]
        else:
            continue
        if depth < MAX_DEPTH:
            todo.extend((key, value, depth + 1) for key, value in children if isinstance(value, dict | list))


def _name(record: Mapping[str, Any], key: str) -> str:
    """Return the record's id, else its name with its version, else its place in the document."""
    ids, names, versions = (_first(record, keys) for keys in (ID_KEYS, NAME_KEYS, VERSION_KEYS))
    return ids or " ".join(filter(None, (names, versions))) or key


def _first(record: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(record[k]) for k in keys if isinstance(record.get(k), str | int) and record[k] != ""), "")


def _time(record: Mapping[str, Any]) -> datetime | None:
    read = next((r for key in CREATED_KEYS if (r := parse_time(record.get(key)))), None)
    return read[0] if read else None


def _age(claim: tuple[str, Mapping[str, Any]]) -> tuple[datetime, list[tuple[int, int, str]]]:
    """Order by recorded time, then by version with numbers read as numbers (v2.9 before v2.10)."""
    name, record = claim
    parts = [(0, int(p), "") if p.isdigit() and len(p) < 10 else (1, 0, p) for p in _VERSION_PART.findall(name)]  # noqa: PLR2004  longer digits are no version
    return _time(record) or datetime.min.replace(tzinfo=UTC), parts


LAYOUT: Final = RegistryFile()
