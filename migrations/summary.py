"""What does an import say: the JSON documents, the lines for people, and the exit code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from migrations.apply import refused
from migrations.headline import headline_document
from migrations.model import ImportOutcome, Scan, StagedModel, UndoOutcome
from migrations.wording import printable
from selector.errors import EXIT_FAILED

SCHEMA_VERSION: Final = 1
MAX_CELL: Final = 60
_SKIPPED: Final = frozenset({"already", "ignored"})
_METRICS_SHOWN: Final = ("f1_score", "f1", "test_f1", "accuracy", "roc_auc", "auc", "rmse", "mae", "r2")


def scanned(scan: Scan) -> tuple[ImportOutcome, ...]:
    """Return a scan's entries as outcomes: new, failed or ignored; oldest first, then what cannot be imported."""
    first: dict[str, StagedModel] = {}
    found = []
    for staged in scan.models:
        original = first.setdefault(staged.fingerprint, staged)
        reason = "" if original is staged else f"the same bytes as {original.name}"
        found.append(
            ImportOutcome(
                staged.name, staged.path, "new", reason, staged.format, staged.model_type, staged.metrics,
                staged.created_at, staged.fingerprint, notes=staged.notes, planned=staged,
            )
        )  # fmt: skip
    return (*found, *(refused(entry) for entry in scan.unreadable))


def scan_document(scan: Scan) -> dict[str, Any]:
    """Return the JSON document of `migrate scan`."""
    return {**apply_document(scanned(scan), batch=None), "notes": [printable(note) for note in scan.notes]}


def apply_document(outcomes: Sequence[ImportOutcome], batch: str | None) -> dict[str, Any]:
    """Return the JSON document of `migrate apply`: strict JSON, so NaN and infinities are null."""
    return {
        "schema_version": SCHEMA_VERSION,
        "batch": batch,
        "found": len(outcomes),
        "imported": sum(outcome.status == "imported" for outcome in outcomes),
        "skipped": sum(outcome.status in _SKIPPED for outcome in outcomes),
        "failed": sum(outcome.status == "failed" for outcome in outcomes),
        "models": [_entry(outcome) for outcome in outcomes],
    }


def _entry(outcome: ImportOutcome) -> dict[str, Any]:
    return {
        "name": _text(outcome.name),
        "path": _text(str(outcome.path)),
        "format": outcome.format or None,
        "model_type": outcome.model_type or None,
        "metrics": {_text(key): value if math.isfinite(value) else None for key, value in outcome.metrics.items()},
        "f1": headline_document(outcome.metrics),
        "created_at": _iso(outcome.created_at),
        "fingerprint": outcome.fingerprint,
        "status": outcome.status,
        "reason": printable(outcome.reason) or None,
        "run_id": outcome.run_id,
        "version": outcome.version,
        "copy_of": outcome.copy_of,
        "notes": [printable(note) for note in outcome.notes],
    } | _chosen(outcome.planned)


def _chosen(staged: StagedModel | None) -> dict[str, Any]:
    """Return what was chosen for an importable entry, beyond what every entry has."""
    if staged is None:
        return {"model_file": None, "metrics_from": None, "percent": [], "attachments": [], "stage": None}
    return {
        "model_file": _text(str(staged.model_file)),
        "metrics_from": _text(staged.container) or None,
        "percent": [_text(key) for key in staged.percent],
        "attachments": [_text(attachment.path.name) for attachment in staged.attachments],
        "stage": staged.tags.get("stage") or staged.tags.get("stage_folder"),
    }


def _text(value: str) -> str:
    """JSON escapes control characters itself; only bytes that are no text at all need help."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def exit_code(outcomes: Sequence[ImportOutcome]) -> int:
    """Return 0 where nothing failed, else 1."""
    return EXIT_FAILED if any(outcome.status == "failed" for outcome in outcomes) else 0


def table(outcomes: Sequence[ImportOutcome]) -> list[tuple[str, ...]]:
    """Return rows for people, the heading first: status, name, type, format, created, metric, what to know."""
    rows: list[tuple[str, ...]] = [("status", "name", "type", "format", "created (UTC)", "metric", "")]
    for outcome in outcomes:
        made = [
            f"run {outcome.run_id}" if outcome.run_id else "",
            f"version {outcome.version}" if outcome.version else "",
        ]
        rows.append(
            (
                outcome.status,
                _cell(outcome.name),
                _cell(outcome.model_type),
                outcome.format,
                f"{outcome.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if outcome.created_at else "",
                _metric(outcome),
                "; ".join(printable(part) for part in (outcome.reason, ", ".join(filter(None, made))) if part),
            )
        )
    return rows


def text(outcomes: Sequence[ImportOutcome]) -> str:
    """Return the rows in aligned columns and one line of counts."""
    rows = table(outcomes)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
    total = ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing found"
    return "\n".join([*lines, "", f"{len(outcomes)} found: {total}" if counts else total])


def undo_document(batch: str, outcomes: Sequence[UndoOutcome]) -> dict[str, Any]:
    """Return the JSON document of `migrate undo`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "batch": batch,
        "found": len(outcomes),
        "undone": sum(outcome.status == "undone" for outcome in outcomes),
        "failed": sum(outcome.status != "undone" for outcome in outcomes),
        "runs": [
            {
                "run_id": outcome.run_id,
                "name": printable(outcome.name),
                "model": outcome.model or None,
                "versions": list(outcome.versions),
                "status": outcome.status,
                "reason": printable(outcome.reason) or None,
            }
            for outcome in outcomes
        ],
    }


def _cell(value: str) -> str:
    shown = printable(value)
    return shown if len(shown) <= MAX_CELL else f"{shown[: MAX_CELL - 1]}…"


def _metric(outcome: ImportOutcome) -> str:
    key = next((key for key in _METRICS_SHOWN if key in outcome.metrics), next(iter(outcome.metrics), ""))
    return f"{_cell(key)} {outcome.metrics[key]:.4g}" if key else ""
