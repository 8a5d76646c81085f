"""Which candidates may a person approve, and which answer belongs to which decision?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from selector.domain.metric import Metric
from selector.domain.ranking import Ranking, Standing

APPROVE_TAG = "selector.approve"
REJECT_TAG = "selector.reject"
REJECT = "reject"
"""Value of the approve tag that means no."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said about one candidate of one decision.

    Attributes:
        decision: id of the decision that was answered.
        evidence: that decision's evidence; an approval counts for equal evidence only.
        candidate: address of the candidate.
        by: a person's name, or "MLflow tag".

    """

    decision: str
    evidence: str
    candidate: str
    approved: bool
    by: str
    at: datetime
    reason: str = ""

    def words(self) -> str:
        """Return who approved, and why, as it is told behind a decision's reason."""
        return f"Approved by {self.by}{': ' + self.reason.rstrip('.') if self.reason else ''}."


def lapsed(since: datetime, expires: float | None, now: datetime) -> bool:
    """Tell whether a question or an answer of this age is too old.

    Args:
        since: when it was asked or given.
        expires: seconds; None where nothing lapses.
        now: the present time.

    """
    return expires is not None and now - since > timedelta(seconds=expires)


def answered(evidence: str, offers: Sequence[Standing], answers: Sequence[Answer]) -> Answer | None:
    """Return the newest approval of one of the offers that was given on this very evidence."""
    open_to = {offer.candidate.uri for offer in offers}
    fitting = [a for a in answers if a.approved and a.evidence == evidence and a.candidate in open_to]
    return max(fitting, key=lambda a: a.at, default=None)


def offered(ranking: Ranking, proposed: Standing | None, best: Standing | None, metric: Metric) -> tuple[Standing, ...]:
    """Return the candidates that a person may approve: the one that is proposed, then what is held and leads.

    Args:
        ranking: everybody, best first.
        proposed: who would be promoted without asking; or the held one that leads where there is nobody else.
        best: the champion after this decision, or the one proposed; a held one has to score better.
        metric: what they are ranked by.

    """
    held = [s for s in ranking if s.held and s is not proposed and _leads(s, best, metric)]
    return ((proposed,) if proposed is not None else ()) + tuple(held)


def _leads(standing: Standing, best: Standing | None, metric: Metric) -> bool:
    if standing.score is None:
        return False
    return best is None or best.score is None or best is standing or metric.lead(standing.score, best.score) > 0


def released(found: Ranking, answer: Answer | None) -> Ranking:
    """Return the standings with the approved candidate no longer held; everything else it still has to pass."""
    if answer is None:
        return found
    return tuple(
        replace(s, held=False, reasons=(), notes=(*s.notes, f"It was held: {s.reasons[0].text}."))
        if s.held and s.candidate.uri == answer.candidate
        else s
        for s in found
    )


def commands(model: str, decision: str, proposed: Standing | None, offers: Sequence[Standing]) -> tuple[str, ...]:
    """Return the commands that answer a decision, quoted for a shell."""
    lines = []
    for offer in offers:
        which = "" if offer is proposed else f" --candidate {shlex.quote(offer.name)}"
        said = f"{shlex.quote(model)} {decision}{which}"
        lines += [f"mlflow-selector approve {said}", f"mlflow-selector reject {said}"]
    return tuple(lines)
