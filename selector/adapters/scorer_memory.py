"""What would a model answer? Scorer and holdout reader in memory, for models that are plain lists of answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from selector.domain.model import Predictions, Truth, Unscorable
from selector.errors import HoldoutError
from selector.ports import Features, HoldoutSpec, Scored, ScoreJob

ANSWERS = "answers.json"
TIMINGS = "timings.json"
"""Rows and seconds of each timed call, where a model has any."""


def model_of(answers: Iterable[object]) -> dict[str, bytes]:
    """Return the files of a model that gives these answers; MemoryScorer understands them."""
    return {"MLmodel": b"flavors: {}\n", ANSWERS: json.dumps(list(answers)).encode()}


class MemoryScorer:
    """Reads the answers that a model consists of.

    Attributes:
        scored: the keys of all models scored so far, in order.

    """

    revision = "memory"
    confinement = "in memory: nothing is loaded"

    def __init__(self) -> None:
        self.scored: list[str] = []

    def self_test(self) -> str:
        """Return how models are confined."""
        return self.confinement

    def score(self, jobs: Iterable[ScoreJob], features: Features) -> Iterator[Scored]:
        """Return each model's answers; a folder without any is unscorable."""
        del features
        for job in jobs:
            self.scored.append(job.key)
            yield Scored(job.key, _answers(job.folder, timed=job.timed))


def _answers(folder: Path, *, timed: bool) -> Predictions | Unscorable:
    try:
        labels, calls = np.array(json.loads((folder / ANSWERS).read_bytes())), folder / TIMINGS
        timings = tuple((n, s) for n, s in json.loads(calls.read_bytes())) if timed and calls.exists() else ()
        return Predictions(labels, timings=timings if timed else None)
    except (OSError, ValueError) as error:
        return Unscorable(f"the model holds no answers: {error}")


@dataclass(frozen=True, slots=True)
class MemoryFeatures:
    """Rows without any column."""

    rows: int
    columns: tuple[str, ...] = ()

    def batches(self) -> Iterator[bytes]:
        """Yield nothing: there is nothing to see."""
        yield from ()


@dataclass(slots=True)
class MemoryHoldouts:
    """Holdouts by the name that a HoldoutSpec gives as its data."""

    truths: Mapping[str, Truth] = field(default_factory=dict)

    def read(self, spec: HoldoutSpec) -> tuple[Truth, Features]:
        """Return the labels under that name; raise HoldoutError where there are none."""
        if spec.data not in self.truths:
            raise HoldoutError(f"there is no holdout {spec.data!r}")
        truth = self.truths[spec.data]
        return truth, MemoryFeatures(truth.rows)
