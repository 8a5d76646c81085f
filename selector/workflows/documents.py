"""How do decisions and registry states look as JSON: the documents that scripts rely on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from selector.domain.approval import Answer, commands
from selector.domain.further import Further
from selector.domain.model import SCORES_TAG, RegisteredModel
from selector.domain.plans import scores
from selector.domain.ranking import Standing
from selector.domain.verdict import Decision
from selector.ports import Entry

SCHEMA_VERSION = 1


def finite(value: float | None) -> float | None:
    """Return a plain float, or None for what JSON cannot say."""
    return None if value is None or not math.isfinite(value) else float(value)


def decision_document(decision: Decision, *, created: int | None, report: str | None, dry_run: bool) -> dict[str, Any]:
    """Return one model's part of the `select` document.

    Args:
        decision: what was decided.
        created: the number of the version that the promotion made, where it made one.
        report: path of the HTML report, where one was written.
        dry_run: whether nothing was carried out.

    """
    after, before = decision.champion_after, decision.champion
    return {
        "model": decision.model,
        "verdict": decision.verdict,
        "champion": _who(after, decision, created if decision.winner else None),
        "previous": _who(before, decision, None) if decision.winner else None,
        "reason": decision.reason,
        "code": decision.code,
        "proof": decision.proof,
        "metric": decision.metric.label(),
        "metrics": dict(decision.further.labels),
        "decision": decision.id,
        "report": report,
        "dry_run": dry_run,
        "floor": finite(decision.floor),
        "rows": decision.truth.rows if decision.truth else None,
        "holdout": decision.truth.digest if decision.truth else None,
        "rows_needed": decision.rows_needed,
        "challengers": {
            "judged": decision.luck.judged,
            "trials": decision.luck.trials,
            "effective": finite(decision.luck.effective),
            "refused_before": decision.luck.refused_before,
        },
        "notes": list(decision.notes) + [str(held) for held in decision.held],
        "approval": _approval(decision.approval),
        "offers": [_offer(s, decision) for s in decision.offers],
        "answer": [] if dry_run else list(commands(decision.model, decision.id, decision.proposed, decision.offers)),
        "ranking": [
            ranked_document(s, created if s is decision.winner else None, decision.further) for s in decision.ranking
        ],
    }


def _approval(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "decision": answer.decision,
        "candidate": answer.candidate,
        "by": answer.by,
        "at": answer.at.isoformat(),
        "reason": answer.reason,
    }


def _offer(standing: Standing, decision: Decision) -> dict[str, Any]:
    """Return whom a person may approve or reject; `keys` bar the same model under any other name."""
    keys = (standing.candidate.uri, standing.digest, standing.outcome.digest if standing.outcome else None)
    return {
        "name": standing.name,
        "version": standing.candidate.number,
        "run_id": standing.candidate.run_id,
        "uri": standing.candidate.uri,
        "held": standing.held,
        "proposed": standing is decision.proposed,
        "keys": [key for key in keys if key],
    }


def ranked_document(standing: Standing, created: int | None = None, further: Further | None = None) -> dict[str, Any]:
    """Return one candidate's line of a ranking, with its further metrics."""
    metrics = further.of(standing) if further is not None else {}
    return {
        "version": created or standing.candidate.number,
        "run_id": standing.candidate.run_id,
        "name": standing.name,
        "uri": standing.candidate.uri,
        "score": finite(standing.score),
        "low": finite(standing.low),
        "high": finite(standing.high),
        "metrics": {key: finite(value) for key, value in metrics.items()},
        "eligible": standing.eligible,
        "reasons": [r.text for r in standing.reasons],
        "codes": [r.code for r in standing.reasons],
        "champion": standing.champion,
        "logged": finite(standing.logged),
        "lead": finite(standing.lead),
        "p": finite(standing.adjusted_p),
        "needed_lead": finite(standing.bar),
        "shortlisted": standing.shortlisted,
        "copies": list(standing.copies),
        "gates": [
            {
                "gate": g.gate,
                "verdict": g.verdict,
                "value": finite(g.value),
                "bound": finite(g.bound),
                "margin": finite(g.margin),
                "detail": g.detail,
                "observe": g.observe,
                "of_lead": g.of_lead,
            }
            for g in standing.gates
        ],
        "notes": list(standing.notes),
    }


def _who(standing: Standing | None, decision: Decision, created: int | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    found = scores(standing, decision)
    return {
        "version": created or standing.candidate.number,
        "run_id": standing.candidate.run_id,
        "name": standing.name,
        "scores": {k: finite(v) if isinstance(v, float) else v for k, v in found.items()},
    }


def version_document(registered: RegisteredModel | None, number: int | None, names: Mapping[str, str]) -> Any:
    """Return who holds an alias: version, run, name and the scores that we left there; None where nobody does."""
    if registered is None or number is None:
        return None
    version = registered.version(number)
    run_id = version.run_id if version else None
    try:
        left = json.loads(version.tags.get(SCORES_TAG, "{}")) if version else {}
    except ValueError:
        left = {}
    return {"version": number, "run_id": run_id, "name": names.get(run_id or "", ""), "scores": left}


def entry_document(entry: Entry) -> dict[str, Any]:
    """Return one line of the `history` document; a decision is told by its verdict, a deletion with what it was."""
    verdict = entry.details.get("verdict") if entry.kind == "decision" else None
    gone = {"was": dict(entry.details)} if entry.kind == "deleted" else {}
    return {
        "at": entry.at.isoformat(),
        "model": entry.model,
        "kind": verdict or entry.kind,
        "version": entry.version,
        "previous": entry.previous,
        "actor": entry.actor,
        "decision": entry.decision,
        "reason": entry.reason,
        **gone,
    }
