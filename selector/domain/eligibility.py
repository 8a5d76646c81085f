"""Who may compete, and why each of the others may not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from selector.domain.comparison import compare
from selector.domain.gates.carried import remembered_by
from selector.domain.intervals import interval
from selector.domain.logged import Logged, NotLogged, logged_value, of_others
from selector.domain.metric import Metric
from selector.domain.model import PUT_ASIDE, REASON_TAG, STATUS_TAG, Candidate, Predictions, Truth, Unscorable
from selector.domain.outcomes import Outcome, measure
from selector.domain.policy import Policy
from selector.domain.ranking import Reason, Standing, age
from selector.domain.snapshot import Snapshot
from selector.domain.trials import TRIAL, after_scoring

NOT_OURS_TO_JUDGE = frozenset({"missing", "averaging"})
"""Findings about logged values that do not matter where we measure the value ourselves."""


def standings(snapshot: Snapshot, policy: Policy, metric: Metric) -> tuple[Standing, ...]:
    """Return one standing per candidate, unranked: its score, and the reasons why it may not compete."""
    champion = snapshot.at_version(snapshot.alias(policy.aliases.champion))
    found = [_standing(c, snapshot, metric, is_champion=c is champion) for c in snapshot.candidates]
    found = _collapse(after_scoring(found, policy.nested, metric))
    return _hold_suspicious(found, policy, metric, snapshot)


def _standing(candidate: Candidate, snapshot: Snapshot, metric: Metric, *, is_champion: bool) -> Standing:
    bare = Standing(candidate, digest=snapshot.digests.get(candidate.uri), champion=is_champion)
    logged = logged_value(metric, candidate.metrics)
    if not isinstance(logged, NotLogged):
        bare = replace(bare, logged=logged.value)
    measured = _measured(bare, snapshot) if snapshot.truth is not None else _believed(bare, metric)
    barred = _barred(candidate, snapshot, measured)
    doubts: tuple[Reason, ...] = ()
    unsure = _unsure(candidate, logged, metric)
    if unsure is not None and snapshot.truth is not None:
        measured = replace(measured, notes=(*measured.notes, unsure.text))
    if snapshot.truth is not None and isinstance(logged, NotLogged) and logged.code not in NOT_OURS_TO_JUDGE:
        doubts = (Reason(f"logged-{logged.code}", logged.reason),)
    if is_champion:
        return replace(measured, notes=(*measured.notes, *(r.text for r in doubts)))
    return replace(measured, reasons=_unfit(candidate, metric) or (*barred, *measured.reasons, *doubts))


def _unfit(candidate: Candidate, metric: Metric) -> tuple[Reason, ...]:
    """Say why this cannot be a candidate at all, whatever it scores."""
    run = candidate.run
    if run is not None and run.status != "FINISHED":
        return (Reason("run-not-finished", f"its run is {run.status}, not FINISHED"),)
    if run is None and candidate.run_id:
        return (Reason("run-deleted", f"its run {candidate.run_id} is deleted or unknown"),)
    if not candidate.uri:
        return (Reason("no-model", "its run logged no model" + _sums_up(candidate, metric)),)
    if not candidate.ready:
        return (Reason("model-not-ready", "MLflow does not hold its model as READY"),)
    if candidate.set_aside:
        return (Reason(TRIAL, candidate.set_aside),)
    return ()


def _sums_up(candidate: Candidate, metric: Metric) -> str:
    """Name the scores of several models that a run without any model speaks of."""
    keys = of_others(metric, candidate.metrics)
    if not keys:
        return ""
    shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")  # noqa: PLR2004 - a line's worth
    return f", only metrics of others: {shown}"


def _unsure(candidate: Candidate, logged: Logged | NotLogged, metric: Metric) -> Reason | None:
    """Say that its run logged the metric, but for which of its models is not known."""
    run = candidate.run
    if run is None or not run.several or not isinstance(logged, NotLogged) or logged.code != "missing":
        return None
    found = logged_value(metric, run.metrics)
    if not isinstance(found, Logged):
        return None
    count = max(len(run.models), run.outputs)
    text = (
        f"its run logged {found.key} {found.raw:.4g}, but it has {count} models and MLflow links what is logged "
        "without model_id to the first of them; log it with model_id for each model"
    )
    return Reason("logged-unsure", text)


def _barred(candidate: Candidate, snapshot: Snapshot, standing: Standing) -> tuple[Reason, ...]:
    status = candidate.version.tags.get(STATUS_TAG, "") if candidate.version else ""
    if status in PUT_ASIDE and candidate.version:
        why = candidate.version.tags.get(REASON_TAG, "")
        return (Reason(status, f"version {candidate.number} is {status}{': ' + why if why else ''}"),)
    answers = standing.outcome.digest if standing.outcome else None
    for key in (candidate.uri, standing.digest, answers):
        if key is not None and key in snapshot.rejected:
            return (Reason("rejected", snapshot.rejected[key]),)
    for key in (standing.digest, answers):
        if key is not None and key in snapshot.barred:
            return (Reason("quarantined", f"it is the same model as {snapshot.barred[key]}, which is quarantined"),)
    return ()


def _measured(standing: Standing, snapshot: Snapshot) -> Standing:
    """Give it the value measured on the holdout, or say why there is none."""
    result = snapshot.outcomes.get(standing.candidate.uri)
    if not isinstance(result, Outcome):
        text = result.reason if isinstance(result, Unscorable) else "it was not scored"
        return replace(standing, reasons=(Reason("not-scored", text),) if standing.candidate.uri else ())
    truth = snapshot.truth
    low, high = interval(result, groups=truth.groups if truth else None)
    notes = result.notes
    if standing.logged is not None and abs(standing.logged - result.value) > 1e-9:  # noqa: PLR2004 - floating point
        notes = (*notes, f"its run logged {standing.logged:.4f}; measured on the holdout: {result.value:.4f}")
    return replace(standing, outcome=result, score=result.value, low=low, high=high, notes=notes)


def _believed(standing: Standing, metric: Metric) -> Standing:
    """Give it the value its run logged, or say why that cannot be believed."""
    found = logged_value(metric, standing.candidate.metrics)
    if isinstance(found, NotLogged):
        unsure = _unsure(standing.candidate, found, metric)
        near = f"; did you mean {found.suggestions[0]!r}?" if found.suggestions else ""
        return replace(standing, reasons=(unsure or Reason(f"logged-{found.code}", found.reason + near),))
    return replace(standing, score=found.value, notes=found.notes)


def _collapse(found: Sequence[Standing]) -> list[Standing]:
    """Let candidates that are the same model compete as one: the champion, else a registered one, else the oldest."""
    order = sorted(
        range(len(found)),
        key=lambda i: (
            not found[i].champion,
            bool(found[i].reasons),
            found[i].candidate.version is None,
            *_age(found[i]),
        ),
    )
    first: dict[str, int] = {}
    result = list(found)
    for i in order:
        keys = _same_model_keys(found[i])
        twin = next((first[k] for k, _ in keys if k in first), None)
        if twin is None or found[twin].candidate.uri == found[i].candidate.uri == "":
            first.update({k: i for k, _ in keys})
            continue
        how = next(text for k, text in keys if k in first)
        if not result[i].reasons and not result[i].champion:
            which = "the champion" if found[twin].champion else found[twin].name
            reason = Reason("copy", f"it {how} {which}; they compete as one model")
            result[i] = replace(result[i], reasons=(reason,))
            result[twin] = replace(result[twin], copies=(*result[twin].copies, found[i].name))
    return result


def _age(standing: Standing) -> tuple[object, ...]:
    return age(standing.candidate)


def _same_model_keys(standing: Standing) -> list[tuple[str, str]]:
    """Return what identifies the model: its URI, its bytes, its answers; each with the words for it."""
    keys = [(f"uri {standing.candidate.uri}", "is another version of")] if standing.candidate.uri else []
    if standing.digest:
        keys.append((f"bytes {standing.digest}", "has the same bytes as"))
    if standing.outcome:
        keys.append((f"answers {standing.outcome.digest}", "answers every row exactly as"))
    return keys


def _hold_suspicious(
    found: Sequence[Standing], policy: Policy, metric: Metric, snapshot: Snapshot
) -> tuple[Standing, ...]:
    """Hold what is too good to be true: perfect, or far ahead of the field and most of the way to perfection.

    A lead of `suspicious_lead` standard errors alone is common on large holdouts, so a lead must also remove two
    thirds of the error that the reference still makes. The reference is the champion, else the median of the others.
    What was held when the present champion was promoted stays held: against that one it may look harmless.
    """
    return tuple(
        replace(s, held=True, reasons=(reason,))
        if s.eligible
        and not s.champion
        and (reason := _held_before(s, snapshot) or _suspicion(s, found, policy, metric, snapshot.truth))
        else s
        for s in found
    )


def _held_before(standing: Standing, snapshot: Snapshot) -> Reason | None:
    reason = snapshot.held.get(remembered_by(standing))
    return None if reason is None else Reason("too-good", reason)


def _suspicion(
    standing: Standing, found: Sequence[Standing], policy: Policy, metric: Metric, truth: Truth | None
) -> Reason | None:
    outcome = standing.outcome
    if outcome is None:
        return None
    ideal = metric.high if metric.direction == "maximize" else metric.low
    if math.isfinite(ideal) and outcome.value == ideal:
        return Reason("too-good", f"a perfect {metric.label()} of {ideal:g} is too good to be true: look for a leak")
    reference = _reference(standing, found)
    if reference is None or not math.isfinite(ideal) or not (error := abs(ideal - reference.value)):
        return None
    groups = truth.groups if truth else None
    versus = compare(outcome, reference, groups=groups)
    if versus.lead <= policy.suspicious_lead * versus.se or versus.lead < 2 / 3 * error:
        return None
    errors = f"{versus.lead / versus.se:.0f} standard errors" if versus.se else "without any doubt"
    return Reason(
        "too-good",
        f"{metric.label()} {outcome.value:.4f} is {versus.lead:.4f} ahead of the field ({errors}): "
        "too good to be true, it may have been trained on these rows",
    )


def _reference(standing: Standing, found: Sequence[Standing]) -> Outcome | None:
    champion = next((s.outcome for s in found if s.champion and s.outcome), None)
    if champion is not None:
        return champion
    others = [s.outcome for s in found if s.eligible and s is not standing and s.outcome]
    if not others:
        return None
    middle = median(o.value for o in others)
    return min(others, key=lambda o: abs(o.value - middle))


def best_constant(truth: Truth, metric: Metric) -> Outcome | None:
    """Return the best that always giving the same answer scores; None where no constant answer has a score."""
    constants = (Predictions(labels=np.full(truth.rows, name)) for name in truth.classes)
    scored = [o for o in (measure(metric, truth, p) for p in constants) if isinstance(o, Outcome)]
    return max(scored, key=lambda o: metric.lead(o.value, 0.0), default=None)


def why_not(found: Sequence[Standing]) -> Mapping[str, int]:
    """Return how many candidates each reason code keeps out, the commonest first."""
    counts: dict[str, int] = {}
    for standing in found:
        for reason in standing.reasons[:1]:
            counts[reason.code] = counts.get(reason.code, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
