"""Which plain values cross the ports: runs to be written, jobs, holdouts, ledger entries, notices?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from selector.domain.model import NOTHING, Predictions, Unscorable
from selector.domain.promotion import Plan


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be written with its original times.

    Attributes:
        metrics: finite or not; keys that MLflow accepts.
        model_folder: the folder that becomes the logged model (it holds MLmodel), or None for a run without a model.

    """

    experiment: str
    name: str
    started_at: datetime | None
    ended_at: datetime | None
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    model_folder: Path | None = None
    model_name: str = "model"


@dataclass(frozen=True, slots=True)
class WrittenRun:
    """What a NewRun became."""

    run_id: str
    model_uri: str | None


@dataclass(frozen=True, slots=True)
class HoldoutSpec:
    """Where the labelled rows are and how to read them.

    Attributes:
        data: a path or URI of a CSV or Parquet file.
        target: the column with the label.
        positive: the positive class as the file spells it; None where the metric needs none.
        ignore: columns that are not features.

    """

    data: str
    target: str
    positive: str | None = None
    weights: str | None = None
    group: str | None = None
    slices: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    regression: bool | None = None


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """One model to be scored: the folder with its MLmodel, under a key of the caller's.

    Attributes:
        timed: also measure how long single calls take.

    """

    key: str
    folder: Path
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer for one job: predictions, or why there are none."""

    key: str
    result: Predictions | Unscorable


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    Attributes:
        kind: decision, promoted, rolled_back, archived, restored, quarantined, cleared, approved, rejected,
            foreign_change (of champion), foreign_edit (of anything else), imported, undone, paused, resumed, failed,
            deleted (a version that keep let go; details: what it was), export_failed (once per decision and place);
            of production warning, calm, degraded, recovered, started and ended (a command, or another look);
            of alerts acknowledged and silenced; not_delivered (a notice that was given up; details: which, and
            through which channel).
        decision: the id that ties entry, plan, tags and report together.
        details: plain JSON values; for a decision its whole record.

    """

    at: datetime
    model: str
    kind: str
    version: int | None = None
    previous: int | None = None
    actor: str = "selector"
    decision: str | None = None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification, kept in the outbox until it is delivered."""

    key: str
    model: str
    kind: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """One notice on its way to one channel.

    Attributes:
        attempts: that were begun.
        made_at: when the notice came into being.
        next_at: when it may be tried again.
        error: why the last attempt failed; "" where none did.
        dead: it was given up.

    """

    notice: Notice
    channel: str
    attempts: int
    made_at: datetime
    next_at: datetime
    error: str = ""
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of sending one notice through one channel.

    Attributes:
        outcome: sent; later: worth another try; refused: no try will ever succeed.
        why: one sentence without secrets; empty where it was sent.
        retry_after: seconds that the receiver asked to wait; None where it said nothing.

    """

    outcome: Literal["sent", "later", "refused"]
    why: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A plan that was begun and neither finished nor abandoned, with the number of steps known to be done."""

    plan: Plan
    done: int
    details: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
