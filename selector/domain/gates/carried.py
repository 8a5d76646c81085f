"""What does a promotion carry over: who was stopped or held against the champion that it replaced, and by what?

Otherwise a model that is too much worse for one slice, or too good to be true, would come in two steps: the next best
one is promoted, and against that one the same model looks harmless, though nobody has learned anything new.
"""

from __future__ import annotations

from collections.abc import Iterator

from selector.domain.metric import Metric
from selector.domain.policy import Policy
from selector.domain.ranking import Ranking, Standing

CARRIED = "what stopped it when the present champion was promoted"


def remembered_by(standing: Standing) -> str:
    """Return what the model is remembered by: its answers on these rows, else its address."""
    return standing.outcome.digest if standing.outcome else standing.candidate.uri


def stopped(ranking: Ranking, winner: Standing, policy: Policy, metric: Metric) -> dict[str, str]:
    """Return those better than the winner that a comparison with the old champion stops, with the gate's words."""
    found: dict[str, str] = {}
    for standing in _better(ranking, winner, metric):
        results = standing.gates[-len(policy.gates) :] if standing.eligible and policy.gates else ()
        for gate, result in zip(policy.gates, results, strict=False):
            if "champion" in gate.needs and result.stops:
                found.setdefault(remembered_by(standing), f"{result.gate}: {result.finding}")
        carried = next((r for r in standing.gates if r.gate == CARRIED), None)
        if carried is not None:
            found[remembered_by(standing)] = carried.detail
    return found


def held(ranking: Ranking, winner: Standing, metric: Metric) -> dict[str, str]:
    """Return those better than the winner that are held as too good to be true, with the reason."""
    return {remembered_by(s): s.reasons[0].text for s in _better(ranking, winner, metric) if s.held}


def _better(ranking: Ranking, winner: Standing, metric: Metric) -> Iterator[Standing]:
    for standing in ranking:
        if standing.score is None or winner.score is None or standing.champion:
            continue
        if metric.lead(standing.score, winner.score) > 0:
            yield standing
