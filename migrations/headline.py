"""PURE: which of the recorded numbers is the model's F1, on which scale, and how was it averaged?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from selector.domain.logged import Logged, logged_value
from selector.domain.metric import Metric

F1: Final = Metric(name="f1", average=None, direction="maximize", low=0.0, high=1.0)


def headline(metrics: Mapping[str, float]) -> Logged | None:
    """Return the F1 that ranks a model: test before unprefixed before validation, never training; None without one."""
    found = logged_value(F1, metrics)
    return found if isinstance(found, Logged) else None


def headline_document(metrics: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the F1 as JSON: key, value as a fraction, value as recorded, scale, averaging (null where unknown)."""
    found = headline(metrics)
    if found is None:
        return None
    scale = "fraction" if found.value == found.raw else "percent"
    return {"key": found.key, "value": found.value, "recorded": found.raw, "scale": scale, "average": found.average}
