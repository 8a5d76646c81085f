"""When was a legacy model made? Every spelling that was seen in real stores, read into aware UTC times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from migrations.periods import Period

CREATED_KEYS: Final = (
    "registered_at", "registered_at_utc", "created_at", "created_at_utc", "created_timestamp", "creation_timestamp",
    "created_date", "saved_at", "saved_at_utc", "timestamp", "timestamp_utc", "creation_date", "date_saved",
    "created_on", "recorded_at", "promotion_timestamp", "promoted_at", "training_timestamp", "trained_at",
    "training_date", "train_date", "trained_on", "trained_at_utc", "training_time", "training_completed_at",
    "last_updated", "last_update", "date", "datetime", "created", "run_date", "generated_at", "generated_at_utc",
    "evaluated_at", "exported_at", "deployed_at", "deployment_timestamp", "updated_at", "creation_time",
    "stop_time", "end_time", "fecha_creacion", "fecha", "fecha_entrenamiento", "entrenado_en", "data_criacao",
    "data_treino", "data_treinamento", "treinado_em", "erstellt_am", "trainiert_am", "date_creation",
    "date_entrainement", "创建时间", "训练时间", "utc_time_created",
)  # fmt: skip
STARTED_KEYS: Final = ("training_timestamp", "trained_at", "training_date", "train_date")
_SPELLINGS: Final = (
    "%Y-%m-%dT%H-%M-%S", "%Y-%m-%dT%H-%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M", "%d.%m.%Y", "%a %b %d %H:%M:%S %Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y",
    "%Y年%m月%d日",
)  # fmt: skip
"""Other ways of writing a time of which only one order of day and month is possible."""
_STAMP: Final = re.compile(r"(?<!\d)(\d{8})[_\-T](\d{6})(?!\d)")
_DASHED_STAMP: Final = re.compile(
    r"(?<!\d)(\d{4}-\d{2}-\d{2})[_\-T/ ](\d{2})[\-.:_](\d{2})[\-.:_](\d{2})(\.\d+Z)?(?!\d)"
)
_ZONED: Final = re.compile(r"\d\.\d+Z")
_NO_ZONE: Final = ", which has no zone; read as {}"
_EPOCH_SECONDS: Final = (631_152_000, 4_102_444_800)  # 1990 to 2100


def parse_time(value: Any, timezone: tzinfo = UTC) -> tuple[datetime, bool] | None:
    """Read one recorded time.

    Args:
        value: ISO 8601 with or without a zone, `20260628_112351`, a date, `2025-10-17@09:26:07`,
            `2025-10-17_09-26-07`, `17.10.2025 09:26`, `Oct 17, 2025`, or epoch seconds or milliseconds as a number.
            `03/04/2025` is no time: nothing says whether March or April is meant.
        timezone: what a time without a zone is taken to be in.

    Returns:
        (the time in UTC, whether it had no zone), or None where it is no time.

    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _epoch(float(value))
    if not isinstance(value, str) or not 8 <= len(value.strip()) <= 40:  # noqa: PLR2004  from "20260628" to microseconds and zone
        return None
    text = value.strip().replace("@", "T")
    text = re.sub(r"^(\d{8})[_\-](\d{6}|\d{4}$)", r"\1T\2", text)
    text = re.sub(r"^(\d{4}-\d{2}-\d{2})_(?=\d{2})", r"\1T", text)
    text = re.sub(r"\s+(?=[+-]\d{2}:?\d{2}$|UTC$|Z$)", "", text)
    text = re.sub(r"(UTC|GMT)$", "Z", text)
    read = _spelled(text)
    if read is None:
        return None
    naive = read.tzinfo is None
    try:
        return (read.replace(tzinfo=timezone) if naive else read).astimezone(UTC), naive
    except OverflowError:
        return None


def _spelled(text: str) -> datetime | None:
    """Read ISO 8601, else the first of the other spellings that fits."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for spelling in _SPELLINGS:
        try:
            return datetime.strptime(text, spelling)  # noqa: DTZ007  the caller gives it its zone
        except ValueError:
            continue
    return None


def recorded_times(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded under the keys of times, also where they are spelled createdAt or Created At."""
    plain = {re.sub(r"[\W_]", "", key).lower(): value for key, value in document.items() if isinstance(key, str)}
    found = ((key, document.get(key, plain.get(key.replace("_", "")))) for key in CREATED_KEYS)
    return {key: value for key, value in found if value is not None}


def _epoch(value: float) -> tuple[datetime, bool] | None:
    low, high = _EPOCH_SECONDS
    seconds = value / 1000 if low * 1000 <= value <= high * 1000 else value
    return (datetime.fromtimestamp(seconds, UTC), False) if low <= seconds <= high else None


def stamp_in_name(name: str, timezone: tzinfo = UTC) -> datetime | None:
    """Return the time that a name such as `xgboost_20250820_104603` carries, or None."""
    for found in _STAMP.finditer(name):
        read = parse_time(f"{found[1]}T{found[2]}", timezone)
        if read:
            return read[0]
    for found in _DASHED_STAMP.finditer(name):
        day, hour, minute, second, fraction = found.groups()
        read = parse_time(f"{day}T{hour}:{minute}:{second}{fraction or ''}", timezone)
        if read:
            return read[0]
    return None


def read_times(
    document: Mapping[str, Any], name: str, modified: float, timezone: tzinfo = UTC, period: Period | None = None
) -> tuple[datetime, datetime, tuple[str, ...]]:
    """Find when a model was started and created.

    Args:
        document: parsed metadata.
        name: the legacy name, which may carry a stamp.
        modified: the model file's modification time in epoch seconds, the last resort.
        timezone: for times without a zone.
        period: the quarter, month or day that a folder is called after.

    Returns:
        (started_at, created_at, notes): aware UTC, started_at <= created_at.

    """
    created, note = _created(document, name, modified, timezone, period)
    started = created
    recorded = recorded_times(document)
    for key in STARTED_KEYS:
        read = parse_time(recorded.get(key), timezone)
        if read and read[0] < created:
            return read[0], created, (*note, f"the start is from {key}")
    return started, created, note


def _created(
    document: Mapping[str, Any], name: str, modified: float, timezone: tzinfo, period: Period | None
) -> tuple[datetime, tuple[str, ...]]:
    for key, value in recorded_times(document).items():
        read = parse_time(value, timezone)
        if read:
            zone = _NO_ZONE.format(timezone) if read[1] else ""
            return read[0], (f"the time is from {key}{zone}",)
    stamp = stamp_in_name(name, timezone)
    if stamp:
        return stamp, (f"the time is from the name{'' if _ZONED.search(name) else _NO_ZONE.format(timezone)}",)
    when = datetime.fromtimestamp(modified, UTC)
    if period is not None:
        return period.place(when, timezone)
    return when, ("the time is the file's modification time; nothing else records one",)
