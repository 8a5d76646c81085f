"""Who should be champion: the only place where a winner is chosen."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selector.domain.approval import Answer, answered, offered, released
from selector.domain.comparison import Comparison, rows_needed
from selector.domain.counted import counted, leading_by_logged, same_data
from selector.domain.eligibility import best_constant, standings, why_not
from selector.domain.gates import GateResult
from selector.domain.gates.check import checked, what_may_change
from selector.domain.logged import Logged, logged_value
from selector.domain.metric import AUTO, Metric, resolve_average
from selector.domain.model import PUT_ASIDE, STATUS_TAG, Truth
from selector.domain.policy import Policy
from selector.domain.proof import examined, floor
from selector.domain.ranking import Ranking, Reason, Standing, rank
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision, Luck, Proof, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """Everything that a choice is made from."""

    snapshot: Snapshot
    policy: Policy
    metric: Metric
    ranking: Ranking
    champion: Standing | None
    luck: Luck


@dataclass(frozen=True, slots=True)
class _Choice:
    verdict: Verdict
    code: str
    reason: str
    winner: Standing | None = None
    proof: Proof = "none"
    rows_needed: int | None = None
    notes: tuple[str, ...] = ()
    proposed: Standing | None = None
    approval: Answer | None = None


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
    case = _Case(snapshot, policy, metric, ranking, champion, luck)
    choice = _asked(_choose(case), case, answer)
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


def _asked(choice: _Choice, case: _Case, answer: Answer | None) -> _Choice:
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


def _choose(case: _Case) -> _Choice:
    champion = case.champion
    challengers = [s for s in case.ranking if s.eligible and s.score is not None and not s.champion]
    if champion is None:
        return _first(challengers, case)
    if not challengers:
        held = " One is held because it is too good to be true." if any(s.held for s in case.ranking) else ""
        why = _nobody(case.ranking, "nobody else") if any(s.reasons for s in case.ranking) else "nobody else competes"
        return _Choice("kept", "no-challenger", f"{_named(champion)} stays: {why.rstrip('.')}.{held}")
    if champion.score is None:
        why = champion.reasons[0].text if champion.reasons else "it has no score"
        text = f"{_named(champion)} stays: it cannot be compared, {why}; promote another one by hand."
        return _Choice("inconclusive", "champion-not-scored", text)
    if case.snapshot.truth is not None:
        return _by_rows(challengers, champion, case, case.snapshot.truth)
    return _by_logged(challengers, champion, case)


def _named(standing: Standing) -> str:
    number = standing.candidate.number
    return f"{standing.name} (v{number})" if number is not None else standing.name


def _first(challengers: Sequence[Standing], case: _Case) -> _Choice:
    """Choose the first champion: the best that is valid."""
    alias = case.policy.aliases.champion
    gone = case.snapshot.alias(alias)
    if gone is not None:
        text = f"Alias {alias} points at version {gone}, which is gone; move it by hand."
        return _Choice("inconclusive", "champion-gone", text)
    if challengers:
        free = _unblocked(challengers)
        return _first_of(free, case) if free else _blocked(challengers, case, "Nobody becomes champion")
    if any(s.held for s in case.ranking):
        return _Choice("awaiting_approval", "too-good", "The only candidate that could win is too good to be true.")
    nobody = _nobody(case.ranking)
    return _Choice("no_candidate", "no-candidate", nobody[0].upper() + nobody[1:])


def _first_of(best: Standing, case: _Case) -> _Choice:
    label, number, truth = case.metric.label(), f"{best.score:.4f}", case.snapshot.truth
    if truth is None:
        if case.policy.without_proof == "keep":
            text = f"{best.name} has the best logged {label}, {number}, but without shared rows nothing is promoted."
            return _Choice("refused", "unproven", text)
        text = f"{_named(best)} becomes the first champion: best logged {label}, {number}; unproven."
        return _Choice("promoted", "first-champion-unproven", text, best, "unproven")
    constant = best_constant(truth, case.metric)
    notes: tuple[str, ...] = ()
    if constant is not None and best.score is not None:
        if case.metric.lead(best.score, constant.value) <= 0:
            text = f"{best.name} scores {label} {number}, no better than always giving one answer."
            return _Choice("refused", "no-better-than-constant", text)
        if best.low is not None and best.low <= constant.value:
            notes = (f"On {truth.rows} rows {best.name} is not shown to beat always giving one answer.",)
    text = f"{_named(best)} becomes the first champion: best {label} on the holdout, {number}."
    return _Choice("promoted", "first-champion", text, best, "measured", notes=notes)


def _nobody(ranking: Ranking, who: str = "nobody") -> str:
    if not ranking:
        return "There is no candidate: no finished run and no registered version was found."
    code = next(iter(why_not(ranking)))
    example = next(s for s in ranking if s.reasons and s.reasons[0].code == code)
    others = f" (the commonest reason among {len(ranking)})" if len(ranking) > 1 else ""
    return f"{who} may compete: {example.name}: {example.reasons[0].text.rstrip('.')}{others}."


def _by_rows(challengers: Sequence[Standing], champion: Standing, case: _Case, truth: Truth) -> _Choice:
    """Promote the best challenger whose lead is large enough and more than luck explains."""
    leading = [s for s in challengers if s.leads]
    best, stays = _unblocked(leading) or challengers[0], f"{_named(champion)} stays"
    versus = best.versus
    if versus is not None and best.leads and not _stopping(best):
        text = (
            f"{_named(best)} replaces {_named(champion)}: {case.metric.label()} {best.score:.4f} against "
            f"{champion.score:.4f}, a lead of {versus.lead:.4f} on the same {truth.rows} rows."
        )
        proof: Proof = "proven" if case.policy.rule == "proven" else "measured"
        return _Choice("promoted", "better", text, best, proof)
    if leading:
        return _blocked(leading, case, stays)
    if versus is None or versus.lead <= 0:
        text = f"{stays}: nobody scores better; the next is {best.name} with {best.score:.4f}."
        return _Choice("kept", "nobody-better", text)
    return _unproven_lead(f"{stays}: {best.name} leads by {versus.lead:.4f}", best, versus, case)


def _stopping(standing: Standing) -> tuple[GateResult, ...]:
    return tuple(gate for gate in standing.gates if gate.stops)


def _unblocked(challengers: Sequence[Standing]) -> Standing | None:
    """Return the best one that no gate stops."""
    return next((s for s in challengers if not _stopping(s)), None)


def _blocked(stopped: Sequence[Standing], case: _Case, stays: str) -> _Choice:
    """Say which gate stops those that would be promoted: refused, or inconclusive where a gate could not tell."""
    undecided = [s for s in stopped if all(gate.verdict == "inconclusive" for gate in _stopping(s))]
    best = (undecided or list(stopped))[0]
    gate = min(_stopping(best), key=lambda g: g.verdict != "failed")
    finding = f": {gate.finding}" if gate.finding else ""
    more = f" ({len(stopped)} candidates are stopped by gates)" if len(stopped) > 1 else ""
    verb = "fails" if gate.verdict == "failed" else "leaves open"
    score = f"{case.metric.label()} {best.score:.4f}"
    text = f'{stays}: {best.name} would win with {score}, but {verb} the gate "{gate.gate}"{finding}{more}.'
    return _Choice("inconclusive" if undecided else "refused", f"gate-{gate.verdict}", text)


def _unproven_lead(stays: str, best: Standing, versus: Comparison, case: _Case) -> _Choice:
    policy, luck, rows = case.policy, case.luck, _rows(best)
    if versus.lead < policy.minimum_gain:
        return _Choice("kept", "below-minimum-gain", f"{stays}, less than the {policy.minimum_gain:g} worth a change.")
    if versus.n_eff < policy.minimum_effective_rows:
        text = f"{stays}, but the two disagree on {versus.disagreements} rows only, which says nothing."
        return _Choice("inconclusive", "too-few-rows", text)
    text = (
        f"{stays}, but with {_tries(luck)} on {rows} rows a lead of {best.bar:.4f} is needed; "
        f"the two really disagree on {versus.disagreements} rows."
    )
    return _Choice("kept", "not-proven", text, rows_needed=rows_needed(versus, rows, luck.alpha, luck.count))


def _rows(standing: Standing) -> int:
    return standing.outcome.rows if standing.outcome else 0


def _tries(luck: Luck) -> str:
    tries = luck.judged + luck.refused_before
    named = "one challenger" if tries <= 1 else f"{tries} challengers"
    if luck.trials:
        named += f" and {luck.trials} trials of tuning runs"
    return named if tries + luck.trials <= 1 else f"{named} (they count as {luck.count:.1f})"


def _by_logged(challengers: Sequence[Standing], champion: Standing, case: _Case) -> _Choice:
    """Compare logged values, where they speak of the same data."""
    policy, stays = case.policy, f"{_named(champion)} stays"
    same = same_data(challengers, champion, policy)
    if not same:
        text = "no challenger's metrics carry the same dataset digest; name a holdout, or set trust_logged: true"
        return _Choice("inconclusive", "other-data", f"{stays}: {text}.")
    leading = leading_by_logged(same, champion, policy, case.metric)
    best = _unblocked(leading)
    if best is not None:
        return _by_value(best, champion, case)
    return _blocked(leading, case, stays) if leading else _nobody_leads(stays, same[0], champion, case)


def _by_value(best: Standing, champion: Standing, case: _Case) -> _Choice:
    replaces = f"{_named(best)} replaces {_named(champion)}: {_values(best, champion, case)}"
    if best.counted is None:
        text = f"{replaces}; unproven, the rows were not shared."
        return _Choice("promoted", "better-unproven", text, best, "unproven")
    rows = "not row by row" if best.candidate.datasets & champion.candidate.datasets else "different rows"
    text = f"{replaces}, by the counts that both runs logged; {rows}."
    return _Choice("promoted", "better-counted", text, best, "counted")


def _nobody_leads(stays: str, best: Standing, champion: Standing, case: _Case) -> _Choice:
    lead, gain = case.metric.lead(best.score or 0.0, champion.score or 0.0), case.policy.minimum_gain
    if lead <= 0:
        return _Choice("kept", "nobody-better", f"{stays}: nobody logged a better {case.metric.label()}.")
    leads = f"{stays}: {best.name} leads by {lead:.4f}"
    if lead < gain:
        return _Choice("kept", "below-minimum-gain", f"{leads}, less than the {gain:g} worth a change.")
    if best.counted is not None:
        needed = f"with {_tries(case.luck)} a lead of {best.bar:.4f} is needed by the counts that both runs logged"
        return _Choice("kept", "not-shown", f"{leads}, but {needed}.")
    text = f"{stays}: {_values(best, champion, case)}, but nothing is proven without shared rows."
    return _Choice("refused", "unproven", text)


def _values(best: Standing, champion: Standing, case: _Case) -> str:
    return f"logged {case.metric.label()} {best.score:.4f} against {champion.score:.4f}"


def _evidence(case: _Case, after: Standing | None, proposed: Standing | None) -> str:
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
            not s.champion and (_mark(s) in PUT_ASIDE or any(reason.code == "rejected" for reason in s.reasons)),
            *what_may_change(s, case.snapshot, policy, case.metric),
        ]
        for s in ranking
    )
    told = [rows, _who(after), truth.digest if truth else None, policy.digest()]
    text = json.dumps(told if proposed is None else [*told, _who(proposed)], default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _who(standing: Standing | None) -> tuple[str, str | None] | None:
    return (standing.digest or standing.candidate.uri, standing.candidate.run_id) if standing else None


def _mark(standing: Standing) -> str:
    return standing.candidate.version.tags.get(STATUS_TAG, "") if standing.candidate.version else ""
