"""Which steps make a promotion, a rollback, a changed mark; in an order in which the process may stop anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from selector.domain.model import (
    DECISION_TAG,
    HOLDOUT_TAG,
    LEASE_TAG,
    MANAGED_TAG,
    PUT_ASIDE,
    REASON_TAG,
    SCORES_TAG,
    STATUS_TAG,
    RegisteredModel,
)
from selector.domain.policy import Aliases, Policy
from selector.domain.promotion import (
    NEW_VERSION,
    CreateModel,
    CreateVersion,
    LogReport,
    MoveAlias,
    Plan,
    SetStage,
    Step,
    TagModel,
    TagVersion,
    UntagVersion,
    VerifyBytes,
)
from selector.domain.ranking import Standing
from selector.domain.verdict import Decision


def scores(standing: Standing, decision: Decision) -> dict[str, Any]:
    """Return what is known of a candidate's scores as plain JSON: the metric by name, its label and its interval.

    Further metrics stand beside it; `ranked_by` says which one decides.
    """
    name = decision.metric.name
    found: dict[str, Any] = {name: standing.score, "metric": decision.metric.label(), "ranked_by": name}
    if standing.low is not None:
        found |= {"low": standing.low, "high": standing.high}
    if standing.outcome is not None:
        found["rows"] = standing.outcome.rows
    beside = {key: value for key, value in decision.further.of(standing).items() if value is not None}
    return found | {key: value for key, value in beside.items() if key not in found}


def promotion_plan(
    decision: Decision,
    registered: RegisteredModel | None,
    policy: Policy,
    files_digest: str | None,
    claim: str = "",
) -> Plan:
    """Return the plan that makes the decision's winner the champion; the old champion is archived last.

    Args:
        decision: a decision with a winner.
        registered: the registered model as the decision saw it.
        policy: names of aliases, and whether stages are mirrored.
        files_digest: digest of the files that were scored; None where none were read.
        claim: which selector promotes, kept on the registered model so that another one notices; "" leaves it.

    Raises:
        ValueError: the decision has no winner.

    """
    winner = decision.winner
    if winner is None:
        raise ValueError(f"decision {decision.id} promotes nobody")
    old = decision.champion.candidate.number if decision.champion else None
    number = winner.candidate.number or NEW_VERSION
    steps: list[Step] = [] if registered else [CreateModel()]
    if files_digest is not None:
        steps.append(VerifyBytes(winner.candidate.uri, files_digest))
    if number == NEW_VERSION:
        steps.append(CreateVersion(winner.candidate.uri, winner.candidate.run_id))
    marks = {
        DECISION_TAG: decision.id,
        SCORES_TAG: json.dumps(scores(winner, decision), sort_keys=True),
        REASON_TAG: decision.reason,
        **({HOLDOUT_TAG: decision.truth.digest} if decision.truth else {}),
        STATUS_TAG: "champion",
    }
    steps += [TagVersion(number, key, value) for key, value in marks.items()]
    steps += _hand_over(registered, policy.aliases, number, old)
    steps += _challenger(decision, registered, policy.aliases, {number, old})
    if registered is None or MANAGED_TAG not in registered.tags:
        steps.append(TagModel(MANAGED_TAG, "true"))
    if claim and (registered is None or registered.tags.get(LEASE_TAG) != claim):
        steps.append(TagModel(LEASE_TAG, claim))
    if policy.mirror_stages:
        steps.append(SetStage(number, "Production"))
    if winner.candidate.run_id is not None:
        steps.append(LogReport(winner.candidate.run_id))
    if old is not None:
        before = registered.version(old) if registered else None
        if before is None or before.tags.get(STATUS_TAG) not in PUT_ASIDE:
            # Somebody may have made a quarantined version champion by hand: it leaves as what it was.
            steps.append(TagVersion(old, STATUS_TAG, "archived"))
        steps += [SetStage(old, "Archived")] if policy.mirror_stages else []
    return Plan(id=decision.id, model=decision.model, kind="promotion", steps=tuple(steps))


def _hand_over(registered: RegisteredModel | None, aliases: Aliases, number: int, old: int | None) -> list[Step]:
    """Move champion, then previous: whoever reads the champion alias sees the old or the new one, never none."""
    at = registered.aliases if registered else {}
    steps: list[Step] = [MoveAlias(aliases.champion, number, at.get(aliases.champion))]
    if old is not None:
        steps.append(MoveAlias(aliases.previous, old, at.get(aliases.previous)))
    return steps


def _challenger(
    decision: Decision, registered: RegisteredModel | None, aliases: Aliases, taken: set[int | None]
) -> list[Step]:
    """Point the challenger alias at the best of the others that is registered; take it from one that moved on."""
    present = registered.aliases.get(aliases.challenger) if registered else None
    best = decision.best_challenger
    number = best.candidate.number if best else None
    if best is None or number is None or number in taken:
        number = None
    if number is None:
        return [MoveAlias(aliases.challenger, None, present)] if present is not None and present in taken else []
    if number == present:
        return []
    steps: list[Step] = [TagVersion(number, STATUS_TAG, "challenger"), MoveAlias(aliases.challenger, number, present)]
    former = registered.version(present) if registered else None
    if former is not None and former.tags.get(STATUS_TAG) == "challenger" and former.version not in taken:
        steps.append(UntagVersion(former.version, STATUS_TAG))
    return steps


def challenger_plan(decision: Decision, registered: RegisteredModel | None, policy: Policy) -> Plan | None:
    """Return the plan for a decision that promotes nobody: the challenger alias alone, or None where it is right."""
    if registered is None or decision.champion is None or decision.verdict == "awaiting_approval":
        return None
    steps = _challenger(decision, registered, policy.aliases, {decision.champion.candidate.number})
    return Plan(decision.id, decision.model, "challenger", tuple(steps)) if steps else None


def rollback_plan(
    plan_id: str, registered: RegisteredModel, policy: Policy, *, to: int, before: int | None, reason: str
) -> Plan:
    """Return the plan that brings `to` back and quarantines the champion that is left.

    Args:
        plan_id: id of this rollback.
        registered: the registered model as it is now.
        policy: names of aliases, and whether stages are mirrored.
        to: the version that becomes champion again.
        before: the good champion before `to`, which `previous` points at from now on; None takes that alias away.
        reason: why, for the tag of the version left.

    """
    aliases, at = policy.aliases, registered.aliases
    left = at.get(aliases.champion)
    steps: list[Step] = [TagVersion(to, STATUS_TAG, "champion"), TagVersion(to, DECISION_TAG, plan_id)]
    if left is not None:  # quarantined first: no moment in which the one left could be promoted again
        steps += [TagVersion(left, STATUS_TAG, "quarantined"), TagVersion(left, REASON_TAG, reason)]
    steps.append(MoveAlias(aliases.champion, to, left))
    steps.append(MoveAlias(aliases.previous, before, at.get(aliases.previous)))
    if at.get(aliases.challenger) in {to, left} - {None}:
        steps.append(MoveAlias(aliases.challenger, None, at.get(aliases.challenger)))
    if policy.mirror_stages:
        steps.append(SetStage(to, "Production"))
        steps += [SetStage(left, "Archived")] if left is not None else []
    return Plan(id=plan_id, model=registered.name, kind="rollback", steps=tuple(steps))


def mark_plan(plan_id: str, registered: RegisteredModel, version: int, status: str | None, reason: str) -> Plan:
    """Return the plan that marks one version: archived, quarantined, or (None) nothing in particular."""
    steps: list[Step] = [TagVersion(version, DECISION_TAG, plan_id)]
    if status is None:
        steps += [UntagVersion(version, STATUS_TAG), UntagVersion(version, REASON_TAG)]
    else:
        steps += [TagVersion(version, REASON_TAG, reason), TagVersion(version, STATUS_TAG, status)]
    return Plan(id=plan_id, model=registered.name, kind="mark", steps=tuple(steps))


def in_words(plan: Plan, names: Mapping[int, str] | None = None) -> tuple[str, ...]:
    """Return the plan's steps as short sentences, for reports and dry runs."""
    known = {NEW_VERSION: "the new version", **(names or {})}

    def named(version: int | None) -> str:
        return "nothing" if version is None else known.get(version, f"v{version}")

    return tuple(step.words(named) for step in plan.steps)
