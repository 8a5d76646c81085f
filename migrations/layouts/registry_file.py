"""The layout of one JSON file that lists models: registry.json, model_registry.json, a deployment manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from migrations.drafts import PATH_KEYS, Draft, base_name
from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.timestamps import CREATED_KEYS, parse_time

FILE_NAME: Final = re.compile(r"(registry|manifest|catalog|models_index)", re.IGNORECASE)
NAME_KEYS: Final = ("model_id", "id", "model_version", "version", "name", "model_name")
MAX_RECORDS: Final = 100_000
MAX_DEPTH: Final = 4
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
            records = list(_records(folder.document(document)))
        except UnreadableJsonError as error:
            return Reading(notes=(f"{folder.path / document} {error}",), used=frozenset({document}))
        if not records:
            return None
        by_file: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        missing: list[Unreadable] = []
        for name, record in records:
            file = next((f for f in _named_files(record) if f in folder.files and folder.tell(f) is not None), None)
            if file is not None:
                by_file.setdefault(file, []).append((name, record))
            else:
                missing.append(_lost(folder, document, name, record, "no model file"))
        drafts = []
        for file, claims in by_file.items():
            *older, (name, record) = sorted(claims, key=_age)
            note = (f"{len(claims)} records of {document} name {file}; only the newest can be about its bytes",)
            drafts.append(Draft(name, folder.files[file], (file,), record=record, notes=note if older else ()))
            reason = f"{file} was overwritten by {name}"
            missing += [_lost(folder, document, old, held, reason) for old, held in older]
        return Reading(tuple(drafts), frozenset({document, *by_file}), unreadable=tuple(missing))


def _lost(folder: Folder, document: str, name: str, record: Mapping[str, Any], reason: str) -> Unreadable:
    return Unreadable(
        name, folder.path / document, reason, "", str(record.get("model_type") or record.get("algorithm") or ""),
        read_metrics(record).values, _time(record),
    )  # fmt: skip


def _named_files(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the base names of files that a record names."""
    for key in PATH_KEYS:
        if isinstance(record.get(key), str):
            yield base_name(record[key])
    artifacts = record.get("artifacts")
    values = artifacts.values() if isinstance(artifacts, dict) else artifacts if isinstance(artifacts, list) else ()
    for value in values:
        if isinstance(value, str) and "model" in value.lower():
            yield base_name(value)


def _records(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (name, record) wherever a file is named, without recursion; records without a name get their key."""
    todo: list[tuple[str, Any, int]] = [("", document, 0)]
    yielded = 0
    while todo and yielded < MAX_RECORDS:
        name, node, depth = todo.pop(0)
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
            todo += [(key, value, depth + 1) for key, value in children if isinstance(value, dict | list)]


def _name(record: Mapping[str, Any], key: str) -> str:
    own = next((str(record[k]) for k in NAME_KEYS if isinstance(record.get(k), str | int) and record[k] != ""), "")
    return own or key


def _time(record: Mapping[str, Any]) -> datetime | None:
    read = next((r for key in CREATED_KEYS if (r := parse_time(record.get(key)))), None)
    return read[0] if read else None


def _age(claim: tuple[str, Mapping[str, Any]]) -> tuple[datetime, list[tuple[int, int, str]]]:
    """Order by recorded time, then by version with numbers read as numbers (v2.9 before v2.10)."""
    name, record = claim
    parts = [(0, int(p), "") if p.isdigit() and len(p) < 10 else (1, 0, p) for p in _VERSION_PART.findall(name)]  # noqa: PLR2004  longer digits are no version
    return _time(record) or datetime.min.replace(tzinfo=UTC), parts


LAYOUT: Final = RegistryFile()
