"""Which further conditions must a winner meet, each answered with passed, failed or inconclusive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GateVerdict = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """The answer of one gate for one candidate.

    Attributes:
        gate: what is asked, in words, for example "lead at least 0.005".
        value: what was found; None where it could not be found.
        bound: what was asked for.
        margin: how far inside (positive) or outside (negative) the value lies, in the value's unit.
        observe: True where the gate only reports and never stops a promotion.

    """

    gate: str
    verdict: GateVerdict
    value: float | None = None
    bound: float | None = None
    margin: float | None = None
    detail: str = ""
    observe: bool = False


def at_least(gate: str, value: float, bound: float, detail: str = "") -> GateResult:
    """Return passed where value >= bound."""
    return GateResult(gate, "passed" if value >= bound else "failed", value, bound, value - bound, detail)


def at_most(gate: str, value: float, bound: float, detail: str = "") -> GateResult:
    """Return passed where value <= bound."""
    return GateResult(gate, "passed" if value <= bound else "failed", value, bound, bound - value, detail)
