"""What a person may do to a model: promote, roll back, mark, pause; through the same executor as everything else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from selector.domain.model import PUT_ASIDE, REASON_TAG, STATUS_TAG, ModelVersion, RegisteredModel
from selector.domain.plans import in_words, mark_plan, rollback_plan
from selector.domain.promotion import Plan
from selector.domain.ranking import Standing
from selector.errors import SelectorError, UsageError
from selector.ports import Entry
from selector.workflows.carry_out import Record, carry_out, recover
from selector.workflows.case import Case, decided
from selector.workflows.documents import SCHEMA_VERSION, decision_document
from selector.workflows.exports import bring_in_step, would_export
from selector.workflows.house import ALL, House, Setup
from selector.workflows.observe import observe
from selector.workflows.reigns import earlier_champions
from selector.workflows.report_deed import report_rollback

Mark = Literal["archive", "restore", "quarantine", "clear"]

MARKS: dict[Mark, tuple[str, str | None]] = {
    "archive": ("archived", "archived"),
    "restore": ("restored", None),
    "quarantine": ("quarantined", "quarantined"),
    "clear": ("cleared", None),
}
"""The ledger's kind and the status tag of each mark."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, for scripts and for people; `error` is what failed after it was done: an export."""

    document: dict[str, Any]
    text: str
    error: SelectorError | None = None


def exported(house: House, setup: Setup, done: Done, actor: str) -> Done:
    """Let the places of export hold the champion that a person chose; to be called without the lease."""
    found = bring_in_step(house, setup, None, actor=actor, by_hand=True)
    text = " ".join(filter(None, (done.text, found.text)))
    return replace(done, document=done.document | found.document, text=text, error=found.error)


def _writing(house: House, *, dry_run: bool) -> AbstractContextManager[None]:
    return nullcontext() if dry_run else house.lease.hold()


def _registered(house: House, setup: Setup) -> RegisteredModel:
    found = house.registry.registered_model(setup.model)
    if found is None:
        raise UsageError(f"MLflow has no registered model {setup.model!r}", advice="mlflow-selector select")
    return found


def _version(registered: RegisteredModel, number: int) -> ModelVersion:
    found = registered.version(number)
    if found is None:
        there = ", ".join(str(v) for v in sorted(v.version for v in registered.versions)) or "none"
        raise UsageError(f"model {registered.name!r} has no version {number}", advice=f"versions: {there}")
    return found


def promote(house: House, model: str, version: int, *, force: str | None, dry_run: bool, actor: str) -> Done:
    """Make this version the champion, if it passes what every candidate has to pass, or if `force` says why not.

    Raises:
        UsageError: no such version.
        SelectorError: the version may not be promoted; the message names the first reason.

    """
    setup = house.setup(model)
    with _writing(house, dry_run=dry_run):
        done = _promote(house, setup, version, force=force, dry_run=dry_run, actor=actor)
    return done if dry_run else exported(house, setup, done, actor)


def _promote(house: House, setup: Setup, version: int, *, force: str | None, dry_run: bool, actor: str) -> Done:
    model = setup.model
    if not dry_run:
        recover(house, model)
    _version(_registered(house, setup), version)
    observed = observe(house, setup)
    decision = decided(house, setup, observed)
    standing = next((s for s in decision.ranking if s.candidate.number == version), None)
    if standing is None:
        advice = f"mlflow-selector candidates {model}"
        raise UsageError(f"version {version} of {model!r} is not a candidate", advice=advice)
    if standing.champion:
        return said(model, f"version {version} is champion already; nothing to do", dry_run=dry_run)
    objection = _objection(standing)
    if objection and force is None:
        raise SelectorError(
            f"version {version} of {model!r} is not promoted: {objection}",
            advice=f'to promote it all the same: mlflow-selector promote {model} {version} --force "REASON"',
        )
    reason = f"{standing.name} (v{version}) promoted by hand" + (f", forced: {force}" if force is not None else "")
    name = house.new_id(model, version)
    chosen = replace(decision, verdict="promoted", winner=standing, reason=reason, code="by-hand", id=name)
    chosen = replace(chosen, proposed=None, offers=(), approval=None)  # nobody is asked any more
    case = Case(house, setup, observed, chosen, actor)
    return _promoted(case, version, forced=force is not None, dry_run=dry_run)


def _promoted(case: Case, version: int, *, forced: bool, dry_run: bool) -> Done:
    plan, decision = case.plan(), case.decision
    exports = would_export(case.house, case.setup, version, by_hand=True) if dry_run else ()
    steps = [*(in_words(plan) if plan else ()), *exports]
    document = decision_document(decision, created=None, report=None, dry_run=dry_run)
    document |= {"schema_version": SCHEMA_VERSION, "forced": forced, "steps": steps}
    if not dry_run and plan is not None:
        old = decision.champion.candidate.number if decision.champion else None
        details = {k: v for k, v in document.items() if k != "schema_version"} | {"refused": [], "by_hand": True}
        page, _ = case.carry_out(plan, Record("promoted", version, old, case.actor, decision.reason, details))
        document["report"] = str(page)
    verb = "would promote" if dry_run else "promoted"
    return Done(document, f"{decision.model}: {verb} version {version}. {decision.reason}.")


def _objection(standing: Standing) -> str:
    if standing.reasons:
        return standing.reasons[0].text
    stopping = [gate for gate in standing.gates if gate.stops]
    if not stopping:
        return ""
    worst = min(stopping, key=lambda gate: gate.verdict != "failed")
    return ": ".join(part for part in (worst.gate, worst.finding or worst.verdict) if part)


def rollback(house: House, model: str, *, to: int | None, dry_run: bool, actor: str, reason: str = "") -> Done:
    """Bring the previous good champion back, and quarantine the one that is left.

    Raises:
        UsageError: there is nothing to go back to, or `to` is not a version that can serve.

    """
    setup = house.setup(model)
    with _writing(house, dry_run=dry_run):
        interrupted = () if dry_run else recover(house, model)
        finished = [one.plan.id for one in interrupted if one.finished and one.plan.kind == "rollback"]
        if finished:  # the same command again, after a crash, must not go back two steps
            done = said(model, f"finished rollback {finished[0]}, which had been interrupted", dry_run=False)
        else:
            done = roll_back(house, setup, to=to, dry_run=dry_run, actor=actor, reason=reason)
    return done if dry_run else exported(house, setup, done, actor)


def roll_back(house: House, setup: Setup, *, to: int | None, dry_run: bool, actor: str, reason: str = "") -> Done:
    """Do what `rollback` does, for callers that hold the lease and have finished what was interrupted."""
    model = setup.model
    registered = _registered(house, setup)
    left = registered.aliases.get(setup.policy.aliases.champion)
    if left is None:
        advice = f"mlflow-selector status {model}"
        raise UsageError(f"model {model!r} has no champion to roll back from", advice=advice)
    earlier = earlier_champions(house, registered, setup, left)
    target = to if to is not None else next(iter(earlier), None)
    if target is None:
        raise UsageError(
            f"model {model!r} has no earlier good champion to go back to",
            advice=f"name one: mlflow-selector rollback {model} --to VERSION",
        )
    _check_target(registered, target, left)
    why = reason or f"rolled back from version {left} to version {target} by {actor}"
    before = next((v for v in earlier if v != target), None)
    plan = rollback_plan(
        house.new_id(model, left, target), registered, setup.policy, to=target, before=before, reason=why
    )
    page: Path | None = None
    if not dry_run:
        carry_out(house, plan, Record("rolled_back", target, left, actor, why, {}))
        page = report_rollback(house, setup, plan, to=target, left=left, reason=why, actor=actor)
    verb = "would roll back" if dry_run else "rolled back"
    text = f"{model}: {verb} from version {left} to version {target}; version {left} is quarantined."
    document = {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "decision": plan.id,
        "version": target,
        "previous": left,
        "quarantined": left,
        "reason": why,
        "report": str(page) if page else None,
        "dry_run": dry_run,
        "steps": [*in_words(plan), *(would_export(house, setup, target, by_hand=True) if dry_run else ())],
    }
    return Done(document, text)


def _check_target(registered: RegisteredModel, target: int, left: int) -> None:
    version = _version(registered, target)
    if target == left:
        raise UsageError(f"version {target} of {registered.name!r} is the champion already; nothing to roll back to")
    status = version.tags.get(STATUS_TAG)
    if status in PUT_ASIDE:
        why = version.tags.get(REASON_TAG, "")
        raise UsageError(
            f"version {target} of {registered.name!r} is {status}{': ' + why if why else ''}",
            advice=f"mlflow-selector clear {registered.name} {target}",
        )


def mark(house: House, model: str, version: int, what: Mark, *, dry_run: bool, actor: str, reason: str = "") -> Done:
    """Archive, restore, quarantine or clear one version.

    Raises:
        UsageError: no such version, or the version is the champion.

    """
    setup = house.setup(model)
    kind, status = MARKS[what]
    with _writing(house, dry_run=dry_run):
        if not dry_run:
            recover(house, model)
        registered = _registered(house, setup)
        present = _version(registered, version).tags.get(STATUS_TAG)
        if registered.aliases.get(setup.policy.aliases.champion) == version:
            advice = f"mlflow-selector rollback {model}"
            raise UsageError(f"version {version} of {model!r} is the champion and cannot be {kind}", advice=advice)
        if present == status or (status is None and present not in {"archived", *PUT_ASIDE}):
            return said(model, f"version {version} is {present or 'not marked'}; nothing to do", dry_run=dry_run)
        why = reason or f"{kind} by {actor}"
        plan = mark_plan(house.new_id(model, version, what), registered, version, status, why)
        if not dry_run:
            carry_out(house, plan, Record(kind, version, None, actor, why, {}))
        verb = f"would be {kind}" if dry_run else f"is {kind}"
        return said(model, f"version {version} {verb}", dry_run=dry_run, plan=plan)


def said(model: str, text: str, *, dry_run: bool, plan: Plan | None = None, changed: bool = False) -> Done:
    """Return one sentence as what came of it; with a plan, something is changed."""
    changed = changed or plan is not None
    document = {"schema_version": SCHEMA_VERSION, "model": model, "changed": changed, "dry_run": dry_run}
    if plan is not None:
        document |= {"decision": plan.id, "steps": list(in_words(plan))}
    return Done(document | {"reason": text}, f"{model}: {text}")


def pause(house: House, models: Sequence[str], *, dry_run: bool, actor: str, reason: str = "") -> Done:
    """Decide and report, but write nothing, until `resume`; for these models, or for all where none is named."""
    return _switch(house, models, "paused", dry_run=dry_run, actor=actor, reason=reason or f"paused by {actor}")


def resume(house: House, models: Sequence[str], *, dry_run: bool, actor: str) -> Done:
    """Undo `pause`."""
    return _switch(house, models, "resumed", dry_run=dry_run, actor=actor, reason=f"resumed by {actor}")


def _switch(house: House, models: Sequence[str], kind: str, *, dry_run: bool, actor: str, reason: str) -> Done:
    names = [house.setup(m).model for m in models] or [ALL]
    changed = []
    for name in names:
        is_paused = name in house.store.paused()
        if is_paused == (kind == "paused"):
            continue
        changed.append(name)
        if dry_run:
            continue
        if kind == "paused":
            house.store.pause(name, reason)
        else:
            house.store.resume(name)
        house.store.append((Entry(at=house.clock.now(), model=name, kind=kind, actor=actor, reason=reason),))
    named = ", ".join("all models" if n == ALL else n for n in names)
    text = f"{named}: {'would be ' if dry_run else ''}{kind}" if changed else f"{named}: {kind} already; nothing to do"
    document = {"schema_version": SCHEMA_VERSION, "models": names, "changed": bool(changed), "dry_run": dry_run}
    return Done(document | {"reason": text}, text)
