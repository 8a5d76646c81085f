"""Why is the champion who it is, what would each of the others have needed, and what would change the verdict?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from selector.domain.comparison import rows_needed
from selector.domain.counterfactual import turning_points
from selector.domain.policy import Policy
from selector.domain.ranking import Standing
from selector.domain.snapshot import Snapshot
from selector.domain.verdict import Decision
from selector.errors import MlflowUnreachableError, UsageError
from selector.ports import Entry
from selector.workflows.case import decided
from selector.workflows.documents import SCHEMA_VERSION, decision_document, finite
from selector.workflows.house import House
from selector.workflows.observe import observe
from selector.workflows.replay import NotReplayable, replayed

HIDDEN = frozenset({"dry_run", "refused", "inputs"})
"""Parts of a record that are for machines."""


def explain(house: House, model: str, decision: str | None) -> dict[str, Any]:
    """Explain the present situation, or a recorded decision where one is named.

    Returns:
        The document of a decision, and besides:
        basis: "present" (decided now), "replayed" (made again from its record) or "record" (told from its record);
        because: why it is not on a better basis; "" where it is;
        recorded: the newest decision that was recorded, and whether it saw the same evidence;
        changes: the single changes that lead to another champion, each of them tried; None where they could not be;
        and for each challenger in `ranking` what it `needs`.

    Raises:
        UsageError: there is no such decision.
        MlflowUnreachableError: MLflow does not answer, and no decision is recorded either.

    """
    house.setup(model)
    if decision is not None:
        return _recorded(house, _entry(house, model, decision), "")
    try:
        return _present(house, model)
    except MlflowUnreachableError as error:
        last = _newest(house, model)
        if last is None:
            raise
        return _recorded(house, last, f"{error.message}; this is the newest recorded decision")


def _newest(house: House, model: str, decision: str | None = None) -> Entry | None:
    return next(iter(house.store.entries(model, kinds=("decision",), decision=decision, newest=1)), None)


def _entry(house: House, model: str, decision: str) -> Entry:
    entry = _newest(house, model, decision)
    if entry is None:
        advice = f"mlflow-selector history {model}"
        raise UsageError(f"no decision {decision!r} for model {model!r}", advice=advice)
    return entry


def _present(house: House, model: str) -> dict[str, Any]:
    setup = house.setup(model)
    observed = observe(house, setup)
    decision = decided(house, setup, observed)
    last = observed.last
    page = house.reports.path(model, last.decision or "") if last else None
    document = _document(observed.snapshot, setup.policy, decision)
    document |= {
        "basis": "present",
        "because": "",
        "decision": None,
        "at": house.clock.now().isoformat(),
        "report": str(page) if page else None,
    }
    if last is not None:
        document["recorded"] = {
            "decision": last.decision,
            "at": last.at.isoformat(),
            "verdict": last.details.get("verdict"),
            "reason": last.reason,
            "same": last.details.get("evidence") == decision.evidence,
        }
    return document


def _recorded(house: House, entry: Entry, why: str) -> dict[str, Any]:
    """Explain a decision from its record: made again where that is possible, else as it was written down."""
    page = house.reports.path(entry.model, entry.decision or "")
    told = {
        "model": entry.model,
        "decision": entry.decision,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "reason": entry.reason,
        "report": str(page) if page else None,
        "recorded": None,
    }
    again = replayed(house, entry)
    if isinstance(again, NotReplayable):
        record = {key: value for key, value in entry.details.items() if key not in HIDDEN}
        because = "; ".join(part for part in (why, again.reason) if part)
        unknown = {"schema_version": SCHEMA_VERSION, "basis": "record", "because": because, "changes": None}
        return {**unknown, **record, **told}
    record = {key: value for key, value in entry.details.items() if key in {"evidence", "policy", "champion"}}
    return {
        **_document(again.snapshot, again.policy, again.decision),
        **record,
        **told,
        "basis": "replayed",
        "because": why,
    }


def _document(snapshot: Snapshot, policy: Policy, decision: Decision) -> dict[str, Any]:
    document = decision_document(decision, created=None, report=None, dry_run=True)
    document.pop("dry_run")
    for line, standing in zip(document["ranking"], decision.ranking, strict=True):
        line["needs"] = needs(standing, decision)
    return {
        "schema_version": SCHEMA_VERSION,
        **document,
        "minimum_gain": policy.minimum_gain,
        "confidence": policy.confidence,
        "rule": policy.rule,
        "recorded": None,
        "changes": [asdict(change) for change in turning_points(snapshot, policy, decision)],
    }


def needs(standing: Standing, decision: Decision) -> dict[str, Any] | None:
    """Return what a challenger would have needed against the champion; None where that cannot be said.

    `rows` is how many labelled rows in all would settle the lead that it has, four times in five; `more_rows` how many
    of them are missing. Both are None for a challenger that does not lead.
    """
    versus, luck = standing.versus, decision.luck
    if versus is None or standing.bar is None or standing.outcome is None:
        return None
    have = standing.outcome.rows
    rows = rows_needed(versus, have, luck.alpha, luck.count)
    return {
        "lead": finite(standing.bar),
        "more_lead": finite(max(0.0, standing.bar - versus.lead)),
        "rows": rows,
        "more_rows": None if rows is None else max(0, rows - have),
    }
