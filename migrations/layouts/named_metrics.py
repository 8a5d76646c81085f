"""The layout of several models beside one JSON file that holds the numbers of each under its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.model_folder import describes_one
from migrations.layouts.neighbours import neighbours
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.names import family, reduced, row_name
from migrations.record import about
from migrations.timestamps import CREATED_KEYS
from migrations.wording import class_to_type

GROUPS: Final = (
    "models", "results", "comparison", "leaderboard", "all_models", "metrics", "model_comparison", "scores",
    "all_results", "all_metrics", "model_results", "model_metrics", "performance", "evaluation", "candidates",
)  # fmt: skip
BEST_KEYS: Final = ("best_model", "best_model_name", "selected_model", "champion", "winner")
BEST_STEMS: Final = frozenset({"best", "champion", "final", "production"})
MODEL_FOLDERS: Final = frozenset({"models", "model", "saved_models", "model_store", "artifacts"})
MAX_RECORDS: Final = 1000
FILES: Final = frozenset({"model", "pointer", "unknown"})

Records = dict[str, tuple[str, Mapping[str, Any]]]


class NamedMetrics:
    """`metrics.json` with `{"random_forest": {"f1": ...}, "xgboost": {...}}` beside the files of these models."""

    name = "named-metrics"

    def read(self, folder: Folder) -> Reading | None:
        """Bind each model file to the record with its name; `best_model.*` to the one that is named the best."""
        told = folder.model_files()
        models = {name: reduced(name.partition(".")[0]) for name, what in told.items() if what.role in FILES}
        if not models:
            flat = folder.path.name.lower() in MODEL_FOLDERS and not folder.folders
            flat = flat and not describes_one(folder, about(folder))
            return _without_files(folder) if flat else None
        drafts: list[Draft] = []
        used: set[str] = set()
        for home in (folder, *(neighbours(folder) if folder.path.name.lower() in MODEL_FOLDERS else ())):
            for document in home.document_names():
                if used >= models.keys():
                    break
                made = list(_bound(home, document, folder, {f: key for f, key in models.items() if f not in used}))
                drafts += made
                used |= {draft.candidates[0] for draft in made} | ({document} if made and home is folder else set())
        return Reading(tuple(drafts), frozenset(used)) if drafts else None


def _without_files(folder: Folder) -> Reading | None:
    """List the models that a document has numbers of, although no file of any is here."""
    missing: list[Unreadable] = []
    used = set()
    for document in folder.document_names():
        try:
            whole = folder.document(document)
        except UnreadableJsonError:
            continue
        if isinstance(whole, dict) and read_metrics(whole).values:
            continue
        for name, record in _records(whole).values():
            reason = f"no model file ({document} has its numbers)"
            missing.append(
                Unreadable(name, folder.path / document, reason, model_type=name, metrics=read_metrics(record).values)
            )
            used.add(document)
    return Reading(used=frozenset(used), unreadable=tuple(missing)) if missing else None


def _bound(home: Folder, document: str, folder: Folder, models: Mapping[str, str]) -> Iterator[Draft]:
    """Yield an entry for each model whose record stands in the document."""
    try:
        whole = home.document(document)
    except UnreadableJsonError:
        return
    records, best = _records(whole), _best(whole)
    if not records:
        return
    lone = len(set(models.values())) == 1 and home is folder
    own = isinstance(whole, dict) and bool(read_metrics(whole).values)
    shared = {key: whole[key] for key in CREATED_KEYS if key in whole} if isinstance(whole, dict) else {}
    for file, key in models.items():
        wanted = best if best and (lone or key in BEST_STEMS) and key not in records else key
        record = records.get(wanted) or _same_family(records, models, wanted)
        if record is None and not own:
            record = _same_class(records, folder, file)
        if record is not None:
            where = document if home is folder else f"{home.path.name}/{document}"
            note = (f"the numbers are those of {record[0]} in {where}",)
            yield Draft(
                file.rpartition(".")[0], folder.files[file], (file,), record={**shared, **record[1]}, notes=note
            )


def _same_family(records: Records, models: Mapping[str, str], wanted: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return the only record of the algorithm that only this one of the files is called after: rf, Random Forest."""
    if len({key for key in models.values() if family(key) == family(wanted)}) != 1:
        return None
    found = [record for key, record in records.items() if family(key) == family(wanted)]
    return found[0] if len(found) == 1 else None


def _same_class(records: Records, folder: Folder, file: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return the only record of the class in the bytes, where no other model of the folder is of this class."""
    told = folder.model_files()
    kinds = {name: family(class_to_type(what.model_class)) for name, what in told.items() if what.model_class}
    kind = kinds.get(file, "")
    stems = {name.partition(".")[0] for name, other in kinds.items() if other == kind}
    found = [record for key, record in records.items() if family(key) == kind]
    return found[0] if kind and len(stems) == len(found) == 1 else None


def _records(document: Any) -> Records:
    """Return records with numbers by reduced name; a name that occurs twice is nobody's."""
    named: list[tuple[str, Any]] = []
    places = [document, *(document.get(group) for group in GROUPS)] if isinstance(document, dict) else [document]
    for place in places:
        if isinstance(place, dict):
            named += list(place.items())[:MAX_RECORDS]
        elif isinstance(place, list):
            named += [(row_name(row), row) for row in place[:MAX_RECORDS] if isinstance(row, dict)]
    found: Records = {}
    twice = set()
    for name, record in named:
        key = reduced(name)
        if key and isinstance(record, dict) and read_metrics(record).values:
            if key in found:
                twice.add(key)
            found[key] = (name, record)
    return {key: record for key, record in found.items() if key not in twice}


def _best(document: Any) -> str:
    """Return the reduced name of the model that a document calls the best."""
    if not isinstance(document, dict):
        return ""
    return reduced(next((document[key] for key in BEST_KEYS if isinstance(document.get(key), str)), ""))


LAYOUT: Final = NamedMetrics()
