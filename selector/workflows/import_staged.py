"""Which staged models are complete, and what did they become?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from selector.domain.settling import StagedEntry
from selector.errors import SelectorError
from selector.workflows.house import House, Staging
from selector.workflows.staged_batch import Batch, Imported, Result
from selector.workflows.staged_files import walk
from selector.workflows.staged_memory import FolderMemory, delay

__all__ = ["Imported", "StagedFolders"]

MOST_AT_ONCE = 20
MOST_BYTES_AT_ONCE = 4 << 30
LONGEST_TURN = 10.0
"""Seconds after which other work gets its turn, however many models are waiting."""

WALK_SHARE = 5.0
"""However often hints come, so many times as long as a scan took passes before the next one."""

MOST_WAITS = 3


class StagedFolders:
    """Remembers what lies in the staging folders between turns. Losing it costs one more reading, nothing else.

    Scans are the truth. A scan reads names and stamps only; a folder in which nothing changes costs no more, whatever
    its size: no file is opened, MLflow is not asked, the lease is not taken.

    Args:
        monotonic: tells how long a scan takes.
        sleep: waits for what is not settled yet, where there is no next turn; None leaves it for the next turn.

    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, *, sleep: Callable[[float], object] | None = None
    ) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._memories: dict[Staging, FolderMemory] = {}

    @property
    def next_at(self) -> float | None:
        """Return when a scan is due although no hint comes; None before the first turn and without folders."""
        return min((memory.walk_at for memory in self._memories.values()), default=None)

    def look_again(self) -> None:
        """Scan at the next turn: somebody said that something came, or hints may have been lost."""
        for memory in self._memories.values():
            memory.walk_at = min(memory.walk_at, memory.walked_at + WALK_SHARE * memory.walk_cost)

    def take(self, house: House, now: float) -> Iterator[tuple[str, Imported | SelectorError]]:
        """Import what is complete by now; yield what came of each staged model, and the trouble of each folder.

        Args:
            house: its staging folders are looked at.
            now: seconds of a monotonic clock.

        """
        if house.importer is None:
            return
        self._memories = {staging: self._memories.get(staging, FolderMemory()) for staging in house.staging}
        yield from self._all(house, now)
        for _ in range(MOST_WAITS if self._sleep else 0):
            soonest = [m.due(name, s.quiet) for s, m in self._memories.items() for name in m.pending]
            if not soonest or self._sleep is None:
                return
            self._sleep(max(0.0, min(soonest) - now))
            now = max(now, min(soonest))
            self.look_again()
            yield from self._all(house, now)

    def _all(self, house: House, now: float) -> Iterator[tuple[str, Imported | SelectorError]]:
        began = self._monotonic()
        for staging, memory in self._memories.items():
            if memory.walk_at > now:
                continue
            try:
                for result in self._folder(house, staging, memory, now, began):
                    about = staging.model if isinstance(result, Imported) else str(staging.folder)
                    yield about, result
            except SelectorError as error:
                memory.failures += 1
                memory.walk_at = now + delay(memory.failures)
                yield str(staging.folder), error

    def _folder(
        self, house: House, staging: Staging, memory: FolderMemory, now: float, began: float
    ) -> Iterator[Result]:
        """Scan one folder and import what is ripe, as much as fits into a turn."""
        walked = self._monotonic()
        if not os.path.isdir(staging.folder):  # noqa: PTH112 - Path.is_dir raises where it may not look
            memory.walk_at = now + staging.rescan
            return
        if not memory.recalled:
            memory.recall(house, staging)
        listing = walk(staging.folder)
        memory.walk_cost = self._monotonic() - walked
        memory.walked_at = now + memory.walk_cost
        memory.scanned(listing, memory.walked_at)
        ripe = memory.ripe(now, staging.quiet)
        while ripe and self._monotonic() - began < LONGEST_TURN:
            chosen = _first(ripe)
            ripe = ripe[len(chosen) :]
            yield from Batch(house, staging, memory, now).take(chosen)
        memory.failures = 0
        memory.walk_at = self._next(staging, memory, now)

    def _next(self, staging: Staging, memory: FolderMemory, now: float) -> float:
        """Return the next rescan, or the earliest moment when something may be settled."""
        soonest = min((memory.due(name, staging.quiet) for name in memory.pending), default=now + staging.rescan)
        return min(now + staging.rescan, max(soonest, memory.walked_at + memory.walk_cost))


def _first(ripe: Sequence[StagedEntry]) -> Sequence[StagedEntry]:
    """Return as many entries as are copied and imported together: at least one."""
    total = 0
    for count, entry in enumerate(ripe[:MOST_AT_ONCE]):
        total += sum(stamp.size for stamp in entry.files.values())
        if count and total > MOST_BYTES_AT_ONCE:
            return ripe[:count]
    return ripe[:MOST_AT_ONCE]
