"""Where do notices and alerts wait while our own state lives in memory only?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from selector.adapters.store_records import canonical, notice_of, notice_record
from selector.exchange import Waiting
from selector.ports import Clock, Entry, Notice


class MemoryNotices:
    """The ports Outbox and AlertBox in memory.

    Args:
        clock: for the times of rows; without one the computer's.

    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._notices: dict[str, tuple[Notice, datetime]] = {}
        self._kept: set[str] = set()
        self._pruned: set[str] = set()
        self._rows: dict[tuple[str, str], Waiting] = {}
        self._ended: dict[tuple[str, str], str] = {}
        self._boards: dict[str, str] = {}
        self._lock = RLock()

    def append(self, entries: Sequence[Entry]) -> None:
        """Append to the ledger, which belongs to the class that this one is a part of."""
        raise NotImplementedError

    def put(self, notices: Sequence[Notice], entries: Sequence[Entry] = ()) -> None:
        """Take notices in, with the ledger entries they tell of."""
        kept = [notice_of(notice_record(notice)) for notice in notices]
        with self._lock:
            self.append(entries)
            for notice in kept:
                if notice.key not in self._notices and notice.key not in self._pruned:
                    self._notices[notice.key] = (notice, self._now())
                    self._kept.add(notice.key)

    def notices(self) -> tuple[Notice, ...]:
        """Return notices that were not shared out among all channels yet, oldest first."""
        return tuple(notice for key, (notice, _) in self._notices.items() if key in self._kept)

    def share_out(self, takers: Mapping[str, Sequence[str]], *, complete: bool, oldest: datetime) -> None:
        """Make one row for each of these channels, unless there is one; put aside what is too old."""
        with self._lock:
            self._kept -= {key for key in self._kept if self._notices[key][1] < oldest}
            for notice in self.notices():
                if notice.key not in takers:
                    continue
                made_at = self._notices[notice.key][1]
                for channel in takers[notice.key]:
                    row = Waiting(notice, channel, 0, made_at, made_at)
                    self._rows.setdefault((notice.key, channel), row)
                if complete:
                    self._kept.discard(notice.key)

    def waiting(self, channel: str) -> tuple[Waiting, ...]:
        """Return all rows of a channel that are to be sent, oldest first."""
        order = list(self._notices)
        rows = [row for at, row in self._rows.items() if row.channel == channel and at not in self._ended]
        return tuple(sorted(rows, key=lambda row: order.index(row.notice.key)))

    def unsent(self) -> tuple[Waiting, ...]:
        """Return rows of all channels that wait or were given up as dead."""
        every = [(row, self._ended.get(at, "waiting")) for at, row in self._rows.items()]
        return tuple(replace(row, dead=state == "dead") for row, state in every if state in {"waiting", "dead"})

    def claim(self, row: Waiting, until: datetime) -> bool:
        """Count an attempt and keep others from the row until then; return False where somebody else was first."""
        with self._lock:
            present = self._present(row)
            if present is None or (present.attempts, present.next_at) != (row.attempts, row.next_at):
                return False
            self._keep(replace(present, attempts=row.attempts + 1, next_at=until))
            return True

    def sent(self, row: Waiting) -> None:
        """Take note that it was sent."""
        self._end(row, "sent", "")

    def failed(self, row: Waiting, next_at: datetime, error: str) -> None:
        """Take note that it was not sent, and when to try again."""
        with self._lock:
            present = self._present(row)
            if present is not None:
                self._keep(replace(present, next_at=next_at, error=error))

    def given_up(self, rows: Sequence[Waiting], state: str, error: str, entries: Sequence[Entry] = ()) -> None:
        """Take note that rows will never be sent, with the ledger entry of each that still waited."""
        with self._lock:
            waiting = [self._present(row) is not None for row in rows]
            self.append([entry for entry, was in zip(entries, waiting, strict=False) if was])
            for row in rows:
                self._end(row, state, error)

    def overtook(self, row: Waiting) -> bool:
        """Tell whether a later notice of the same model was sent through the same channel."""
        order = list(self._notices)
        return any(
            one.channel == row.channel
            and one.notice.model == row.notice.model
            and order.index(one.notice.key) > order.index(row.notice.key)
            for at, one in self._rows.items()
            if self._ended.get(at) == "sent"
        )

    def prune(self, sent_before: datetime, dead_before: datetime, most: int) -> int:
        """Remove rows that ended, and the texts of notices that have no row any more; the keys stay."""
        with self._lock:
            self._kept -= {key for key in self._kept if self._notices[key][1] < sent_before}
            before = {"sent": sent_before, "merged": sent_before, "dead": dead_before}
            old = [at for at, state in self._ended.items() if self._rows[at].made_at < before[state]][:most]
            for at in old:
                del self._rows[at], self._ended[at]
            used = self._kept | {key for key, _ in self._rows}
            bare = [key for key, (_, made) in self._notices.items() if made < sent_before and key not in used]
            bare = bare[: most - len(old)]
            for key in bare:
                del self._notices[key]
            self._pruned.update(bare)
            return len(old) + len(bare)

    def counts(self) -> Mapping[str, int]:
        """Return how many rows there are in each state."""
        return dict(Counter(self._ended.get(at, "waiting") for at in self._rows))

    def boards(self, model: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Return what is kept, by model."""
        return {name: json.loads(kept) for name, kept in sorted(self._boards.items()) if model in {None, name}}

    def keep_board(
        self,
        model: str,
        document: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        notices: Sequence[Notice] = (),
        entries: Sequence[Entry] = (),
    ) -> bool:
        """Replace what is kept of this model, take notices in and append to the ledger."""
        kept = canonical(document)
        with self._lock:
            if self._boards.get(model, "null") != canonical(before):
                return False
            self.put(notices, entries)
            self._boards[model] = kept
        return True

    def _present(self, row: Waiting) -> Waiting | None:
        at = (row.notice.key, row.channel)
        return None if at in self._ended else self._rows.get(at)

    def _keep(self, row: Waiting) -> None:
        self._rows[row.notice.key, row.channel] = row

    def _end(self, row: Waiting, state: str, error: str) -> None:
        with self._lock:
            present = self._present(row)
            if present is not None:
                self._keep(replace(present, error=error))
                self._ended[row.notice.key, row.channel] = state

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
