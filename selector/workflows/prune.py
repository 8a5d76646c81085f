"""Which parts of our own state are so old that nobody needs them: delivered notices, and answers that no one reads?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from selector.domain.model import NOTHING
from selector.exchange import Entry
from selector.ports import Store
from selector.workflows.evaluate import rows_key
from selector.workflows.heard import REIGN_ENDS
from selector.workflows.house import House
from selector.workflows.replay import INPUTS

SENT_KEPT = timedelta(days=30)
"""Whoever asks whether a message went out asks within weeks; the ledger keeps for ever what it was about."""

DEAD_KEPT = timedelta(days=90)
"""What never arrived is evidence when a receiver is looked into, in the next quarterly review at the latest."""

ANSWERS_KEPT = timedelta(days=90)
"""Answers are read at each look at a model. Hardly anybody replays a decision of the last quarter but one, and whoever
does is told that its answers are not kept any more."""

STEP = 500
"""Rows that go in one transaction: some milliseconds, so that no writer waits for it."""

PAGE = 50
"""Decisions that are read at once; each has a record of all its candidates."""

Answer = tuple[str, str]
"""What answers are kept under: the model's digest, and that of the rows."""


def never() -> bool:
    """Go on to the end."""
    return False


def prune_outbox(house: House, stop: Callable[[], bool] = never) -> int:
    """Remove delivered notices after 30 days and given-up ones after 90; return how many rows and texts went.

    No key is forgotten, so that nothing is sent a second time.

    Args:
        house: the ports; the state is open for writing.
        stop: asked before each step.

    """
    now, removed = house.clock.now(), 0
    while not stop():
        some = house.store.prune(now - SENT_KEPT, now - DEAD_KEPT, STEP)
        removed += some
        if some < STEP:
            break
    return removed


def prune_answers(house: House, stop: Callable[[], bool] = never) -> int:
    """Forget answers that nobody read for 90 days and no decision of that time was made from; return how many.

    What the newest decision about a model was made from stays however old it is, and so does what the present champion
    was promoted for. An answer that is needed after all is scored again; replaying its decision says that it is gone.

    Args:
        house: the ports; the state is open for writing.
        stop: asked before each step.

    """
    since = house.clock.now() - ANSWERS_KEPT
    unread = set(house.store.unread_predictions(since))
    if unread:
        for entry in _needed(house.store, since):
            unread -= answers_of(entry)
            if stop() or not unread:
                return 0
    old, removed = sorted(unread), 0
    for start in range(0, len(old), STEP):
        if stop():
            break
        removed += house.store.drop_predictions(old[start : start + STEP], since)
    return removed


def answers_of(entry: Entry) -> set[Answer]:
    """Return which kept answers a recorded decision was made from; none where its record does not say."""
    inputs = entry.details.get(INPUTS)
    if not isinstance(inputs, Mapping) or not inputs.get("holdout"):
        return set()
    snapshot = inputs.get("snapshot")
    digests = snapshot.get("digests") if isinstance(snapshot, Mapping) else NOTHING
    rows = rows_key(str(inputs["holdout"]), str(inputs.get("revision")))
    return {(str(digest), rows) for digest in digests.values()} if isinstance(digests, Mapping) else set()


def _needed(store: Store, since: datetime) -> Iterator[Entry]:
    """Yield each model's newest decision, the one that its champion comes from, and all since then."""
    for model, entry in store.last_decisions().items():
        yield entry
        for reign in store.entries(model, kinds=tuple(REIGN_ENDS), newest=1):
            if reign.decision:
                yield from store.entries(model, kinds=("decision",), decision=reign.decision)
    yield from _decisions(store, since)


def _decisions(store: Store, since: datetime) -> Iterator[Entry]:
    """Yield all decisions since then, newest pages first, some more than once."""
    until: datetime | None = None
    page = PAGE
    while True:
        found = store.entries(kinds=("decision",), until=until, newest=page)
        yield from (entry for entry in found if entry.at >= since)
        if len(found) < page or found[0].at < since:
            return
        if found[0].at == until:
            page *= 2  # so many at one moment
        until = found[0].at
