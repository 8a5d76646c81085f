"""The layout that an operator describes in YAML, for stores that nobody foresaw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.documents import TABLES
from migrations.drafts import Draft
from migrations.folder import Folder, list_folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.mapped_values import Place, at_path, filled, glob_pattern, place
from migrations.model import Unreadable
from migrations.names import plain, row_name
from migrations.unknown_keys import refuse_unknown
from migrations.yaml_files import load_yaml
from selector.domain.model import NOTHING
from selector.errors import UsageError

MAX_MAPPING: Final = 1 << 20
KEYS: Final = {
    "model": 'globs of the model files, relative to what is scanned: "**/model.pkl"; a list or one',
    "name": 'the entry\'s name, such as "{parent}"; {stem}, {file}, {parent}, {grandparent}, {path} are filled in',
    "metrics": "where the numbers are: file (relative to the model), path (dotted), row (in tables), keys (a list)",
    "params": "where the hyperparameters are: file, path, keys",
    "time": "when it was made: from name, mtime, or a file with path",
    "stage": "a word, or a file with path; {parent} and the like are filled in",
    "model_type": "a word, or a file with path; {parent} and the like are filled in",
    "tags": "further facts by name, each like stage",
    "attach": "globs of files that go with the model, relative to its folder; by default its preprocessors",
    "ignore": "globs of what is left out, relative to what is scanned",
}
_PLACES: Final = {"file", "path", "row", "keys", "from"}
_TIMES: Final = ("name", "mtime")


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the operator says; see `KEYS`."""

    model: tuple[str, ...]
    name: str = "{stem}"
    metrics: Place | None = None
    params: Place | None = None
    time: Place | str | None = None
    facts: Mapping[str, Place | str] = field(default_factory=lambda: NOTHING)
    attach: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()


class MappedLayout:
    """Finds exactly the files that the mapping names, and reads about them exactly what it says."""

    name = "mapping"

    def __init__(self, mapping: Mapped) -> None:
        self._mapping = mapping
        self._models = [glob_pattern(glob) for glob in mapping.model]
        self._ignored = [glob_pattern(glob) for glob in mapping.ignore]

    def read(self, folder: Folder) -> Reading | None:
        """Make an entry of every file that a glob names."""
        drafts, lost = [], []
        for file, path in folder.files.items():
            relative = path.relative_to(folder.root).as_posix()
            if not any(p.fullmatch(relative) for p in self._models) or any(
                p.fullmatch(relative) for p in self._ignored
            ):
                continue
            if folder.tell(file) is None:
                lost.append(Unreadable(path.stem, path, f"{file} is in no format that we know"))
            else:
                drafts.append(self._draft(folder, file))
        return Reading(tuple(drafts), unreadable=tuple(lost)) if drafts or lost else None

    def _draft(self, folder: Folder, file: str) -> Draft:
        words = _words(folder, file)
        record: dict[str, Any] = {"model_file": file}
        notes: list[str] = []
        mapping = self._mapping
        for key, where in (("metrics", mapping.metrics), ("hyperparameters", mapping.params)):
            held = _read(where, folder, words, notes) if where is not None else None
            if isinstance(held, dict):
                record[key] = {k: v for k, v in held.items() if not where or not where.keys or str(k) in where.keys}
            elif held is not None:
                notes.append(f"what the mapping says about {key} leads to no group of values")
        if isinstance(mapping.time, Place):
            record["created_at"] = _read(mapping.time, folder, words, notes)
        for key, said in mapping.facts.items():
            value = _read(said, folder, words, notes) if isinstance(said, Place) else filled(said, words)
            record[key] = value if isinstance(value, str | int | float) else None
        name = filled(mapping.name, words)
        tags = {key: str(value) for key, value in record.items() if key in mapping.facts and value not in (None, "")}
        return Draft(
            name=name, path=folder.files[file], candidates=(file,), record=record, tags=tags,
            beside=tuple(self._beside(folder, file)), by_name=mapping.time != "mtime", notes=tuple(notes),
        )  # fmt: skip

    def _beside(self, folder: Folder, file: str) -> Iterator[str]:
        """Yield the names of what goes with a model: as the globs say, else what its bytes call a preprocessor."""
        patterns = None if self._mapping.attach is None else [glob_pattern(glob) for glob in self._mapping.attach]
        for name in folder.files:
            if name == file:
                continue
            told = folder.tell(name)
            helper = patterns is None and told is not None and told.role == "preprocessor"
            if helper or any(p.fullmatch(name) for p in patterns or ()):
                yield name


def _words(folder: Folder, file: str) -> dict[str, str]:
    path = folder.files[file]
    return {
        "stem": file.rpartition(".")[0] or file,
        "file": file,
        "parent": folder.path.name,
        "grandparent": folder.path.parent.name,
        "path": path.relative_to(folder.root).as_posix(),
    }


def _read(where: Place | None, folder: Folder, words: Mapping[str, str], notes: list[str]) -> Any:
    """Return what stands at a place; None, with a note, where there is nothing."""
    if where is None:
        return None
    recorded = filled(where.file, words)
    home = _home(folder, recorded)
    name = recorded.rpartition("/")[2]
    if home is None or name not in home.files:
        notes.append(f"{recorded} of the mapping is not there")
        return None
    try:
        document = home.document(name)
    except UnreadableJsonError as error:
        notes.append(f"{recorded} {error}")
        return None
    if isinstance(document, list) and (where.row or Path(name).suffix.lower() in TABLES):
        wanted = plain(filled(where.row, words)) if where.row else ""
        rows = [r for r in document if isinstance(r, dict) and (not wanted or plain(row_name(r)) == wanted)]
        if len(rows) != 1:
            notes.append(f"{recorded} has {len(rows)} rows for {filled(where.row, words)!r}")
            return None
        document = rows[0]
    value = at_path(document, filled(where.path, words))
    if value is None:
        notes.append(f"{recorded} has nothing at {filled(where.path, words)!r}")
    return value


def _home(folder: Folder, recorded: str) -> Folder | None:
    """Return the folder of a path relative to the model's folder, within what is scanned and through no link."""
    here = folder
    for part in recorded.split("/")[:-1]:
        if part in {"", "."}:
            continue
        if part == ".." and here.path == here.root:
            return None
        if part != ".." and part not in here.folders:
            return None
        try:
            here = list_folder(here.path.parent if part == ".." else here.path / part, folder.root, folder.known)
        except OSError:
            return None
    return here


def load_mapping(path: Path) -> MappedLayout:
    """Read a mapping file.

    Raises:
        UsageError: it cannot be read, or says something that a mapping does not know, with the nearest known key.

    """
    try:
        with path.open("rb") as stream:
            read = load_yaml(stream.read(MAX_MAPPING))
    except OSError as error:
        raise UsageError(f"The layout {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"The layout {path} is no YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(read, dict):
        raise UsageError(f"The layout {path} holds no keys.", advice=f"Known keys: {', '.join(KEYS)}.")
    refuse_unknown(read, KEYS, f"{path}")
    if "model" not in read:
        raise UsageError(f"The layout {path} does not say which files are models.", advice='model: "**/model.pkl"')
    facts = {key: _said(read[key], key) for key in ("stage", "model_type") if key in read}
    tags = read.get("tags", {})
    if not isinstance(tags, dict):
        raise UsageError(f"tags is {tags!r}, not names with values.")
    return MappedLayout(
        Mapped(
            model=_globs(read["model"], "model"),
            name=_text(read.get("name", "{stem}"), "name"),
            metrics=_place(read.get("metrics"), "metrics"),
            params=_place(read.get("params"), "params"),
            time=_time(read.get("time")),
            facts={**{str(key): _said(value, f"tags.{key}") for key, value in tags.items()}, **facts},
            attach=_globs(read["attach"], "attach") if "attach" in read else None,
            ignore=_globs(read.get("ignore", []), "ignore"),
        )
    )


def _globs(value: Any, key: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(glob, str) and glob for glob in listed):
        raise UsageError(f"{key} is {value!r}, not a glob or a list of globs.")
    return tuple(listed)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{key} is {value!r}, not a text.")
    unknown = set(re.findall(r"\{(\w*)\}", value)) - {"stem", "file", "parent", "grandparent", "path"}
    if unknown:
        raise UsageError(
            f"{key}: there is no {{{min(unknown)}}}.", advice="{stem}, {file}, {parent}, {grandparent}, {path}"
        )
    return value


def _said(value: Any, key: str) -> Place | str:
    return _need_place(value, key) if isinstance(value, dict) else _text(value, key)


def _place(value: Any, key: str) -> Place | None:
    if isinstance(value, str):
        value = {"file": value}
    return None if value is None else _need_place(value, key)


def _need_place(value: Any, key: str) -> Place:
    if not isinstance(value, dict) or not isinstance(value.get("file"), str):
        raise UsageError(f"{key} is {value!r}, and names no file.", advice=f"{key}: {{file: metrics.json, path: test}}")
    refuse_unknown(value, _PLACES, key)
    for part in ("file", "path", "row"):
        if part in value:
            _text(value[part], f"{key}.{part}")
    return place(value)


def _time(value: Any) -> Place | str | None:
    if isinstance(value, dict) and set(value) == {"from"}:
        value = value["from"]
    if value is None:
        return None
    if isinstance(value, str):
        if value in _TIMES:
            return value
        raise UsageError(f"time is {value!r}.", advice="name, mtime, or {file: metadata.json, path: created_at}")
    return _need_place(value, "time")
