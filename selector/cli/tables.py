"""How do the documents of the contract look to people?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selector.cli.session import session
from selector.cli.table import table, width
from selector.redaction import printable

Document = Mapping[str, Any]
_ASKED_FOR = ("f1_score", "f1", "accuracy", "roc_auc", "rmse", "mae", "r2")


def _version(who: Document | None) -> str | None:
    if not who:
        return None
    number = f"v{who['version']}" if who.get("version") else "unregistered"
    return f"{number} {who['name']}" if who.get("name") else number


def _score(who: Document | None) -> str | None:
    """Return "F1 0.7974" from the scores that a decision left on a version."""
    scores = (who or {}).get("scores") or {}
    values = {key: value for key, value in scores.items() if isinstance(value, float) and key not in ("low", "high")}
    name = scores.get("ranked_by") or next(iter(values), "")
    return f"{scores.get('metric', name)} {values[name]:.4f}" if name in values else None


def when(text: str | None) -> str | None:
    """Return "2025-05-05 10:01:26" from a time in ISO 8601."""
    return text[:19].replace("T", " ") if text else None


def interval(low: float | None, high: float | None) -> str | None:
    """Return "0.5658 to 0.6541"; None where there is no interval."""
    return None if low is None or high is None else f"{low:.4f} to {high:.4f}"


def status(found: Sequence[Document]) -> str:
    """Return one line per model."""
    heads = ("model", "champion", "score", "challenger", "previous", "health", "state", "last decision (UTC)")
    rows = []
    for one in found:
        last = one.get("last_decision") or {}
        state = "paused" if one.get("paused") else "shadow" if one.get("shadow") else "active"
        pending = one.get("pending")
        said = " ".join(str(part) for part in (when(last.get("at")), last.get("verdict")) if part)
        rows.append(
            (
                one["model"],
                _version(one.get("champion")),
                _score(one.get("champion")),
                _version(one.get("challenger")),
                _version(one.get("previous")),
                one.get("health"),
                _pending(pending) if pending else state,
                said,
            )
        )
    return "\n".join([*table(heads, rows, limit=width()), *_production(found), *_exports(found)])


def _production(found: Sequence[Document]) -> list[str]:
    """Return one line per watched model: how its metric has gone in production."""
    lines = []
    for one in found:
        seen = one.get("production") or {}
        if seen.get("drawn"):
            value = f"{seen['value']:.3f}" if seen.get("value") is not None else "no value"
            floor = f", floor {seen['floor']:.3f}" if seen.get("floor") is not None else ""
            lines.append(f"{one['model']} in production: {seen['metric']} {value}{floor}  {seen['drawn']}")
    return lines


def _exports(found: Sequence[Document]) -> list[str]:
    """Return one line per place of export that does not hold the champion."""
    late = ((one["model"], place) for one in found for place in one.get("export", ()) if not place["in_step"])
    return [
        f"{model} is not in step at {p['where']}: {p['reason'] or 'holds ' + (_version(p) or 'nothing')}"
        for model, p in late
    ]


def _pending(pending: Document) -> str:
    if pending["kind"] != "approval":
        return f"{pending['kind']} unfinished"
    who = f"v{pending['version']}" if pending.get("version") else pending.get("name")
    return f"{who} awaits approval of {pending['decision']}"


def ranking(standings: Sequence[Document], metrics: Mapping[str, str] | None = None, indent: str = "  ") -> list[str]:
    """Return a ranking: what it is, its score with the interval, further metrics, and why it may or did not win.

    Args:
        standings: the candidates, best first.
        metrics: titles of the further metrics, by key.
        indent: what each line begins with.

    """
    if not standings:
        return []
    further = metrics or {}
    heads = ("", "candidate", "version", "score", "95 % interval", "lead", *further.values(), "")
    rows = []
    place = 0
    for one in standings:
        place += bool(one.get("eligible"))
        rows.append(
            (
                place if one.get("eligible") else "",
                one.get("name"),
                f"v{one['version']}" if one.get("version") else None,
                one.get("score"),
                interval(one.get("low"), one.get("high")),
                one.get("lead"),
                *((one.get("metrics") or {}).get(key) for key in further),
                _remark(one),
            )
        )
    return table(heads, rows, limit=width(), indent=indent)


def _remark(one: Document) -> str:
    if one.get("reasons"):
        return "; ".join(one["reasons"])
    parts = ["champion"] if one.get("champion") else []
    gates = [gate for gate in one.get("gates", ()) if gate.get("verdict") != "passed"]
    if any(gate["gate"] in _LEAD_GATES for gate in gates):
        parts.append(_lead(one))
    parts += [f"{gate['gate']}: {gate['verdict']}" for gate in gates if gate["gate"] not in _LEAD_GATES]
    if one.get("copies"):
        parts.append(f"same model as {', '.join(one['copies'])}")
    return "; ".join(parts) or "eligible"


_LEAD_GATES = frozenset(
    {
        "lead over the champion",
        "a better score than the champion's",
        "effective rows that tell the two models apart",
        "chance of such a lead by luck, all tries counted",
    }
)
"""The gates of the decision rule itself: three ways to say that the lead is not there, or not proven."""


def _lead(one: Document) -> str:
    lead, needed = one.get("lead"), one.get("needed_lead")
    if lead is None or lead <= 0:
        return "not ahead of the champion"
    return f"lead not proven; {needed:.4f} is needed" if needed is not None and lead < needed else "lead not proven"


def candidates(document: Document) -> str:
    """Return everything that was considered, best first."""
    lines = [f"{document['model']}: ranked by {document.get('metric', 'the metric')}"]
    if document.get("rows"):
        lines[0] += f" on {document['rows']} labelled rows"
    shown = ranking(document.get("ranking", ()), document.get("metrics"))
    notes = [f"  note: {note}" for note in document.get("notes", ())]
    return "\n".join([*lines, *(shown or ["  no candidates"]), *notes])


def brief(steps: Sequence[str]) -> list[str]:
    """Return the steps that a person wants to see: tags are counted, or listed with -v."""
    tags = [step for step in steps if step.startswith(("tag ", "remove tag "))]
    if session().verbose or not tags:
        return list(steps)
    others = [step for step in steps if step not in tags]
    return [*others, f"tags: {len(tags)} (-v lists them)"]


def history(document: Document) -> str:
    """Return the ledger, oldest first, and who was champion at the time that was asked for."""
    entries = document.get("entries", ())
    heads = ("at (UTC)", "model", "what", "version", "before", "by", "reason")
    rows = [
        (
            when(e["at"]),
            e["model"],
            e["kind"].replace("_", " "),
            e.get("version"),
            e.get("previous"),
            e.get("actor"),
            e.get("reason"),
        )
        for e in entries
    ]
    lines = table(heads, rows, limit=width()) if rows else ["nothing is recorded yet"]
    for model, version in (document.get("champions") or {}).items():
        lines.append(f"champion of {printable(model)} at {document['at']}: {f'v{version}' if version else 'none'}")
    return "\n".join(lines)


def imported(document: Document) -> str:
    """Return what was found in a legacy store, and what became of each."""
    heads = ("status", "name", "format", "type", "created (UTC)", "metrics", "version", "reason")
    rows = [
        (
            one["status"],
            one["name"],
            one.get("format"),
            one.get("model_type"),
            when(one.get("created_at")),
            _few(one.get("metrics") or {}),
            one.get("version"),
            one.get("reason"),
        )
        for one in document.get("models", ())
    ]
    lines = table(heads, rows, limit=width()) if rows else ["no models found"]
    counts = ", ".join(f"{document.get(key, 0)} {key}" for key in ("found", "imported", "skipped", "failed"))
    return "\n".join([*lines, "", counts, *(f"note: {note}" for note in document.get("notes", ()))])


def _few(metrics: Document) -> str:
    """Return two of the metrics, those first that people ask for."""
    known = [key for key in _ASKED_FOR if key in metrics]
    named = [key for key in dict.fromkeys([*known, *metrics]) if metrics[key] is not None]
    return ", ".join(f"{key} {metrics[key]:.4g}" for key in named[:2])


def undone(document: Document) -> str:
    """Return what was taken back."""
    heads = ("status", "run", "name", "versions", "reason")
    rows = [
        (one["status"], one["run_id"], one["name"], ", ".join(map(str, one["versions"])), one.get("reason"))
        for one in document.get("runs", ())
    ]
    lines = table(heads, rows, limit=width()) if rows else [f"no run of batch {document['batch']} is left"]
    return "\n".join(lines)
