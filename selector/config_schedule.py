"""When is a model looked at although nothing happened?"""

from __future__ import annotations

from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from selector.config_section import Section
from selector.config_values import Word, parse_duration
from selector.domain.schedule import Cron, cron

SHORTEST = 1.0


class ScheduleSettings(Section):
    """Looks at fixed times, besides those that something new leads to: a text, or the keys below."""

    shorthand: ClassVar[str | None] = "when"
    when: Word = Field(
        description="A cron expression of five fields (minute hour day month weekday, 0 and 7 are Sunday), or an"
        " interval such as 6h.",
        examples=['"0 6 * * 1-5"'],
    )
    timezone: str = Field(
        default="UTC",
        description="The time zone of the cron expression, by its IANA name.",
        examples=["Europe/Berlin"],
    )

    @field_validator("when")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        _times(text)
        return text

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone; write it as Europe/Berlin or UTC") from None
        return name

    @property
    def times(self) -> Cron | float:
        """The times, or the seconds from one look to the next."""
        return _times(self.when)


def _times(text: str) -> Cron | float:
    """Return what the text means: many words or an @ make a cron expression, one word an interval."""
    words = text.split()
    if text.strip().startswith("@") or len(words) > 2:  # noqa: PLR2004 - "1h 30m" is an interval
        return cron(text)
    try:
        seconds = parse_duration(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a cron expression of five fields, as in 0 6 * * 1-5, nor an interval, as in 6h"
        ) from None
    if seconds < SHORTEST:
        raise ValueError(f"{text!r} is shorter than 1s")
    return seconds
