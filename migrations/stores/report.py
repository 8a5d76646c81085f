"""How does carrying a store tell what became of everything: one folder with a page, a document and a text?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from migrations.wording import printable
from selector.errors import UsageError

MOST_ROWS: Final = 5000
"""Rows of a kind on the page; the document has all of them."""


def write_store_report(folder: Path, document: Mapping[str, Any], text: str) -> Path:
    """Write the report of one carried store; each file appears whole or not at all.

    Args:
        folder: the folder of all reports.
        document: of `migrate store`, with `batch` and `seconds`.
        text: the same for a terminal.

    Returns:
        The page.

    Raises:
        UsageError: it cannot be written.

    """
    into = folder / "imports" / str(document["batch"])
    try:
        into.mkdir(parents=True, exist_ok=True)
        _write(into / "report.json", json.dumps(document, indent=1, allow_nan=False))
        _write(into / "report.txt", text + "\n")
        _write(into / "report.html", page(document))
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {into}: {error.strerror}.",
            advice="The store itself is carried; make room or look at the rights of the state folder.",
        ) from error
    return into / "report.html"


def page(document: Mapping[str, Any]) -> str:
    """Return the page: no script, nothing loaded from anywhere, every foreign text escaped and on one line."""
    verified = document.get("verified") or {"differences": []}
    runs, versions = document["runs"], document["registered_models"]["versions"]
    words = ("found", "imported", "skipped", "failed")
    return _template().render(
        d=document,
        most=MOST_ROWS,
        counts=[
            (what, *(counted[word] for word in words)) for what, counted in (("runs", runs), ("versions", versions))
        ],
        failed=[_left(one) for one in document["left_out"] if one["failed"]],
        left_out=[_left(one) for one in document["left_out"] if not one["failed"]],
        differences=[(d["what"], d["name"], d["about"], d["wanted"], d["found"]) for d in verified["differences"]],
        experiments=[
            (e["source_name"], e["name"], e["experiment_id"], e["action"], e["note"]) for e in document["experiments"]
        ],
        versions=[
            (
                v["name"],
                v["source_version"],
                v["version"],
                v["status"],
                v["stage"],
                ", ".join(v["aliases"]),
                v["reason"],
            )
            for v in document["models"]
        ],
    )


def _left(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return one["what"], one["name"], one["reason"]


@cache
def _template() -> Template:
    pages = Environment(
        loader=PackageLoader("migrations"), autoescape=True, undefined=StrictUndefined, finalize=_finalize
    )
    return pages.get_template("store.html.j2")


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
