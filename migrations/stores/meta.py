"""PURE: what do the words, numbers and metric lines in an MLflow store mean, whatever its age?"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any, Final

from selector.ports_store import Measurement

RUN_STATUS: Final[Mapping[str, str]] = {
    "1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED",
} | {word: word for word in ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")}  # fmt: skip
MODEL_STATUS: Final[Mapping[str, str]] = {"1": "PENDING", "2": "READY", "3": "FAILED"} | {
    word: word for word in ("PENDING", "READY", "FAILED")
}
DELETED_STAGE: Final = "Deleted_Internal"
HISTORY_TAG: Final = "mlflow.log-model.history"
PROMPT_TAG: Final = "mlflow.prompt.is_prompt"


def text_of(value: Any) -> str:
    """Return a value of YAML or SQL as text; "" for None."""
    return "" if value is None else str(value)


def whole_number(value: Any) -> int | None:
    """Return a whole number, also from text or 12.0; None where there is none."""
    try:
        return None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        try:
            return int(float(str(value)))
        except (ValueError, OverflowError):
            return None


def aliases_of(told: Any) -> dict[str, int]:
    """Return aliases by name from a mapping; one that names no number is taken as version 0, which never exists."""
    if not isinstance(told, Mapping):
        return {}
    return {str(alias): whole_number(text_of(number).strip()) or 0 for alias, number in told.items()}


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Tell whether a registered model is a prompt."""
    return tags.get(PROMPT_TAG, "").strip().lower() == "true"


def history_of(tags: Mapping[str, str]) -> list[Any]:
    """Return the models that MLflow 2 wrote into a run's tag."""
    try:
        entries = json.loads(tags.get(HISTORY_TAG) or "[]")
    except ValueError:
        return []
    return entries if isinstance(entries, list) else []


def run_metric_lines(key: str, text: str) -> tuple[tuple[Measurement, ...], int]:
    """Return the measurements in a run's metric file, equal lines once, and how many lines say nothing.

    A line is "timestamp value", "timestamp value step", or the latter with a dataset's name and digest. MLflow 3
    repeats a line when a model is linked.
    """
    found: dict[Hashable, Measurement] = {}
    bad = 0
    for line in text.splitlines():
        parts = line.split()
        if not parts:
            continue
        measured = _measured(key, parts[:3], parts[3:]) if len(parts) in {2, 3, 5} else None
        if measured is None:
            bad += 1
        else:
            found[same(measured)] = measured
    return tuple(found.values()), bad


def model_metric_lines(key: str, text: str) -> tuple[tuple[tuple[str, Measurement], ...], int]:
    """Return run id and measurement of each line in a logged model's metric file, and how many lines say nothing."""
    found: dict[Hashable, tuple[str, Measurement]] = {}
    bad = 0
    for line in text.splitlines():
        parts = line.split()
        if not parts:
            continue
        measured = _measured(key, parts[:3], parts[4:]) if len(parts) in {4, 6} else None
        if measured is None:
            bad += 1
        else:
            found[parts[3], same(measured)] = parts[3], measured
    return tuple(found.values()), bad


def same(measured: Measurement) -> Hashable:
    """Return what two equal measurements share; NaN counts as equal to NaN, which no comparison says."""
    dataset = (measured.dataset_name, measured.dataset_digest)
    return (measured.key, measured.timestamp, measured.step, repr(measured.value), *dataset)


def _measured(key: str, numbers: list[str], dataset: list[str]) -> Measurement | None:
    try:
        timestamp, value = int(numbers[0]), float(numbers[1])
        step = int(numbers[2]) if len(numbers) > 2 else 0  # noqa: PLR2004 - the third number, where there is one
    except ValueError:
        return None
    return Measurement(key, value, timestamp, step, *(dataset or (None, None)))
