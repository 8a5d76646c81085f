"""In which order do the candidates stand, and what is known about each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from selector.domain.comparison import Comparison
from selector.domain.gates import GateResult
from selector.domain.metric import Metric
from selector.domain.model import Candidate
from selector.domain.outcomes import Outcome
from selector.domain.unpaired import Unpaired

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is as it is: a stable code that can be searched for, and one plain sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """One candidate's place in a decision.

    Attributes:
        digest: sha256 of the model's content, where its bytes were read; copies share it.
        score: the value it is ranked by; None where there is none that can be believed.
        low: lower end of the 95 % interval; None where rows are not shared.
        high: upper end of that interval.
        reasons: why it may not compete; empty for one that may.
        outcome: the measurement on the holdout; None where only logged metrics exist.
        logged: the value its run logged for this metric, as a fraction; None where there is none.
        versus: the paired comparison with the champion; None for the champion itself and without shared rows.
        counted: the comparison with the champion by logged counts, where no rows are shared and both have counts.
        leads: True where it leads the champion by enough and by more than luck explains, as the rule demands.
        bar: the lead over the champion that would have been enough; None where no test was made.
        copies: names of candidates that are the same model and compete as this one.
        shortlisted: True where it may be the best one, by the same rows.
        notes: what is worth knowing and changes nothing.

    """

    candidate: Candidate
    digest: str | None = None
    score: float | None = None
    low: float | None = None
    high: float | None = None
    reasons: tuple[Reason, ...] = ()
    outcome: Outcome | None = None
    logged: float | None = None
    versus: Comparison | None = None
    counted: Unpaired | None = None
    adjusted_p: float | None = None
    bar: float | None = None
    gates: tuple[GateResult, ...] = ()
    copies: tuple[str, ...] = ()
    shortlisted: bool = False
    leads: bool = False
    champion: bool = False
    held: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def eligible(self) -> bool:
        """Whether it may win."""
        return not self.reasons

    @property
    def lead(self) -> float | None:
        """By how much it leads the champion, negative where it is worse; None where the two were not compared."""
        found = self.versus or self.counted
        return found.lead if found else None

    @property
    def name(self) -> str:
        """The name people know it by."""
        return self.candidate.name


Ranking = tuple[Standing, ...]
"""Standings, best first; those that may not compete come last."""


def age(candidate: Candidate) -> tuple[datetime, int, str]:
    """Return a key that puts the older run first, then the lower version, then the run's id and URI."""
    started = candidate.run.started_at if candidate.run else None
    return (started or NEVER, candidate.number or 2**31, f"{candidate.run_id or ''} {candidate.uri}")


def rank(standings: Iterable[Standing], metric: Metric) -> Ranking:
    """Return the standings best first; those that may not compete come last.

    Ties keep the champion, then the older run, so that ranking again changes nothing: in 22 of 26 real stores with at
    least two scored runs the best score is reached exactly by more than one run.
    """

    def key(standing: Standing) -> tuple[bool, bool, float, bool, tuple[datetime, int, str]]:
        score = standing.score
        toward = 0.0 if score is None else -metric.lead(score, 0.0)
        return (not standing.eligible, score is None, toward, not standing.champion, age(standing.candidate))

    return tuple(sorted(standings, key=key))
