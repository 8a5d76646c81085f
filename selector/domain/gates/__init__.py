"""Which further conditions must a winner meet, each answered with passed, failed or inconclusive."""

from selector.domain.gates.result import GateResult, GateVerdict, at_least, at_most, judged

__all__ = ["GateResult", "GateVerdict", "at_least", "at_most", "judged"]
