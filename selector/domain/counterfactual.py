"""What is the smallest single change that would make somebody else champion, each one tried and not guessed?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from selector.domain.approval import Answer
from selector.domain.decision import decide
from selector.domain.enlarged import enlarged, moved, released
from selector.domain.model import PUT_ASIDE, STATUS_TAG
from selector.domain.policy import Policy, Rule, WithoutProof
from selector.domain.ranking import Standing
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision, Verdict

LAST = datetime.max.replace(tzinfo=UTC)
LOWEST_CONFIDENCE = 0.5
HIGHEST_CONFIDENCE = 0.9999
FINEST_GAIN = 1e-4
FINEST_CONFIDENCE = 1e-3
MOST_CELLS = 10_000_000
"""Rows times models that are tried at most; beyond, only the estimate of `rows_needed` is given."""

MOST_TIMES = 4096
MOST_RELEASED = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One change that was applied to the very same snapshot and led to another champion.

    Attributes:
        kind: minimum_gain, confidence, rule, trust_logged, without_proof, lead, rows, clear, gate or approve.
        text: what would have to be different, in words.
        before: the present value; None where it has none.
        after: the value that was tried.
        verdict: of the decision under the change.
        champion: who would be champion then; None for nobody.
        reason: the first sentence of that decision.

    """

    kind: str
    text: str
    before: float | str | None
    after: float | str | None
    verdict: Verdict
    champion: str | None
    reason: str


def turning_points(snapshot: Snapshot, policy: Policy, decision: Decision) -> tuple[Change, ...]:
    """Return the single changes that give the model another champion, in the order of what they cost.

    A change of the configuration comes first, then evidence that somebody would have to provide, then what a person
    has to take back or to answer for. Each value is the smallest one that suffices, rounded outward, and `decide` was
    asked again with exactly that value. A change that does not suffice alone is left out.

    Args:
        snapshot: what the decision was made from.
        policy: the policy it was made under.
        decision: what was decided.

    """
    trial = _Trial(snapshot, policy, decision)
    found: list[Change | None] = []
    for attempt in (_gain, _confidence, _rules, _lead, _rows, _cleared, _without_gate, _approved):
        found.extend(attempt(trial))
    return tuple(change for change in found if change is not None)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Applies changes and tells what comes of them."""

    snapshot: Snapshot
    policy: Policy
    decision: Decision

    @property
    def promoted(self) -> bool:
        return self.decision.winner is not None

    @property
    def subject(self) -> Standing | None:
        """Who would have to become better (or worse, where it won)."""
        return self.decision.winner or self.decision.best_challenger

    def flipped(self, *, snapshot: Snapshot | None = None, policy: Policy | None = None) -> Decision | None:
        """Return the decision under the change where another one would be champion, else None."""
        again = decide(snapshot or self.snapshot, policy or self.policy, self.decision.id)
        before, after = self.decision.champion_after, again.champion_after
        same = before is after or (before and after and before.candidate.uri == after.candidate.uri)
        return None if same else again


@dataclass(frozen=True, slots=True)
class Scale:
    """The values that are tried: from the present one, which does not flip, towards the farthest.

    Attributes:
        open: True where trying the farthest value first would cost too much.

    """

    near: float
    far: float
    step: float
    open: bool = False

    @property
    def count(self) -> int:
        """The index of the farthest value."""
        return max(1, math.ceil(abs(self.far - self.near) / self.step - 1e-9))

    def at(self, index: int) -> float:
        """Return the value with this index, 0 for the present one, rounded towards the farthest."""
        return self.far if index >= self.count else self.near + math.copysign(index * self.step, self.far - self.near)

    def index(self, value: float) -> int:
        """Return the index of the first value that is at least as far as this one."""
        return min(max(1, math.ceil(abs(value - self.near) / self.step - 1e-9)), self.count)


def nearest(scale: Scale, flips: Callable[[float], bool], guess: float) -> float | None:
    """Return the value nearest to the present one that flips, on the scale; None where none does.

    The search starts at a guess, because every question costs a whole decision.
    """
    low, high = 0, scale.index(guess)
    if flips(scale.at(high)):
        stride, low = 1, high - 1
        while low > 0 and flips(scale.at(low)):
            high, stride = low, stride * 2
            low = max(0, low - stride)
    else:
        if not scale.open and not flips(scale.at(scale.count)):
            return None
        stride, low, high = 1, high, high + 1
        while high <= scale.count and not flips(scale.at(high)):
            low, stride = high, stride * 2
            high = min(high + stride, scale.count) if low < scale.count else scale.count + 1
        if high > scale.count:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if flips(scale.at(middle)) else (middle, high)
    return scale.at(high)


def _change(kind: str, text: str, before: float | str | None, after: float | str | None, again: Decision) -> Change:
    champion = again.champion_after
    return Change(kind, text, before, after, again.verdict, champion.name if champion else None, again.reason)


def _gain(trial: _Trial) -> Iterator[Change | None]:
    present, winner = trial.policy.minimum_gain, trial.decision.winner
    champion, subject = trial.decision.champion, trial.subject
    if champion is None or subject is None or subject.score is None or champion.score is None:
        return
    lead = trial.decision.metric.lead(subject.score, champion.score)
    far = 0.0 if winner is None else max(present, lead) * 1.01 + FINEST_GAIN

    def tried(value: float) -> Decision | None:
        return trial.flipped(policy=replace(trial.policy, minimum_gain=max(0.0, round(value, 9))))

    if far == present:
        return
    # Whole ten-thousandths, so that the advice can be typed; rounded towards the change.
    near = (math.floor if far > present else math.ceil)(present / FINEST_GAIN) * FINEST_GAIN
    value = nearest(Scale(near, far, FINEST_GAIN), lambda v: tried(v) is not None, max(0.0, lead))
    if value is not None and (again := tried(value)):
        yield _change("minimum_gain", f"minimum_gain: {value:.4g}", present, round(value, 9), again)


def _confidence(trial: _Trial) -> Iterator[Change | None]:
    present = trial.policy.confidence
    far = HIGHEST_CONFIDENCE if trial.promoted else LOWEST_CONFIDENCE
    if trial.policy.rule != "proven" or (far - present) * (trial.promoted - 0.5) <= 0:
        return

    def tried(value: float) -> Decision | None:
        return trial.flipped(policy=replace(trial.policy, confidence=round(value, 6)))

    subject = trial.subject
    guess = 1.0 - subject.adjusted_p if subject is not None and subject.adjusted_p is not None else far
    guess = min(max(guess, min(present, far)), max(present, far))
    value = nearest(Scale(present, far, FINEST_CONFIDENCE), lambda v: tried(v) is not None, guess)
    if value is not None and (again := tried(value)):
        yield _change("confidence", f"confidence: {value:.4g}", present, round(value, 6), again)


def _rules(trial: _Trial) -> Iterator[Change | None]:
    """Try the settings that are either one thing or another."""
    policy = trial.policy
    rule: Rule = "highest" if policy.rule == "proven" else "proven"
    options: list[tuple[str, str, str, Policy]] = [("rule", policy.rule, rule, replace(policy, rule=rule))]
    if trial.snapshot.truth is None:
        now, trust = (str(flag).lower() for flag in (policy.trust_logged, not policy.trust_logged))
        options.append(("trust_logged", now, trust, replace(policy, trust_logged=not policy.trust_logged)))
        other: WithoutProof = "keep" if policy.without_proof == "promote" else "promote"
        options.append(("without_proof", policy.without_proof, other, replace(policy, without_proof=other)))
    for kind, before, after, changed in options:
        if again := trial.flipped(policy=changed):
            yield _change(kind, f"{kind}: {after}", before, after, again)


def _lead(trial: _Trial) -> Iterator[Change | None]:
    """Try a lead that is larger on the very same pairs (or smaller, where it won)."""
    subject, champion = trial.subject, trial.decision.champion
    if subject is None or subject.outcome is None or champion is None or subject.versus is None:
        return
    sign = -1.0 if trial.promoted else 1.0
    metric, outcome = trial.decision.metric, subject.outcome
    far = abs(subject.versus.lead) + 2.0 * max(subject.bar or 0.0, trial.policy.minimum_gain) + FINEST_GAIN
    if not math.isfinite(far):
        return
    ideal = metric.high if metric.direction == "maximize" else metric.low
    if sign > 0 and math.isfinite(ideal) and metric.direction != "target":
        far = min(far, abs(ideal - outcome.value))

    def tried(by: float) -> Decision | None:
        shifted = moved(trial.snapshot, subject.candidate.uri, sign * by)
        return trial.flipped(snapshot=shifted) if shifted is not None else None

    lead = subject.versus.lead
    guess = abs((subject.bar or 0.0) - lead)
    value = nearest(Scale(0.0, far, FINEST_GAIN), lambda v: tried(v) is not None, guess)
    if value is not None and (again := tried(value)):
        how = "worse" if trial.promoted else "better"
        text = f"{subject.name} {value:.4f} {how} on the same rows (a lead of {lead + sign * value:.4f})"
        yield _change("lead", text, lead, lead + sign * value, again)


def _rows(trial: _Trial) -> Iterator[Change | None]:
    """Try the same rates on more rows: each row n times."""
    truth = trial.snapshot.truth
    best = trial.decision.best_challenger
    if truth is None or trial.promoted or best is None or best.versus is None or best.versus.lead <= 0:
        return
    models = sum(1 for s in trial.decision.ranking if s.outcome is not None)
    most = min(MOST_TIMES, MOST_CELLS // max(1, truth.rows * models))

    def tried(times: float) -> Decision | None:
        return trial.flipped(snapshot=enlarged(trial.snapshot, round(times)))

    if most <= 1:
        return
    guess = ((best.bar or 0.0) / best.versus.lead) ** 2
    value = nearest(Scale(1.0, most, 1.0, open=True), lambda v: tried(v) is not None, max(2.0, guess))
    if value is not None and (again := tried(value)):
        times = round(value)
        text = f"{times} times the labelled rows ({times * truth.rows:,} in all) with the same rates"
        yield _change("rows", text, truth.rows, times * truth.rows, again)


def _cleared(trial: _Trial) -> Iterator[Change | None]:
    """Try to let those compete again that a person or a rollback has put aside, the best first."""
    aside = [
        s
        for s in trial.decision.ranking
        if s.candidate.version and s.candidate.version.tags.get(STATUS_TAG, "") in PUT_ASIDE
    ]
    for standing in aside[:MOST_RELEASED]:
        if again := trial.flipped(snapshot=released(trial.snapshot, standing)):
            status = standing.candidate.version.tags[STATUS_TAG] if standing.candidate.version else ""
            text = f"version {standing.candidate.number} ({standing.name}) cleared"
            yield _change("clear", text, status, standing.candidate.number, again)


def _without_gate(trial: _Trial) -> Iterator[Change | None]:
    """Try to leave out one condition at a time."""
    few = replace(trial.policy, minimum_effective_rows=0)
    if trial.policy.rule == "proven" and trial.snapshot.truth is not None and (again := trial.flipped(policy=few)):
        text = f"without the condition that {trial.policy.minimum_effective_rows} rows tell the two models apart"
        yield _change("gate", text, trial.policy.minimum_effective_rows, 0, again)
    for i, gate in enumerate(trial.policy.gates):
        if gate.observe:
            continue
        others = replace(trial.policy, gates=(*trial.policy.gates[:i], *trial.policy.gates[i + 1 :]))
        if again := trial.flipped(policy=others):
            yield _change("gate", f"without the gate {gate.name!r}", gate.name, None, again)


def _approved(trial: _Trial) -> Iterator[Change | None]:
    """Try the approval of each candidate that waits for a person."""
    for offer in trial.decision.offers:
        said = Answer(trial.decision.id, trial.decision.evidence, offer.candidate.uri, approved=True, by="", at=LAST)
        if again := trial.flipped(snapshot=replace(trial.snapshot, approvals=(*trial.snapshot.approvals, said))):
            yield _change("approve", f"{offer.name} approved by a person", None, offer.name, again)
