"""When does a schedule come: a crontab line of five fields, read as crontab(5) reads it?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""By crontab's numbers; 7 is Sunday too."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBER = re.compile(r"[0-9]{1,2}")
_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Cron:
    """The times that a crontab line names; each field holds every value that it allows, in order.

    Attributes:
        minutes: 0 to 59.
        hours: 0 to 23.
        days: of the month, 1 to 31.
        months: 1 to 12.
        weekdays: 0 (Sunday) to 6 (Saturday).
        either: whether one of `days` and `weekdays` is enough. So crontab(5) has it where both are given.

    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either: bool = False


def cron(text: str) -> Cron:
    """Return the times that a line of five fields names: minute, hour, day of month, month, day of week.

    Raises:
        ValueError: not such a line, with the field and what would be right; or a date that never comes.

    """
    fields = SHORT.get(text.strip().lower(), text).lower().split()
    if len(fields) != _FIELDS:
        raise ValueError(
            f"a cron expression has five fields (minute hour day month weekday), this has {len(fields)};"
            " write it as 0 6 * * 1-5"
        )
    minute, hour, day, month, weekday = fields
    found = Cron(
        _field("minute", minute, 0, 59),
        _field("hour", hour, 0, 23),
        _field("day", day, 1, 31),
        _field("month", month, 1, 12, MONTHS, first_name=1),
        tuple(sorted({n % 7 for n in _field("weekday", weekday, 0, 7, WEEKDAYS)})),
        either=not day.startswith("*") and not weekday.startswith("*"),
    )
    if not found.either and min(found.days) > max(_LONGEST_MONTH[m - 1] for m in found.months):
        raise ValueError(f"day {min(found.days)} never comes in month {month}")
    return found


def _field(
    name: str, text: str, low: int, high: int, names: Sequence[str] = (), *, first_name: int = 0
) -> tuple[int, ...]:
    """Return the values of one field: a list of `*`, numbers, names and ranges, each with a step where wanted."""
    numbers = {word: first_name + index for index, word in enumerate(names)}
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and (not _NUMBER.fullmatch(step) or int(step) == 0):
            raise ValueError(f"{name}: the step in {part!r} is no number from 1 to 99")
        if span == "*":
            # 7 stands for Sunday where somebody writes it; * does not mean Sunday twice.
            first, last = low, high - 1 if name == "weekday" else high
        else:
            start, dash, end = span.partition("-")
            first = _value(name, start, low, high, numbers)
            last = _value(name, end, low, high, numbers) if dash else high if slash else first
        if name == "weekday" and last == 0 < first:
            last = 7  # fri-sun and 5-0
        if first > last:
            raise ValueError(f"{name}: {span!r} runs backwards")
        found.update(range(first, last + 1, int(step) if slash else 1))
    return tuple(sorted(found))


def _value(name: str, word: str, low: int, high: int, numbers: dict[str, int]) -> int:
    if word in numbers:
        return numbers[word]
    if not _NUMBER.fullmatch(word) or not low <= int(word) <= high:
        known = f" or {next(iter(numbers))} to {list(numbers)[-1]}" if numbers else ""
        raise ValueError(f"{name}: {word!r} is not {low} to {high}{known}")
    return int(word)
