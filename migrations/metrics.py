"""Which numbers in a legacy document are metrics? Keys and values stay exactly as they were recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

CONTAINERS: Final = (
    ("performance_metrics",), ("metrics",), ("performance",), ("test_metrics",), ("metrics_test",), ("metrics", "test"),
    ("evaluation_metrics",), ("test",), ("test_holdout",), ("holdout_results",),
)  # fmt: skip
MAX_METRICS: Final = 1000
_METRIC_WORD: Final = re.compile(
    r"(^|[_\-. ])(f1|f2|f1score|fbeta|accuracy|acc|precision|recall|auc|auroc|roc|prc|mae|mse|rmse|mape|smape|r2|loss"
    r"|logloss|score|kappa|mcc|gini|ks|silhouette|brier|rate|error|sensitivity|specificity|contamination)($|[_\-. ])",
    re.IGNORECASE,
)
_FRACTION: Final = re.compile(r"f1|accuracy|precision|recall|auc|roc|sensitivity|specificity", re.IGNORECASE)
_NO_METRIC: Final = re.compile(r"threshold|learning_rate|_id$|seed", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics as recorded, where they stood, and what was left out."""

    values: Mapping[str, float]
    container: str
    notes: tuple[str, ...] = ()


def read_metrics(document: Mapping[str, Any]) -> Metrics:
    """Find a document's metrics.

    Args:
        document: parsed JSON.

    Returns:
        The numbers of the first known container that has any, else the numbers at the top level whose keys are
        names of metrics. NaN and infinities are kept. Arrays, texts and groups among them are left out with a note.

    """
    for path in CONTAINERS:
        held = _at(document, path)
        if held is not None and any(_number(value) is not None for value in held.values()):
            return _read(held, ".".join(path))
    named = {key: value for key, value in document.items() if _stands_for_itself(key, value)}
    return _read(named, "the top level") if any(_number(v) is not None for v in named.values()) else Metrics({}, "")


def _stands_for_itself(key: str, value: Any) -> bool:
    """Take numbers under the names of metrics; arrays of numbers are taken too, to be named as left out."""
    if isinstance(value, list):
        return bool(value) and _number(value[0]) is not None
    return _number(value) is not None and bool(_METRIC_WORD.search(key)) and not _NO_METRIC.search(key)


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else None


def _number(value: Any) -> float | None:
    """Return a recorded number as float; None for anything else, and for integers beyond a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _read(held: Mapping[str, Any], container: str) -> Metrics:
    """Keep the numbers; say what was left out and what looks like percent."""
    values: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for key, value in held.items():
        number = _number(value)
        if number is None:
            left_out[key] = _kind(value)
        elif len(values) < MAX_METRICS:
            values[key] = number
        else:
            left_out[key] = f"more than {MAX_METRICS}"
    notes = [f"metrics are from {container}"]
    if left_out:
        shown = ", ".join(f"{key} ({kind})" for key, kind in list(left_out.items())[:10])
        notes.append(f"left out of the metrics: {shown}{' and more' if len(left_out) > 10 else ''}")  # noqa: PLR2004  enough to see the point
    percent = [key for key, value in values.items() if _FRACTION.search(key) and 1 < value <= 100]  # noqa: PLR2004  percent
    if percent:
        notes.append(f"looks like percent, kept as recorded: {', '.join(percent)}")
    return Metrics(values, container, tuple(notes))


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"array of {len(value)}"
    if isinstance(value, str):
        return "text"
    return {bool: "yes/no", dict: "group", type(None): "empty"}.get(type(value), "number too large")
