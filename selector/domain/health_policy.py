"""How is production watched, and what is done when it degrades?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from selector.domain.health import Act, Health
from selector.domain.health_watch import Patience
from selector.domain.health_words import duration
from selector.domain.metric import Metric

OnDegraded = Literal["alert", "rollback", "reselect", "run"]
OnBetter = Literal["alert", "promote"]

DEFAULT_DROP = 0.05
FLAP_WINDOW = 30 * 86_400.0
"""The flap limit counts what was done within these seconds."""


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to be done about a degraded champion.

    Attributes:
        what: nothing, rollback, reselect or run.
        why: for nothing, what holds it back; "" where there is nothing to do.

    """

    what: Literal["nothing", "rollback", "reselect", "run"] = "nothing"
    why: str = ""


def to_do(health: Health, policy: MonitorPolicy, now: datetime) -> Todo:
    """Return what is to be done: once per champion, not within the cool-down, and not beyond the flap limit."""
    if health.state != "degraded" or policy.on_degraded == "alert":
        return Todo()
    mine = [a for a in health.acts if a.version == health.version and (health.began is None or a.at >= health.began)]
    if any(_settled(act) for act in mine):
        return Todo()
    newest = health.acts[-1] if health.acts else None
    if newest is not None and (now - newest.at).total_seconds() < policy.cool_down:
        failed = "" if newest.done or newest.waiting else ", which failed"
        return Todo(why=f"nothing is done within {duration(policy.cool_down)} of the last {newest.what}{failed}")
    recent = [a for a in health.acts if a.done and (now - a.at).total_seconds() < FLAP_WINDOW]
    if len(recent) >= policy.flap_limit:
        return Todo(why=f"{len(recent)} actions in 30 days are as many as flap_limit allows; a person has to look")
    return Todo(policy.on_degraded)


def _settled(act: Act) -> bool:
    return act.done or act.waiting or act.what == "run"


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
        floors: further metrics that are watched, each with its floor (a ceiling, where lower is better).
        drift: look at the inputs too.
        cool_down: seconds after an action in which no other one is taken.
        flap_limit: actions within 30 days, after which only alerts are raised.
        challengers: how many challengers answer production's rows beside the champion.
        on_better: what is done about one that proved better.

    """

    metric: Metric | None = None
    minimum: float | None = None
    maximum_drop: float | None = None
    relative_drop: float | None = None
    patience: Patience = field(default=Patience())
    expect_every: float | None = None
    per_class: bool | tuple[tuple[str, float], ...] = False
    slices: tuple[str, ...] = ()
    floors: tuple[tuple[str, Metric, float], ...] = ()
    drift: bool = True
    on_degraded: OnDegraded = "alert"
    command: tuple[str, ...] = ()
    command_timeout: float = 3_600.0
    cool_down: float = 86_400.0
    flap_limit: int = 2
    challengers: int = 0
    on_better: OnBetter = "alert"

    @property
    def drop(self) -> float | None:
        """How far it may fall; 0.05 where neither floor nor drop is configured."""
        nothing = self.minimum is None and self.maximum_drop is None and self.relative_drop is None
        return DEFAULT_DROP if nothing else self.maximum_drop


def floor_of(
    reference: float | None,
    *,
    minimum: float | None,
    maximum_drop: float | None,
    relative_drop: float | None,
    lower_is_better: bool = False,
    bound: float | None = None,
) -> float | None:
    """Return the claim of one metric, or None where nothing tells it; the strictest of what is configured.

    Args:
        reference: the score at promotion, or on the holdout; None where it is not known.
        minimum: a limit of its own (a maximum, where lower is better).
        maximum_drop: how far it may fall below the reference, in the metric's unit.
        relative_drop: the same as a share of the reference.
        lower_is_better: the metric is a loss.
        bound: the pessimistic end of the reference's interval, which leaves room for luck in few rows.

    """
    sign = -1.0 if lower_is_better else 1.0
    found = [] if minimum is None else [minimum]
    if reference is not None and math.isfinite(reference):
        drops = [maximum_drop] if maximum_drop is not None else []
        drops += [relative_drop * abs(reference)] if relative_drop is not None else []
        found += [reference - sign * drop for drop in drops]
    if not found:
        return None
    strict = max(found, key=lambda f: sign * f)
    return strict if bound is None else min(strict, bound, key=lambda f: sign * f)
