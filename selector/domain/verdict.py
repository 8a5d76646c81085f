"""What a decision says: the verdict, who wins, who stands where, and the numbers that justify it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from selector.domain.approval import Answer
from selector.domain.further import Further
from selector.domain.metric import Metric
from selector.domain.model import Truth
from selector.domain.ranking import Reason, Standing

Verdict = Literal["promoted", "kept", "inconclusive", "refused", "awaiting_approval", "no_candidate"]
Proof = Literal["proven", "measured", "counted", "unproven", "none"]


@dataclass(frozen=True, slots=True)
class Luck:
    """How many tries the bar accounts for.

    Attributes:
        judged: distinct challengers judged in this decision.
        effective: how many independent ones they count as (between 1 and `judged` + `trials`).
        refused_before: distinct other challengers that this champion has refused in earlier decisions.
        trials: trials of tuning runs that do not compete and were looked at on the same rows all the same.
        alpha: the error rate that one promotion may have, 1 - confidence.

    """

    judged: int = 0
    effective: float = 0.0
    refused_before: int = 0
    alpha: float = 0.05
    trials: int = 0

    @property
    def count(self) -> float:
        """The number that p-values are multiplied with."""
        return max(1.0, self.effective + self.refused_before)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One decision for one registered model.

    Attributes:
        id: ties together ledger entry, plan, tags and report.
        reason: one sentence for the operator that starts with what happens.
        code: stable code of that reason.
        winner: who is promoted; None unless the verdict is "promoted".
        champion: who was champion when we looked; None where there was none.
        ranking: everything that was considered, best first, those that may not compete last.
        proof: "proven" by a paired test, "measured" on the holdout without a champion to beat, "counted" by counts that
            the runs logged, "unproven" otherwise.
        truth: the labelled rows everything was judged on; None where only logged metrics exist.
        floor: lower bound to expect of the winner's score, allowing for having been picked as the best of several.
        rows_needed: about how many labelled rows in all would settle the best challenger's lead; None where unknown.
        evidence: digest of all that was on the table and of who is champion after; equal evidence is not news.
        notes: warnings and observations, one sentence each.
        proposed: who waits for a person's word; None unless the verdict is "awaiting_approval".
        offers: who may be approved by this decision's id: the one proposed, and what is held and leads.
        approval: the answer that was taken into account; None where nobody was asked or has answered.
        further: metrics that are shown beside the one that decides.

    """

    id: str
    model: str
    verdict: Verdict
    reason: str
    code: str
    metric: Metric
    ranking: tuple[Standing, ...]
    winner: Standing | None
    champion: Standing | None
    proof: Proof
    luck: Luck
    truth: Truth | None
    policy_digest: str
    evidence: str
    floor: float | None = None
    rows_needed: int | None = None
    notes: tuple[str, ...] = ()
    held: tuple[Reason, ...] = ()
    proposed: Standing | None = None
    offers: tuple[Standing, ...] = ()
    approval: Answer | None = None
    further: Further = field(default_factory=Further)

    @property
    def champion_after(self) -> Standing | None:
        """Who is champion once the decision has been carried out."""
        return self.winner or self.champion

    @property
    def best_challenger(self) -> Standing | None:
        """The best one that may compete and will not be champion."""
        after = self.champion_after
        return next((s for s in self.ranking if s.eligible and s is not after and not s.champion), None)
