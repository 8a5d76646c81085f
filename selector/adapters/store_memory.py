"""What is our own state while it lives in memory only: for tests, and for looking where there is no state yet?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from selector.adapters.store_memory_notices import MemoryNotices
from selector.adapters.store_records import (
    already_begun,
    canonical,
    entry_of,
    entry_record,
    not_begun,
    plan_of,
    plan_record,
    utc_text,
)
from selector.domain.model import Predictions, Unscorable
from selector.domain.model_facts import ModelFacts
from selector.domain.promotion import Plan
from selector.ports import Clock, Entry, Notice, Unfinished


@dataclass(slots=True)
class _Open:
    plan: str
    details: str
    done: int = 0


class MemoryStore(MemoryNotices):
    """The whole Store port in memory. Values go through the same JSON as in the database, so that both answer alike."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._entries: list[Entry] = []
        self._plans: dict[str, _Open] = {}
        self._digests: dict[str, str] = {}
        self._facts: dict[str, str] = {}
        self._answers: dict[tuple[str, str], Predictions | Unscorable] = {}
        self._read_at: dict[tuple[str, str], datetime] = {}
        self._paused: dict[str, str] = {}
        self._health: dict[str, str] = {}

    def append(self, entries: Sequence[Entry]) -> None:
        """Append all or none."""
        self._entries.extend([entry_of(entry_record(entry)) for entry in entries])

    def entries(
        self,
        model: str | None = None,
        *,
        kinds: Sequence[str] = (),
        decision: str | None = None,
        until: datetime | None = None,
        newest: int | None = None,
    ) -> tuple[Entry, ...]:
        """Return matching entries, oldest first; `newest` keeps only that many of the newest."""
        if until is not None:
            utc_text(until)
        found = tuple(
            entry
            for entry in self._entries
            if (model is None or entry.model == model)
            and (not kinds or entry.kind in kinds)
            and (decision is None or entry.decision == decision)
            and (until is None or entry.at <= until)
        )
        return found if newest is None else found[max(0, len(found) - newest) :]

    def last_decisions(self) -> Mapping[str, Entry]:
        """Return each model's newest entry of kind "decision"."""
        return {entry.model: entry for entry in self._entries if entry.kind == "decision"}

    def verify(self) -> int:
        """Return the number of entries; memory has no chain that could break."""
        return len(self._entries)

    def begin(self, plan: Plan, details: Mapping[str, Any]) -> None:
        """Record the intent; raise SelectorError where it is open already."""
        if plan.id in self._plans:
            raise already_begun(plan.id)
        self._plans[plan.id] = _Open(plan_record(plan), canonical(details))

    def step_done(self, plan_id: str, index: int) -> None:
        """Record that steps up to and including `index` are done."""
        if plan_id not in self._plans:
            raise not_begun(plan_id)
        self._plans[plan_id].done = max(self._plans[plan_id].done, index + 1)

    def finish(self, plan_id: str, entries: Sequence[Entry], notices: Sequence[Notice] = ()) -> None:
        """Close the plan, append to the ledger and put notices into the outbox."""
        if plan_id not in self._plans:
            raise not_begun(plan_id)
        self.put(notices, entries)
        del self._plans[plan_id]

    def abandon(self, plan_id: str, entries: Sequence[Entry], notices: Sequence[Notice] = ()) -> None:
        """Close the plan as not carried out."""
        self.finish(plan_id, entries, notices)

    def unfinished(self, model: str | None = None) -> tuple[Unfinished, ...]:
        """Return plans that were begun and not closed, oldest first."""
        every = (Unfinished(plan_of(o.plan), o.done, json.loads(o.details)) for o in self._plans.values())
        return tuple(one for one in every if model is None or one.plan.model == model)

    def digests(self, uris: Sequence[str]) -> Mapping[str, str]:
        """Return the known content digests of these model URIs."""
        return {uri: self._digests[uri] for uri in uris if uri in self._digests}

    def remember_digest(self, uri: str, digest: str) -> None:
        """Keep the content digest of a logged model."""
        self._digests[uri] = digest

    def facts(self, uris: Sequence[str]) -> Mapping[str, ModelFacts]:
        """Return what is known of these models' folders."""
        return {uri: ModelFacts.of_record(json.loads(self._facts[uri])) for uri in uris if uri in self._facts}

    def remember_facts(self, uri: str, facts: ModelFacts) -> None:
        """Keep what a model's folder told."""
        self._facts[uri] = canonical(facts.record())

    def predictions(self, model_digest: str, holdout_digest: str) -> Predictions | Unscorable | None:
        """Return what this very model answered for these very rows, or None."""
        found = self._answers.get((model_digest, holdout_digest))
        if found is not None:
            self._read_at[model_digest, holdout_digest] = self._now()
        return found

    def remember_predictions(self, model_digest: str, holdout_digest: str, result: Predictions | Unscorable) -> None:
        """Keep an answer; transient failures are not kept."""
        if isinstance(result, Unscorable) and result.transient:
            return
        self._answers[model_digest, holdout_digest] = replace(result)
        self._read_at[model_digest, holdout_digest] = self._now()

    def unread_predictions(self, since: datetime) -> tuple[tuple[str, str], ...]:
        """Return the answers that nobody kept or read since."""
        arrays = (one for one, answer in self._answers.items() if isinstance(answer, Predictions))
        return tuple(one for one in arrays if self._read_at[one] < since)

    def drop_predictions(self, which: Sequence[tuple[str, str]], since: datetime) -> int:
        """Forget these answers, but none that was kept or read since."""
        old = [one for one in which if one in self._answers and self._read_at[one] < since]
        for one in old:
            del self._answers[one], self._read_at[one]
        return len(old)

    def pause(self, model: str, reason: str) -> None:
        """Remember that nothing is written for this model ("*": all)."""
        self._paused[model] = reason

    def resume(self, model: str) -> bool:
        """Undo `pause`; return whether it was paused."""
        return self._paused.pop(model, None) is not None

    def paused(self) -> Mapping[str, str]:
        """Return paused models with the reason."""
        return dict(self._paused)

    def health(self, model: str) -> Mapping[str, Any] | None:
        """Return what was kept of this model's production, or None."""
        found: Mapping[str, Any] | None = json.loads(self._health[model]) if model in self._health else None
        return found

    def keep_health(self, model: str, document: Mapping[str, Any], entries: Sequence[Entry] = ()) -> None:
        """Replace what is kept of this model, and append to the ledger."""
        kept = canonical(document)
        self.append(entries)
        self._health[model] = kept

    def describe(self) -> str:
        """Return one line on where the state lies."""
        return "memory (nothing is kept)"

    def identity(self) -> str:
        """Return a name that this state alone has."""
        return f"memory-{id(self):x}"

    def close(self) -> None:
        """Do nothing."""
