"""How are several runs written at once, while their versions are made one after the other?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from migrations.model import PlanEntry

Made = TypeVar("Made")
RUN_AHEAD: Final = 4
"""Runs per job that may be written before their versions are made: what a crash leaves to be repaired stays small."""


class Ahead(Generic[Made]):
    """Makes results for a plan's entries in order, some of them ahead of time.

    Entries with the same bytes are made one after the other, because the first one's run is named by the others.

    Args:
        entries: the plan's entries.
        make: called with the index of an entry; in other threads where there are several jobs.
        jobs: how many at once; with one, each result is made when it is asked for.

    """

    def __init__(self, entries: Sequence[PlanEntry], make: Callable[[int], Made], jobs: int) -> None:
        self._entries, self._make, self._jobs = entries, make, jobs
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="import") if jobs > 1 else None
        self._results: list[Future[Made]] = []
        self._before: dict[str, Future[Made]] = {}
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()

    def result(self, index: int) -> Made:
        """Return what was made for an entry; raise what making it raised."""
        if self._pool is None:
            self._catch_up(index)
            return self._make(index)
        if not self._results:  # the experiment is made by one alone
            self._submit(self._pool, 0)
            self._results[0].exception()
        while len(self._results) < min(len(self._entries), index + 1 + self._jobs * RUN_AHEAD):
            self._submit(self._pool, len(self._results))
        return self._results[index].result()

    def _catch_up(self, index: int) -> None:
        """With one job, let entries that were imported before take their place in the order."""
        for earlier in range(len(self._results), index):
            if self._entries[earlier].status == "already":
                self._make(earlier)
        self._results += [Future() for _ in range(len(self._results), index + 1)]

    def _submit(self, pool: ThreadPoolExecutor, index: int) -> None:
        fingerprint = self._entries[index].staged.fingerprint
        before = self._before.get(fingerprint)
        self._before[fingerprint] = future = pool.submit(self._after, before, index)
        self._results.append(future)

    def _after(self, before: Future[Made] | None, index: int) -> Made:
        if before is not None:
            before.exception()  # wait; what went wrong with it is its own outcome
        if self._stopped.is_set():
            raise CancelledError
        return self._make(index)
