"""What is remembered of runs and registered models between two looks: just enough to see that something is new?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selector.domain.model import Run


@dataclass(frozen=True, slots=True)
class Finished:
    """One finished run, reduced to what tells it from what it was.

    Attributes:
        experiment: its name.
        started: milliseconds since 1970, or None.
        ended: milliseconds since 1970 by the clock of whoever ended it, or None.
        imprint: changes with the run's end, metrics, params, tags and models. It differs from process to process.

    """

    run_id: str
    name: str
    experiment: str
    started: int | None
    ended: int | None
    imprint: int

    @property
    def place(self) -> tuple[bool, int, int, str]:
        """Return what MLflow orders by when asked for the order of ends: runs without an end come last."""
        return (self.ended is None, self.ended or 0, -(self.started or 0), self.run_id)


@dataclass(frozen=True, slots=True)
class Outline:
    """What one question about many registered models tells of each.

    Attributes:
        aliases: where they point.
        stamp: changes whenever a version is registered or deleted, or its stage changes; not with aliases and tags.

    """

    aliases: Mapping[str, int]
    stamp: str


def imprint(run: Run, ended: int | None) -> int:
    """Return a number that changes with whatever could change a decision about the run.

    Numbers are spelled out, because one NaN is not equal to another.
    """
    values = (tuple(sorted((key, repr(value)) for key, value in run.metrics.items())), run.outputs, len(run.models))
    return hash((ended, values, tuple(sorted(run.params.items())), tuple(sorted(run.tags.items()))))
