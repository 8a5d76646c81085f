"""Does a model answer quickly enough?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from selector.domain.gates.case import GateCase, Need, unknown
from selector.domain.gates.result import GateResult, judged


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call to the model may take, measured in the confined worker.

    Attributes:
        percentile: 1 to 99, of the calls that were timed.
        per: a call with a single row, or one with a batch of 100.
        maximum: in seconds.

    """

    percentile: int
    per: Literal["row", "batch"]
    maximum: float
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"timings"})

    @property
    def name(self) -> str:
        """What is asked, in words; in milliseconds."""
        what = "a single row" if self.per == "row" else "a batch of 100 rows"
        return f"p{self.percentile} latency of {what} at most {1000 * self.maximum:g} ms"

    def check(self, case: GateCase) -> GateResult:
        """Take the percentile of the timed calls; a model that was not timed leaves it open."""
        bound = 1000.0 * self.maximum
        if case.truth is None:
            return unknown(self, "no rows are shared, so that no call was timed", bound)
        timings = case.predictions.timings if case.predictions else None
        if timings is None:
            return unknown(self, "no call of the model was timed", bound)
        calls = [1000.0 * seconds for rows, seconds in timings if (rows == 1) == (self.per == "row")]
        if not calls:
            why = "it does not answer parts of the holdout" if not timings else "the holdout has fewer than 100 rows"
            return unknown(self, f"no such call could be timed: {why}", bound)
        value = float(np.quantile(calls, self.percentile / 100.0, method="higher"))
        detail = f"{len(calls)} call{'s' if len(calls) > 1 else ''} timed"
        return judged(self.name, value, bound, "maximum", detail=detail, observe=self.observe)
