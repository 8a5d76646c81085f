"""How sure are we that each challenger is better than the champion, all tries counted?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import scipy

from selector.domain.comparison import compare, needed_lead
from selector.domain.gates import GateResult, at_least, at_most
from selector.domain.intervals import lower_bound
from selector.domain.model import Truth
from selector.domain.multiplicity import Family, correlation, max_t_critical, shortlist
from selector.domain.outcomes import Outcome
from selector.domain.policy import Policy
from selector.domain.ranking import Ranking, Standing
from selector.domain.snapshot import Snapshot
from selector.domain.trials import behind, unscored_tries
from selector.domain.verdict import Luck


def _seed(truth: Truth, standing: Sequence[Standing]) -> int:
    """Return a seed fixed by the rows and the models, so that the decision can be replayed."""
    text = truth.digest + "".join(sorted(s.outcome.digest for s in standing if s.outcome))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def examined(ranking: Ranking, snapshot: Snapshot, policy: Policy) -> tuple[Ranking, Luck]:
    """Add what the paired comparisons say, and how many tries they have to allow for."""
    alpha = 1.0 - policy.confidence
    champion = next((s.outcome for s in ranking if s.champion and s.outcome), None)
    measured = [s for s in ranking if s.eligible and s.outcome]
    truth = snapshot.truth
    if truth is None or not measured:
        return ranking, Luck(alpha=alpha)
    seed = _seed(truth, measured)
    short = shortlist([s.outcome for s in measured if s.outcome], alpha=0.05, seed=seed, groups=truth.groups)
    listed = {id(measured[i]) for i in short}
    ranking = tuple(replace(s, shortlisted=True) if id(s) in listed else s for s in ranking)
    outcomes = [s.outcome for s in ranking if s.eligible and s.outcome and not s.champion]
    if champion is None or not outcomes:
        return ranking, Luck(judged=len(outcomes), effective=float(len(outcomes)), alpha=alpha)
    scored = behind(ranking)
    family = Family(correlation([*outcomes, *scored], champion, groups=truth.groups), seed)
    refused = len(snapshot.refused - {o.digest for o in (*outcomes, *scored)})
    unscored = sum(unscored_tries(s) for s in ranking if s.eligible and not s.champion)
    others = refused + unscored
    typical = family.effective_count(float(-scipy.special.ndtri(alpha / (len(outcomes) + len(scored) + others))))
    luck = Luck(
        judged=len(outcomes),
        effective=typical + unscored,
        refused_before=refused,
        alpha=alpha,
        trials=len(scored) + unscored,
    )
    test = _PairedTest(champion, truth, policy, luck, family, others)
    return tuple(test.examine(s) if s.eligible and not s.champion else s for s in ranking), luck


@dataclass(frozen=True, slots=True, eq=False)
class _PairedTest:
    """The comparison of each challenger with the champion, allowing for all tries."""

    champion: Outcome
    truth: Truth
    policy: Policy
    luck: Luck
    family: Family
    others: int

    def examine(self, standing: Standing) -> Standing:
        """Return the standing with its comparison, its p-value with all tries counted, its bar and its gates."""
        if standing.outcome is None:
            return standing
        alpha = self.luck.alpha
        versus = compare(standing.outcome, self.champion, groups=self.truth.groups)
        count = self.luck.count
        if versus.lead > 0 and versus.p <= alpha:  # only here does the exact tail decide anything
            z = float(-scipy.special.ndtri(max(versus.p, 1e-300)))
            count = max(1.0, self.family.effective_count(z) + self.others)
        adjusted = min(1.0, versus.p * count)
        found = _lead_gates(versus.lead, adjusted, versus.n_eff, self.policy)
        gates = tuple(replace(gate, of_lead=True) for gate in found)
        return replace(
            standing,
            versus=versus,
            adjusted_p=adjusted,
            bar=max(needed_lead(versus, alpha, count), self.policy.minimum_gain),
            gates=gates,
            leads=not any(gate.stops for gate in gates),
        )


def _lead_gates(lead: float, adjusted_p: float, n_eff: float, policy: Policy) -> tuple[GateResult, ...]:
    gain = at_least("lead over the champion", lead, policy.minimum_gain)
    if policy.rule == "highest":
        return (at_least("lead over the champion", lead, policy.minimum_gain), _above_zero(lead))
    rows = at_least("effective rows that tell the two models apart", n_eff, policy.minimum_effective_rows)
    if rows.verdict == "failed":
        rows = replace(rows, verdict="inconclusive")
    luck = at_most("chance of such a lead by luck, all tries counted", adjusted_p, 1.0 - policy.confidence)
    return (gain, rows, luck)


def _above_zero(lead: float) -> GateResult:
    return GateResult("a better score than the champion's", "passed" if lead > 0 else "failed", lead, 0.0, lead)


def floor(after: Standing | None, ranking: Ranking, luck: Luck, truth: Truth | None) -> float | None:
    """Return what to expect at least of the one that was picked as the best of several."""
    if truth is None or after is None or after.outcome is None:
        return None
    outcomes = [s.outcome for s in ranking if s.eligible and s.outcome] + behind(ranking, champion_too=True)
    z = max_t_critical(outcomes, alpha=luck.alpha, seed=_seed(truth, ranking), groups=truth.groups)
    return lower_bound(after.outcome, z, groups=truth.groups)
