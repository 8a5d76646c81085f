"""What the operator asks for one registered model, already validated: the policy that every decision is made under."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from selector.domain.gates.case import Need
from selector.domain.gates.kinds import AnyGate
from selector.domain.metric import Metric

Rule = Literal["proven", "highest"]
WithoutProof = Literal["promote", "keep"]
Nested = Literal["parent", "best", "all"]


@dataclass(frozen=True, slots=True)
class Aliases:
    """The alias names used in MLflow."""

    champion: str = "champion"
    challenger: str = "challenger"
    previous: str = "previous"


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether a person has to agree to a promotion.

    Attributes:
        required: ask before anything is promoted; without it only what is held waits for a person.
        expires: seconds after which a question and an approval lapse; None: never.

    """

    required: bool = False
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How one registered model's champion is chosen.

    Attributes:
        metric: what candidates are ranked by.
        rule: "proven" demands more than luck explains where rows are shared; "highest" takes the plain maximum.
        confidence: 0.5 to 1; a promotion needs an adjusted p-value of at most 1 - confidence.
        minimum_gain: smallest lead worth a change, in the metric's unit, >= 0.
        without_proof: what to do where no rows are shared.
        trust_logged: compare logged metrics without asking for the same dataset digest.
        minimum_effective_rows: n_eff below which the paired test says nothing.
        suspicious_lead: a lead of this many standard errors over the field is held for a leak check.
        nested: which runs of a tuning compete: the parent, the best trial (and a parent that logged a model), or all.
        gates: what a winner has to pass besides; empty where nothing more is asked.
        approval: whether a person has to agree.
        mirror_stages: also keep MLflow's Production and Archived stages in step.

    """

    metric: Metric
    rule: Rule = "proven"
    confidence: float = 0.95
    minimum_gain: float = 0.005
    without_proof: WithoutProof = "promote"
    trust_logged: bool = False
    minimum_effective_rows: int = 10
    suspicious_lead: float = 10.0
    aliases: Aliases = field(default_factory=Aliases)
    mirror_stages: bool = False
    gates: tuple[AnyGate, ...] = ()
    nested: Nested = "best"
    approval: Approval = field(default_factory=Approval)

    def digest(self) -> str:
        """Return 12 hex digits that change when any rule of this policy changes."""
        rules = asdict(self)
        if self.gates:
            kinds = (type(gate).__name__ for gate in self.gates)
            rules["gates"] = [[kind, rule] for kind, rule in zip(kinds, rules["gates"], strict=True)]
        return hashlib.sha256(json.dumps(rules, sort_keys=True, default=str).encode()).hexdigest()[:12]

    def gates_need(self, need: Need) -> bool:
        """Tell whether some gate looks at this."""
        return any(need in gate.needs for gate in self.gates)
