"""How does an import tell what became of everything: one folder with a page, a document and a text?"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from migrations.model import ImportOutcome, StagedModel
from migrations.summary import apply_document, text
from migrations.wording import printable
from selector.errors import UsageError

FOLDER: Final = "imports"
FILES: Final = ("report.html", "report.json", "report.txt")
MOST_ROWS: Final = 5000
"""Rows of a kind on the page; the document has all of them."""


def write_report(
    folder: Path, outcomes: Sequence[ImportOutcome], batch: str, *, asked: Mapping[str, Any], took: float
) -> Path:
    """Write the report of one import; each file appears whole or not at all.

    Args:
        folder: the folder of all reports.
        outcomes: what became of each entry.
        batch: id of the import; the name of its own folder.
        asked: what was asked for: paths, layout, timezone, model, experiment, options.
        took: seconds.

    Returns:
        The page.

    Raises:
        UsageError: it cannot be written.

    """
    document = report_document(outcomes, batch, asked=asked, took=took)
    into = folder / FOLDER / batch
    try:
        into.mkdir(parents=True, exist_ok=True)
        _write(into / "report.json", json.dumps(document, indent=1, allow_nan=False))
        _write(into / "report.txt", text(outcomes) + "\n")
        _write(into / "report.html", page(document))
    except OSError as error:
        raise UsageError(
            f"The report of the import cannot be written to {into}: {error.strerror}.",
            advice="The import itself is done; make room or look at the rights of the state folder.",
        ) from error
    return into / "report.html"


def report_document(
    outcomes: Sequence[ImportOutcome], batch: str, *, asked: Mapping[str, Any], took: float
) -> dict[str, Any]:
    """Return the document of `migrate apply` with what was asked for, and what was planned for each entry."""
    document = apply_document(outcomes, batch)
    for entry, outcome in zip(document["models"], outcomes, strict=True):
        entry["planned"] = None if outcome.planned is None else planned_document(outcome.planned)
    return {**document, "asked": dict(asked), "seconds": round(took, 3)}


def planned_document(staged: StagedModel) -> dict[str, Any]:
    """Return what a run was to be: what `migrate verify` compares with what MLflow gives back."""
    return {
        "name": printable(staged.name),
        "source": staged.source,
        "fingerprint": staged.fingerprint,
        "started_at": staged.started_at.isoformat(),
        "ended_at": staged.created_at.isoformat(),
        "metrics": {key: _strict(value) for key, value in staged.metrics.items()},
        "params": dict(staged.params),
        "tags": dict(staged.tags),
        "size": staged.size,
    }


def _strict(value: float) -> float | str:
    """Return a number that JSON can hold; NaN and infinities as text, so that none of them is mistaken for another."""
    return value if math.isfinite(value) else str(value)


def page(document: Mapping[str, Any]) -> str:
    """Return the page: no script, nothing loaded from anywhere, every foreign text escaped and on one line."""
    groups = {
        status: [m for m in document["models"] if m["status"] == status]
        for status in ("failed", "imported", "new", "already", "ignored")
    }
    return _template().render(d=document, groups=groups, most=MOST_ROWS)


@cache
def _template() -> Template:
    pages = Environment(
        loader=PackageLoader("migrations"), autoescape=True, undefined=StrictUndefined, finalize=_finalize,
    )  # fmt: skip
    return pages.get_template("import.html.j2")


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return printable(value) if type(value) is str else value


def _write(path: Path, content: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
