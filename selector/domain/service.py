"""What is known about the running daemon at this moment, for whoever asks how it is?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Phase = Literal["starting", "standby", "active", "stopping"]


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the last look at one model came to.

    Attributes:
        verdict: of the decision; None where the look failed.
        champion: the version that is champion; None where there is none.
        score: the champion's, of `metric`; None where it is not known.
        error: why the look failed, as one sentence; empty where it did not.

    """

    at: datetime
    verdict: str | None
    champion: int | None = None
    metric: str = ""
    score: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One moment of the daemon; replaced as a whole, never changed.

    Attributes:
        doing: one sentence.
        turns: how many it took since its start.
        turned_at: the end of the last turn.
        good_at: the end of the last turn in which MLflow could be read.
        mlflow: why MLflow cannot be read, as one sentence; empty where it can.
        configuration: why the configuration on disk is not the one in force; empty where it is.
        troubles: what failed in the last turn and is tried again, as (about what, sentence).
        hints: what keeps each source of hints from working; None where nothing does.
        waiting: how many models are still to be looked at.

    """

    phase: Phase
    started_at: datetime
    doing: str = ""
    turns: int = 0
    turned_at: datetime | None = None
    good_at: datetime | None = None
    mlflow: str = ""
    configuration: str = ""
    troubles: tuple[tuple[str, str], ...] = ()
    hints: Mapping[str, str | None] = field(default_factory=dict)
    waiting: int = 0
    models: Mapping[str, ModelState] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it is at work, or stands by for the one that is, and can read MLflow."""
        return self.phase == "standby" or (self.phase == "active" and self.good_at is not None and not self.mlflow)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the service did not work, as seen from outside.

    Attributes:
        since: when the trouble was seen first.
        told: when each channel was told last, by the channel's name.

    """

    since: datetime
    told: Mapping[str, datetime] = field(default_factory=dict)
