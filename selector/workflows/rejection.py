"""How is a rejected candidate kept from competing: by its tag where it is registered, else by its digests?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from selector.domain.model import RegisteredModel
from selector.domain.plans import mark_plan
from selector.domain.promotion import Plan
from selector.ports import Entry
from selector.workflows.carry_out import Record, carry_out
from selector.workflows.heard import evidence_of
from selector.workflows.house import House, Setup


def version_of(offer: Mapping[str, Any], registered: RegisteredModel | None) -> int | None:
    """Return the version that the offered candidate is registered as by now; None where it is not."""
    if registered is None:
        return None
    number = offer.get("version")
    if number is not None and registered.version(number) is not None:
        return int(number)
    return next((v.version for v in registered.versions if v.source.rstrip("/") == offer["uri"]), None)


def rejection_plan(
    house: House, registered: RegisteredModel | None, question: Entry, offer: Mapping[str, Any], reason: str
) -> Plan | None:
    """Return the plan that marks the candidate's version; None where it is not registered."""
    version = version_of(offer, registered)
    if registered is None or version is None:
        return None
    digest = hashlib.sha256(f"{question.decision} {offer['uri']}".encode()).hexdigest()
    return mark_plan(f"{house.clock.now():%Y%m%dT%H%M%S}-{digest[:8]}", registered, version, "rejected", reason)


def reject(
    house: House,
    setup: Setup,
    registered: RegisteredModel | None,
    question: Entry,
    offer: Mapping[str, Any],
    *,
    actor: str,
    reason: str,
) -> Plan | None:
    """Write a rejection down; the candidate does not compete again until somebody clears it.

    Args:
        house: the ports.
        setup: the model.
        registered: the registered model as it is now.
        question: the recorded decision that is answered.
        offer: the candidate, as that decision offered it.
        actor: who says no.
        reason: why; may be empty.

    Returns:
        The plan that was carried out; None where the ledger alone had to know.

    """
    version = version_of(offer, registered)
    if registered is not None and version is not None:
        aliases = setup.policy.aliases
        if registered.aliases.get(aliases.champion) == version:
            return None
    details = {
        "decision": question.decision,
        "evidence": evidence_of(question),
        "candidate": offer["uri"],
        "name": offer.get("name"),
    }
    plan = rejection_plan(house, registered, question, offer, reason or f"rejected by {actor}")
    if plan is None or version is None:
        entry = Entry(
            at=house.clock.now(),
            model=setup.model,
            kind="rejected",
            actor=actor,
            decision=question.decision,
            reason=reason,
            details=details | {"keys": list(offer.get("keys", ()))},
        )
        house.store.append((entry,))
        return None
    carry_out(house, plan, Record("rejected", version, None, actor, reason, details))
    return plan
