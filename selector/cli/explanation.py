"""How does an explanation look to people: what holds, what each candidate lacks, and what would change it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selector.cli.session import session
from selector.cli.table import table, width
from selector.cli.tables import interval, when

Document = Mapping[str, Any]
SHORT = {
    "lead over the champion": "lead over the champion",
    "effective rows that tell the two models apart": "rows that tell them apart",
    "chance of such a lead by luck, all tries counted": "chance that it is luck",
}
"""Shorter words for the built-in conditions, which stand in a column here."""

SMALLEST = 0.0001
FEW = 5
"""How many challengers are shown without -v."""


def explanation(document: Document) -> str:
    """Return an explanation: the verdict, what it is based on, the candidates, the conditions, the turning points."""
    verdict = str(document.get("verdict", "")).replace("_", " ")
    lines = [f"{document['model']}: {verdict}. {document.get('reason', '')}", *_basis(document)]
    compete = [o for o in document.get("ranking", ()) if o.get("eligible") and not o.get("champion")]
    shown = compete if session().verbose else compete[:FEW]
    for part in (
        _champion(document),
        _challengers(shown, len(compete)),
        _conditions(shown),
        _others(document.get("ranking", ())),
        _changes(document),
    ):
        lines += ["", *part] if part else []
    lines += _notes(document)
    return "\n".join(lines)


def _basis(document: Document) -> list[str]:
    """Say what this explains: the present, or a decision of the past."""
    basis, recorded = document.get("basis"), document.get("recorded")
    because = f": {document['because']}" if document.get("because") else ""
    past = f"decision {document.get('decision')} of {when(document.get('at'))} UTC by {document.get('actor')}"
    if basis == "replayed":
        return [f"  {past}, made again from its record{because}"]
    if basis != "present":
        return [f"  {past}, told from its record{because}"]
    if not recorded:
        return ["  the present situation; nothing is recorded yet"]
    verdict = str(recorded.get("verdict")).replace("_", " ")
    news = "nothing has changed since" if recorded.get("same") else "something has changed since"
    return [
        f"  the present situation; {news} the last recorded decision ({verdict}, {when(recorded.get('at'))} UTC)",
        f"  that one: mlflow-selector explain {document['model']} --decision {recorded.get('decision')}",
    ]


def _champion(document: Document) -> list[str]:
    champion = next((o for o in document.get("ranking", ()) if o.get("champion")), None)
    if champion is None:
        return ["  there was no champion before" if document.get("verdict") == "promoted" else "  there is no champion"]
    rows = f" on {document['rows']:,} labelled rows" if document.get("rows") else " as its run logged it"
    score = "-" if champion.get("score") is None else f"{champion['score']:.4f}"
    return [f"  champion: {_named(champion)}, {document.get('metric')} {score}{rows}"]


def _named(one: Document) -> str:
    return f"{one.get('name')} (v{one['version']})" if one.get("version") else str(one.get("name"))


def _challengers(shown: Sequence[Document], count: int) -> list[str]:
    """Return who might have won: the lead it has, the lead it would need, and how many rows would settle it."""
    if not shown:
        return ["  nobody else may compete"]
    heads = ("challenger", "score", "95 % interval", "lead", "lead needed", "missing", "more rows needed")
    rows = []
    for one in shown:
        found = one.get("needs") or {}
        more = found.get("more_rows")
        settled = "none" if more == 0 else f"about {_round(more):,}" if more else None
        rows.append(
            (
                _named(one),
                one.get("score"),
                interval(one.get("low"), one.get("high")),
                one.get("lead"),
                found.get("lead", one.get("needed_lead")),
                found.get("more_lead", _missing(one)),
                settled,
            )
        )
    lines = table(heads, rows, limit=width(), indent="  ")
    if count > len(shown):
        more = count - len(shown)
        lines.append(f"  and {more} more challenger{'' if more == 1 else 's'} with lower scores (-v lists them)")
    return lines


def _round(rows: int) -> int:
    """Return two digits of an estimate that is no better than that."""
    return int(float(f"{rows:.2g}"))


def _missing(one: Document) -> float | None:
    """Return how much lead is missing, from a record that only says what was needed."""
    lead, needed = one.get("lead"), one.get("needed_lead")
    return None if lead is None or needed is None else max(0.0, needed - lead)


def _conditions(shown: Sequence[Document]) -> list[str]:
    """Return each condition of each challenger: what was found, what was asked, and by how much it was met."""
    heads = ("challenger", "condition", "", "found", "asked for", "margin")
    rows = [
        (
            one.get("name") if i == 0 else "",
            SHORT.get(gate["gate"], gate["gate"]),
            f"{gate['verdict']}, only observed" if gate.get("observe") else gate["verdict"],
            _figure(gate.get("value")),
            _asked(gate),
            _figure(gate.get("margin")),
        )
        for one in shown
        for i, gate in enumerate(one.get("gates", ()))
    ]
    return table(heads, rows, limit=width(), indent="  ") if rows else []


def _figure(value: float | None) -> str | float | None:
    return "<0.0001" if value is not None and 0 < value < SMALLEST else value


def _asked(gate: Document) -> str | None:
    """Return "at least 0.005" or "at most 0.05", told from the side that the margin lies on."""
    value, bound, margin = gate.get("value"), gate.get("bound"), gate.get("margin")
    if bound is None:
        return None
    if value is None or margin is None:
        return f"{bound:.4g}"
    return f"at {'least' if (value >= bound) == (margin >= 0) else 'most'} {bound:.4g}"


def _others(standings: Sequence[Document]) -> list[str]:
    """Return who may not compete, with the reason."""
    rows = [(_named(o), "; ".join(o["reasons"])) for o in standings if o.get("reasons")]
    return table(("may not compete", ""), rows, limit=width(), indent="  ") if rows else []


def _changes(document: Document) -> list[str]:
    """Return what would make somebody else champion."""
    changes = document.get("changes")
    if changes is None:
        return []
    if not changes:
        return ["  no single change that was tried makes somebody else champion"]
    one = len(changes) == 1
    lines = [
        "  this alone would change it, tried on this very data:"
        if one
        else "  any one of these alone would change it; each was tried on this very data, the cheapest first:"
    ]
    present = next((o.get("name") for o in document.get("ranking", ()) if o.get("champion")), None)
    lines += [f"    {change['text']}{_now(change)}: {_outcome(change, present)}" for change in changes]
    return lines


def _now(change: Document) -> str:
    settings = {"minimum_gain", "confidence", "rule", "trust_logged", "without_proof"}
    return f" (now {change['before']})" if change["kind"] in settings else ""


def _outcome(change: Document, present: str | None) -> str:
    champion = change.get("champion")
    if champion is None:
        return "nobody would be champion"
    return f"{champion} would have stayed" if champion == present else f"{champion} would be champion"


def _notes(document: Document) -> list[str]:
    told = [reason for one in document.get("ranking", ()) for reason in one.get("reasons", ())]
    fresh = [note for note in document.get("notes", ()) if not any(reason in note for reason in told)]
    lines = [f"  note: {note}" for note in fresh]
    if document.get("report"):
        lines.append(f"  report: {document['report']}")
    return ["", *lines] if lines else []
