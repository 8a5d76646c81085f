"""Which trial of a tuning run competes for all of them?

A trial is a run with the tag mlflow.parentRunId. Trials of one tuning resemble each other, so that scoring all of them
costs much and proves little; and the best of fifty by luck is not the best.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from selector.domain.logged import Logged, logged_value
from selector.domain.metric import Metric
from selector.domain.model import PUT_ASIDE, STATUS_TAG, Candidate
from selector.domain.outcomes import Outcome
from selector.domain.policy import Nested
from selector.domain.ranking import Reason, Standing, age

PARENT_TAG = "mlflow.parentRunId"
TRIAL = "trial"


def before_scoring(
    candidates: Sequence[Candidate], nested: Nested, metric: Metric, hopeless: Collection[str] = ()
) -> tuple[Candidate, ...]:
    """Return the candidates, with those trials set aside that need not be scored because another competes for them.

    Where every trial of a tuning run logged the metric, the best by that value competes. Registered versions always
    compete on their own: somebody chose them.

    Args:
        candidates: everything considered.
        nested: whether the parent, the best trial or all of them compete.
        metric: what trials are ranked by.
        hopeless: addresses of models that cannot be scored; the next best competes for them.

    """
    if nested == "all":
        return tuple(candidates)
    names = {c.run.run_id: c.run.name for c in candidates if c.run}
    if nested == "parent":
        return tuple(_left_to_parent(c, names) for c in candidates)
    changed = {id(c): c for group in _groups(candidates, hopeless).values() for c in group}
    for parent, group in _groups(candidates, hopeless).items():
        found = [(c, logged_value(metric, c.metrics)) for c in group]
        logged = [(c, value.value) for c, value in found if isinstance(value, Logged)]
        if len(logged) < len(group) or len(group) == 1:
            continue
        best = min(logged, key=lambda pair: (-metric.lead(pair[1], 0.0), age(pair[0])))[0]
        for candidate in group:
            if candidate is best:
                changed[id(candidate)] = replace(candidate, trials=len(group) - 1)
            elif candidate.version is None:
                changed[id(candidate)] = replace(candidate, set_aside=_instead(names.get(parent, parent)))
    return tuple(changed.get(id(c), c) for c in candidates)


def after_scoring(found: Sequence[Standing], nested: Nested, metric: Metric) -> list[Standing]:
    """Return the standings, with all but the best trial of each tuning run kept out where scores had to tell."""
    if nested != "best":
        return list(found)
    names = {s.candidate.run.run_id: s.candidate.run.name for s in found if s.candidate.run}
    groups: defaultdict[str, list[Standing]] = defaultdict(list)
    for standing in found:
        parent = _parent_id(standing.candidate)
        if parent and (standing.eligible or standing.champion) and standing.score is not None:
            groups[parent].append(standing)
    kept_out: dict[int, Standing] = {}
    for parent, group in groups.items():
        best = min(group, key=lambda s: (-metric.lead(s.score or 0.0, 0.0), not s.champion, age(s.candidate)))
        reason = Reason(TRIAL, _instead(names.get(parent, parent)))
        losers = (s for s in group if s is not best and not s.candidate.version)
        kept_out |= {id(s): replace(s, reasons=(reason,)) for s in losers}
    return [kept_out.get(id(s), s) for s in found]


def behind(ranking: Sequence[Standing], *, champion_too: bool = False) -> list[Outcome]:
    """Return what the trials answered that do not compete because a better trial of their tuning does.

    They were looked at on the shared rows, so that the best of them owes its place to luck too. Each distinct answer
    counts once; so do those that a competitor gives.

    Args:
        ranking: all standings.
        champion_too: also those behind the champion, whose race is over.

    """
    ahead = [s for s in ranking if s.eligible and (champion_too or not s.champion)]
    parents = {_parent_id(s.candidate) for s in ahead} - {""}
    known = {s.outcome.digest for s in ranking if s.eligible and s.outcome}
    found: dict[str, Outcome] = {}
    for standing in ranking:
        aside = standing.reasons and standing.reasons[0].code == TRIAL
        if aside and standing.outcome and _parent_id(standing.candidate) in parents:
            found.setdefault(standing.outcome.digest, standing.outcome)
    return [outcome for digest, outcome in found.items() if digest not in known]


def unscored_tries(standing: Standing) -> int:
    """Return how many trials it was chosen from by a value that turns out to be measured on the very same rows.

    A value of other rows (validation) is no look at the holdout; then the trials that lost are no tries.
    """
    if standing.score is None or standing.logged is None or abs(standing.logged - standing.score) > 1e-9:  # noqa: PLR2004 - floating point
        return 0
    return standing.candidate.trials


def _groups(candidates: Sequence[Candidate], hopeless: Collection[str]) -> dict[str, list[Candidate]]:
    """Return the trials that could compete, by their parent's id."""
    groups: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        parent, run = _parent_id(candidate), candidate.run
        status = candidate.version.tags.get(STATUS_TAG) if candidate.version else None
        fit = candidate.uri and candidate.ready and run and run.status == "FINISHED" and status not in PUT_ASIDE
        if parent and fit and candidate.uri not in hopeless:
            groups[parent].append(candidate)
    return groups


def _left_to_parent(candidate: Candidate, names: Mapping[str, str]) -> Candidate:
    parent = _parent_id(candidate)
    if not parent or candidate.version is not None:
        return candidate
    return replace(candidate, set_aside=f"trial of {names.get(parent, parent)}; only the parent run competes")


def _parent_id(candidate: Candidate) -> str:
    return candidate.run.tags.get(PARENT_TAG, "") if candidate.run else ""


def _instead(parent: str) -> str:
    return f"trial of {parent}; the best trial competes for it"
