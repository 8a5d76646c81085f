"""Which challengers answer production's rows beside the champion, and what is known of each of them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

Cell = tuple[int, int, int, int]
"""True class, the champion's answer, the challenger's answer, and how many rows."""

Finding = Literal["open", "better", "worse", "out"]
"""Not known yet; proved better than the champion; cannot lead by enough any more; left out for another reason."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What the batches of a metric that is not made of counts come to; D is the difference of two influences.

    Attributes:
        lead: sum over batches of rows times lead.
        champion: sum over batches of rows times the champion's value.
        challenger: the same of the challenger.
        square: sum of D squared.
        fourth: sum of D to the fourth.

    """

    rows: int = 0
    lead: float = 0.0
    champion: float = 0.0
    challenger: float = 0.0
    square: float = 0.0
    fourth: float = 0.0


@dataclass(frozen=True, slots=True)
class LiveLead:
    """By how much a challenger leads on production's labels, in the metric's unit.

    Attributes:
        lead: of all rows so far; negative where it is worse.
        low: at no look is the true lead below this, but for a chance of alpha over all looks together.
        high: the same for the other side.
        rows: labelled rows that both have answered.
        apart: effective rows that tell the two apart.
        champion: the champion's value on these rows.
        challenger: the challenger's.

    """

    lead: float
    low: float
    high: float
    rows: int
    apart: float
    champion: float
    challenger: float


@dataclass(frozen=True, slots=True)
class LiveChallenger:
    """A challenger that answers the same rows of production as the champion; nobody else sees its answers.

    Attributes:
        uri: its address in MLflow.
        place: the how manieth challenger this champion meets on production's labels, from 1 on; the error rate that
            one promotion may have is divided by it.
        since: batches that speak of a time before this may have been in its training data and do not count.
        threshold: from which on a probability counts as the positive class; None: as for every model.
        digest: of its files; "" while they were not read.
        cells: joint counts of labels and answers, sorted; empty for metrics that are not made of counts.
        found: its lead so far; None before the first batch.
        at: time of the batch that settled the finding.
        reason: why it is left out.
        looked: whether a look at all candidates was made because it proved better.

    """

    uri: str
    name: str
    place: int
    version: int | None = None
    run_id: str | None = None
    since: datetime | None = None
    threshold: float | None = None
    digest: str = ""
    rows: int = 0
    batches: int = 0
    cells: tuple[Cell, ...] = ()
    sums: Sums = Sums()
    found: LiveLead | None = None
    finding: Finding = "open"
    at: datetime | None = None
    reason: str = ""
    looked: bool = False

    @property
    def title(self) -> str:
        """The name people know it by, with its version where it has one."""
        return f"{self.name} (v{self.version})" if self.version is not None else self.name


@dataclass(frozen=True, slots=True)
class LiveProof:
    """A challenger that proved better than a champion on production's labels, at all looks together.

    Attributes:
        champion: the version that it proved better than.
        lead: in the metric's unit.
        low: the lead that it has at least.
        rows: labelled rows that both have answered.

    """

    champion: int
    lead: float
    low: float
    rows: int


def settled(challenger: LiveChallenger, found: LiveLead, minimum_gain: float, at: datetime) -> LiveChallenger:
    """Return the challenger with its lead so far, and with a finding where there is one; a finding stays.

    Args:
        challenger: as it was.
        found: its lead so far.
        minimum_gain: a smaller lead is not worth a change.
        at: time of the newest batch.

    """
    challenger = replace(challenger, found=found)
    if challenger.finding != "open":
        return challenger
    if found.low > 0.0 and found.lead >= minimum_gain:
        return replace(challenger, finding="better", at=at)
    if found.high <= max(minimum_gain, 0.0):
        reason = f"it cannot lead by {minimum_gain:g} any more" if minimum_gain > 0.0 else "it is no better"
        return replace(challenger, finding="worse", at=at, reason=reason)
    return challenger


def entrants(
    ranking: Iterable[Mapping[str, Any]], known: Iterable[LiveChallenger], champion: int | None, most: int
) -> tuple[Mapping[str, Any], ...]:
    """Return who of a recorded ranking comes next: the best that may win, as many as there are free places.

    Args:
        ranking: lines of a recorded decision, best first.
        known: who is there or was there in this reign; nobody comes in twice.
        champion: the present champion's version.
        most: how many are judged at once.

    """
    met = tuple(known)
    free = most - sum(one.finding in ("open", "better") for one in met)
    uris = {one.uri for one in met}
    able = [
        line
        for line in ranking
        if line.get("uri")
        and line.get("eligible")
        and not line.get("champion")
        and (champion is None or line.get("version") != champion)
        and line["uri"] not in uris
        and not any(_stops(gate) for gate in line.get("gates") or ())
    ]
    return tuple(able[: max(free, 0)])


def _stops(gate: Mapping[str, Any]) -> bool:
    return gate.get("verdict") != "passed" and not gate.get("observe") and not gate.get("of_lead")


def proofs(challengers: Iterable[LiveChallenger], champion: int | None) -> dict[str, LiveProof]:
    """Return who proved better than the present champion, by address and by the digest of its files."""
    if champion is None:
        return {}
    return {
        key: LiveProof(champion, one.found.lead, one.found.low, one.found.rows)
        for one in challengers
        if one.finding == "better" and one.found is not None
        for key in (one.uri, one.digest)
        if key
    }
