"""What do the policy's gates say of each candidate?"""

from __future__ import annotations

from dataclasses import replace

from selector.domain.gates import GateResult
from selector.domain.gates.carried import CARRIED, remembered_by
from selector.domain.gates.case import AllOf, GateCase
from selector.domain.gates.scores import Scores
from selector.domain.metric import Metric
from selector.domain.policy import Policy
from selector.domain.ranking import Ranking, Standing
from selector.domain.snapshot import Snapshot


def checked(ranking: Ranking, snapshot: Snapshot, policy: Policy, metric: Metric) -> Ranking:
    """Add the answers of the policy's gates for all that may compete; the champion is not compared with itself."""
    if not policy.gates and not snapshot.stopped:
        return ranking
    scores = Scores(snapshot, metric)
    champion = next((s for s in ranking if s.champion), None)
    alone = tuple(gate for gate in policy.gates if "champion" not in gate.needs)

    def answered(standing: Standing) -> Standing:
        gates = alone if standing.champion else policy.gates
        if not standing.eligible:
            return standing
        case = GateCase(standing, champion, metric, snapshot, scores, policy.trust_logged)
        results = AllOf(gates).each(case) if gates else ()
        return replace(standing, gates=(*standing.gates, *_carried(standing, snapshot), *results))

    return tuple(answered(standing) for standing in ranking)


def _carried(standing: Standing, snapshot: Snapshot) -> tuple[GateResult, ...]:
    """Stop what was stopped against the champion before; a promotion in between is no news about it."""
    before = None if standing.champion else snapshot.stopped.get(remembered_by(standing))
    return () if before is None else (GateResult(CARRIED, "failed", detail=before),)


def what_may_change(standing: Standing, snapshot: Snapshot, policy: Policy, metric: Metric) -> list[str]:
    """Return the verdicts on what people and time change: tags and ages. All else follows from model and rows."""
    gates = [gate for gate in policy.gates if "run" in gate.needs]
    case = GateCase(standing, None, metric, snapshot, Scores(snapshot, metric))
    return [gate.check(case).verdict for gate in gates]
