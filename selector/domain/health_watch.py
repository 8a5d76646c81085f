"""Is one monitored metric worse than its floor? One small state per metric, class or slice, kept between batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from selector.domain.health_evidence import (
    DROPS,
    NOTHING_YET,
    RISES,
    SIGNALS,
    Evidence,
    advance,
    fresh,
    share_drop,
    share_rise,
    strength,
    value_drop,
    value_rise,
)

State = Literal["unknown", "healthy", "warning", "degraded"]
Kind = Literal["f1", "share", "higher", "lower"]
"""F1 and other shares of rows, whose counts are tested exactly; values that should be high, or low, with an error."""

POOL_ROWS = 300
"""Values with a standard error are pooled until so many rows stand behind them: below, they are not near normal."""

WARNING_PART = 10.0
"""A warning needs a tenth of the evidence of an alarm, and ends below a hundredth of it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one batch says of one monitored metric.

    Attributes:
        name: which one: "F1", "F1 of class Yes", "F1 where region=north".
        value: in the metric's unit; None where the batch gives none.
        rows: labelled rows behind it; 0 where nobody knows.
        hits: with `of`, the counts behind a share; None for other metrics.
        standard_error: of the value, > 0; None where it is not known.

    """

    name: str
    kind: Kind
    value: float | None
    rows: int
    hits: int | None = None
    of: int | None = None
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """Small batches that wait for more rows; sums over batches of n, n value, n^2 variance, hits and of."""

    rows: int = 0
    weighted: float = 0.0
    variance: float = 0.0
    hits: int = 0
    of: int = 0

    def add(self, reading: Reading) -> Pool:
        """Return the pool with one more reading."""
        n, error = reading.rows, reading.standard_error or 0.0
        return Pool(
            rows=self.rows + n,
            weighted=self.weighted + n * (reading.value or 0.0),
            variance=self.variance + (n * error) ** 2,
            hits=self.hits + (reading.hits or 0),
            of=self.of + (reading.of or 0),
        )

    @property
    def value(self) -> float:
        """The mean over rows."""
        return self.weighted / self.rows

    @property
    def standard_error(self) -> float:
        """The standard error of that mean, batches taken as independent."""
        return math.sqrt(self.variance) / self.rows


@dataclass(frozen=True, slots=True)
class Watched:
    """One monitored metric: its claim and what the batches have said so far.

    Attributes:
        floor: the claim is that the metric is at least this (at most, where `kind` is "lower").
        reference: what it was when the champion was promoted; None where that is not known.
        since: when the present state began, by the time of the batch; None while it is unknown.
        rows: labelled rows counted since the watch began.
        batches: batches counted since the watch began.
        of: rows of the share counted since the watch began.
        down: evidence for a metric below the floor.
        up: evidence for a metric above the floor; counted only while it is degraded.
        below: batches in a row below the floor, for the plain rule (negative: in a row at or above it).
        pool: batches too small to be judged alone.

    """

    name: str
    kind: Kind
    floor: float
    reference: float | None = None
    state: State = "unknown"
    since: datetime | None = None
    last: float | None = None
    rows: int = 0
    batches: int = 0
    of: int = 0
    down: Evidence = ()
    up: Evidence = ()
    below: int = 0
    pool: Pool = Pool()

    @property
    def share(self) -> bool:
        """Whether it is tested by exact counts."""
        return self.kind in ("f1", "share")


@dataclass(frozen=True, slots=True)
class Patience:
    """How much evidence an alarm needs.

    Attributes:
        false_alarm_every: N; at the floor itself, batches between false alarms, on average at least. All monitored
            metrics of a model share it.
        recover_every: the same for a false all-clear while a metric still lies below its floor.
        minimum_rows: labelled rows before anything is said, in either direction; the plain rule also pools batches
            until they have so many.
        monitors: how many metrics are watched at once.
        plain: alarm as soon as `in_a_row` batches lie below the floor, whatever their size.

    """

    false_alarm_every: float = 365.0
    recover_every: float = 50.0
    minimum_rows: int = 50
    monitors: int = 1
    plain: bool = False
    in_a_row: int = 1

    @property
    def alarm(self) -> float:
        """Log of the evidence that an alarm needs."""
        return math.log(self.false_alarm_every * max(self.monitors, 1))


def step(watched: Watched, reading: Reading, patience: Patience, at: datetime) -> Watched:
    """Return the state after one more batch. Rows are counted even where they are too few to say anything."""
    if reading.value is None and not reading.of:
        return watched
    counted = replace(
        watched,
        last=watched.last if reading.value is None else reading.value,
        rows=watched.rows + reading.rows,
        batches=watched.batches + 1,
        of=watched.of + (reading.of or 0),
    )
    judged = _by_plain_rule(counted, reading, patience) if patience.plain else _by_evidence(counted, reading)
    if judged.rows < patience.minimum_rows and not _rows_unknown(judged, patience):
        return judged
    state = _plain_state(judged, patience) if patience.plain else _state(judged, patience)
    if state == watched.state:
        return judged
    turned = "degraded" in (state, watched.state)
    return replace(
        judged,
        state=state,
        since=at,
        down=fresh(judged.down) if turned else judged.down,
        up=fresh(judged.up) if turned else judged.up,
    )


def _rows_unknown(watched: Watched, patience: Patience) -> bool:
    """Tell whether only the plain rule can judge: values of which nobody says how many rows stand behind them."""
    return patience.plain and watched.rows == 0


def _by_evidence(watched: Watched, reading: Reading) -> Watched:
    down, up = _started(watched)
    degraded = watched.state == "degraded"
    if watched.share:
        if not reading.of or reading.hits is None:
            return watched
        f1, floor = watched.kind == "f1", watched.floor
        worse = share_drop(reading.hits, reading.of, floor, f1=f1)
        better = share_rise(reading.hits, reading.of, floor, f1=f1) if degraded else ()
        return replace(watched, down=advance(down, worse), up=advance(up, better) if degraded else up)
    if reading.value is None or not reading.standard_error or not reading.rows:
        return watched
    pool = watched.pool.add(reading)
    if pool.rows < POOL_ROWS:
        return replace(watched, pool=pool)
    z = (pool.value - watched.floor) / pool.standard_error * (-1.0 if watched.kind == "lower" else 1.0)
    return replace(
        watched,
        pool=Pool(),
        down=advance(down, value_drop(z)),
        up=advance(up, value_rise(z)) if degraded else up,
    )


def _started(watched: Watched) -> tuple[Evidence, Evidence]:
    alternatives, rises = (DROPS, RISES) if watched.share else (SIGNALS, SIGNALS)
    return watched.down or fresh(alternatives), watched.up or fresh(rises)


def _state(watched: Watched, patience: Patience) -> State:
    if watched.state == "degraded":
        recovered = bool(watched.up) and strength(watched.up) >= math.log(patience.recover_every)
        return "healthy" if recovered else "degraded"
    if not watched.down or max(watched.down) == NOTHING_YET:
        return watched.state  # nothing was judged yet, or not since the last turn
    found = strength(watched.down)
    if found >= patience.alarm:
        return "degraded"
    if found >= patience.alarm - math.log(WARNING_PART):
        return "warning"
    calm = found < patience.alarm - 2.0 * math.log(WARNING_PART)
    return "warning" if watched.state == "warning" and not calm else "healthy"


def _by_plain_rule(watched: Watched, reading: Reading, patience: Patience) -> Watched:
    pool = watched.pool.add(reading)
    if pool.rows < patience.minimum_rows and reading.rows:
        return replace(watched, pool=pool)
    if watched.share and pool.of:
        value: float | None = 2 * pool.hits / (pool.hits + pool.of) if watched.kind == "f1" else pool.hits / pool.of
    else:
        value = pool.value if pool.rows else reading.value
    if value is None:
        return watched
    below = value > watched.floor if watched.kind == "lower" else value < watched.floor
    run = (max(watched.below, 0) + 1) if below else (min(watched.below, 0) - 1)
    return replace(watched, pool=Pool(), below=run)


def _plain_state(watched: Watched, patience: Patience) -> State:
    if watched.below >= patience.in_a_row:
        return "degraded"
    if watched.state == "degraded":
        return "healthy" if -watched.below >= patience.in_a_row else "degraded"
    if watched.below > 0:
        return "warning"
    return "healthy" if watched.below else watched.state
