"""What is new in MLflow since we looked last, and which models does it concern?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from selector.domain.events import Event, RunFinished, RunGone
from selector.errors import UsageError
from selector.workflows.finished_runs import FinishedRuns, matches
from selector.workflows.foreign import record_foreign
from selector.workflows.heard import offers_of
from selector.workflows.house import House, Setup
from selector.workflows.known_models import KnownModels
from selector.workflows.own_writes import OwnWrites

MOST_ASKED = 3
"""Models that wait for a person's answer and are looked at in one turn; where more wait, they take turns."""


@dataclass(frozen=True, slots=True)
class News:
    """What was found.

    Attributes:
        events: what happened, in the order it was found.
        models: names from the configuration (a family's by its rule) that it concerns, in the configuration's order.

    """

    events: tuple[Event, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Changes:
    """Remembers what was there, and tells what is new. Memory only: after a start everything is looked at anyway.

    A look that finds nothing costs one call about runs and one about registered models (one more per 1,000 models, and
    one that lists experiments where globs or missing experiments are configured), whatever the number of runs; none at
    all where MLflow lies in a SQLite file that nobody has written to.
    """

    _runs: FinishedRuns = field(default_factory=FinishedRuns)
    _models: KnownModels = field(default_factory=KnownModels)
    _events: list[Event] = field(default_factory=list)
    _looked_at: datetime | None = None
    _written: str | None = None
    _turn: int = 0

    def look(self, house: House, *, thorough: bool = False) -> News:
        """Read what is there now and compare. The first look only remembers, and names every model.

        Args:
            house: the ports.
            thorough: also find what the cheap reading cannot see.

        Raises:
            MlflowUnreachableError: MLflow does not answer; what was found already is told by the next look.

        """
        now, written = house.clock.now(), house.registry.written()
        first = self._looked_at is None
        if not (first or thorough or self._events) and written is not None and written == self._written:
            return News()
        self._written = None
        if isinstance(house.registry, OwnWrites):
            house.registry.tell(self._models)
        patterns = sorted({p for s in house.setups.values() for p in s.experiments})
        self._events.extend(self._runs.look(house.registry, patterns, thorough=thorough))
        self._events.extend(self._models.look(house.registry, thorough=thorough))
        if self._looked_at is not None:
            record_foreign(house, self._events, self._looked_at)
        events, self._events = tuple(self._events), []
        self._looked_at, self._written = now, written
        if first:
            return News((), tuple(house.setups))
        named = concerned(house.setups, events)
        return News(events, (*named, *(m for m in self._awaiting(house) if not _among(house, m, named))))

    @property
    def aliases(self) -> Mapping[str, Mapping[str, int]]:
        """Where the aliases of every registered model point, as last read."""
        return self._models.aliases

    def _awaiting(self, house: House) -> Iterator[str]:
        """Yield models whose last decision a person may answer: tags on runs and versions show up nowhere else."""
        waiting = sorted(m for m, last in house.store.last_decisions().items() if offers_of(last))
        waiting = [m for m in waiting if _is_configured(house, m)]
        if waiting:
            begin = self._turn % len(waiting)
            self._turn += MOST_ASKED
            yield from islice((*waiting[begin:], *waiting[:begin]), MOST_ASKED)


def concerned(setups: Mapping[str, Setup], events: Iterable[Event]) -> tuple[str, ...]:
    """Return which configured names the events concern, in the configuration's order."""
    events = tuple(events)
    experiments = {e.experiment for e in events if isinstance(e, RunFinished | RunGone)}
    models = {e.model for e in events if not isinstance(e, RunFinished | RunGone)}
    return tuple(name for name, setup in setups.items() if _touches(setup, experiments, models))


def _touches(setup: Setup, experiments: Iterable[str], models: Iterable[str]) -> bool:
    if any(matches(experiment, setup.experiments) for experiment in experiments):
        return True
    if setup.family is not None:
        return any(setup.family.value_of(m) is not None for m in models)
    return setup.model in models


def _among(house: House, model: str, named: Iterable[str]) -> bool:
    """Tell whether the model is named already, by itself or by the rule of its family."""
    family = house.setup(model).family
    return model in named or (family is not None and family.template in named)


def _is_configured(house: House, model: str) -> bool:
    try:
        house.setup(model)
    except UsageError:
        return False
    return True
