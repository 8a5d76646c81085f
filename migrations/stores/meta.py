"""PURE: what do the words, numbers and metric lines in an MLflow store mean, whatever its age?"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from selector.ports_store import Measurement

RUN_STATUS: Final[Mapping[str, str]] = {
    "1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED",
} | {word: word for word in ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")}  # fmt: skip
MODEL_STATUS: Final[Mapping[str, str]] = {"1": "PENDING", "2": "READY", "3": "FAILED"} | {
    word: word for word in ("PENDING", "READY", "FAILED")
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SOURCE_TYPE: Final[Mapping[str, str]] = {
    "1": "NOTEBOOK", "2": "JOB", "3": "PROJECT", "4": "LOCAL", "1000": "UNKNOWN",
}  # fmt: skip
_FACTS: Final[Mapping[str, str]] = {
    "selector.source_user": "user_id",
    "selector.source_run_link": "run_link",
    "selector.source_status": "status",
    "selector.source_status_message": "status_message",
}
DELETED_STAGE: Final = "Deleted_Internal"
HISTORY_TAG: Final = "mlflow.log-model.history"
LARGEST: Final = 2**63 - 1
"""The largest number that a database keeps."""

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


def moment(milliseconds: int) -> str:
    """Return milliseconds since 1970 as ISO 8601 in UTC; the number itself where no calendar has that day."""
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")
    except OverflowError:
        return str(milliseconds)


def aliases_of(told: Any) -> dict[str, int]:
    """Return aliases by name from a mapping; one that names no number is taken as version 0, which never exists."""
    if not isinstance(told, Mapping):
        return {}
    return {str(alias): whole_number(text_of(number).strip()) or 0 for alias, number in told.items()}


def facts_of(told: Mapping[str, Any]) -> dict[str, str]:
    """Return what a version says of itself that MLflow's client cannot set, by the tag that keeps it."""
    facts = {name: text_of(told.get(column)) for name, column in _FACTS.items()}
    if facts["selector.source_status"] in {"READY", "1"}:
        facts["selector.source_status"] = ""
    return {name: value for name, value in facts.items() if value}


def origin_of(told: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that MLflow 1 kept as fields of the run: user, code, version. Tags that are there stay."""
    kind = text_of(told.get("source_type"))
    found = {
        "mlflow.user": text_of(told.get("user_id")),
        "mlflow.source.name": text_of(told.get("source_name")),
        "mlflow.source.type": SOURCE_TYPE.get(kind, kind),
        "mlflow.source.git.commit": text_of(told.get("source_version")),
        "mlflow.project.entryPoint": text_of(told.get("entry_point_name")),
    }
    if not found["mlflow.source.name"]:
        del found["mlflow.source.type"]  # every run has one, and most say nothing
    return {**{name: value for name, value in found.items() if value}, **tags}


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

    A line is "timestamp value", "timestamp value step", or the latter with a dataset's name, which may hold spaces,
    and digest. MLflow 3 repeats a line when a model is linked.
    """
    found: dict[Hashable, Measurement] = {}
    bad = 0
    for line in _lines(text):
        parts = line.split()
        measured = _measured(key, parts[:3], parts[3:])
        if measured is None:
            bad += 1
        else:
            found.setdefault(same(measured), measured)
    return tuple(found.values()), bad


def model_metric_lines(key: str, text: str) -> tuple[tuple[tuple[str, Measurement], ...], int]:
    """Return run id and measurement of each line in a logged model's metric file, and how many lines say nothing."""
    found: dict[Hashable, tuple[str, Measurement]] = {}
    bad = 0
    for line in _lines(text):
        parts = line.split()
        measured = _measured(key, parts[:3], parts[4:]) if len(parts) > 3 else None  # noqa: PLR2004 - the run's place
        if measured is None:
            bad += 1
        else:
            found.setdefault((parts[3], same(measured)), (parts[3], measured))
    return tuple(found.values()), bad


def _lines(text: str) -> Iterator[str]:
    """Yield lines that hold anything; only line feeds end a line, for other signs may stand in a name."""
    return (line for line in text.split("\n") if line.strip())


def same(measured: Measurement) -> Hashable:
    """Return what two equal measurements share; NaN counts as equal to NaN, which no comparison says."""
    dataset = (measured.dataset_name, measured.dataset_digest)
    return (measured.key, measured.timestamp, measured.step, repr(measured.value), *dataset)


def _measured(key: str, numbers: list[str], dataset: list[str]) -> Measurement | None:
    try:
        timestamp, value = whole_number(numbers[0]), float(numbers[1])
    except (ValueError, IndexError):
        return None
    step = whole_number(numbers[2]) if len(numbers) > 2 else 0  # noqa: PLR2004 - the third number, where there is one
    if timestamp is None or step is None or not all(-LARGEST <= n <= LARGEST for n in (timestamp, step)):
        return None
    if len(dataset) < 2:  # noqa: PLR2004 - name and digest
        return Measurement(key, value, timestamp, step)
    return Measurement(key, value, timestamp, step, " ".join(dataset[:-1]), dataset[-1])
