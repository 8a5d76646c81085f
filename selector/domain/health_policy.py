"""How is production watched, and what is done when it degrades?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from selector.domain.health_watch import Patience
from selector.domain.metric import Metric

OnDegraded = Literal["alert", "rollback", "reselect", "run"]

DEFAULT_DROP = 0.05
FLAP_WINDOW = 30 * 86_400.0
"""The flap limit counts what was done within these seconds."""


@dataclass(frozen=True, slots=True)
class MonitorPolicy:
    """The rules for watching one model.

    Attributes:
        metric: what is watched; None: what candidates are ranked by.
        minimum: the floor itself (a ceiling, where lower is better).
        maximum_drop: how far it may fall below the score at promotion, in the metric's unit.
        relative_drop: the same as a share of that score.
        patience: how much evidence an alarm needs.
        expect_every: seconds from one batch to the next; None where nothing is expected.
        per_class: floors of single classes by name; an empty mapping watches all against their score on the holdout.
        drift: look at the inputs too.
        cool_down: seconds after an action in which no other one is taken.
        flap_limit: actions within 30 days, after which only alerts are raised.

    """

    metric: Metric | None = None
    minimum: float | None = None
    maximum_drop: float | None = None
    relative_drop: float | None = None
    patience: Patience = field(default=Patience())
    expect_every: float | None = None
    per_class: bool | tuple[tuple[str, float], ...] = False
    slices: tuple[str, ...] = ()
    drift: bool = True
    on_degraded: OnDegraded = "alert"
    command: tuple[str, ...] = ()
    command_timeout: float = 3_600.0
    cool_down: float = 86_400.0
    flap_limit: int = 2

    @property
    def drop(self) -> float | None:
        """How far it may fall; 0.05 where neither floor nor drop is configured."""
        nothing = self.minimum is None and self.maximum_drop is None and self.relative_drop is None
        return DEFAULT_DROP if nothing else self.maximum_drop
