"""What has somebody else changed in a registered model, and how is it written down?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from selector.domain.events import AliasMoved, Event, StageMoved, VersionGone, VersionRegistered
from selector.domain.model import LEASE_TAG, PUT_ASIDE, STATUS_TAG, Candidate, RegisteredModel
from selector.errors import UsageError
from selector.ports import Entry
from selector.redaction import printable
from selector.workflows.heard import REIGN_ENDS
from selector.workflows.house import House, Setup

SOMEBODY_ELSE = "somebody else"
DAEMON = "daemon"

Foreign = AliasMoved | StageMoved | VersionGone | VersionRegistered


def record_foreign(house: House, events: Iterable[Event], since: datetime) -> None:
    """Write foreign changes into the ledger, with what was there before and after.

    A moved champion alias is written down by the look that follows, for it ends a reign; here is everything else that
    we use: the other two aliases, versions, and stages where they are mirrored. Other aliases are nobody's business.

    Args:
        house: the ports.
        events: what was found; what this process did itself is not among them.
        since: when MLflow was read before. What one of our own commands did since then is not foreign.

    """
    by_model: dict[str, list[Foreign]] = {}
    for event in events:
        if isinstance(event, Foreign):
            by_model.setdefault(event.model, []).append(event)
    entries: list[Entry] = []
    for model, changes in by_model.items():
        try:
            setup = house.setup(model)
        except UsageError:
            continue
        if not _ours(house, model, since):
            entries += _entries(setup, changes, house.clock.now())
    if entries:
        house.store.append(entries)


def foreign_change(
    setup: Setup, registered: RegisteredModel | None, history: Iterable[Entry], now: datetime
) -> tuple[Entry, ...]:
    """Return the ledger's entry for a champion alias that somebody else moved, or nothing where it is where we left it.

    Args:
        setup: the model.
        registered: as it is now.
        history: at least the newest change of champion that the ledger knows of.
        now: the present time.

    """
    alias = setup.policy.aliases.champion
    present = registered.aliases.get(alias) if registered else None
    known = next((e.version for e in reversed(tuple(history)) if e.kind in REIGN_ENDS), None)
    if present == known:
        return ()
    return (
        Entry(
            at=now,
            model=setup.model,
            kind="foreign_change",
            version=present,
            previous=known,
            actor=SOMEBODY_ELSE,
            reason=f"alias {alias} was moved from {known or 'nothing'} to {present or 'nothing'} by somebody else",
        ),
    )


def passed_over(
    history: Sequence[Entry], registered: RegisteredModel | None, candidates: Sequence[Candidate]
) -> Mapping[str, tuple[Candidate, ...]]:
    """Return whom somebody else took the champion alias from, by the reason why they do not take it back by themselves.

    Their choice stands until somebody makes that version champion again. Where they chose a version that may not
    serve, there is no choice to respect.

    Args:
        history: decisions and changes of champion, oldest first.
        registered: as it is now.
        candidates: of the present look.

    """
    versions = registered.versions if registered else ()
    unfit = {v.version for v in versions if v.tags.get(STATUS_TAG) in PUT_ASIDE}
    replaced: dict[int, None] = {}
    for entry in history:
        if entry.kind in REIGN_ENDS and entry.version is not None:
            replaced.pop(entry.version, None)
        if entry.kind == "foreign_change" and entry.previous is not None and entry.version not in unfit:
            replaced[entry.previous] = None
    return {
        f"somebody else took the champion alias from it (version {number})": _behind(number, history, candidates)
        for number in replaced
    }


def _behind(number: int, history: Sequence[Entry], candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that are this version; where it was deleted, the model of its run is the same."""
    found = tuple(c for c in candidates if c.number == number)
    if found:
        return found
    told = [(e.details.get("champion") or {}) for e in reversed(history) if e.kind == "decision"]
    run_id = next((who.get("run_id") for who in told if who.get("version") == number), None)
    return tuple(c for c in candidates if run_id and c.run_id == run_id)


def promoted_by_another(house: House, registered: RegisteredModel | None) -> tuple[str, ...]:
    """Say that a selector with another state promotes the same model; nothing but this tag lets them notice."""
    claim = registered.tags.get(LEASE_TAG, "") if registered else ""
    if registered is None or claim in {"", house.store.identity()}:
        return ()
    said = f"{registered.name} was last promoted by a selector with another state ({printable(claim)[:40]})"
    return (f"{said}; if that one is still at work, stop one of the two: they would undo each other's promotions.",)


def _ours(house: House, model: str, since: datetime) -> bool:
    """Tell whether one of our commands, in another process, has changed this model since then."""
    newest = house.store.entries(model, newest=20)
    return any(e.at >= since and e.actor not in {DAEMON, SOMEBODY_ELSE} for e in newest)


def _entries(setup: Setup, changes: Sequence[Foreign], now: datetime) -> Iterator[Entry]:
    aliases = {setup.policy.aliases.challenger, setup.policy.aliases.previous}
    for change in changes:
        if isinstance(change, AliasMoved) and change.alias in aliases:
            details: dict[str, Any] = {"alias": change.alias, "before": change.before, "after": change.after}
            yield _entry(setup, now, change.words, details, version=change.after, previous=change.before)
        if isinstance(change, StageMoved) and setup.policy.mirror_stages:
            details = {"stage_of": change.version, "before": change.before, "after": change.after}
            yield _entry(setup, now, change.words, details, version=change.version)
    for kind, verb in ((VersionRegistered, "registered"), (VersionGone, "deleted")):
        numbers = [change.version for change in changes if isinstance(change, kind)]
        if numbers:
            one = len(numbers) == 1
            listed = ", ".join(map(str, numbers))
            words = f"version{'' if one else 's'} {listed} {'was' if one else 'were'} {verb}"
            details = {"before": [], "after": numbers} if verb == "registered" else {"before": numbers, "after": []}
            yield _entry(setup, now, words, details, version=numbers[-1] if verb == "registered" else None)


def _entry(
    setup: Setup,
    now: datetime,
    words: str,
    details: Mapping[str, Any],
    *,
    version: int | None,
    previous: int | None = None,
) -> Entry:
    return Entry(
        at=now,
        model=setup.model,
        kind="foreign_edit",
        version=version,
        previous=previous,
        actor=SOMEBODY_ELSE,
        reason=f"{words} by somebody else",
        details=details,
    )
