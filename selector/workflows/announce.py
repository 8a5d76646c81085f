"""Which changes are people told of, and how does each become a notice whose key is the same at every attempt?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from selector.domain import notices
from selector.domain.notices import Words
from selector.exchange import Entry, Notice
from selector.redaction import printable
from selector.workflows.heard import REIGN_ENDS
from selector.workflows.house import House

AWAITING = "awaiting_approval"
IMPORT_FAILED = EXPORT_FAILED = "failed"


def notice(key: str, model: str, kind: str, said: Words) -> Notice:
    """Return the notice with these words, without characters that steer a terminal."""
    body = "\n".join(printable(line) for line in said.body.splitlines())
    return Notice(key=key, model=model, kind=kind, title=printable(said.title), body=body)


def of_entries(house: House, entries: Iterable[Entry]) -> tuple[Notice, ...]:
    """Return what people are to be told of ledger entries that are being written; most of them are no news.

    Put the notices into the outbox in the transaction that appends the entries.
    """
    entries = tuple(entries)
    decided = {entry.decision: entry for entry in entries if entry.kind == "decision"}
    made: list[Notice] = []
    for entry in entries:
        about = decided.get(entry.decision, entry) if entry.decision else entry
        said = _words(house, entry, about)
        if said is not None:
            kind, text = said
            made.append(notice(_key(kind, entry), entry.model, kind, text))
    return tuple(made)


def of_failed_imports(entry_at: str, model: str, failures: Sequence[tuple[str, str]]) -> tuple[Notice, ...]:
    """Return the one notice on staged models that did not become runs, as (name, reason).

    Args:
        entry_at: when that was written down; makes the key.
        model: the registered model.
        failures: may be empty.

    """
    if not failures:
        return ()
    key = f"{IMPORT_FAILED}-{_digest(entry_at, model, *(name for name, _ in failures))}"
    return (notice(key, model, IMPORT_FAILED, notices.not_imported(model, failures)),)


def _words(house: House, entry: Entry, decided: Entry) -> tuple[str, Words] | None:
    model, decision = entry.model, entry.decision or ""
    if entry.kind == "foreign_change":
        known = entry.previous is not None or house.store.entries(model, kinds=tuple(REIGN_ENDS), newest=1)
        # A champion that was there before we came was not moved under our eyes.
        return (entry.kind, notices.foreign(model, entry.version, entry.previous, entry.at)) if known else None
    page = house.reports.path(model, decision) if decision else None
    foot = notices.foot(model, decision, house.report_link(page) if page else None)
    if entry.kind == "promoted":
        details = {"reason": entry.reason, **decided.details}
        return entry.kind, notices.promoted(
            model, entry.version, entry.previous, actor=entry.actor, details=details, foot=foot
        )
    if entry.kind == "rolled_back":
        said = notices.rolled_back(
            model, entry.version, entry.previous, actor=entry.actor, reason=entry.reason, foot=foot
        )
        return entry.kind, said
    if entry.kind == "export_failed":
        return EXPORT_FAILED, notices.not_exported(model, entry.version, reason=entry.reason, foot=foot)
    if entry.kind == "decision" and entry.details.get("verdict") == AWAITING:
        return AWAITING, notices.awaiting(model, entry.details, foot)
    return None


def _key(kind: str, entry: Entry) -> str:
    if entry.decision:
        return f"{kind}-{entry.decision}"
    return f"{kind}-{_digest(entry.model, str(entry.version), str(entry.previous), entry.at.isoformat())}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
