"""What is known right now, without changing anything: status, candidates, history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from selector.domain.model import NOTHING, STATUS_TAG
from selector.ports import Entry
from selector.workflows.documents import SCHEMA_VERSION, entry_document, version_document
from selector.workflows.exports import places
from selector.workflows.families import known
from selector.workflows.heard import ANSWERS, offers_of
from selector.workflows.house import House, Setup, why_paused
from selector.workflows.monitor_document import production
from selector.workflows.observe import REIGN_ENDS
from selector.workflows.select_champion import look


def status(house: House, models: Sequence[str]) -> list[dict[str, Any]]:
    """Return one document per model; the number of MLflow calls does not grow with models or versions beyond pages."""
    setups = known(house, models)
    registered = house.registry.registered_models([s.model for s in setups])
    last, paused = house.store.last_decisions(), house.store.paused()
    pending = {u.plan.model: u.plan for u in house.store.unfinished()}
    names = _run_names(house, setups, registered)
    found = []
    for setup in setups:
        model, aliases = registered.get(setup.model), setup.policy.aliases
        at = model.aliases if model else NOTHING
        plan, entry = pending.get(setup.model), last.get(setup.model)
        found.append(
            {
                "model": setup.model,
                "champion": version_document(model, at.get(aliases.champion), names),
                "challenger": version_document(model, at.get(aliases.challenger), names),
                "previous": version_document(model, at.get(aliases.previous), names),
                **production(house, setup, at.get(aliases.champion)),
                "export": [place.document() for place in places(house, setup, model)],
                "paused": why_paused(paused, setup.model) is not None,
                "shadow": setup.shadow,
                "pending": {"kind": plan.kind, "decision": plan.id} if plan else _awaiting(house, entry),
                "last_decision": _last(entry),
            }
        )
    return found


def _awaiting(house: House, last: Entry | None) -> dict[str, Any] | None:
    """Return the question that waits for a person, unless it has its answer or another champion came since."""
    if last is None or last.details.get("verdict") != "awaiting_approval":
        return None
    since = house.store.entries(last.model, kinds=(*ANSWERS, *REIGN_ENDS), newest=1)
    if since and (since[-1].decision == last.decision or since[-1].at > last.at):
        return None
    offers = offers_of(last)
    who = next((o for o in offers if o.get("proposed")), {})
    at = last.at.isoformat()
    return {
        "kind": "approval",
        "decision": last.decision,
        "version": who.get("version"),
        "name": who.get("name"),
        "since": at,
    }


def _last(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    verdict = entry.details.get("verdict")
    return {"decision": entry.decision, "verdict": verdict, "at": entry.at.isoformat(), "reason": entry.reason}


def _run_names(house: House, setups: Sequence[Setup], registered: Any) -> dict[str, str]:
    """Return the run names behind all aliases, in one query."""
    wanted = set()
    for setup in setups:
        model, names = registered.get(setup.model), setup.policy.aliases
        for alias in (names.champion, names.challenger, names.previous):
            version = model.version(model.aliases.get(alias)) if model else None
            if version is not None and version.run_id:
                wanted.add(version.run_id)
    return {run.run_id: run.name for run in house.registry.runs_by_id(sorted(wanted))} if wanted else {}


def candidates(house: House, model: str) -> dict[str, Any]:
    """Return everything considered for this model, ranked, with the reason of each that may not compete."""
    found = look(house, house.setup(model), dry_run=True, actor="")
    return {"schema_version": SCHEMA_VERSION, **found.document}


def history(house: House, model: str | None, at: datetime | None) -> dict[str, Any]:
    """Return the ledger, oldest first; with `at`, what had happened by then and who was champion."""
    if model is not None:
        house.setup(model)
    entries = house.store.entries(model, until=at)
    acted_on = {e.decision for e in entries if e.kind in REIGN_ENDS and e.decision}
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "entries": [entry_document(e) for e in entries if e.kind != "decision" or e.decision not in acted_on],
    }
    if at is not None:
        champions: dict[str, int | None] = {e.model: e.version for e in entries if e.kind in REIGN_ENDS}
        document |= {"at": at.isoformat(), "champions": champions}
    return document


def put_aside(house: House, model: str) -> dict[int, str]:
    """Return the versions of a model that carry one of our marks, with the mark."""
    registered = house.registry.registered_model(model)
    versions = registered.versions if registered else ()
    return {v.version: v.tags[STATUS_TAG] for v in versions if STATUS_TAG in v.tags}
