"""How is an import written into the ledger, whoever ordered it?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from selector.domain.model import NOTHING
from selector.exchange import Entry


def imported(
    at: datetime, *, model: str, experiment: str, batch: str, count: int, actor: str, more: Mapping[str, Any] = NOTHING
) -> Entry:
    """Return the ledger's line on models that became runs.

    Args:
        at: aware.
        model: the registered model.
        experiment: where the runs are.
        batch: id under which the import can be taken back.
        count: of models, > 0.
        actor: who ordered it.
        more: further details, plain JSON.

    """
    reason = f"{count} {'model' if count == 1 else 'models'} imported into experiment {experiment} as batch {batch}"
    details = {"batch": batch, "imported": count, **more}
    return Entry(at=at, model=model, kind="imported", actor=actor, reason=reason, details=details)


def not_imported(
    at: datetime, *, model: str, name: str, why: str, actor: str, more: Mapping[str, Any] = NOTHING
) -> Entry:
    """Return the ledger's line on a staged model that did not become a run, and why."""
    reason = f"staged {name} was not imported: {why}"
    return Entry(at=at, model=model, kind="failed", actor=actor, reason=reason, details={"staged": name, **more})
