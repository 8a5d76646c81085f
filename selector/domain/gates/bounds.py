"""Does a metric keep to a bound: by itself, or compared with the champion's?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from selector.domain.gates.case import GateCase, Need, unknown, unopposed
from selector.domain.gates.result import GateResult, judged
from selector.domain.metric import Metric

Side = Literal["minimum", "maximum"]
Comparing = Literal[
    "maximum_regression",
    "maximum_relative_regression",
    "minimum_gain",
    "minimum_relative_gain",
    "maximum_plausible_gain",
]

_WORDS: dict[Comparing, str] = {
    "maximum_regression": "{} at most {} worse than the champion's",
    "maximum_relative_regression": "{} at most {} worse than the champion's, relative to it",
    "minimum_gain": "{} at least {} better than the champion's",
    "minimum_relative_gain": "{} at least {} better than the champion's, relative to it",
    "maximum_plausible_gain": "{} at most {} better than the champion's, which is plausible",
}


@dataclass(frozen=True, slots=True)
class MetricBound:
    """The smallest or largest value that a metric may have.

    Attributes:
        bound: in the metric's unit.
        confident: the whole 95 % interval has to keep to the bound.

    """

    metric: Metric
    side: Side
    bound: float
    confident: bool = False
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset()

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return self._named(self.metric)

    def check(self, case: GateCase) -> GateResult:
        """Measure it where rows are shared, else take what the run logged."""
        metric = case.scores.settled(self.metric)
        found = case.value(case.standing, metric)
        if isinstance(found, str):
            return unknown(MetricBound(metric, self.side, self.bound, observe=self.observe), found, self.bound)
        return judged(
            self._named(metric),
            found.value,
            self.bound,
            self.side,
            ends=found.ends,
            confident=self.confident,
            detail=found.detail,
            observe=self.observe,
        )

    def _named(self, metric: Metric) -> str:
        return f"{metric.label()} at {'least' if self.side == 'minimum' else 'most'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class VersusChampion:
    """How much worse or better than the champion's a metric may be, or has to be.

    Attributes:
        metric: None for the one that candidates are ranked by.
        bound: in the metric's unit; relative ones as a fraction of the champion's value.
        confident: the whole 95 % interval of the difference has to keep to the bound.

    """

    kind: Comparing
    bound: float
    metric: Metric | None = None
    confident: bool = False
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"champion"})

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return self._named(self.metric)

    def check(self, case: GateCase) -> GateResult:
        """Compare the two on the same rows; where there is no champion it passes."""
        if case.champion is None:
            return unopposed(self)
        metric = case.scores.settled(self.metric or case.metric)
        lead = case.lead(metric)
        if isinstance(lead, str):
            return unknown(self, lead, self.bound)
        scale = 1.0
        if "relative" in self.kind:
            scale = abs(case.champion_value(metric) or 0.0)
        value, ends = lead.value, lead.ends
        if "regression" in self.kind:
            value, ends = 0.0 - value, (0.0 - ends[1], 0.0 - ends[0]) if ends else None
        return judged(
            self._named(metric),
            _ratio(value, scale),
            self.bound,
            "minimum" if self.kind.startswith("minimum") else "maximum",
            ends=(_ratio(ends[0], scale), _ratio(ends[1], scale)) if ends else None,
            confident=self.confident,
            detail=lead.detail,
            observe=self.observe,
        )

    def _named(self, metric: Metric | None) -> str:
        bound = f"{100 * self.bound:g} %" if "relative" in self.kind else f"{self.bound:g}"
        return _WORDS[self.kind].format(metric.label() if metric else "the metric", bound)


def _ratio(value: float, scale: float) -> float:
    """Return the value relative to the champion's; infinite where that is 0 and the value is not."""
    if scale:
        return value / scale
    return math.copysign(math.inf, value) if value else 0.0
