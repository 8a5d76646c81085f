"""What does a report say, whatever it looks like: one decision as plain values, ready for HTML, Markdown and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from selector.domain import report_words as words
from selector.domain.answers import Answers, decode
from selector.domain.curves import Curves, curves
from selector.domain.gates import GateResult
from selector.domain.model import NOTHING, Predictions, Truth
from selector.domain.policy import Policy
from selector.domain.ranking import Reason, Standing
from selector.domain.report_parts import (
    SCHEMA_VERSION,
    ChampionLine,
    ClassCount,
    Data,
    Errors,
    ErrorsOf,
    GateLine,
    LuckLine,
    MetricLine,
    PolicyLine,
    RankedCandidate,
    ReasonLine,
    Report,
    Subject,
)
from selector.domain.verdict import Decision

__all__ = ["Report", "build"]


def build(
    decision: Decision,
    policy: Policy,
    *,
    at: datetime,
    actor: str = "selector",
    done: Sequence[str] = (),
    dry_run: bool = False,
    winner_version: int | None = None,
    predictions: Mapping[str, Predictions] = NOTHING,
    before: Report | None = None,
    target: str | None = None,
    confinement: str = "",
    environment: Mapping[str, str] = NOTHING,
) -> Report:
    """Return the report of a decision.

    Args:
        decision: what was decided.
        policy: the policy it was decided under.
        at: when, aware.
        actor: who carried it out: "selector" or a person.
        done: what was changed in MLflow, one sentence each; empty where nothing was.
        dry_run: True where a promotion was only considered.
        winner_version: the version the winner was registered as, where the plan made it.
        predictions: answers by candidate URI; curves and changed rows appear where champion and winner are among them.
        before: an earlier report of the same decision and predictions, whose curves are taken over.
        target: the holdout's label column.
        confinement: one line on how models were kept from doing harm while they were scored.
        environment: names and versions, such as {"mlflow-selector": "0.1.0", "MLflow": "3.17.2"}.

    """
    after, subject = decision.champion_after, decision.winner or decision.best_challenger
    return Report(
        schema_version=SCHEMA_VERSION,
        model=decision.model,
        decision=decision.id,
        at=at.astimezone(UTC).isoformat(timespec="seconds"),
        actor=words.quiet(actor),
        dry_run=dry_run,
        verdict=decision.verdict,
        headline=words.headline(decision, dry_run=dry_run, winner_version=winner_version),
        reason=words.stopped(decision.reason),
        code=decision.code,
        proof=decision.proof,
        warning=_warning(decision),
        held=tuple(ReasonLine(h.code, words.stopped(h.text)) for h in decision.held),
        metric=MetricLine(
            decision.metric.name, decision.metric.label(), decision.metric.average, decision.metric.direction
        ),
        before=_champion_line(decision.champion, None),
        after=_champion_line(after, winner_version if decision.winner else None),
        floor=_finite(decision.floor),
        expectation=words.expectation(decision),
        rows_needed=decision.rows_needed,
        luck=_luck(decision, policy, subject),
        ranking=tuple(_ranked(i, s, decision, winner_version) for i, s in enumerate(decision.ranking, 1)),
        subject=_subject(subject, decision, winner_version),
        errors=_errors(decision, subject, predictions, winner_version)
        if before is None
        else _numbered(before.errors, winner_version),
        data=_data(decision.truth, target),
        policy=PolicyLine(
            decision.policy_digest,
            policy.rule,
            policy.confidence,
            policy.minimum_gain,
            words.policy_words(policy, decision.metric),
        ),
        confinement=words.sentence(confinement),
        done=() if dry_run else tuple(words.sentence(d) for d in done),
        undo=words.undo_words(decision.model) if _can_be_undone(decision) and done and not dry_run else "",
        answer=() if dry_run else words.answer_words(decision),
        notes=tuple(words.stopped(n) for n in decision.notes),
        environment={str(k): words.quiet(str(v)) for k, v in environment.items()},
        metrics=dict(decision.further.labels),
    )


def _warning(decision: Decision) -> str:
    if decision.truth is not None or not decision.ranking:
        return ""
    return words.COUNTED if decision.proof == "counted" else words.UNPROVEN


def _can_be_undone(decision: Decision) -> bool:
    """A promotion is taken back by a rollback; a rollback only by clearing what it put aside."""
    return decision.winner is not None and decision.code != words.ROLLED_BACK


def _finite(value: float | None) -> float | None:
    """Return a plain float, or None for what JSON cannot say."""
    return None if value is None or not math.isfinite(value) else float(value)


def _reasons(reasons: Sequence[Reason]) -> tuple[ReasonLine, ...]:
    return tuple(ReasonLine(r.code, words.sentence(r.text)) for r in reasons)


def _champion_line(standing: Standing | None, version: int | None) -> ChampionLine | None:
    if standing is None:
        return None
    return ChampionLine(
        version=version if version is not None else standing.candidate.number,
        run_id=standing.candidate.run_id,
        name=words.quiet(standing.name),
        score=_finite(standing.score),
        low=_finite(standing.low),
        high=_finite(standing.high),
    )


def _gate(result: GateResult) -> GateLine:
    return GateLine(
        gate=words.quiet(result.gate),
        verdict=result.verdict,
        value=_finite(result.value),
        bound=_finite(result.bound),
        margin=_finite(result.margin),
        detail=words.sentence(result.detail),
        observe=result.observe,
    )


def _ranked(place: int, standing: Standing, decision: Decision, winner_version: int | None) -> RankedCandidate:
    versus, winner = standing.versus, standing is decision.winner
    compared = versus or standing.counted
    why = None if standing is decision.champion_after else words.why_not(standing, decision, winner_version)
    return RankedCandidate(
        place=place,
        name=words.quiet(standing.name),
        version=winner_version if winner and winner_version is not None else standing.candidate.number,
        run_id=standing.candidate.run_id,
        uri=words.quiet(standing.candidate.uri),
        champion=standing.champion,
        winner=winner,
        eligible=standing.eligible,
        shortlisted=standing.shortlisted,
        held=standing.held,
        score=_finite(standing.score),
        low=_finite(standing.low),
        high=_finite(standing.high),
        logged=_finite(standing.logged),
        lead=_finite(standing.lead),
        lead_low=_finite(compared.low) if compared else None,
        lead_high=_finite(compared.high) if compared else None,
        p=_finite(versus.p) if versus else None,
        adjusted_p=_finite(standing.adjusted_p),
        needed=_finite(standing.bar),
        effective_rows=_finite(versus.n_eff) if versus else None,
        disagreements=int(versus.disagreements) if versus else None,
        reasons=_reasons(standing.reasons),
        why=ReasonLine(why.code, words.quiet(why.text)) if why else None,
        gates=tuple(_gate(g) for g in standing.gates),
        copies=tuple(words.quiet(c) for c in standing.copies),
        notes=tuple(words.sentence(n) for n in standing.notes),
        metrics={key: _finite(value) for key, value in decision.further.of(standing).items()},
    )


def _luck(decision: Decision, policy: Policy, subject: Standing | None) -> LuckLine:
    luck, bar = decision.luck, _finite(subject.bar) if subject else None
    return LuckLine(
        judged=luck.judged,
        effective=float(luck.effective),
        refused_before=luck.refused_before,
        alpha=luck.alpha,
        bar=bar,
        text=words.luck_words(decision, policy, bar),
    )


def _subject(standing: Standing | None, decision: Decision, winner_version: int | None) -> Subject | None:
    if standing is None or not standing.gates:
        return None
    new = winner_version if standing is decision.winner else None
    version = new if new is not None else standing.candidate.number
    return Subject(words.quiet(standing.name), version, tuple(_gate(g) for g in standing.gates))


def _errors(
    decision: Decision, subject: Standing | None, predictions: Mapping[str, Predictions], winner_version: int | None
) -> Errors | None:
    truth = decision.truth
    if truth is None or not truth.classes:
        return None
    pair = [s for s in (decision.champion, subject) if s is not None and s.outcome is not None]
    answers = {id(s): _answers(truth, predictions.get(s.candidate.uri)) for s in pair}
    drawn = {key: curves(truth, found.probability) if found else None for key, found in answers.items()}
    models = tuple(_errors_of(s, decision, drawn[id(s)], winner_version) for s in pair)
    shown = tuple(m for m in models if m.confusion or m.roc)
    if not shown:
        return None
    fixed, broken = _changed(truth, *(answers[id(s)] for s in pair)) if len(pair) == 2 else (None, None)  # noqa: PLR2004 - two
    base = next((found.prevalence for found in drawn.values() if found), None)
    return Errors(truth.classes, shown, fixed, broken, base)


def _numbered(errors: Errors | None, winner_version: int | None) -> Errors | None:
    """Return the same with the version that the winner was registered as since."""
    if errors is None or winner_version is None:
        return errors
    models = tuple(replace(m, version=winner_version) if m.role == "winner" else m for m in errors.models)
    return replace(errors, models=models)


def _answers(truth: Truth, predictions: Predictions | None) -> Answers | None:
    found = decode(truth, predictions) if predictions is not None else None
    return found if isinstance(found, Answers) else None


def _errors_of(standing: Standing, decision: Decision, drawn: Curves | None, winner_version: int | None) -> ErrorsOf:
    winner = standing is decision.winner
    confusion = standing.outcome.confusion if standing.outcome else None
    return ErrorsOf(
        role="champion" if standing.champion else "winner" if winner else "challenger",
        name=words.quiet(standing.name),
        version=winner_version if winner and winner_version is not None else standing.candidate.number,
        confusion=() if confusion is None else tuple(tuple(int(v) for v in row) for row in confusion),
        precision_recall=drawn.precision_recall if drawn else (),
        roc=drawn.roc if drawn else (),
        average_precision=drawn.average_precision if drawn else None,
        roc_auc=drawn.roc_auc if drawn else None,
    )


def _changed(truth: Truth, old: Answers | None, new: Answers | None) -> tuple[int | None, int | None]:
    """Return how many rows the new model gets right that the old one got wrong, and the other way round."""
    if old is None or new is None:
        return None, None
    was, now = old.codes == truth.labels, new.codes == truth.labels
    return int(np.sum(~was & now)), int(np.sum(was & ~now))


def _data(truth: Truth | None, target: str | None) -> Data | None:
    if truth is None:
        return None
    numbers = truth.labels if not truth.classes and truth.rows else None
    counts = np.bincount(truth.labels.astype(np.int64), minlength=len(truth.classes)) if truth.classes else ()
    return Data(
        holdout=truth.digest,
        rows=truth.rows,
        target=target,
        positive=truth.classes[truth.positive] if truth.positive is not None and truth.classes else None,
        classes=tuple(ClassCount(c, int(n)) for c, n in zip(truth.classes, counts, strict=True)),
        smallest=float(numbers.min()) if numbers is not None else None,
        mean=float(numbers.mean()) if numbers is not None else None,
        largest=float(numbers.max()) if numbers is not None else None,
        weighted=truth.weights is not None,
        groups=len(np.unique(truth.groups)) if truth.groups is not None else None,
        slices=tuple(truth.slices),
    )
