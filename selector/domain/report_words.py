"""How does a report say it: figures, and the sentences built from them."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

from selector.domain.approval import commands
from selector.domain.gates import GateResult
from selector.domain.metric import Metric
from selector.domain.policy import Policy
from selector.domain.ranking import Reason, Standing
from selector.domain.verdict import Decision

_VERDICTS = {
    "promoted": "Promoted",
    "kept": "Kept",
    "inconclusive": "Inconclusive",
    "refused": "Refused",
    "awaiting_approval": "Awaiting approval",
    "no_candidate": "No candidate",
}
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+@")
_SECRET = re.compile(r"(?i)\b(password|passwd|secret|token|api_?key|signature|sig|access_key)=[^&\s'\"]+")
_NAME_IN_SENTENCE = 60

UNPROVEN = "Unproven: ranked by logged metrics; nobody has compared these models on the same rows."
COUNTED = "Counted: compared by the counts that the runs logged; nobody has compared these models row by row."


def figure(value: float | None) -> str:
    """Return a number as people read it: four decimals below 10, four digits above, a dash for none."""
    if value is None or not math.isfinite(value):
        return "–" if value is None or math.isnan(value) else ("∞" if value > 0 else "-∞")  # noqa: RUF001 - a dash for "none"
    size = abs(value)
    if size >= 1_000:  # noqa: PLR2004 - from here on decimals only distract
        return f"{value:,.0f}"
    if size >= 10:  # noqa: PLR2004 - four digits
        return f"{value:.4g}"
    return f"{value:.4f}" if size >= 0.001 or size == 0 else f"{value:.2g}"  # noqa: PLR2004 - small p-values


def signed(value: float | None) -> str:
    """Return `figure` with its sign, as a lead is written: "+0.0164"."""
    text = figure(value)
    return f"+{text}" if value is not None and value > 0 else text


def chance(p: float | None) -> str:
    """Return a p-value as people read it."""
    return "< 0.0001" if p is not None and p < 0.0001 else figure(p)  # noqa: PLR2004 - below this only the size of luck counts


def span(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """Return "0.7841 to 0.8107", or nothing where either end is missing."""
    if low is None or high is None:
        return ""
    say = signed if sign else figure
    return f"{say(low)} to {say(high)}"


def quiet(text: str) -> str:
    """Return the text without passwords: what stands before @ in a URL, and the values of secret-like parameters."""
    return _SECRET.sub(r"\1=***", _USERINFO.sub("***@", text))


def short(name: str, most: int = _NAME_IN_SENTENCE) -> str:
    """Return a name that fits into a sentence; longer ones end in an ellipsis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def sentence(text: str) -> str:
    """Return the text as a sentence of its own: a capital first, a full stop last."""
    text = quiet(text).strip()
    if not text:
        return ""
    return stopped(text[0].upper() + text[1:])


def stopped(text: str) -> str:
    """Return the text with a full stop last; it may begin with a name, which keeps its case."""
    text = quiet(text).strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def called(standing: Standing, version: int | None = None) -> str:
    """Return "version 9 (candidate-2)", or the name alone where there is no version."""
    number = version if version is not None else standing.candidate.number
    name = short(quiet(standing.name))
    if number is None:
        return name
    return f"version {number}" if name == f"version {number}" else f"version {number} ({name})"


ROLLED_BACK = "rolled-back"
"""The code of a decision by which an earlier champion came back."""


def headline(decision: Decision, *, dry_run: bool, winner_version: int | None = None) -> str:
    """Return the verdict as one sentence that begins with what happens: "Promoted: …"."""
    word, model = _VERDICTS[decision.verdict], short(quiet(decision.model))
    if decision.code == ROLLED_BACK:
        word = "Rolled back"
    after = decision.champion_after
    if decision.winner is not None:
        who = called(decision.winner, winner_version)
        rest = f"{who} {'would be' if dry_run else 'is'} the champion of {model}"
        if decision.champion is not None:
            rest += f" in place of {called(decision.champion)}"
        return f"{'Would be promoted' if dry_run else word}: {rest}."
    if decision.proposed is not None:
        place = f" in place of {called(after)}" if after is not None else ""
        return f"{word}: {called(decision.proposed)} would be the champion of {model}{place}."
    if after is not None:
        return f"{word}: {called(after)} stays champion of {model}."
    return f"{word}: {model} has no champion."


def expectation(decision: Decision) -> str:
    """Return what to expect of the winner in production, allowing for its having been picked as the best."""
    after = decision.champion_after
    if decision.floor is None or not math.isfinite(decision.floor) or after is None or after.score is None:
        return ""
    if decision.metric.direction == "target":
        return ""
    upward = decision.metric.direction != "minimize"
    floor, score = _against(decision.floor, upward=upward), f"{after.score:.3f}"
    if f"{decision.floor:.3f}" == score or abs(after.score) >= 10:  # noqa: PLR2004 - three decimals say too little, or too much
        floor, score = figure(decision.floor), figure(after.score)
    return f"Expect at {'least' if upward else 'most'} {floor}, not the {score} it scored."


def _against(value: float, *, upward: bool) -> str:
    """Round a bound to the side that promises less."""
    return f"{(math.floor if upward else math.ceil)(value * 1000) / 1000:.3f}"


def luck_words(decision: Decision, policy: Policy, bar: float | None) -> str:
    """Return how much luck the bar accounts for, in one or two sentences."""
    luck = decision.luck
    if decision.truth is None and not luck.judged:
        return "No rows are shared, so luck could not be accounted for."
    if policy.rule == "highest":
        return 'The rule is "highest": the best score wins, and luck is not accounted for.'
    if luck.judged == 0:
        return "No challenger was tested against the champion."
    if decision.champion is None:
        return f"There was no champion to beat: the best of {luck.judged} is judged on its own score."
    tried = f"{luck.judged} challenger{'' if luck.judged == 1 else 's'}"
    if luck.trials:
        tried += f" and {luck.trials} trial{'' if luck.trials == 1 else 's'} of {_tuning(luck.judged)}"
    if luck.judged + luck.trials > 1:
        tried += f" that count as {luck.effective:.1f}"
    tried += f"; {luck.refused_before} refused before"
    if bar is not None:
        tried += f"; today a challenger must lead by {figure(bar)}"
    return f"{tried}. The more have tried, the higher the bar."


def _tuning(judged: int) -> str:
    return "its tuning" if judged == 1 else "their tuning"


def policy_words(policy: Policy, metric: Metric) -> tuple[str, ...]:
    """Return the policy as sentences, the most important first."""
    share = f"{100 * policy.confidence:g} %"
    if policy.rule == "proven":
        rule = (
            f"A challenger must lead by more than luck explains: {share} confidence, allowing for all that have tried."
        )
    else:
        rule = "The best score wins; no proof is asked for."
    proof = {
        "promote": "Where neither rows nor counts can be compared, the best logged metric wins, called unproven.",
        "keep": "Where no rows are shared, nothing is promoted, except by counts that both runs logged.",
    }[policy.without_proof]
    logged = (
        "Logged metrics are compared without asking for the same dataset."
        if policy.trust_logged
        else "Logged metrics are compared only when they come from the same dataset."
    )
    words = [
        f"Models are ranked by {metric.label()}.",
        rule,
        f"A lead below {figure(policy.minimum_gain)} is not worth a change.",
        f"Fewer than {policy.minimum_effective_rows} effective rows say nothing.",
        f"A lead of {policy.suspicious_lead:g} standard errors over the field is held for a leak check.",
        proof,
        logged,
        f"Aliases: {policy.aliases.champion}, {policy.aliases.challenger}, {policy.aliases.previous}.",
    ]
    words += [f"Gate{', only observed' if gate.observe else ''}: {gate.name}." for gate in policy.gates]
    if policy.mirror_stages:
        words.append("The stages Production and Archived are kept in step.")
    if policy.approval.required:
        words.append("A person has to agree before anything is promoted.")
    return tuple(quiet(w) for w in words)


def why_not(standing: Standing, decision: Decision, winner_version: int | None = None) -> Reason:
    """Return why this one is not the champion: the code, and one sentence with the lead it would have needed."""
    if standing.reasons:
        first, *more = standing.reasons
        return Reason(first.code, " ".join(sentence(r.text) for r in (first, *more)))
    if standing is decision.proposed:
        return Reason("awaits-approval", "It waits for a person to agree.")
    if standing.champion and decision.winner is not None:
        return Reason(
            "replaced", f"It was the champion; {_lead_of(decision.winner, standing, decision.metric, winner_version)}"
        )
    failed = sorted((g for g in standing.gates if g.stops), key=lambda g: g.verdict != "failed")
    if failed:
        return _stopped(standing, failed)
    after = decision.champion_after
    if after is None:
        return _passed_over(standing, decision)
    return _behind(standing, after, decision.metric, winner_version if decision.winner else None)


def _stopped(standing: Standing, failed: Sequence[GateResult]) -> Reason:
    """Say what its gates found: it does not lead, does not lead by enough, or something else."""
    lead, bar = standing.lead, standing.bar
    needed = f"; a lead of {figure(bar)} was needed" if bar is not None else ""
    if lead is not None and lead <= 0:
        words = "Scores the same as the champion" if lead == 0 else f"Scores {figure(-lead)} worse than the champion"
        return Reason("behind-champion", f"{words}{needed}.")
    if lead is not None and bar is not None and lead < bar:
        return Reason("not-proven", f"Leads the champion by {figure(lead)}{needed}.")
    gate = failed[0]
    found = f": {figure(gate.value)} against {figure(gate.bound)}" if None not in (gate.value, gate.bound) else ""
    found += f"{'; ' if found else ': '}{quiet(gate.detail)}" if gate.detail else ""
    leads = f"Leads the champion by {figure(lead)}, but the" if lead is not None else "The"
    verdict = "failed" if gate.verdict == "failed" else "is inconclusive"
    return Reason(f"gate-{gate.verdict}", f'{leads} gate "{quiet(gate.gate)}" {verdict}{found}.')


def _passed_over(standing: Standing, decision: Decision) -> Reason:
    """Say why this one did not become the first champion."""
    best = next((s for s in decision.ranking if s.eligible), standing)
    if best is standing:
        return Reason(decision.code, stopped(decision.reason))
    return Reason("behind-best", f"{_lead_of(best, standing, decision.metric, None)} Nobody was promoted.")


def _behind(standing: Standing, after: Standing, metric: Metric, version: int | None) -> Reason:
    text = _lead_of(after, standing, metric, version)
    if text.startswith("version "):
        text = sentence(text)
    if standing.shortlisted:
        text += " The same rows cannot tell the two apart."
    return Reason("behind-champion" if after.champion else "behind-winner", text)


def _lead_of(better: Standing, worse: Standing, metric: Metric, version: int | None) -> str:
    name = called(better, version)
    if better.score is None or worse.score is None:
        return f"{name} was preferred."
    lead = metric.lead(better.score, worse.score)
    return f"{name} scores the same." if lead == 0 else f"{name} scores {figure(lead)} better."


def answer_words(decision: Decision) -> tuple[str, ...]:
    """Return the commands that approve or reject the candidates that a decision offers to a person."""
    return tuple(quiet(c) for c in commands(decision.model, decision.id, decision.proposed, decision.offers))


def undo_words(model: str) -> str:
    """Return the command that takes a promotion back, quoted for a shell."""
    return f"mlflow-selector rollback {shlex.quote(model)}"
