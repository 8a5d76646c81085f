"""What did a person decide about one entry of an import?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from migrations.headline import headline
from migrations.model import StagedModel
from migrations.numbers import number
from migrations.timestamps import parse_time
from migrations.unknown_keys import refuse_unknown
from selector.domain.metric import AVERAGES
from selector.errors import UsageError

KEYS: Final = (
    "action", "path", "fingerprint", "name", "model_type", "created", "started", "metrics", "scale", "average",
    "params", "alias", "stage", "notes", "reason",
)  # fmt: skip
ACTIONS: Final = ("import", "skip")
SCALES: Final = ("recorded", "fraction")
STAGES: Final = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One entry of a plan; None leaves what the scan says."""

    action: str
    fingerprint: str = ""
    name: str | None = None
    model_type: str | None = None
    created: datetime | None = None
    started: datetime | None = None
    metrics: Mapping[str, float] | None = None
    scale: Mapping[str, str] | None = None
    average: str | None = None
    params: Mapping[str, str] | None = None
    alias: str = ""
    stage: str = ""

    def apply(self, staged: StagedModel) -> StagedModel:
        """Return the entry as the person wants it; what they changed is noted."""
        created = self.created or staged.created_at
        started = min(self.started or staged.started_at, created)
        metrics = dict(staged.metrics if self.metrics is None else self.metrics)
        for key, scale in (self.scale or {}).items():
            if scale == "fraction" and key in metrics:
                metrics[key] /= 100
        metrics = self._averaged(metrics, staged)
        wanted = replace(
            staged,
            name=self.name or staged.name,
            model_type=staged.model_type if self.model_type is None else self.model_type,
            created_at=created,
            started_at=started,
            metrics=metrics,
            percent=tuple(key for key in staged.percent if key in metrics and metrics[key] == staged.metrics.get(key)),
            params=staged.params if self.params is None else self.params,
            alias=self.alias,
            stage=self.stage,
        )
        changed = [what for what in _COMPARED if getattr(wanted, what) != getattr(staged, what)]
        if not changed:
            return wanted
        return replace(wanted, notes=(*staged.notes, f"changed in the plan: {', '.join(changed)}"))

    def _averaged(self, metrics: dict[str, float], staged: StagedModel) -> dict[str, float]:
        """Put an averaging that the person corrected into the key of the F1."""
        found, before = headline(metrics), headline(staged.metrics)
        if self.average is None or found is None or self.average == (before.average if before else None):
            return metrics
        if self.average in found.key:
            return metrics
        return {(f"{key}_{self.average}" if key == found.key else key): value for key, value in metrics.items()}


_COMPARED: Final = ("name", "model_type", "created_at", "started_at", "metrics", "params", "alias", "stage")


def read_entries(entries: Sequence[Any]) -> dict[str, Reviewed]:
    """Return the entries of a plan by source.

    Raises:
        UsageError: an entry says something that a plan does not know.

    """
    read: dict[str, Reviewed] = {}
    for index, entry in enumerate(entries):
        where = f"entry {index + 1}"
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise UsageError(f"{where} of the plan has no path.")
        where += f" ({entry['path']})"
        refuse_unknown(entry, KEYS, where)
        action = _one_of(entry.get("action"), ACTIONS, f"{where}: action")
        if read.get(entry["path"], Reviewed("skip")).action == "import":
            if action == "import":
                raise UsageError(f"{where} is in the plan twice.")
            continue
        read[entry["path"]] = Reviewed(action) if action == "skip" else _read(entry, where)
    return read


def _read(entry: Mapping[str, Any], where: str) -> Reviewed:
    average = entry.get("average")
    stage = entry.get("stage")
    return Reviewed(
        action="import",
        fingerprint=_text(entry.get("fingerprint"), f"{where}: fingerprint") or "",
        name=_text(entry.get("name"), f"{where}: name"),
        model_type=_text(entry.get("model_type"), f"{where}: model_type"),
        created=_time(entry.get("created"), f"{where}: created"),
        started=_time(entry.get("started"), f"{where}: started"),
        metrics=_metrics(entry.get("metrics"), where),
        scale={k: _one_of(v, SCALES, f"{where}: scale.{k}") for k, v in _group(entry.get("scale"), where).items()},
        average=None if average is None else _one_of(average, AVERAGES, f"{where}: average"),
        params=None if entry.get("params") is None else {k: str(v) for k, v in _group(entry["params"], where).items()},
        alias=_text(entry.get("alias"), f"{where}: alias") or "",
        stage="" if stage is None else _one_of(stage, STAGES, f"{where}: stage"),
    )


def _one_of(value: Any, allowed: Sequence[str], where: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise UsageError(f"{where} is {value!r}.", advice=f"It is one of {', '.join(allowed)}.")
    return value


def _text(value: Any, where: str) -> str | None:
    if value is not None and not isinstance(value, str | int | float):
        raise UsageError(f"{where} is {value!r}, not a text.")
    return None if value is None else str(value)


def _group(value: Any, where: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise UsageError(f"{where}: {value!r} is no group of keys and values.")
    return {str(key): held for key, held in (value or {}).items()}


def _metrics(value: Any, where: str) -> dict[str, float] | None:
    if value is None:
        return None
    read = {key: number(held) for key, held in _group(value, where).items()}
    for key, held in read.items():
        if held is None:
            raise UsageError(f"{where}: the metric {key} is {value[key]!r}, not a number.")
    return {key: held for key, held in read.items() if held is not None}


def _time(value: Any, where: str) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    read = parse_time(value if not hasattr(value, "isoformat") else value.isoformat())
    if read is None:
        raise UsageError(f"{where} is {value!r}, not a time.", advice="Write it as 2025-05-05T10:01:26Z.")
    return read[0]
