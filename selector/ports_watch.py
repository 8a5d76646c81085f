"""What do we need from MLflow to see cheaply that something is new?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from selector.domain.finished import Finished, Outline


class Watched(Protocol):
    """The part of the registry that is asked every few seconds. Each call costs MLflow little.

    Every method raises MlflowUnreachableError within its own deadline, and MlflowRefusedError where MLflow says no.
    """

    def experiments_like(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """Return the active experiments that match these names or globs, names by id, in one call a page."""
        ...

    def finished(self, experiments: Mapping[str, str]) -> Iterator[Finished]:
        """Yield every active finished run of the experiments (names by id) once, in any order, page by page.

        A run that is deleted while the pages are read hides no other.
        """
        ...

    def finished_from(self, experiments: Mapping[str, str], offset: int, most: int) -> tuple[Finished, ...]:
        """Return active finished runs in the order of their ends, without the first `offset`, in one call.

        Runs without an end come last. The order is the same from call to call.

        Args:
            experiments: names by id, at least one.
            offset: how many to leave out, >= 0.
            most: how many to return, 1 to 1,000.

        """
        ...

    def outlines(self) -> Mapping[str, Outline]:
        """Return the outline of every registered model by name, prompts left out, in one call per 1,000."""
        ...

    def written(self) -> str | None:
        """Return what changes with every write to MLflow, found out without any call.

        None where there is no such thing, or where it cannot be trusted just now, because the last write is so short
        ago that the clock of the file system may not tell it from the next one.
        """
        ...
