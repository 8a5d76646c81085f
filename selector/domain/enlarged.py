"""What would a snapshot look like if one thing were different: more rows, another score, a version cleared?"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from selector.domain.model import STATUS_TAG, Candidate, Truth
from selector.domain.outcomes import Outcome
from selector.domain.ranking import Standing
from selector.domain.snapshot import Snapshot

Labels = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def moved(snapshot: Snapshot, uri: str, by: float) -> Snapshot | None:
    """Return the snapshot with one candidate's score better by `by`, its pull on each row unchanged.

    Candidates that are the same model move with it. None where no score gives such a lead: a value that lies inside
    the target band cannot be better.

    Args:
        snapshot: what the look saw.
        uri: the candidate's address.
        by: in the metric's unit; negative makes it worse.

    """
    outcome = snapshot.outcomes.get(uri)
    if not isinstance(outcome, Outcome):
        return None
    metric = outcome.metric
    sign = -1.0 if metric.direction == "minimize" else 1.0
    if metric.target is not None:
        low, high = metric.target
        if low <= outcome.value <= high or (by > 0 and metric.miss(outcome.value) < by):
            return None
        sign = 1.0 if outcome.value < low else -1.0
    changed = replace(outcome, value=outcome.value + sign * by, hits=None, relevant=None)
    alike = {
        u: changed if isinstance(o, Outcome) and o.digest == outcome.digest else o for u, o in snapshot.outcomes.items()
    }
    return replace(snapshot, outcomes=alike)


def enlarged(snapshot: Snapshot, times: int) -> Snapshot:
    """Return the snapshot with every row `times` times, so that all rates are as they were.

    Rows of one group stay in one group of their copy.
    """
    if snapshot.truth is None or times <= 1:
        return snapshot
    known: dict[int, Outcome] = {}
    outcomes = dict(snapshot.outcomes)
    for uri, outcome in snapshot.outcomes.items():
        if not isinstance(outcome, Outcome):
            continue
        if id(outcome) not in known:
            known[id(outcome)] = _outcome(outcome, times)
        outcomes[uri] = known[id(outcome)]
    return replace(snapshot, outcomes=outcomes, truth=_truth(snapshot.truth, times))


def _outcome(outcome: Outcome, times: int) -> Outcome:
    return replace(
        outcome,
        influence=np.tile(outcome.influence, times),
        rows=outcome.rows * times,
        hits=None if outcome.hits is None else outcome.hits * times,
        relevant=None if outcome.relevant is None else outcome.relevant * times,
        confusion=None if outcome.confusion is None else outcome.confusion * times,
        answers=None if outcome.answers is None else np.tile(outcome.answers, times),
    )


def _truth(truth: Truth, times: int) -> Truth:
    groups = truth.groups
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1]
        count = int(codes.max()) + 1 if codes.size else 0
        groups = np.concatenate([codes + copy * count for copy in range(times)]).astype(np.int64)
    return replace(
        truth,
        labels=_tiled(truth.labels, times),
        weights=None if truth.weights is None else np.tile(truth.weights, times),
        groups=groups,
        slices={name: np.tile(mask, times) for name, mask in truth.slices.items()},
    )


def _tiled(labels: Labels, times: int) -> Labels:
    return cast("Labels", np.tile(labels, times))


def released(snapshot: Snapshot, standing: Standing) -> Snapshot:
    """Return the snapshot as if this version had never been put aside."""
    digests = {standing.digest, standing.outcome.digest if standing.outcome else None}
    number = standing.candidate.number

    def cleared(candidate: Candidate) -> Candidate:
        version = candidate.version
        if version is None or version.version != number:
            return candidate
        tags = {key: value for key, value in version.tags.items() if key != STATUS_TAG}
        return replace(candidate, version=replace(version, tags=tags))

    return replace(
        snapshot,
        candidates=tuple(cleared(c) for c in snapshot.candidates),
        barred={key: why for key, why in snapshot.barred.items() if key not in digests},
    )
