"""How does what was moved within MLflow look to people?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector.cli.table import table, width

Document = Mapping[str, Any]


def stages(document: Document) -> str:
    """Return what became of each stage, and what has to be decided by a person."""
    heads = ("status", "model", "stage", "alias", "version", "sets", "reason")
    rows = [
        (
            one["status"],
            one["model"],
            one["stage"],
            one["alias"],
            one.get("version"),
            one["write"],
            one.get("reason"),
        )
        for one in document.get("moves", ())
    ]
    lines = table(heads, rows, limit=width()) if rows else ["no version is in Production or Staging"]
    counts = ", ".join(f"{document[key]} {key}" for key in ("found", "done", "skipped", "failed"))
    return "\n".join([*lines, "", counts])
