"""How does what was moved within MLflow look to people?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    lines = table(heads, rows, limit=width()) if rows else []
    if not rows and document["action"] != "list":
        nothing = {"move": "no version is in Production or Staging", "revert": "nothing was set by migrate stages"}
        lines = [nothing.get(document["action"], "no version is in a stage")]
    if document["action"] != "list":
        lines += ["", ", ".join(f"{document[key]} {key}" for key in ("found", "done", "skipped", "failed")), ""]
    return "\n".join([*lines, *_by_stage(document["by_stage"])])


def _by_stage(found: Sequence[Document]) -> list[str]:
    """Return which versions consumers still find by stage."""
    if not found:
        return ["no version is found by stage any more"]
    heads = ("still found by stage", "version", "alias", "")
    rows = []
    for one in found:
        said = "in step" if one["in_step"] else f"{one['alias']} points at {one['alias_version'] or 'nothing'}"
        rows.append(
            (one["uri"], one["version"], one["alias"], said if one["loaded"] else f"{said}; a newer one is loaded")
        )
    return table(heads, rows, limit=width())


def store(document: Document) -> str:
    """Return what became of a store: experiments, counts, versions, and what was left out with its reason."""
    lines = _experiments(document["experiments"]) or ["there are no experiments"]
    heads = ("status", "model", "version", "was", "stage", "aliases", "reason")
    versions = [
        (
            one["status"],
            one["name"],
            one["version"],
            one["source_version"],
            one["stage"],
            ", ".join(one["aliases"]),
            one["reason"],
        )
        for one in document["models"]
    ]
    if versions:
        lines += ["", *table(heads, versions, limit=width())]
    for title, failed in (("failed:", True), ("left out or changed:", False)):
        left = [(one["what"], one["name"], one["reason"]) for one in document["left_out"] if one["failed"] is failed]
        if left:
            lines += ["", title, *table(("what", "which", ""), left, limit=width(), indent="  ")]
    lines += _verified(document.get("verified"))
    runs, registered = document["runs"], document["registered_models"]["versions"]
    for what, counted in (("runs", runs), ("versions", registered)):
        lines += ["", f"{what}: " + ", ".join(f"{counted[k]} {k}" for k in ("found", "imported", "skipped", "failed"))]
    return "\n".join(lines)


def _verified(verified: Document | None) -> list[str]:
    """Return what a comparison with the store found; nothing where none was asked for."""
    if verified is None:
        return []
    counts = ", ".join(f"{count} {what}" for what, count in verified["checked"].items() if count)
    if not verified["differences"]:
        return ["", f"verified: {counts or 'nothing'}; MLflow holds what the store holds"]
    heads = ("what", "which", "about", "in the store", "in MLflow")
    rows = [(d["what"], d["name"], d["about"], d["wanted"], d["found"]) for d in verified["differences"]]
    return ["", f"different, of {counts}:", *table(heads, rows, limit=width(), indent="  ")]


def _experiments(found: Sequence[Document]) -> list[str]:
    heads = ("experiment", "goes to", "how", "")
    rows = [
        (one["source_name"], one["name"], one["action"], "; ".join(filter(None, (one["note"], _deleted(one)))))
        for one in found
    ]
    return table(heads, rows, limit=width()) if rows else []


def _deleted(one: Document) -> str:
    return "deleted, and stays so" if one["deleted"] else ""
