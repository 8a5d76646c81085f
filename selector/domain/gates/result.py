"""What does a gate answer: passed, failed or inconclusive, with the value, the bound and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GateVerdict = Literal["passed", "failed", "inconclusive"]

ROUNDING = 1e-12
"""0.85 - 0.84 is 0.010000000000000009, and a regression of at most 0.01 all the same."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The answer of one gate for one candidate.

    Attributes:
        gate: what is asked, in words, for example "lead at least 0.005".
        value: what was found; None where it could not be found.
        bound: what was asked for.
        margin: how far inside (positive) or outside (negative) the value lies, in the value's unit.
        detail: what else there is to know; "" mostly.
        observe: True where the gate only reports and never stops a promotion.
        of_lead: True for the tests of the lead itself, for which the labels of production may stand in.

    """

    gate: str
    verdict: GateVerdict
    value: float | None = None
    bound: float | None = None
    margin: float | None = None
    detail: str = ""
    observe: bool = False
    of_lead: bool = False

    @property
    def stops(self) -> bool:
        """Whether it stands in the way of a promotion."""
        return self.verdict != "passed" and not self.observe

    @property
    def finding(self) -> str:
        """What was found, for the sentence that names the gate: "0.61 against 0.7; 3 slices were looked at"."""
        numbers = f"{self.value:.4g} against {self.bound:.4g}" if None not in (self.value, self.bound) else ""
        return "; ".join(part for part in (numbers, self.detail) if part)


def at_least(gate: str, value: float, bound: float, detail: str = "") -> GateResult:
    """Return passed where value >= bound."""
    return GateResult(gate, "passed" if value >= bound else "failed", value, bound, value - bound, detail)


def at_most(gate: str, value: float, bound: float, detail: str = "") -> GateResult:
    """Return passed where value <= bound."""
    return GateResult(gate, "passed" if value <= bound else "failed", value, bound, bound - value, detail)


def judged(
    gate: str,
    value: float,
    bound: float,
    side: Literal["minimum", "maximum"],
    *,
    ends: tuple[float, float] | None = None,
    confident: bool = False,
    detail: str = "",
    observe: bool = False,
) -> GateResult:
    """Return whether a value keeps to its bound.

    Args:
        gate: what is asked.
        value: what was found.
        bound: the smallest or largest value that passes.
        side: which of the two the bound is.
        ends: the value's 95 % interval; None where it has none.
        confident: the whole interval has to keep to the bound; where only a part of it does, or where there is no
            interval, the answer is inconclusive.
        detail: what else there is to know.
        observe: only report.

    """
    margin = value - bound if side == "minimum" else bound - value
    verdict: GateVerdict = "passed" if margin >= -ROUNDING else "failed"
    if ends is not None:
        detail = "; ".join(part for part in (f"95 % interval {ends[0]:.4g} to {ends[1]:.4g}", detail) if part)
    if confident and ends is not None:
        margins = [end - bound if side == "minimum" else bound - end for end in ends]
        verdict = "passed" if min(margins) >= -ROUNDING else "failed" if max(margins) < -ROUNDING else "inconclusive"
    elif confident and verdict == "passed":
        verdict = "inconclusive"
        detail = "; ".join(part for part in (detail, "a logged value has no interval to be confident about") if part)
    return GateResult(gate, verdict, value, bound, margin, detail, observe)
