"""What does a command see that must not write: everything, with a cache that forgets?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from selector.adapters.store_memory import MemoryStore
from selector.domain.model import Predictions, Unscorable
from selector.domain.model_facts import ModelFacts
from selector.errors import SelectorError
from selector.exchange import Waiting
from selector.ports import Entry, Notice, Store, Unfinished


def _refusing(what: str) -> Callable[..., NoReturn]:
    """Return a method that refuses, whatever its arguments."""

    def refuse(self: ReadOnlyStore, *_values: object, **_named: object) -> NoReturn:
        raise SelectorError(
            f"The state ({self.describe()}) cannot {what}.", advice="Run the command without --dry-run."
        )

    return refuse


class ReadOnlyStore:
    """A view of another store: reads go through, the cache learns in memory only, everything else is refused.

    Args:
        store: opened for reading; its methods that write are never called.

    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._learned = MemoryStore()

    def entries(
        self,
        model: str | None = None,
        *,
        kinds: Sequence[str] = (),
        decision: str | None = None,
        until: datetime | None = None,
        newest: int | None = None,
    ) -> tuple[Entry, ...]:
        """Return the store's answer."""
        return self._store.entries(model, kinds=kinds, decision=decision, until=until, newest=newest)

    def last_decisions(self) -> Mapping[str, Entry]:
        """Return the store's answer."""
        return self._store.last_decisions()

    def verify(self) -> int:
        """Return the store's answer."""
        return self._store.verify()

    def unfinished(self, model: str | None = None) -> tuple[Unfinished, ...]:
        """Return the store's answer."""
        return self._store.unfinished(model)

    def paused(self) -> Mapping[str, str]:
        """Return the store's answer."""
        return self._store.paused()

    def digests(self, uris: Sequence[str]) -> Mapping[str, str]:
        """Return the known content digests, those learned meanwhile included."""
        return {**self._store.digests(uris), **self._learned.digests(uris)}

    def remember_digest(self, uri: str, digest: str) -> None:
        """Keep the digest in memory."""
        self._learned.remember_digest(uri, digest)

    def facts(self, uris: Sequence[str]) -> Mapping[str, ModelFacts]:
        """Return what is known of models' folders, what was learned meanwhile included."""
        return {**self._store.facts(uris), **self._learned.facts(uris)}

    def remember_facts(self, uri: str, facts: ModelFacts) -> None:
        """Keep the facts in memory."""
        self._learned.remember_facts(uri, facts)

    def predictions(self, model_digest: str, holdout_digest: str) -> Predictions | Unscorable | None:
        """Return what was kept, or learned meanwhile, or None."""
        learned = self._learned.predictions(model_digest, holdout_digest)
        return learned if learned is not None else self._store.predictions(model_digest, holdout_digest)

    def remember_predictions(self, model_digest: str, holdout_digest: str, result: Predictions | Unscorable) -> None:
        """Keep an answer in memory; transient failures are not kept."""
        self._learned.remember_predictions(model_digest, holdout_digest, result)

    def unread_predictions(self, since: datetime) -> tuple[tuple[str, str], ...]:
        """Return the store's answer."""
        return self._store.unread_predictions(since)

    def health(self, model: str) -> Mapping[str, Any] | None:
        """Return the store's answer."""
        return self._store.health(model)

    def notices(self) -> tuple[Notice, ...]:
        """Return the store's answer."""
        return self._store.notices()

    def waiting(self, channel: str) -> tuple[Waiting, ...]:
        """Return the store's answer."""
        return self._store.waiting(channel)

    def unsent(self) -> tuple[Waiting, ...]:
        """Return the store's answer."""
        return self._store.unsent()

    def counts(self) -> Mapping[str, int]:
        """Return the store's answer."""
        return self._store.counts()

    def overtook(self, row: Waiting) -> bool:
        """Return the store's answer."""
        return self._store.overtook(row)

    def boards(self, model: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Return the store's answer."""
        return self._store.boards(model)

    append = _refusing("append to the ledger")
    keep_health = _refusing("keep a model's health")
    begin = _refusing("begin a plan")
    step_done = _refusing("go on with a plan")
    finish = _refusing("finish a plan")
    abandon = _refusing("abandon a plan")
    pause = _refusing("pause a model")
    resume = _refusing("resume a model")
    put = _refusing("take a notice in")
    share_out = _refusing("share notices out")
    claim = _refusing("deliver a notice")
    sent = _refusing("deliver a notice")
    failed = _refusing("deliver a notice")
    given_up = _refusing("give a notice up")
    prune = _refusing("remove old notices")
    drop_predictions = _refusing("forget answers")
    keep_board = _refusing("keep alerts")

    def describe(self) -> str:
        """Return one line on where the state lies."""
        return f"{self._store.describe()}, read only"

    def identity(self) -> str:
        """Return the other store's name."""
        return self._store.identity()

    def close(self) -> None:
        """Release connections; safe to call twice."""
        self._store.close()
