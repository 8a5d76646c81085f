"""What is a gate, what may it look at, and how do several gates become one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from selector.domain.comparison import compare
from selector.domain.gates.result import GateResult
from selector.domain.gates.scores import Scores
from selector.domain.intervals import interval
from selector.domain.logged import NotLogged, logged_value
from selector.domain.metric import Metric
from selector.domain.model import Predictions, Truth, Unscorable
from selector.domain.model_facts import ModelFacts
from selector.domain.ranking import Standing
from selector.domain.snapshot import Snapshot

Need = Literal["champion", "facts", "timings", "run"]
"""What a gate looks at besides the answers. "run" may change at any time: tags, and the age of a run."""

NO_CHAMPION = "no champion to compare with"
_ORDER = {"failed": 0, "inconclusive": 1, "passed": 2}


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate's value of a metric.

    Attributes:
        metric: with its averaging settled.
        ends: the 95 % interval; None for a logged value.
        detail: where the value comes from, if not from the rows.

    """

    metric: Metric
    value: float
    ends: tuple[float, float] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class GateCase:
    """One candidate before the gates, and everything that a gate may look at.

    Attributes:
        standing: the candidate.
        champion: the present champion; None where there is none.
        metric: what candidates are ranked by, with its averaging settled.
        snapshot: what the look saw.
        scores: further measurements, shared by all cases of a decision.
        trust_logged: compare logged values without asking for the same dataset.

    """

    standing: Standing
    champion: Standing | None
    metric: Metric
    snapshot: Snapshot
    scores: Scores
    trust_logged: bool = False

    @property
    def truth(self) -> Truth | None:
        """The labelled rows; None where only logged metrics exist."""
        return self.snapshot.truth

    @property
    def at(self) -> datetime | None:
        """When the look was made."""
        return self.snapshot.at

    @property
    def predictions(self) -> Predictions | None:
        """What the candidate answered; None where it was not scored."""
        found = self.snapshot.answers.get(self.standing.candidate.uri)
        return found if isinstance(found, Predictions) else None

    def facts(self, standing: Standing) -> ModelFacts | None:
        """Return what the candidate's folder tells; None where it was not read."""
        return self.snapshot.facts.get(standing.candidate.uri)

    def value(self, standing: Standing, metric: Metric) -> Found | str:
        """Return the value of a metric: measured where rows are shared and it can be, logged elsewhere; or why not."""
        if self.truth is not None and metric.recomputed:
            outcome = self.scores.on_all_rows(standing.candidate, metric)
            if isinstance(outcome, Unscorable):
                return outcome.reason
            return Found(outcome.metric, outcome.value, interval(outcome, groups=self.truth.groups))
        found = logged_value(metric, standing.candidate.metrics)
        if isinstance(found, NotLogged):
            return found.reason
        return Found(metric, found.value, None, f"{found.key} as its run logged it")

    def lead(self, metric: Metric) -> Found | str:
        """Return by how much the candidate is better than the champion, on the same rows; or why nobody knows."""
        if self.champion is None:
            return NO_CHAMPION
        mine, theirs = (self.value(s, metric) for s in (self.standing, self.champion))
        if isinstance(mine, str):
            return mine
        if isinstance(theirs, str):
            return f"of the champion: {theirs}"
        if mine.ends is None:
            same = self.standing.candidate.datasets & self.champion.candidate.datasets
            if not (same or self.trust_logged):
                return "the two runs do not carry the same dataset digest, so that their logged values say nothing"
            return Found(metric, metric.lead(mine.value, theirs.value), None, _both(mine, theirs))
        pair = [self.scores.on_all_rows(s.candidate, metric) for s in (self.standing, self.champion)]
        ours, other = (o for o in pair if not isinstance(o, Unscorable))
        versus = compare(ours, other, groups=self.truth.groups if self.truth else None)
        return Found(mine.metric, versus.lead, (versus.low, versus.high), _both(mine, theirs))

    def champion_value(self, metric: Metric) -> float | None:
        """Return the champion's value of a metric; None where it has none."""
        found = self.value(self.champion, metric) if self.champion else ""
        return None if isinstance(found, str) else found.value


def _both(mine: Found, theirs: Found) -> str:
    return f"{mine.value:.4f} against the champion's {theirs.value:.4f}" + (f", {mine.detail}" if mine.detail else "")


class Gate(Protocol):
    """One condition. Frozen values, so that they are part of a policy and of its digest."""

    needs: ClassVar[frozenset[Need]]

    @property
    def observe(self) -> bool:
        """Whether it only reports."""
        ...

    @property
    def name(self) -> str:
        """What is asked, in words."""
        ...

    def check(self, case: GateCase) -> GateResult:
        """Return the answer for one candidate; never raises for what a model or a run looks like."""
        ...


class AllOf:
    """All gates of a list; the worst answer counts.

    Args:
        gates: at least one, because no gate at all must not look like gates that all passed.

    Raises:
        ValueError: the list is empty.

    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    observe = False

    def __init__(self, gates: Sequence[Gate]) -> None:
        if not gates:
            raise ValueError("an empty list of gates says nothing; leave the gates out where none is wanted")
        self.gates = tuple(gates)

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return ", and ".join(gate.name for gate in self.gates)

    def each(self, case: GateCase) -> tuple[GateResult, ...]:
        """Return the answer of each gate, in their order."""
        return tuple(gate.check(case) for gate in self.gates)

    def check(self, case: GateCase) -> GateResult:
        """Return the worst answer; gates that only report do not count unless there is no other."""
        results = self.each(case)
        counted = [r for r in results if not r.observe] or list(results)
        return min(counted, key=lambda r: _ORDER[r.verdict])


def unknown(gate: Gate, detail: str, bound: float | None = None) -> GateResult:
    """Return the answer for what cannot be found out."""
    return GateResult(gate.name, "inconclusive", bound=bound, detail=detail, observe=gate.observe)


def unopposed(gate: Gate) -> GateResult:
    """Return the answer of a comparison where there is no champion."""
    return GateResult(gate.name, "passed", detail=NO_CHAMPION, observe=gate.observe)
