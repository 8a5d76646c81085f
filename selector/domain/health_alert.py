"""What is told about production: an alert that is raised once, and its end?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

About = Literal["degraded", "warning", "silent", "drift", "better", "way_back"]


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """Something that people should hear of, said once.

    Attributes:
        key: names the trouble; the same trouble has the same key, and AlertResolved ends it.
        about: degraded, silent and way_back ask for action; warning, drift and better ask for a look.
        title: one line.
        text: what, how sure, since when, what was done, what to do; a few sentences.
        since: when it most likely began.

    """

    key: str
    model: str
    about: About
    title: str
    text: str
    at: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertResolved:
    """The end of what an AlertRaised of the same key told."""

    key: str
    model: str
    about: About
    text: str
    at: datetime


Alert = AlertRaised | AlertResolved
