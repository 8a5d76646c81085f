"""Has production become worse? The health of one champion, kept between batches, and what changes with a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from selector.domain.health_alert import Alert
from selector.domain.health_drift import Bins, Drift
from selector.domain.health_explain import Counts, change_point
from selector.domain.health_readings import Measured
from selector.domain.health_watch import Patience, Reading, State, Watched, step
from selector.domain.live import LiveChallenger
from selector.domain.model import NOTHING
from selector.domain.plain import plain, read

WORST_FIRST: tuple[State, ...] = ("degraded", "warning", "healthy", "unknown")
MOST_POINTS = 400
MOST_SEEN = 100_000
MOST_WATCHED = 200
"""Classes and slices beyond this are not watched; each one more makes every alarm slower."""

Turn = Literal["degraded", "recovered", "warning", "calm"]


@dataclass(frozen=True, slots=True)
class Reference:
    """What the champion did on the holdout when the watch began.

    Attributes:
        name: of the model's own metric.
        floors: the claim of each monitored metric by name; new slices take the model's own floor.
        scores: what each was on the holdout.
        counts: the holdout's two-by-two table, where there are two classes.
        bins: how its features were spread.
        classes: class labels as the holdout spells them; empty for a regression.
        positive: index of the positive class.
        rules: digest of the configured rules that the floors follow from.

    """

    name: str = ""
    floors: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    scores: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    counts: Counts | None = None
    bins: tuple[Bins, ...] = ()
    classes: tuple[str, ...] = ()
    positive: int | None = None
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One batch in the picture of the model's own metric.

    Attributes:
        state: health after this batch.
        version: the champion that it is about.
        estimate: F1 as the model's own probabilities expect it; shown only.

    """

    at: datetime
    batch: str
    version: int | None
    value: float | None
    rows: int
    state: State
    floor: float | None = None
    hits: int | None = None
    of: int | None = None
    counts: Counts | None = None
    estimate: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A monitored metric that turned.

    Attributes:
        turn: degraded, recovered (from degraded), warning, or calm (a warning that passed).
        began: when the change most likely began, by the time of its first batch.
        batch: the batch that tipped the scales.

    """

    turn: Turn
    name: str
    at: datetime
    batch: str
    value: float | None
    floor: float
    began: datetime | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done about a degraded champion.

    Attributes:
        what: rollback, reselect or run.
        version: the champion that it was about.
        decision: id under which the ledger has it.
        done: False where it could not be done; for a command until it has ended well.
        waiting: a command that has not ended.

    """

    at: datetime
    what: str
    version: int
    decision: str
    done: bool
    text: str
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one source was read.

    Attributes:
        until: time of the newest batch.
        skipped: values left out since the last one that counted, because they overlap with it; None before the first.

    """

    source: str
    until: datetime | None = None
    skipped: int | None = None


@dataclass(frozen=True, slots=True)
class WayBack:
    """Whether the version that a rollback would bring back can still be loaded and answers.

    Attributes:
        version: None where there is no earlier good champion.
        at: when that was checked, by our clock.
        reason: why it does not answer; "" where it does.

    """

    version: int | None
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one registered model's production.

    Attributes:
        version: the champion that is watched.
        began: when its watch began.
        watched: one state per monitored metric, the model's own first.
        points: the newest batches, oldest first, over all champions.
        seen: ids of batches that were read, the newest last; each counts once.
        last_at: time of the newest batch.
        last_seen: when a batch was read last, by our clock.
        drift: features that have moved in the newest batch that could tell.
        acts: what was done about degraded champions, the newest last.
        open: keys of alerts that were raised and not resolved.
        untold: alerts that nobody has taken over for delivery yet, oldest first.
        cursors: how far each source was read.
        after: batches that came before this time and carry their own answers are about an earlier champion; None for
            the first champion that is watched.
        challengers: who answers the same rows beside the champion, in the order in which they came.
        way_back: what was found out about the version that a rollback would bring back; None before the first check.

    """

    version: int | None = None
    began: datetime | None = None
    watched: tuple[Watched, ...] = ()
    points: tuple[Point, ...] = ()
    seen: tuple[str, ...] = ()
    last_at: datetime | None = None
    last_seen: datetime | None = None
    reference: Reference = Reference()
    drift: tuple[Drift, ...] = ()
    acts: tuple[Act, ...] = ()
    open: tuple[str, ...] = ()
    untold: tuple[Alert, ...] = ()
    cursors: tuple[Cursor, ...] = ()
    after: datetime | None = None
    challengers: tuple[LiveChallenger, ...] = ()
    way_back: WayBack | None = None

    @property
    def state(self) -> State:
        """The worst of all monitored metrics; unknown while the model's own metric is."""
        found = {w.state for w in self.watched}
        if found & {"degraded", "warning"}:
            return next(s for s in WORST_FIRST if s in found)
        return self.watched[0].state if self.watched else "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which `from_json` makes an equal state."""
        found: dict[str, Any] = plain(self)
        return found

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Health:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is none.

        """
        found: Health = read(Health, document)
        return found


def begun(health: Health, version: int, reference: Reference, at: datetime) -> Health:
    """Return the state in which another champion is watched: what was seen and drawn stays, all evidence is new."""
    after = at if health.version is not None else None
    fresh = replace(health, version=version, began=at, watched=(), reference=reference, drift=(), after=after)
    return replace(fresh, challengers=(), way_back=health.way_back if health.version == version else None)


def take(
    health: Health, batch: str, measured: Measured, *, at: datetime, patience: Patience, now: datetime
) -> tuple[Health, tuple[Change, ...]]:
    """Return the health after one more batch, and what turned. A batch that was seen before changes nothing.

    Args:
        health: as it was.
        batch: the batch's id.
        at: the time that the batch speaks of.
        measured: what it says.
        patience: how much evidence an alarm needs; the number of monitored metrics is counted here.
        now: our clock.

    """
    if batch in health.seen:
        return health, ()
    known = {w.name: w for w in health.watched}
    for reading in measured.readings:
        if reading.name not in known and len(known) < MOST_WATCHED and (new := _new(health, reading)) is not None:
            known[reading.name] = new
    patience = replace(patience, monitors=len(known))
    changes: list[Change] = []
    for reading in measured.readings:
        before = known.get(reading.name)
        if before is None:
            continue
        after = step(before, reading, patience, at)
        known[reading.name] = after
        turn = _turn(before.state, after.state)
        if turn is not None:
            changes.append(Change(turn, reading.name, at, batch, reading.value, after.floor))
    watched = tuple(known.values())
    after_all = replace(
        health,
        watched=watched,
        seen=(*health.seen, batch)[-MOST_SEEN:],
        last_at=at if health.last_at is None else max(at, health.last_at),
        last_seen=now,
    )
    drawn = _with_point(after_all, batch, at, measured)
    return drawn, tuple(replace(c, began=_began(drawn, c)) for c in changes)


def skipped(health: Health, batch: str, now: datetime) -> Health:
    """Return the health with one more batch that was read and says nothing."""
    return health if batch in health.seen else replace(health, seen=(*health.seen, batch)[-MOST_SEEN:], last_seen=now)


def silent_since(health: Health, now: datetime, expect_every: float | None, patience: float = 3.0) -> datetime | None:
    """Return since when data is missing: no batch for `patience` times as long as expected; None while all is well.

    Args:
        health: as it is.
        now: our clock.
        expect_every: seconds from one batch to the next; None where nothing is expected.
        patience: how many of them may be missing.

    """
    last = health.last_seen or health.began
    if expect_every is None or last is None or (now - last).total_seconds() <= patience * expect_every:
        return None
    return last


def _new(health: Health, reading: Reading) -> Watched | None:
    reference = health.reference
    floor = reference.floors.get(reading.name)
    if floor is None and " where " in reading.name:
        floor = reference.floors.get(reading.name.partition(" where ")[0])
    if floor is None or (reading.kind in ("f1", "share") and not 0.0 < floor < 1.0):
        return None
    return Watched(reading.name, reading.kind, floor, reference.scores.get(reading.name))


def _turn(before: State, after: State) -> Turn | None:
    if before == after or (after == "healthy" and before == "unknown"):
        return None
    if after == "degraded":
        return "degraded"
    if before == "degraded":
        return "recovered"
    return "warning" if after == "warning" else "calm"


def _with_point(health: Health, batch: str, at: datetime, measured: Measured) -> Health:
    own = measured.readings[0] if measured.readings else None
    floor = next((w.floor for w in health.watched if own is not None and w.name == own.name), None)
    point = Point(
        at=at,
        batch=batch,
        version=health.version,
        value=own.value if own else None,
        rows=measured.rows,
        state=health.state,
        floor=floor,
        hits=own.hits if own else None,
        of=own.of if own else None,
        counts=measured.counts,
        estimate=measured.estimate,
    )
    return replace(health, points=(*health.points, point)[-MOST_POINTS:])


def since_change(health: Health, name: str | None = None) -> Sequence[Point]:
    """Return the points since the model's own metric most likely fell; all of this champion's for other metrics.

    Shares are told by their likelihood; of other values, the newest run beyond the floor counts.
    """
    mine = [p for p in health.points if p.version == health.version]
    own = health.watched[0] if health.watched else None
    counted = [p for p in mine if p.of and p.hits is not None]
    if own is None or (name is not None and name != own.name):
        return mine
    if not own.share:
        sign = -1.0 if own.kind == "lower" else 1.0
        good = [i for i, p in enumerate(mine) if p.value is not None and sign * (p.value - own.floor) >= 0.0]
        return mine[good[-1] + 1 :] if good else mine
    if not counted:
        return mine
    start = change_point([(p.hits or 0, p.of or 0) for p in counted], own.floor, f1=own.kind == "f1")
    return mine[mine.index(counted[start]) :]


def _began(health: Health, change: Change) -> datetime | None:
    own = health.watched[0].name if health.watched else None
    if change.turn not in ("degraded", "warning") or change.name != own:
        return None
    points = since_change(health, change.name)
    return points[0].at if points else None
