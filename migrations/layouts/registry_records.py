"""Which records does a registry file hold, whatever its shape: a list, by version, by name, by name and version?"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from migrations.drafts import PATH_KEYS
from migrations.metrics import read_metrics
from migrations.timestamps import CREATED_KEYS, parse_time, recorded_times

ID_KEYS: Final = ("model_id", "id")
NAME_KEYS: Final = ("name", "model_name")
VERSION_KEYS: Final = ("model_version", "version", "version_id", "current_version")
ALIAS_KEYS: Final = (
    "production", "champion", "active_model", "active", "latest", "latest_version", "current", "current_version",
    "best_model", "active_version", "production_version", "staging",
)  # fmt: skip
MAX_RECORDS: Final = 100_000
MAX_DEPTH: Final = 4
_VERSION_PART: Final = re.compile(r"\d+|\D+")
_FACTS: Final = frozenset({*ID_KEYS, *VERSION_KEYS, *CREATED_KEYS, "stage", "status", "model_type", "algorithm"})


@dataclass(frozen=True, slots=True)
class Record:
    """One model as a registry lists it.

    Attributes:
        name: its id, else its name with its version, else its place in the document.
        keys: the keys on the way to it, outermost first.
        fields: what is recorded.

    """

    name: str
    keys: tuple[str, ...]
    fields: Mapping[str, Any]

    def places(self) -> Iterator[tuple[str, ...]]:
        """Yield where the files of a record that names none may lie: name/version, version, id, name."""
        names, versions = (_first(self.fields, keys) for keys in (NAME_KEYS, VERSION_KEYS))
        outer = [key for key in self.keys if "[" not in key and key not in {"models", "versions", "model", "registry"}]
        ids = [_first(self.fields, ID_KEYS), *reversed(outer)]
        for version in filter(None, (versions, versions and f"v{versions}", *ids)):
            yield from ((name, version) for name in (names, *outer) if name and name != version)
            yield (version,)
        if names and not versions:
            yield (names,)


def records(document: Any) -> list[Record]:
    """Return all records, those that name a file first of all; without any such, those that state facts of a model."""
    found = list(_walk(document, _names_a_file))
    found = found or list(_walk(document, _is_a_version))
    if not found and isinstance(document, dict) and _names_a_file(document):
        found = [Record(_name(document, ("",)), ("",), document)]
    aliases = _aliases(document)
    return [Record(r.name, r.keys, {**_alias_of(r, aliases), **r.fields}) for r in found]


def named_files(record: Mapping[str, Any]) -> Iterator[str]:
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


def time_of(record: Mapping[str, Any]) -> datetime | None:
    """Return the first recorded time."""
    read = next((r for value in recorded_times(record).values() if (r := parse_time(value))), None)
    return read[0] if read else None


def age(record: Record) -> tuple[datetime, list[tuple[int, int, str]]]:
    """Order by recorded time, then by version with numbers read as numbers (v2.9 before v2.10)."""
    parts = [(0, int(p), "") if p.isdigit() and len(p) < 10 else (1, 0, p) for p in _VERSION_PART.findall(record.name)]  # noqa: PLR2004  longer digits are no version
    return time_of(record.fields) or datetime.min.replace(tzinfo=UTC), parts


def _walk(document: Any, wanted: Any) -> Iterator[Record]:
    """Yield what is wanted, without recursion; nothing is looked for within it."""
    todo: deque[tuple[tuple[str, ...], Any]] = deque([((), document)])
    yielded = 0
    while todo and yielded < MAX_RECORDS:
        keys, node = todo.popleft()
        if isinstance(node, dict):
            if keys and wanted(node):
                yielded += 1
                yield Record(_name(node, keys), keys, node)
                continue
            children = [(str(key), value) for key, value in node.items()]
        elif isinstance(node, list):
            children = [(f"{keys[-1] if keys else ''}[{index}]", value) for index, value in enumerate(node)]
        else:
            continue
        if len(keys) < MAX_DEPTH:
            todo.extend(((*keys, key), value) for key, value in children if isinstance(value, dict | list))


def _names_a_file(node: Mapping[str, Any]) -> bool:
    return any(True for _ in named_files(node))


def _is_a_version(node: Mapping[str, Any]) -> bool:
    """Return whether a group states facts of one model: metrics, and a version, a time or a type."""
    if any(isinstance(value, list) and value and isinstance(value[0], dict) for value in node.values()):
        return False
    return bool(_FACTS & node.keys()) and bool(read_metrics(node).values)


def _name(record: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    ids, names, versions = (_first(record, wanted) for wanted in (ID_KEYS, NAME_KEYS, VERSION_KEYS))
    key = "/".join(keys[1:]) if len(keys) > 2 else keys[-1]  # noqa: PLR2004  the outermost key is a heading
    told = ids or " ".join(filter(None, (names, versions)))
    if not told and key.endswith("]"):
        told = next((PurePosixPath(path.replace("\\", "/")).stem for path in named_files(record)), "")
    return told or key


def _first(record: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(record[k]) for k in keys if isinstance(record.get(k), str | int) and record[k] != ""), "")


def _aliases(document: Any) -> dict[str, str]:
    """Return which id, name or version a registry calls its production, champion, latest."""
    if not isinstance(document, dict):
        return {}
    return {key: str(document[key]) for key in ALIAS_KEYS if isinstance(document.get(key), str | int)}


def _alias_of(record: Record, aliases: Mapping[str, str]) -> dict[str, str]:
    own = {record.name, record.keys[-1], _first(record.fields, ID_KEYS), _first(record.fields, VERSION_KEYS)}
    called = [alias for alias, whose in aliases.items() if whose in own]
    return {"registry_alias": ", ".join(called)} if called else {}
