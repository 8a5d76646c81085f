"""Which of the candidates is chosen, and why: the only place where a winner is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selector.domain.approval import Answer
from selector.domain.comparison import Comparison, rows_needed
from selector.domain.counted import leading_by_logged, same_data
from selector.domain.eligibility import best_constant, why_not
from selector.domain.gates import GateResult
from selector.domain.live import LiveProof
from selector.domain.metric import Metric
from selector.domain.model import Truth
from selector.domain.policy import Policy
from selector.domain.ranking import Ranking, Standing
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Luck, Proof, Verdict

BETTER_IN_PRODUCTION = "better-in-production"
"""The code of a promotion that the labels of production have proved."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Everything that a choice is made from."""

    snapshot: Snapshot
    policy: Policy
    metric: Metric
    ranking: Ranking
    champion: Standing | None
    luck: Luck


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen and why; the fields are those of a Decision."""

    verdict: Verdict
    code: str
    reason: str
    winner: Standing | None = None
    proof: Proof = "none"
    rows_needed: int | None = None
    notes: tuple[str, ...] = ()
    proposed: Standing | None = None
    approval: Answer | None = None


def choose(case: Case) -> Choice:
    """Choose who should be champion; the only place where that happens."""
    champion = case.champion
    challengers = [s for s in case.ranking if s.eligible and s.score is not None and not s.champion]
    if champion is None:
        return _first(challengers, case)
    if not challengers:
        held = " One is held because it is too good to be true." if any(s.held for s in case.ranking) else ""
        why = _nobody(case.ranking, "nobody else") if any(s.reasons for s in case.ranking) else "nobody else competes"
        return Choice("kept", "no-challenger", f"{named(champion)} stays: {why.rstrip('.')}.{held}")
    if (proven := _by_production(challengers, champion, case)) is not None:
        return proven
    if champion.score is None:
        why = champion.reasons[0].text if champion.reasons else "it has no score"
        text = f"{named(champion)} stays: it cannot be compared, {why}; promote another one by hand."
        return Choice("inconclusive", "champion-not-scored", text)
    if case.snapshot.truth is not None:
        return _by_rows(challengers, champion, case, case.snapshot.truth)
    return _by_logged(challengers, champion, case)


def named(standing: Standing) -> str:
    """Return the name that sentences use, with the version where there is one."""
    number = standing.candidate.number
    return f"{standing.name} (v{number})" if number is not None else standing.name


def _first(challengers: Sequence[Standing], case: Case) -> Choice:
    """Choose the first champion: the best that is valid."""
    alias = case.policy.aliases.champion
    gone = case.snapshot.alias(alias)
    if gone is not None:
        text = f"Alias {alias} points at version {gone}, which is gone; move it by hand."
        return Choice("inconclusive", "champion-gone", text)
    if challengers:
        free = _unblocked(challengers)
        return _first_of(free, case) if free else _blocked(challengers, case, "Nobody becomes champion")
    if any(s.held for s in case.ranking):
        return Choice("awaiting_approval", "too-good", "The only candidate that could win is too good to be true.")
    nobody = _nobody(case.ranking)
    return Choice("no_candidate", "no-candidate", nobody[0].upper() + nobody[1:])


def _first_of(best: Standing, case: Case) -> Choice:
    label, number, truth = case.metric.label(), f"{best.score:.4f}", case.snapshot.truth
    if truth is None:
        if case.policy.without_proof == "keep":
            text = f"{best.name} has the best logged {label}, {number}, but without shared rows nothing is promoted."
            return Choice("refused", "unproven", text)
        text = f"{named(best)} becomes the first champion: best logged {label}, {number}; unproven."
        return Choice("promoted", "first-champion-unproven", text, best, "unproven")
    constant = best_constant(truth, case.metric)
    notes: tuple[str, ...] = ()
    if constant is not None and best.score is not None:
        if case.metric.lead(best.score, constant.value) <= 0:
            text = f"{best.name} scores {label} {number}, no better than always giving one answer."
            return Choice("refused", "no-better-than-constant", text)
        if best.low is not None and best.low <= constant.value:
            notes = (f"On {truth.rows} rows {best.name} is not shown to beat always giving one answer.",)
    text = f"{named(best)} becomes the first champion: best {label} on the holdout, {number}."
    return Choice("promoted", "first-champion", text, best, "measured", notes=notes)


def _nobody(ranking: Ranking, who: str = "nobody") -> str:
    if not ranking:
        return "There is no candidate: no finished run and no registered version was found."
    code = next(iter(why_not(ranking)))
    example = next(s for s in ranking if s.reasons and s.reasons[0].code == code)
    others = f" (the commonest reason among {len(ranking)})" if len(ranking) > 1 else ""
    return f"{who} may compete: {example.name}: {example.reasons[0].text.rstrip('.')}{others}."


def _by_production(challengers: Sequence[Standing], champion: Standing, case: Case) -> Choice | None:
    """Promote who proved better on the labels of production; the holdout stands in for those, not the other way."""
    live = case.snapshot.live
    free = [s for s in challengers if not _stopping(s, lead=False)]
    found = [(proof, s) for s in free if (proof := live.get(s.digest or "") or live.get(s.candidate.uri))]
    mine = [(proof, s) for proof, s in found if proof.champion == champion.candidate.number]
    if not mine:
        return None
    proof, best = max(mine, key=lambda one: one[0].low)
    text = f"{named(best)} replaces {named(champion)}: {live_words(proof, case.metric)}."
    return Choice("promoted", BETTER_IN_PRODUCTION, text, best, "proven", notes=_contradiction(best, proof))


def _contradiction(best: Standing, proof: LiveProof) -> tuple[str, ...]:
    """Return a warning where the holdout, of which the interval lies elsewhere, does not agree."""
    there = best.versus
    if there is None or there.high >= proof.low:
        return ()
    lead = f"there {best.name} leads by {there.lead:+.4f}, {there.high:+.4f} at most"
    why = "Either the holdout is out of date, or the model was trained on these rows of production"
    return (f"The holdout says otherwise: {lead}. {why}.",)


def live_words(proof: LiveProof, metric: Metric) -> str:
    """Return what was found on production's labels, as a clause."""
    lead = f"it leads by {proof.lead:.4f} {metric.label()}"
    return f"on {proof.rows:,} labelled rows of production {lead}, by {proof.low:.4f} at least"


def _by_rows(challengers: Sequence[Standing], champion: Standing, case: Case, truth: Truth) -> Choice:
    """Promote the best challenger whose lead is large enough and more than luck explains."""
    leading = [s for s in challengers if s.leads]
    best, stays = _unblocked(leading) or challengers[0], f"{named(champion)} stays"
    versus = best.versus
    if versus is not None and best.leads and not _stopping(best):
        text = (
            f"{named(best)} replaces {named(champion)}: {case.metric.label()} {best.score:.4f} against "
            f"{champion.score:.4f}, a lead of {versus.lead:.4f} on the same {truth.rows} rows."
        )
        proof: Proof = "proven" if case.policy.rule == "proven" else "measured"
        return Choice("promoted", "better", text, best, proof)
    if leading:
        return _blocked(leading, case, stays)
    if versus is None or versus.lead <= 0:
        text = f"{stays}: nobody scores better; the next is {best.name} with {best.score:.4f}."
        return Choice("kept", "nobody-better", text)
    return _unproven_lead(f"{stays}: {best.name} leads by {versus.lead:.4f}", best, versus, case)


def _stopping(standing: Standing, *, lead: bool = True) -> tuple[GateResult, ...]:
    """Return what stands in the way; without `lead` only what is no test of the lead on the holdout."""
    return tuple(gate for gate in standing.gates if gate.stops and (lead or not gate.of_lead))


def _unblocked(challengers: Sequence[Standing]) -> Standing | None:
    """Return the best one that no gate stops."""
    return next((s for s in challengers if not _stopping(s)), None)


def _blocked(stopped: Sequence[Standing], case: Case, stays: str) -> Choice:
    """Say which gate stops those that would be promoted: refused, or inconclusive where a gate could not tell."""
    undecided = [s for s in stopped if all(gate.verdict == "inconclusive" for gate in _stopping(s))]
    best = (undecided or list(stopped))[0]
    gate = min(_stopping(best), key=lambda g: g.verdict != "failed")
    finding = f": {gate.finding}" if gate.finding else ""
    more = f" ({len(stopped)} candidates are stopped by gates)" if len(stopped) > 1 else ""
    verb = "fails" if gate.verdict == "failed" else "leaves open"
    score = f"{case.metric.label()} {best.score:.4f}"
    text = f'{stays}: {best.name} would win with {score}, but {verb} the gate "{gate.gate}"{finding}{more}.'
    return Choice("inconclusive" if undecided else "refused", f"gate-{gate.verdict}", text)


def _unproven_lead(stays: str, best: Standing, versus: Comparison, case: Case) -> Choice:
    policy, luck, rows = case.policy, case.luck, _rows(best)
    if versus.lead < policy.minimum_gain:
        return Choice("kept", "below-minimum-gain", f"{stays}, less than the {policy.minimum_gain:g} worth a change.")
    if versus.n_eff < policy.minimum_effective_rows:
        text = f"{stays}, but the two disagree on {versus.disagreements} rows only, which says nothing."
        return Choice("inconclusive", "too-few-rows", text)
    text = (
        f"{stays}, but with {_tries(luck)} on {rows} rows a lead of {best.bar:.4f} is needed; "
        f"the two really disagree on {versus.disagreements} rows."
    )
    return Choice("kept", "not-proven", text, rows_needed=rows_needed(versus, rows, luck.alpha, luck.count))


def _rows(standing: Standing) -> int:
    return standing.outcome.rows if standing.outcome else 0


def _tries(luck: Luck) -> str:
    tries = luck.judged + luck.refused_before
    named = "one challenger" if tries <= 1 else f"{tries} challengers"
    if luck.trials:
        named += f" and {luck.trials} trials of tuning runs"
    return named if tries + luck.trials <= 1 else f"{named} (they count as {luck.count:.1f})"


def _by_logged(challengers: Sequence[Standing], champion: Standing, case: Case) -> Choice:
    """Compare logged values, where they speak of the same data."""
    policy, stays = case.policy, f"{named(champion)} stays"
    same = same_data(challengers, champion, policy)
    if not same:
        text = "no challenger's metrics carry the same dataset digest; name a holdout, or set trust_logged: true"
        return Choice("inconclusive", "other-data", f"{stays}: {text}.")
    leading = leading_by_logged(same, champion, policy, case.metric)
    best = _unblocked(leading)
    if best is not None:
        return _by_value(best, champion, case)
    return _blocked(leading, case, stays) if leading else _nobody_leads(stays, same[0], champion, case)


def _by_value(best: Standing, champion: Standing, case: Case) -> Choice:
    replaces = f"{named(best)} replaces {named(champion)}: {_values(best, champion, case)}"
    if best.counted is None:
        text = f"{replaces}; unproven, the rows were not shared."
        return Choice("promoted", "better-unproven", text, best, "unproven")
    rows = "not row by row" if best.candidate.datasets & champion.candidate.datasets else "different rows"
    text = f"{replaces}, by the counts that both runs logged; {rows}."
    return Choice("promoted", "better-counted", text, best, "counted")


def _nobody_leads(stays: str, best: Standing, champion: Standing, case: Case) -> Choice:
    lead, gain = case.metric.lead(best.score or 0.0, champion.score or 0.0), case.policy.minimum_gain
    if lead <= 0:
        return Choice("kept", "nobody-better", f"{stays}: nobody logged a better {case.metric.label()}.")
    leads = f"{stays}: {best.name} leads by {lead:.4f}"
    if lead < gain:
        return Choice("kept", "below-minimum-gain", f"{leads}, less than the {gain:g} worth a change.")
    if best.counted is not None:
        needed = f"with {_tries(case.luck)} a lead of {best.bar:.4f} is needed by the counts that both runs logged"
        return Choice("kept", "not-shown", f"{leads}, but {needed}.")
    text = f"{stays}: {_values(best, champion, case)}, but nothing is proven without shared rows."
    return Choice("refused", "unproven", text)


def _values(best: Standing, champion: Standing, case: Case) -> str:
    return f"logged {case.metric.label()} {best.score:.4f} against {champion.score:.4f}"
