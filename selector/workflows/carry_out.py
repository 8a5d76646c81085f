"""How does a plan become real: journalled before the first write, each step checked, repaired after a crash."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selector.domain.model import DECISION_TAG, RegisteredModel
from selector.domain.promotion import (
    NEW_VERSION,
    CreateModel,
    CreateVersion,
    DeleteVersion,
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
from selector.domain.retention import imprint
from selector.errors import DamagedStateError, ForeignChangeError, LeaseHeldError, MlflowRefusedError, SelectorError
from selector.ports import Entry
from selector.workflows.announce import of_entries
from selector.workflows.fingerprint import model_bytes
from selector.workflows.house import House

Entries = Callable[[int | None], Sequence[Entry]]
"""Makes the ledger entries of a finished plan, given the number of the version that the plan created (or None)."""

REPORT_PATH = "selector"


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger keeps once a plan is done; plain JSON goes into the journal so that recovery can finish it.

    Attributes:
        kind: ledger kind of the change: promoted, rolled_back, archived, …
        version: the version the change is about; NEW_VERSION stands for the one that the plan creates.

    """

    kind: str
    version: int
    previous: int | None
    actor: str
    reason: str
    details: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": self.kind,
            "version": self.version,
            "previous": self.previous,
            "actor": self.actor,
            "reason": self.reason,
            "details": dict(self.details),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Record:
        """Rebuild a record from `to_json`."""
        return Record(**{key: value[key] for key in ("kind", "version", "previous", "actor", "reason", "details")})


def carry_out(
    house: House, plan: Plan, record: Record, *, on_registered: Callable[[int], None] | None = None
) -> int | None:
    """Carry the plan out and return the number of the version it created, or None.

    Args:
        house: the ports.
        plan: the steps; each is harmless when it is already so.
        record: what the ledger shall say.
        on_registered: called once with the new version's number, before any alias moves.

    Raises:
        ForeignChangeError: somebody else changed what the plan builds on; the plan is given up.
        MlflowUnreachableError: the plan stays in the journal and is finished by `recover`.

    """
    house.store.begin(plan, record.to_json())
    return _finish(house, plan, record, done=0, on_registered=on_registered)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A plan of an earlier process that was met unfinished.

    Attributes:
        finished: whether it is done now; otherwise it was given up.
        text: one sentence.

    """

    plan: Plan
    finished: bool
    text: str


def recover(house: House, model: str | None = None) -> tuple[Recovered, ...]:
    """Finish what an earlier process began and did not finish.

    Raises:
        MlflowUnreachableError: MLflow does not answer; the plans stay in the journal.

    """
    found: list[Recovered] = []
    for unfinished in house.store.unfinished(model):
        plan = unfinished.plan
        try:
            _finish(house, plan, Record.from_json(unfinished.details), done=unfinished.done)
            text = f"{plan.model}: finished {plan.kind} {plan.id}, which had been interrupted"
            found.append(Recovered(plan, finished=True, text=text))
        except (ForeignChangeError, MlflowRefusedError) as error:
            text = f"{plan.model}: gave up {plan.kind} {plan.id}: {error.message}"
            found.append(Recovered(plan, finished=False, text=text))
    return tuple(found)


def _finish(
    house: House,
    plan: Plan,
    record: Record,
    *,
    done: int,
    on_registered: Callable[[int], None] | None = None,
) -> int | None:
    created: int | None = None
    try:
        for index, step in enumerate(plan.steps):
            house.progress(f"{plan.kind} of {plan.model}", index, len(plan.steps))
            _still_ours(house, plan)
            if isinstance(step, CreateVersion):
                created = _version_of(house, plan, step)
                if on_registered is not None:
                    on_registered(created)
            elif index >= done:
                _do(house, plan, step, created)
            if index >= done:
                house.store.step_done(plan.id, index)
    except (ForeignChangeError, MlflowRefusedError) as error:
        house.store.abandon(plan.id, (_failure(house, plan, record, error),))
        raise
    entries = _entries(house, plan, record, created)
    house.store.finish(plan.id, entries, of_entries(house, entries))
    return created


def _still_ours(house: House, plan: Plan) -> None:
    """Stop before the next write where the right to write is gone: whoever has it now finishes the plan.

    Raises:
        LeaseHeldError: the connection that held it was lost, or this process was stopped for longer than that took.

    """
    if not house.lease.still_held():
        raise LeaseHeldError(
            f"The lease was lost in the middle of {plan.kind} {plan.id} of {plan.model}.",
            advice="Whoever holds it now finishes the plan; otherwise the next look does.",
        )


def _entries(house: House, plan: Plan, record: Record, created: int | None) -> tuple[Entry, ...]:
    now = house.clock.now()
    version = created if record.version == NEW_VERSION else record.version
    change = Entry(
        at=now,
        model=plan.model,
        kind=record.kind,
        version=version,
        previous=record.previous,
        actor=record.actor,
        decision=plan.id,
        reason=record.reason,
    )
    if not record.details:
        return (change,)
    if record.kind == "deleted":  # with all that is needed to register it again by hand
        return (replace(change, details=record.details),)
    if record.kind == "rejected":  # an answer to an earlier decision, not a decision of its own
        return (replace(change, decision=record.details["decision"], details=record.details),)
    decision = Entry(
        at=now,
        model=plan.model,
        kind="decision",
        version=version,
        previous=record.previous,
        actor=record.actor,
        decision=plan.id,
        reason=record.reason,
        details=record.details,
    )
    return (decision,) if record.kind == "decision" else (decision, change)


def _failure(house: House, plan: Plan, record: Record, error: SelectorError) -> Entry:
    """Say that the plan was given up; the next look finds out, and records, who is champion then."""
    return Entry(
        at=house.clock.now(),
        model=plan.model,
        kind="failed",
        version=record.version if plan.kind == "deletion" else None,
        actor=record.actor,
        decision=plan.id,
        reason=f"gave up the {plan.kind}: {error.message}",
    )


def _present(house: House, plan: Plan) -> RegisteredModel:
    found = house.registry.registered_model(plan.model)
    if found is None:
        raise ForeignChangeError(f"registered model {plan.model!r} is gone", advice="restore it, then look again")
    return found


def _version_of(house: House, plan: Plan, step: CreateVersion) -> int:
    """Return the version made from the source, registering it unless this very plan already has."""
    tagged = [v for v in _present(house, plan).versions if v.tags.get(DECISION_TAG) == plan.id]
    if tagged:
        return min(v.version for v in tagged)
    return house.registry.create_version(plan.model, step.source, step.run_id, {DECISION_TAG: plan.id})


def _do(house: House, plan: Plan, step: Step, created: int | None) -> None:
    registry, name = house.registry, plan.model

    def number(version: int) -> int:
        if version != NEW_VERSION:
            return version
        if created is None:
            raise DamagedStateError(f"plan {plan.id} speaks of a new version that it does not create")
        return created

    match step:
        case MoveAlias(alias, version, expected):
            _move(house, plan, alias, None if version is None else number(version), expected)
        case TagVersion():
            registry.set_version_tag(name, number(step.version), step.key, step.value)
        case UntagVersion():
            registry.delete_version_tag(name, number(step.version), step.key)
        case SetStage():
            registry.set_stage(name, number(step.version), step.stage)
        case _:
            _do_once(house, plan, step)


def _do_once(house: House, plan: Plan, step: Step) -> None:
    match step:
        case CreateModel():
            house.registry.create_registered_model(plan.model)
        case VerifyBytes():
            _verify_bytes(house, step)
        case TagModel():
            house.registry.set_model_tag(plan.model, step.key, step.value)
        case LogReport():
            _log_report(house, plan, step)
        case DeleteVersion():
            _delete(house, plan, step)


def _move(house: House, plan: Plan, alias: str, version: int | None, expected: int | None) -> None:
    """Move one alias, unless somebody else has moved it since we looked; then read it back."""
    present = _present(house, plan).aliases.get(alias)
    if present == version:
        return
    if present != expected:
        raise _foreign(plan, alias, expected, present)
    if version is None:
        house.registry.delete_alias(plan.model, alias)
    else:
        house.registry.set_alias(plan.model, alias, version)
    after = _present(house, plan).aliases.get(alias)
    if after != version:
        raise _foreign(plan, alias, version, after)


def _delete(house: House, plan: Plan, step: DeleteVersion) -> None:
    """Delete a version that is still as it was seen; MLflow would take aliases at it along without a word."""
    registered = _present(house, plan)
    found = registered.version(step.version)
    if found is None:
        return
    at_it = sorted(alias for alias, version in registered.aliases.items() if version == step.version)
    changed = f"has the alias {at_it[0]} now" if at_it else "has changed" if imprint(found) != step.seen else ""
    if house.paused(plan.model) is not None:
        changed = "belongs to a model that is paused"
    if changed:
        raise ForeignChangeError(
            f"version {step.version} of {plan.model!r} {changed}", advice="it stays; the next look decides anew"
        )
    house.registry.delete_version(plan.model, step.version)
    if _present(house, plan).version(step.version) is not None:
        raise MlflowRefusedError(f"version {step.version} of {plan.model!r} is still there after MLflow deleted it")


def _foreign(plan: Plan, alias: str, expected: int | None, found: int | None) -> ForeignChangeError:
    def words(version: int | None) -> str:
        return "nothing" if version is None else f"version {version}"

    return ForeignChangeError(
        f"alias {alias} of {plan.model!r} points at {words(found)}, not at {words(expected)}: somebody else moved it",
        advice="their change is respected; look again to decide anew",
    )


def _verify_bytes(house: House, step: VerifyBytes) -> None:
    house.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=house.spool, prefix="verify-") as spool:
        found = model_bytes(house.registry.fetch(step.uri, Path(spool))).files
    if found != step.digest:
        raise ForeignChangeError(
            f"the files of {step.uri} are no longer those that were scored ({found[:12]}, not {step.digest[:12]})",
            advice="find out who rewrote the model; it will be scored again as a new one",
        )


def _log_report(house: House, plan: Plan, step: LogReport) -> None:
    """Keep the report in MLflow; a report that cannot be kept there does not stop a promotion half-way."""
    page = house.reports.path(plan.model, plan.id)
    if page is None:
        return
    try:
        house.registry.log_report(step.run_id, page.parent, f"{REPORT_PATH}/{plan.id}")
    except MlflowRefusedError as error:
        reason = f"the report could not be kept with run {step.run_id}: {error.message}"
        entry = Entry(at=house.clock.now(), model=plan.model, kind="failed", decision=plan.id, reason=reason)
        house.store.append((entry,))
