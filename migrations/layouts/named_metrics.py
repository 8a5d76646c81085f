"""The layout of several models beside one JSON file that holds the numbers of each under its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from migrations.drafts import Draft
from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.metrics import read_metrics
from migrations.timestamps import CREATED_KEYS

GROUPS: Final = (
    "models",
    "results",
    "comparison",
    "leaderboard",
    "all_models",
    "metrics",
    "model_comparison",
    "scores",
)
ROW_NAMES: Final = ("Model", "model", "model_name", "name", "algorithm")
BEST_KEYS: Final = ("best_model", "best_model_name", "selected_model", "champion")
BEST_STEMS: Final = frozenset({"best", "champion", "final", "production"})
_ENDING: Final = re.compile(r"(model|classifier|regressor|clf|pipeline|estimator)+$")
MAX_RECORDS: Final = 1000


class NamedMetrics:
    """`metrics.json` with `{"random_forest": {"f1": ...}, "xgboost": {...}}` beside the files of these models."""

    name = "named-metrics"

    def read(self, folder: Folder) -> Reading | None:
        """Bind each model file to the record with its name; `best_model.*` to the one that is named the best."""
        told = folder.model_files()
        models = {_key(name.partition(".")[0]): name for name, what in told.items() if what.role == "model"}
        if not models:
            return None
        drafts, used = [], set()
        for document in folder.json_names():
            try:
                whole = folder.document(document)
            except UnreadableJsonError:
                continue
            records, best = _records(whole), _best(whole)
            shared = {key: whole[key] for key in CREATED_KEYS if key in whole} if isinstance(whole, dict) else {}
            for key, file in models.items():
                wanted = best if key in BEST_STEMS and key not in records else key
                if file not in used and wanted in records:
                    note = (f"the numbers are those of {records[wanted][0]} in {document}",)
                    record = {**shared, **records[wanted][1]}
                    drafts.append(
                        Draft(file.rpartition(".")[0], folder.files[file], (file,), record=record, notes=note)
                    )
                    used |= {file, document}
        return Reading(tuple(drafts), frozenset(used)) if drafts else None


def _key(name: str) -> str:
    """Reduce a name to what its spellings share: `Random Forest`, `random_forest_model`, `RandomForestClassifier`."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return _ENDING.sub("", plain) or plain


def _records(document: Any) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return records with numbers by reduced name; a name that occurs twice is nobody's."""
    named: list[tuple[str, Any]] = []
    places = [document, *(document.get(group) for group in GROUPS)] if isinstance(document, dict) else [document]
    for place in places:
        if isinstance(place, dict):
            named += list(place.items())[:MAX_RECORDS]
        elif isinstance(place, list):
            named += [(_row_name(row), row) for row in place[:MAX_RECORDS] if isinstance(row, dict)]
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    twice = set()
    for name, record in named:
        key = _key(name)
        if key and isinstance(record, dict) and read_metrics(record).values:
            if key in found:
                twice.add(key)
            found[key] = (name, record)
    return {key: record for key, record in found.items() if key not in twice}


def _row_name(row: Mapping[str, Any]) -> str:
    return next((row[key] for key in ROW_NAMES if isinstance(row.get(key), str)), "")


def _best(document: Any) -> str:
    """Return the reduced name of the model that a document calls the best."""
    if not isinstance(document, dict):
        return ""
    return _key(next((document[key] for key in BEST_KEYS if isinstance(document.get(key), str)), ""))


LAYOUT: Final = NamedMetrics()
