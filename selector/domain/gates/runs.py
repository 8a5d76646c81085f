"""Is the run as it has to be: signed off, documented, fresh?"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from selector.domain.gates.case import GateCase, Need, unknown
from selector.domain.gates.result import GateResult, judged

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Required:
    """Tags or params that the run has to have.

    Attributes:
        what: tags of the run or of its version, or params of the run.
        wanted: names, each with a glob that its value has to match ("*": any).

    """

    what: Literal["tags", "params"]
    wanted: tuple[tuple[str, str], ...]
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"run"})

    @property
    def name(self) -> str:
        """What is asked, in words."""
        return f"{self.what}: " + ", ".join(k if v == "*" else f"{k} = {v}" for k, v in self.wanted)

    def check(self, case: GateCase) -> GateResult:
        """Look for each of them."""
        run, version = case.standing.candidate.run, case.standing.candidate.version
        if run is None:
            return unknown(self, "its run is gone")
        found: Mapping[str, str] = run.params
        if self.what == "tags":
            found = {**(version.tags if version else {}), **run.tags}
        troubles = []
        for key, pattern in self.wanted:
            if key not in found:
                troubles.append(f"{key} is missing")
            elif not fnmatch.fnmatchcase(found[key], pattern):
                troubles.append(f"{key} is {found[key][:80]!r}")
        return GateResult(
            self.name, "failed" if troubles else "passed", detail="; ".join(troubles), observe=self.observe
        )


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long ago the run may have ended, in seconds."""

    maximum: float
    observe: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({"run"})

    @property
    def name(self) -> str:
        """What is asked, in words; in days."""
        return f"run ended at most {self.maximum / _DAY:g} days ago"

    def check(self, case: GateCase) -> GateResult:
        """Compare the time of the look with the end of the run, or its start where it has no end."""
        run, bound = case.standing.candidate.run, self.maximum / _DAY
        ended = (run.ended_at or run.started_at) if run else None
        if ended is None or case.at is None:
            return unknown(self, "when its run ended is not known", bound)
        days = (case.at - ended).total_seconds() / _DAY
        return judged(self.name, days, bound, "maximum", detail=f"it ended {ended:%Y-%m-%d}", observe=self.observe)
