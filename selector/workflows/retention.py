"""Which archived versions does `keep` let go, and how are they deleted: one journalled plan and ledger entry each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from selector.domain.model import PUT_ASIDE, SCORES_TAG, STATUS_TAG, ModelVersion, RegisteredModel
from selector.domain.promotion import Plan
from selector.domain.retention import Fate, Past, Retention, after, deletion_plan, expire
from selector.errors import ForeignChangeError, LeaseHeldError, MlflowRefusedError
from selector.ports import Entry
from selector.workflows.carry_out import Record, carry_out, recover
from selector.workflows.case import Case
from selector.workflows.heard import REIGN_ENDS, offers_of
from selector.workflows.house import House, Setup
from selector.workflows.reigns import earlier_champions

TRY_AGAIN = timedelta(days=1)
"""A version that could not be deleted is left alone for so long: the ledger need not tell of it at every look."""

BACK_IN_USE = frozenset({"restored", "cleared"})


@dataclass(frozen=True, slots=True)
class Deleted:
    """What retention came to in one look.

    Attributes:
        due: what was decided.
        done: versions that were deleted just now; what could not be deleted is in the ledger.

    """

    due: Retention = field(default_factory=Retention)
    done: tuple[Fate, ...] = ()


def retained(house: House, setup: Setup, registered: RegisteredModel | None) -> Retention:
    """Return what is to be deleted of a model as it is now, or as a plan would leave it; nothing without `keep`."""
    if setup.keep is None or setup.shadow or registered is None:
        return Retention()
    champion = setup.policy.aliases.champion
    return expire(registered, champion, setup.keep, _past(house, setup, registered), house.clock.now())


def would_delete(case: Case, plan: Plan | None) -> Retention:
    """Return what would be deleted once the plan is carried out."""
    registered = case.observed.snapshot.registered
    then = after(plan, registered) if plan is not None and registered is not None else registered
    return retained(case.house, case.setup, then)


def delete_expired(
    house: House, setup: Setup, registered: RegisteredModel | None, *, held: bool, actor: str
) -> Deleted:
    """Delete what is beyond `keep`; a version that cannot be deleted stops no other one.

    Args:
        house: the ports.
        setup: the model, neither paused nor shadowed.
        registered: the model as it was when we looked; it is read again before anything is deleted.
        held: whether the caller holds the lease; where somebody else has it, nothing is deleted for now.
        actor: who looks.

    Raises:
        MlflowUnreachableError: MLflow does not answer; what was begun stays in the journal.
        LeaseHeldError: the lease was lost on the way.

    """
    due = retained(house, setup, registered)
    if not due.deleted:
        return Deleted(due)
    with ExitStack() as stack:
        if not held:
            try:
                stack.enter_context(house.lease.hold())
            except LeaseHeldError:
                return Deleted(due)
            recover(house, setup.model)
        due = retained(house, setup, house.registry.registered_model(setup.model))
        return Deleted(due, tuple(fate for fate in reversed(due.deleted) if _is_deleted(house, setup, fate, actor)))


def _is_deleted(house: House, setup: Setup, fate: Fate, actor: str) -> bool:
    version = fate.version
    plan = deletion_plan(house.new_id(setup.model, version.version), setup.model, version)
    of_run = f" of run {version.run_id}" if version.run_id else ""
    reason = f"version {version.version} ({version.source}{of_run}) {fate.reason}"
    try:
        carry_out(house, plan, Record("deleted", version.version, None, actor, reason, what_it_was(version)))
    except (ForeignChangeError, MlflowRefusedError):  # the ledger has it
        return False
    return True


def what_it_was(version: ModelVersion) -> dict[str, Any]:
    """Return all that is needed to register a version again by hand, as plain JSON values."""
    return {
        "run_id": version.run_id,
        "source": version.source,
        "stage": version.stage,
        "tags": dict(sorted(version.tags.items())),
        "created_at": version.created_at.isoformat() if version.created_at else None,
    }


def _past(house: House, setup: Setup, registered: RegisteredModel) -> Past:
    champion, now = registered.aliases.get(setup.policy.aliases.champion), house.clock.now()
    entries = house.store.entries(setup.model, kinds=(*REIGN_ENDS, "archived", *BACK_IN_USE))
    archived_at, superseded, known = _left(entries)
    if known not in (None, champion):  # it leaves just now: a plan says so, or somebody else moved the alias
        archived_at[known] = now
        superseded.add(known)
    earlier = earlier_champions(house, registered, setup, champion)
    return Past(
        champions=tuple(dict.fromkeys([*earlier, *_scored(registered, champion)])),
        superseded=frozenset(superseded - {champion}),
        archived_at=_known_since(entries, archived_at, registered, now),
        spoken_of=_asked(house, setup) | _refused_lately(house, setup),
    )


def _scored(registered: RegisteredModel, champion: int | None) -> list[int]:
    """Return versions that carry the scores of a champion, newest first: all that is known where the ledger is lost."""
    found = [v for v in registered.versions if SCORES_TAG in v.tags and v.tags.get(STATUS_TAG) not in PUT_ASIDE]
    return sorted((v.version for v in found if v.version != champion), reverse=True)


def _left(entries: Sequence[Entry]) -> tuple[dict[int, datetime], set[int], int | None]:
    """Return when each version was put out of use, which were champion before, and who is now, by the ledger."""
    at: dict[int, datetime] = {}
    superseded: set[int] = set()
    champion: int | None = None
    for entry in entries:
        one = entry.version
        if entry.kind in REIGN_ENDS:
            champion = one
            if entry.previous is not None:
                at[entry.previous] = entry.at
                superseded.add(entry.previous)
        if one is not None and entry.kind == "archived":
            at[one] = entry.at
        elif one is not None:
            at.pop(one, None)
            superseded.discard(one)
    return at, superseded, champion


def _known_since(
    entries: Sequence[Entry], at: Mapping[int, datetime], registered: RegisteredModel, now: datetime
) -> Mapping[int, datetime]:
    """Return since when each version is known to be archived.

    Of one that was archived before our records begin (they were lost, or somebody else set the mark) it is known since
    then; without records it is not known at all.
    """
    if not entries:
        return {}
    first = entries[0].at
    found = {v.version: at.get(v.version) or max(first, v.created_at or first) for v in registered.versions}
    return MappingProxyType({number: min(since, now) for number, since in found.items()})


def _asked(house: House, setup: Setup) -> dict[int, str]:
    """Return the versions that a person may still be asked about."""
    newest = house.store.entries(setup.model, kinds=("decision",), newest=1)
    return {
        offer["version"]: f"is offered to a person by decision {entry.decision}"
        for entry in newest
        for offer in offers_of(entry)
        if offer.get("version")
    }


def _refused_lately(house: House, setup: Setup) -> dict[int, str]:
    failures = house.store.entries(setup.model, kinds=("failed",), newest=100)
    recent = [e for e in failures if e.version is not None and house.clock.now() - e.at < TRY_AGAIN]
    return {e.version: f"could not be deleted at {e.at:%Y-%m-%d %H:%M} UTC" for e in recent if e.version is not None}


def retention_document(due: Retention, done: tuple[Fate, ...]) -> dict[str, Any]:
    """Return what is deleted, or would be, and why the others stay."""
    return {
        "deleted": [{**_line(fate), "run_id": fate.version.run_id, "source": fate.version.source} for fate in done],
        "kept": [_line(fate) for fate in due.kept],
    }


def _line(fate: Fate) -> dict[str, Any]:
    return {"version": fate.version.version, "reason": fate.reason}


def in_words(fates: tuple[Fate, ...]) -> tuple[str, ...]:
    """Return one sentence for each version that is deleted, or would be."""
    return tuple(f"delete v{fate.version.version}: it {fate.reason}" for fate in fates)
