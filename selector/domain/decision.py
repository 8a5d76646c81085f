"""Who should be champion: settle the metric, rank, test, choose, and say what it rests on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

from selector.domain.approval import Answer, answered, offered, released
from selector.domain.choice import Case, Choice, choose
from selector.domain.counted import counted
from selector.domain.eligibility import standings
from selector.domain.gates.check import checked, what_may_change
from selector.domain.logged import Logged, logged_value
from selector.domain.metric import AUTO, Metric, resolve_average
from selector.domain.model import PUT_ASIDE, STATUS_TAG
from selector.domain.policy import Policy
from selector.domain.proof import examined, floor
from selector.domain.ranking import Ranking, Reason, Standing, rank
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision


def decide(snapshot: Snapshot, policy: Policy, decision_id: str) -> Decision:
    """Decide who should be champion of this model.

    Measured where labelled rows are shared, by a paired test that is corrected for the number of challengers; by
    logged metrics, marked unproven, where they are not. See docs/how-it-decides.md. What a person approved is decided
    on as if nobody had been asked, if the evidence is still the one that was approved; see docs/approval.md.

    Args:
        snapshot: what one look saw; equal snapshots give equal decisions.
        policy: what the operator asks for.
        decision_id: the id to give to the decision; it does not influence the outcome.

    """
    asked = _decide(snapshot, policy, decision_id, None)
    answer = answered(asked.evidence, asked.offers, snapshot.approvals)
    return asked if answer is None else _decide(snapshot, policy, decision_id, answer)


def _decide(snapshot: Snapshot, policy: Policy, decision_id: str, answer: Answer | None) -> Decision:
    truth = snapshot.truth
    metric = _settled(policy.metric, snapshot)
    found, common = _without_common_notes(released(standings(snapshot, policy, metric), answer))
    ranked = rank(found, metric)
    ranking, luck = examined(ranked, snapshot, policy) if truth else counted(ranked, snapshot, policy, metric)
    ranking = checked(ranking, snapshot, policy, metric)
    champion = next((s for s in ranking if s.champion), None)
    case = Case(snapshot, policy, metric, ranking, champion, luck)
    choice = _asked(choose(case), case, answer)
    after = choice.winner or champion
    return Decision(
        id=decision_id,
        model=snapshot.model,
        verdict=choice.verdict,
        reason=choice.reason,
        code=choice.code,
        metric=metric,
        ranking=ranking,
        winner=choice.winner,
        champion=champion,
        proof=choice.proof,
        luck=luck,
        truth=truth,
        policy_digest=policy.digest(),
        evidence=_evidence(case, after, choice.proposed),
        floor=floor(after, ranking, luck, truth),
        rows_needed=choice.rows_needed,
        notes=(*choice.notes, *common),
        held=tuple(Reason("too-good", f"{s.name}: {s.reasons[0].text}") for s in ranking if s.held),
        proposed=choice.proposed,
        offers=offered(ranking, choice.proposed, choice.proposed or after, metric),
        approval=choice.approval,
    )


def _asked(choice: Choice, case: Case, answer: Answer | None) -> Choice:
    """Ask a person where the policy says so, or where nobody but a held one is left; act on the answer."""
    winner = choice.winner
    if answer is not None:
        if winner is not None and winner.candidate.uri == answer.candidate:
            return replace(choice, reason=f"{choice.reason} {answer.words()}", approval=answer)
        name = next((s.name for s in case.ranking if s.candidate.uri == answer.candidate), answer.candidate)
        note = f"{answer.words().rstrip('.')}, {name} was judged like any other and is not the one to promote."
        choice = replace(choice, notes=(*choice.notes, note), approval=answer)
    if winner is not None and case.policy.approval.required:
        text = f"A person has to agree: {choice.reason}"
        return replace(choice, verdict="awaiting_approval", code="approval", reason=text, winner=None, proposed=winner)
    if choice.verdict == "awaiting_approval":
        return replace(choice, proposed=next(s for s in case.ranking if s.held))
    return choice


def _without_common_notes(found: Ranking) -> tuple[Ranking, tuple[str, ...]]:
    """Say once what holds for every candidate that was scored."""
    scored = [set(s.notes) for s in found if s.score is not None]
    common = set.intersection(*scored) if len(scored) > 1 else set()
    kept = tuple(replace(s, notes=tuple(n for n in s.notes if n not in common)) for s in found)
    return kept, tuple(sorted(f"Every candidate: {note}" for note in common))


def _settled(metric: Metric, snapshot: Snapshot) -> Metric:
    """Return the metric with its averaging settled: by the holdout's classes, else by what most runs logged."""
    truth = snapshot.truth
    if truth is not None:
        return resolve_average(
            metric, truth.classes, truth.classes[truth.positive] if truth.positive is not None else None
        )
    if metric.average != AUTO:
        return metric
    found = [logged_value(metric, c.metrics) for c in snapshot.candidates]
    averages = Counter(sorted(v.average for v in found if isinstance(v, Logged) and v.average is not None))
    return replace(metric, average=averages.most_common(1)[0][0]) if averages else metric


def _evidence(case: Case, after: Standing | None, proposed: Standing | None) -> str:
    """Return a digest of what was on the table, of who is champion after, and of who waits for a person's word.

    It leaves out what promotion itself changes (version numbers, who leads whom, gates that look at the champion), so
    that deciding again right after a decision finds equal evidence.
    """
    ranking, truth, policy = case.ranking, case.snapshot.truth, case.policy
    rows = sorted(
        [
            s.candidate.run_id or "",
            s.digest or s.candidate.uri,
            s.outcome.digest if s.outcome else repr(s.logged),
            _is_out(s, after),
            *what_may_change(s, case.snapshot, policy, case.metric),
        ]
        for s in ranking
    )
    told = [rows, _who(after), truth.digest if truth else None, policy.digest()]
    text = json.dumps(told if proposed is None else [*told, _who(proposed)], default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_out(standing: Standing, after: Standing | None) -> bool:
    """Tell whether a person put it aside; whoever is champion after the decision is not out, whatever its mark says."""
    if after is not None and standing.candidate.uri == after.candidate.uri:
        return False
    return _mark(standing) in PUT_ASIDE or any(reason.code == "rejected" for reason in standing.reasons)


def _who(standing: Standing | None) -> tuple[str, str | None] | None:
    return (standing.digest or standing.candidate.uri, standing.candidate.run_id) if standing else None


def _mark(standing: Standing) -> str:
    return standing.candidate.version.tags.get(STATUS_TAG, "") if standing.candidate.version else ""
