"""What is recorded about one entry, in all of its documents together?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from migrations.folder import Folder
from migrations.json_files import UnreadableJsonError
from migrations.metrics import read_metrics
from migrations.names import reduced, row_name

DOCUMENTS: Final = ("metadata.json", "model_metadata.json", "meta.json", "info.json", "metrics.json", "params.json",
                    "training_metadata.json")  # fmt: skip
PARAMS_FILE: Final = re.compile(r"(best_|hyper_?|model_|tuned_)*(params|parameters|hyperparameters)$", re.IGNORECASE)
_ABOUT: Final = re.compile(
    r"((best|final|test|eval|evaluation|training|train|model|cluster|pipeline|production|champion|run|experiment"
    r"|performance|classification|deployment)[_\-])*"
    r"(metadata|meta|info|metrics|results?|report|summary|scores?|performance|evaluation|params|parameters"
    r"|hyperparameters|card|m[eé]tricas|metadatos|metadados|resultados|reporte|relat[oó]rio|informe|metriken|metadaten"
    r"|ergebnisse|bericht|m[eé]triques|r[eé]sultats|rapport)([_\-](del?[_\-])?(modelo|modele|modell))?([_\-](v?\d[\w.\-]*|[0-9a-f]{6,64}))?",
    re.IGNORECASE,
)
_OWN: Final = frozenset({"run", "model"})
"""What Sacred and BentoML call what they record of a run or a model."""
_PARAM_GROUPS: Final = frozenset({"hyperparameters", "params", "parameters", "best_params", "model_params"})


class BadDocumentError(Exception):
    """A document about the model cannot be read; the text names it."""


def about(folder: Folder) -> tuple[str, ...]:
    """Return the documents of a folder that may be about its one model, the one that counts most first."""
    names = folder.document_names()
    exact = [name for name in DOCUMENTS if name in names]
    stems = {name: name.rpartition(".")[0] for name in names if name not in exact}
    others = [name for name, stem in stems.items() if _ABOUT.fullmatch(stem) or stem in _OWN]
    return (*exact, *sorted(others, key=_weight))


def _weight(name: str) -> tuple[bool, bool, bool, str]:
    """Metadata before metrics before the rest; JSON before tables."""
    plain = name.lower()
    return not plain.endswith(".json"), "meta" not in plain and "info" not in plain, "metric" not in plain, plain


def recorded(documents: Sequence[str], folder: Folder, names: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Merge documents; the first one that says something wins, but empty metrics do not hide those of another.

    Args:
        documents: names of files in the folder.
        folder: where they are.
        names: what the model may be called in a table of several.

    Returns:
        (what is recorded, notes).

    Raises:
        BadDocumentError: a document that is called after metadata is damaged; other damaged ones are noted.

    """
    merged: dict[str, Any] = {}
    notes: list[str] = []
    for name in documents:
        try:
            read = _said(name, folder, names)
        except UnreadableJsonError as error:
            if name in DOCUMENTS:
                raise BadDocumentError(f"{name} {error}") from error
            notes.append(f"{name} {error}, and is not read")
            continue
        if isinstance(read, str):
            if name in DOCUMENTS and not isinstance(folder.document(name), list):
                raise BadDocumentError(read)
            notes.append(f"{read}, and is not read")
            continue
        if merged and read and not read_metrics(merged).values and read_metrics(read).values:
            merged = {key: value for key, value in merged.items() if value not in ({}, [], None)}
        merged = {**read, **merged}
    return merged, tuple(notes)


def _said(name: str, folder: Folder, names: Sequence[str]) -> dict[str, Any] | str:
    """Return what one document says about the model, or why it says nothing."""
    read = folder.document(name)
    if isinstance(read, list):
        rows = [row for row in read if isinstance(row, dict)]
        own = [row for row in rows if reduced(row_name(row)) in {reduced(n) for n in names if n}]
        chosen = rows if len(rows) == 1 else own
        return (
            chosen[0] if len(chosen) == 1 else f"{name} is a table of {len(rows)} rows, none of which names the model"
        )
    if not isinstance(read, dict):
        return f"{name} is a JSON {type(read).__name__}, not an object"
    if read and all(isinstance(value, dict) and value.keys() >= {"steps", "values"} for value in read.values()):
        return {key: value["values"][-1] for key, value in read.items() if value["values"]}  # as Sacred logs a course
    if PARAMS_FILE.fullmatch(name.rpartition(".")[0]) and not _PARAM_GROUPS & read.keys():
        return {"hyperparameters": _flat(read)}
    return read


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in params.items()}
