"""What time is it, where a test says so?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MemoryClock:
    """A clock that stands still until it is moved.

    Args:
        start: an aware time; 2026-01-01 00:00 UTC where none is given.

    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.set(start)

    def now(self) -> datetime:
        """Return the time that was set, in UTC."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Jump to this aware time, forward or back."""
        if moment.tzinfo is None:
            raise ValueError(f"{moment!r} has no time zone")
        self._now = moment.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Move by so many seconds (negative: back)."""
        self._now += timedelta(seconds=seconds)
