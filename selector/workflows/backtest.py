"""What would another policy have made of the same history, and what would that have cost?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from selector.domain.backtest import TRACKS, Happening, Moment, Stand, arrival, summarised, walk
from selector.domain.metric import resolve_average
from selector.domain.model import Truth
from selector.domain.policy import Policy
from selector.ports import Entry
from selector.workflows.documents import SCHEMA_VERSION, finite
from selector.workflows.house import House
from selector.workflows.observe import REIGN_ENDS, observe

SAME_ROWS = "All scores are measured on the present holdout, whatever a model was judged by in its time."
LOGGED = "Unproven: all scores are those that runs logged, perhaps of different rows."
MISSED = "Missed: the best score of each moment minus the champion's. The highest score misses nothing by definition."
UNTIMED = "Some candidates carry no time; they count as there from the beginning."


def backtest(house: House, model: str, policy: Policy | None = None, source: str = "") -> dict[str, Any]:
    """Walk through the history of a model under a policy, and compare it with what was recorded.

    Nothing is written: no run, no version, no ledger entry.

    Args:
        house: the ports.
        model: the registered model.
        policy: the policy to try; None: the configured one.
        source: where the policy comes from, for the document.

    Raises:
        MlflowUnreachableError: MLflow does not answer in time.
        HoldoutError: the labelled rows cannot be used.
        ScoringError: models would not be confined.

    """
    setup = house.setup(model)
    tried = policy or setup.policy
    snapshot = observe(house, replace(setup, policy=tried)).snapshot
    happenings = _happenings(house.store.entries(model))
    moments: list[Moment] = []
    total = len({arrival(c) for c in snapshot.candidates} | {h.at for h in happenings})
    for moment in walk(snapshot, tried, happenings):
        house.progress("deciding again", len(moments), total)
        moments.append(moment)
    house.progress("deciding again", total, total)
    truth = snapshot.truth
    notes = [SAME_ROWS if truth is not None else LOGGED, MISSED]
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "metric": _label(tried, truth),
        "rows": truth.rows if truth else None,
        "holdout": truth.digest if truth else None,
        "policy": {
            "source": source or "the configuration",
            "digest": tried.digest(),
            "rule": tried.rule,
            "confidence": tried.confidence,
            "minimum_gain": tried.minimum_gain,
        },
        "moments": [_moment(m) for m in moments],
        "summary": {track: _summary(moments, track) for track in TRACKS},
        "notes": notes + ([UNTIMED] if any(m.at is None for m in moments) else []),
    }


def _label(policy: Policy, truth: Truth | None) -> str:
    if truth is None:
        return policy.metric.name
    positive = truth.classes[truth.positive] if truth.positive is not None else None
    return resolve_average(policy.metric, truth.classes, positive).label()


def _happenings(entries: Sequence[Entry]) -> tuple[Happening, ...]:
    """Return what the ledger knows to have happened to versions."""
    found: list[Happening] = []
    for entry in entries:
        if entry.kind in REIGN_ENDS:
            found.append(Happening(entry.at, "reign", entry.version, entry.kind))
        if entry.kind == "rolled_back" and entry.previous is not None:
            found.append(Happening(entry.at, "barred", entry.previous, entry.kind))
        elif entry.kind in {"quarantined", "rejected"} and entry.version is not None:
            found.append(Happening(entry.at, "barred", entry.version, entry.kind))
        elif entry.kind == "cleared" and entry.version is not None:
            found.append(Happening(entry.at, "cleared", entry.version, entry.kind))
    return tuple(found)


def _moment(moment: Moment) -> dict[str, Any]:
    best = {"name": moment.best, "score": finite(moment.best_score)} if moment.best else None
    return {
        "at": _time(moment.at),
        "arrived": list(moment.arrived),
        "best": best,
        "reason": moment.reason,
        **{track: _stand(moment.stands[track]) for track in TRACKS},
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _stand(stand: Stand) -> dict[str, Any] | None:
    if stand.name is None and not stand.how:
        return None
    return {key: finite(value) if isinstance(value, float) else value for key, value in asdict(stand).items()}


def _summary(moments: Sequence[Moment], track: Any) -> dict[str, Any]:
    found = summarised(moments, track)
    return {**asdict(found), "mean_regret": found.mean_regret}
