"""The layout of one JSON file that lists models: registry.json, model_registry.json, a deployment manifest."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from migrations.drafts import Draft, base_name
from migrations.folder import Folder, list_folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.registry_records import Record, age, named_files, records, time_of
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.names import reduced
from migrations.record import about
from migrations.timestamps import recorded_times

FILE_NAME: Final = re.compile(
    r"(registry|manifest|catalog|models_index|model_index|model_versions|versions$)", re.IGNORECASE
)
MAX_PARTS: Final = 8
MOST_FOLDERS: Final = 200


class RegistryFile:
    """Records in a list, by version, by name, or by name and version."""

    name = "registry-files"

    def read(self, folder: Folder) -> Reading | None:
        """Bind each file to the newest record that names it; older records' bytes were overwritten."""
        names = [n for n in folder.document_names() if n.endswith("json") and FILE_NAME.search(n.rpartition(".")[0])]
        readings = [self._read(folder, name) for name in names]
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
        shared = recorded_times(whole) if isinstance(whole, dict) else {}
        listed = [replace(record, fields={**shared, **record.fields}) for record in records(whole)]
        if not listed:
            return None
        finder = _Finder(folder)
        claims: dict[Path, list[Record]] = {}
        missing: list[Unreadable] = []
        for record in listed:
            path = finder.of(record)
            if path is not None:
                claims.setdefault(path, []).append(record)
            else:
                missing.append(_lost(folder, document, record, _why(record, document)))
        drafts = []
        bound = set()
        for path, all_held in claims.items():
            held = _of_this_folder(path, all_held)
            missing += [_lost(folder, document, r, _why(r, document)) for r in all_held if r not in held]
            if not held:
                continue
            *older, newest = sorted(held, key=age)
            note = (f"{len(held)} records of {document} name {path.name}; only the newest can be about its bytes",)
            bound.add(path)
            drafts.append(_draft(folder, finder.folders[path.parent], path, newest, note if older else ()))
            reason = f"{path.name} was overwritten by {newest.name}"
            missing += [_lost(folder, document, lost, reason) for lost in older]
        used = {document, *(path.name for path in bound if path.parent == folder.path)}
        return Reading(tuple(drafts), frozenset(used), unreadable=tuple(missing))


def _of_this_folder(path: Path, held: list[Record]) -> list[Record]:
    """Return the records that can be about a file: where they name files in several folders, those of its own."""
    above = {id(r): {"".join(_parts(recorded)[-2:-1]) for recorded in named_files(r.fields)} for r in held}
    if len({frozenset(folders - {""}) for folders in above.values() if folders - {""}}) <= 1:
        return held
    return [record for record in held if above[id(record)] & {"", path.parent.name}]


def _draft(folder: Folder, home: Folder, path: Path, record: Record, notes: tuple[str, ...]) -> Draft:
    """Take the documents of a folder with one model too, and what lies beside it."""
    if home is not folder and "MLmodel" in home.files:
        return Draft(
            record.name, home.path, tuple(home.files), (), record.fields, home=home, mlflow=home.path, notes=notes
        )
    alone = home is not folder and home.model_count() <= 1
    return Draft(
        record.name, path, tuple(home.model_files()) if alone else (path.name,), about(home) if alone else (),
        {**record.fields, "model_file": path.name}, home=home, notes=notes,
    )  # fmt: skip


class _Finder:
    """Finds recorded files under the registry's own folder, whatever machine the paths were written on."""

    def __init__(self, folder: Folder) -> None:
        self.root = folder
        self.folders: dict[Path, Folder] = {folder.path: folder}

    def of(self, record: Record) -> Path | None:
        """Return the file that a record names, or the only model where its name and version lead."""
        recorded = list(named_files(record.fields))
        found = next((p for path in recorded if (p := self.find(path))), None)
        if found is not None or recorded:
            return found or next((p for path in recorded if (p := self._in_folder(_parts(path)))), None)
        for parts in record.places():
            for base in ((), ("models",), ("versions",)):
                if (found := self._in_folder([*base, *parts]) or self._by_stem([*base, *parts])) is not None:
                    return found
        return self._below_any(record)

    def _below_any(self, record: Record) -> Path | None:
        """Return the model in the only folder that is called after a record, one level further down."""
        names = dict.fromkeys(parts[-1] for parts in record.places())
        for name in names:
            places = [[above, name] for above in self.root.folders[:MOST_FOLDERS]]
            found = [path for place in places if (here := self._down(place)) and (path := self._only(here))]
            if len(found) == 1:
                return found[0]
        return None

    def find(self, recorded: str) -> Path | None:
        """Return the file that the longest ending of a recorded path leads to; links are not followed."""
        for spelling in dict.fromkeys((recorded, unquote(recorded))):
            parts = _parts(spelling)
            for start in range(len(parts)):
                found = self._at(parts[start:])
                if found is not None:
                    return found
        return None

    def _at(self, parts: list[str]) -> Path | None:
        here = self._down(parts[:-1])
        if here is None:
            return None
        name = parts[-1]
        return here.files[name] if name in here.files and here.tell(name) is not None else None

    def _in_folder(self, parts: list[str]) -> Path | None:
        """Return the only model of a folder that the longest ending of a path leads to."""
        for start in range(len(parts)):
            here = self._down(parts[start:])
            if here is not None and here is not self.root:
                return self._only(here)
        return None

    @staticmethod
    def _only(here: Folder) -> Path | None:
        models = [n for n, w in here.model_files().items() if w.role in {"model", "unknown", "pointer"}]
        return here.files[models[0]] if len(models) == 1 else None

    def _by_stem(self, parts: list[str]) -> Path | None:
        here = self._down(parts[:-1])
        wanted = reduced(parts[-1])
        models = here.model_files() if here is not None and wanted else {}
        found = [n for n, w in models.items() if w.role != "preprocessor" and reduced(n.rpartition(".")[0]) == wanted]
        return here.files[found[0]] if here is not None and len(found) == 1 else None

    def _down(self, parts: list[str]) -> Folder | None:
        here = self.root
        for part in parts:
            if part not in here.folders:
                return None
            path = here.path / part
            try:
                here = self.folders.get(path) or list_folder(path, self.root.root, self.root.known)
            except OSError:
                return None
            self.folders[path] = here
        return here


def _parts(recorded: str) -> list[str]:
    return [part for part in recorded.replace("\\", "/").split("/") if part not in {"", "."}][-MAX_PARTS:]


def _why(record: Record, document: str) -> str:
    named = ", ".join(dict.fromkeys(base_name(recorded) for recorded in named_files(record.fields)))
    return f"no model file ({named} is not in the folder)" if named else f"no model file ({document} names none)"


def _lost(folder: Folder, document: str, record: Record, reason: str) -> Unreadable:
    fields = record.fields
    return Unreadable(
        record.name, folder.path / document, reason, "", str(fields.get("model_type") or fields.get("algorithm") or ""),
        read_metrics(fields).values, time_of(fields),
    )  # fmt: skip


LAYOUT: Final = RegistryFile()
