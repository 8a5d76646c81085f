"""What does watching production need from the world: where its metrics come from, and who runs a command?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy.typing as npt

from selector.domain.metric import Metric
from selector.domain.model import NOTHING, Predictions
from selector.ports import Features

SourceKind = Literal["folder", "sql", "mlflow", "prometheus", "csv"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where production metrics come from, and how to read them.

    Attributes:
        where: a folder, a database address, an experiment (name or glob), a server's address, or a file.
        query: SQL or PromQL; for MLflow a search of runs.
        label: the column with the label; "" where there are metrics instead of rows.
        prediction: the column with the answer; "" where the champion answers itself.
        probability: the column with the probability of the positive class; "" where there is none.
        labels: a folder with labels that arrive later, joined by `id`; "" where they stand beside the predictions.
        id: the column that both carry.
        version: the column that names the model version that answered; "" where there is none.
        batch: the column whose value names the batch of a row, in SQL.
        time: the column with the time.
        rows: the column or key with the number of labelled rows.
        key: the column or key that holds the metric; "" for the usual spellings.
        window: how many batches one value covers; values that overlap are thinned to every window-th.
        step: seconds between two values, in PromQL.
        timeout: seconds that the source may take.
        token: bearer token of the server; "" for none.
        slices: columns whose values are watched one by one.
        ignore: columns that are no features.
        features: give the other columns too where answers stand in the rows, for challengers to answer.

    """

    kind: SourceKind
    where: str
    query: str = ""
    label: str = ""
    prediction: str = ""
    probability: str = ""
    labels: str = ""
    id: str = ""
    version: str = ""
    batch: str = ""
    time: str = ""
    rows: str = ""
    key: str = ""
    window: int = 1
    step: float = 86_400.0
    timeout: float = 30.0
    token: str = field(default="", repr=False)
    slices: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    features: bool = False

    @property
    def name(self) -> str:
        """What the source is called in the kept state; the same for the same place and query."""
        return "|".join(part for part in (self.kind, self.where, self.query, self.labels, self.key) if part)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One batch of production: labelled rows with answers, labelled rows with features, or values measured elsewhere.

    Attributes:
        id: names the batch within its source; the same batch always has the same id.
        at: the time that it speaks of.
        arrived: when it came to us; what came before a champion was promoted is not about that champion.
        labels: shape (n,) of text as the source spells it, or None where there are `metrics`.
        predictions: what was answered in production; None where the champion has to answer.
        features: the rows without label and answers, where the champion or a challenger has to answer.
        slices: shape (n,) of text per column that is watched by its values.
        metrics: by key, where they were measured elsewhere.
        rows: labelled rows; 0 where nobody knows.
        version: the model version that answered; None where nothing says so.
        notes: what was left out, in plain sentences.

    """

    id: str
    at: datetime
    arrived: datetime
    labels: npt.NDArray[Any] | None = None
    predictions: Predictions | None = None
    features: Features | None = None
    slices: Mapping[str, npt.NDArray[Any]] = field(default_factory=lambda: NOTHING)
    metrics: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    rows: int = 0
    version: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """A batch that cannot be read, with the reason in one sentence; it costs only itself.

    Attributes:
        later: it may become readable, so that it is tried again.

    """

    id: str
    reason: str
    later: bool = False


class ProductionMetrics(Protocol):
    """One source of production metrics."""

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield what is new, oldest first; only what is yielded is read.

        Args:
            seen: ids that are known.
            since: time of the newest batch that was read from this source; None where none was.
            until: now.

        Raises:
            ProductionError: the source as a whole cannot be read now.

        """
        ...


Sources = Callable[[SourceSpec, Metric], ProductionMetrics]
"""Opens a source of a metric; raises ProductionError where it cannot be opened."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; None where it was stopped at the deadline or is lost.
        seconds: how long it ran.
        output: the end of what it wrote.

    """

    code: int | None
    seconds: float
    output: str
    reason: str = ""


class Commands(Protocol):
    """Runs an operator's command beside us, without a shell, and ends it at its deadline."""

    def start(self, name: str, command: tuple[str, ...], environment: Mapping[str, str], timeout: float) -> None:
        """Start it and return at once; raise SelectorError where it cannot be started."""
        ...

    def ended(self, name: str) -> Ended | None:
        """Return how it ended; None while it runs."""
        ...
