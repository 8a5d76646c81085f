"""How is the state of the daemon told to a program?"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from selector.domain.service import ModelState, ServiceState

SCHEMA_VERSION = 1


def state_document(state: ServiceState, safe: Callable[[str], str] = str) -> dict[str, Any]:
    """Return plain JSON values: times in ISO 8601 UTC, null for what is not known.

    Args:
        state: one moment of the daemon.
        safe: makes a text that came from outside fit to be shown.

    """
    return {
        "schema_version": SCHEMA_VERSION,
        "phase": state.phase,
        "ready": state.ready,
        "doing": safe(state.doing),
        "started_at": _time(state.started_at),
        "turns": state.turns,
        "turned_at": _time(state.turned_at),
        "good_at": _time(state.good_at),
        "mlflow": {"ok": state.good_at is not None and not state.mlflow, "error": safe(state.mlflow) or None},
        "configuration": {"ok": not state.configuration, "error": safe(state.configuration) or None},
        "troubles": [{"about": safe(about), "error": safe(error)} for about, error in state.troubles],
        "hints": {safe(name): safe(trouble) if trouble else None for name, trouble in state.hints.items()},
        "waiting": state.waiting,
        "models": [_model(name, model, safe) for name, model in state.models.items()],
    }


def why_not_ready(state: ServiceState) -> str:
    """Return why it is not ready, as one sentence; "" where it is."""
    if state.ready:
        return ""
    if state.mlflow:
        return f"MLflow cannot be read: {state.mlflow}"
    return f"{state.phase}: {state.doing or 'nothing was looked at yet'}"


def _model(name: str, model: ModelState, safe: Callable[[str], str]) -> dict[str, Any]:
    score = model.score if model.score is not None and math.isfinite(model.score) else None
    return {
        "model": safe(name),
        "looked_at": _time(model.at),
        "verdict": model.verdict,
        "champion": model.champion,
        "metric": safe(model.metric) or None,
        "score": score,
        "error": safe(model.error) or None,
    }


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at is not None else None
