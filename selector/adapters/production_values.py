"""What time, number or version does a value from somebody else's file, database or server mean?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "day", "at", "window_end", "ds")
ROWS_COLUMNS = ("example_count", "rows", "n", "n_rows", "count", "support", "n_samples")

_IN_NAME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])"
    r"(?:[T_ -]?([01]\d|2[0-3])[-_:]?([0-5]\d)(?:[-_:]?([0-5]\d))?)?(?!\d)"
)
_MILLISECONDS = 1e11
"""Seconds beyond this lie in the year 5138; such numbers are milliseconds."""


def moment(value: Any) -> datetime | None:
    """Return a time in UTC: from a datetime, a date, ISO 8601, or seconds or milliseconds since 1970; else None."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _since_1970(float(value))
    text = str(value or "").strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        seconds = number(text)
        return _since_1970(seconds) if seconds is not None else None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def moment_in(name: str) -> datetime | None:
    """Return the time that a file name holds, as in 2025-09-21.csv or batch_20250921_0130.parquet; the last one."""
    found = None
    for match in _IN_NAME.finditer(name):
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        try:
            found = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            continue
    return found


def number(value: Any) -> float | None:
    """Return a number, or None for anything else, truth values included."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def whole(value: Any) -> int | None:
    """Return a whole number of at least 0, also from "3", "v3" and 3.0; else None."""
    found = number(str(value).strip().lstrip("vV")) if isinstance(value, str) else number(value)
    return int(found) if found is not None and math.isfinite(found) and found >= 0 and found == int(found) else None


def column(wanted: str, there: Iterable[str], usual: Iterable[str]) -> str | None:
    """Return the column with this name, or the first of the usual ones that is there, in any case of letters."""
    names = list(there)
    if wanted:
        return wanted if wanted in names else None
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), None)


def numbers(row: Mapping[str, Any], without: Iterable[str | None]) -> dict[str, float]:
    """Return the columns of one row that hold numbers, by their names."""
    left_out = set(without)
    found = {str(name): number(value) for name, value in row.items() if name not in left_out}
    return {name: value for name, value in found.items() if value is not None}


def _since_1970(value: float) -> datetime | None:
    if not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value / 1000.0 if abs(value) > _MILLISECONDS else value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
