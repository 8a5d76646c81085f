"""When was a legacy model made? Every spelling that was seen in real stores, read into aware UTC times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from migrations.periods import Period

CREATED_KEYS: Final = (
    "registered_at", "created_at", "created_at_utc", "created_timestamp", "creation_timestamp", "saved_at", "timestamp",
    "creation_date", "date_saved", "created_on", "recorded_at", "promotion_timestamp", "promoted_at",
    "training_timestamp", "trained_at", "training_date", "train_date", "trained_on", "trained_at_utc", "training_time",
    "training_completed_at", "last_updated", "last_update", "date", "datetime", "created", "run_date", "generated_at",
    "evaluated_at", "exported_at", "deployed_at",
)  # fmt: skip
STARTED_KEYS: Final = ("training_timestamp", "trained_at", "training_date", "train_date")
_STAMP: Final = re.compile(r"(?<!\d)(\d{8})[_\-T](\d{6})(?!\d)")
_EPOCH_SECONDS: Final = (631_152_000, 4_102_444_800)  # 1990 to 2100


def parse_time(value: Any, timezone: tzinfo = UTC) -> tuple[datetime, bool] | None:
    """Read one recorded time.

    Args:
        value: ISO 8601 with or without a zone, `20260628_112351`, a date, `2025-10-17@09:26:07`, or epoch seconds
            or milliseconds as a number.
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
    text = re.sub(r"^(\d{8})[_\-](\d{6})", r"\1T\2", text)
    text = re.sub(r"\s+(?=[+-]\d{2}:?\d{2}$|UTC$|Z$)", "", text)
    text = re.sub(r"(UTC|GMT)$", "Z", text)
    try:
        read = datetime.fromisoformat(text)
        naive = read.tzinfo is None
        return (read.replace(tzinfo=timezone) if naive else read).astimezone(UTC), naive
    except (ValueError, OverflowError):
        return None


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
    for key in STARTED_KEYS:
        read = parse_time(document.get(key), timezone)
        if read and read[0] < created:
            return read[0], created, (*note, f"the start is from {key}")
    return started, created, note


def _created(
    document: Mapping[str, Any], name: str, modified: float, timezone: tzinfo, period: Period | None
) -> tuple[datetime, tuple[str, ...]]:
    for key in CREATED_KEYS:
        read = parse_time(document.get(key), timezone)
        if read:
            zone = f", which has no zone; read as {timezone}" if read[1] else ""
            return read[0], (f"the time is from {key}{zone}",)
    stamp = stamp_in_name(name, timezone)
    if stamp:
        return stamp, (f"the time is from the name, which has no zone; read as {timezone}",)
    when = datetime.fromtimestamp(modified, UTC)
    if period is not None:
        return period.place(when, timezone)
    return when, ("the time is the file's modification time; nothing else records one",)
