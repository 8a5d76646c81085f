"""Which quarter, month or day is a folder called after?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_QUARTER: Final = re.compile(r"(?P<y>20\d\d)[_\-. ]?q(?P<q>[1-4])|q(?P<q2>[1-4])[_\-. ]?(?P<y2>20\d\d)", re.IGNORECASE)
_DAY: Final = re.compile(r"(?P<y>20\d\d)[_\-.]?(?P<m>[01]\d)[_\-.]?(?P<d>[0-3]\d)")
_DAY_FIRST: Final = re.compile(r"(?P<d>[0-3]\d)[_\-.](?P<m>[01]\d)[_\-.](?P<y>20\d\d)")
_MONTH: Final = re.compile(r"(?P<y>20\d\d)[_\-.]?(?P<m>[01]\d)")
_SUFFIX: Final = r"(?:[_\-][0-9a-z]{1,16})?"
_MONTHS_OF_A_QUARTER: Final = 3
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days in whatever zone the store is read in.

    Attributes:
        text: how the folder spells it, in one form: 2024-Q3, 2025-08, 2025-08-18.
        first: its first day, as (year, month, day).
        after: the day after its last one.

    """

    text: str
    first: tuple[int, int, int]
    after: tuple[int, int, int]

    def place(self, when: datetime, timezone: tzinfo = UTC) -> tuple[datetime, tuple[str, ...]]:
        """Return when a file of this period was made: its modification time where that lies within, else the end."""
        start, end = (datetime(*day, tzinfo=timezone).astimezone(UTC) for day in (self.first, self.after))
        if start <= when < end:
            return when, (f"the time is the file's modification time, which lies in {self.text} as the folder says",)
        return end - timedelta(seconds=1), (f"the time is the end of {self.text}, after which the folder is called",)


def period_of(name: str) -> Period | None:
    """Read `2024_q3`, `2025_Q1_ab12cd34`, `2025-08`, `202508`, `18-08-2025`, `2025-08-18`; None for anything else."""
    for pattern in (_QUARTER, _DAY, _DAY_FIRST, _MONTH):
        found = re.fullmatch(f"(?:{pattern.pattern}){_SUFFIX}", name, re.IGNORECASE)
        if found:
            return _quarter(found) if pattern is _QUARTER else _calendar(found)
    return None


def _quarter(found: re.Match[str]) -> Period:
    year, quarter = int(found["y"] or found["y2"]), int(found["q"] or found["q2"])
    month = (quarter - 1) * _MONTHS_OF_A_QUARTER + 1
    after = (year + 1, 1, 1) if month + _MONTHS_OF_A_QUARTER > _DECEMBER else (year, month + _MONTHS_OF_A_QUARTER, 1)
    return Period(f"{year}-Q{quarter}", (year, month, 1), after)


def _calendar(found: re.Match[str]) -> Period | None:
    parts = found.groupdict()
    year, month = int(parts["y"]), int(parts["m"])
    if not 1 <= month <= _DECEMBER:
        return None
    if parts.get("d") is None:
        after = (year + 1, 1, 1) if month == _DECEMBER else (year, month + 1, 1)
        return Period(f"{year}-{month:02}", (year, month, 1), after)
    try:
        day = datetime(year, month, int(parts["d"]), tzinfo=UTC)
    except ValueError:
        return None
    following = day + timedelta(days=1)
    return Period(f"{day:%Y-%m-%d}", (day.year, day.month, day.day), (following.year, following.month, following.day))
