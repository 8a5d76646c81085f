"""What has somebody else changed in a registered model, and how is it written down?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from selector.domain.events import AliasMoved, Event, StageMoved, VersionGone, VersionRegistered
from selector.errors import UsageError
from selector.ports import Entry
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
