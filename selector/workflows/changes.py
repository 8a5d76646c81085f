"""What is new in MLflow since we looked last, and which models does it concern?"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from selector.domain.events import AliasMoved, Event, RunFinished, RunGone, VersionGone, VersionRegistered
from selector.domain.model import RegisteredModel, Run
from selector.workflows.house import House, Setup


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
    """Remembers what was there, and tells what is new. Memory only: after a start everything is looked at anyway."""

    _runs: dict[str, tuple[str, int]] | None = None
    _models: dict[str, tuple[Mapping[str, int], frozenset[int]]] = field(default_factory=dict)

    def look(self, house: House, *, thorough: bool = False) -> News:
        """Read what is there now and compare.

        Args:
            house: the ports.
            thorough: also find what the cheap reading cannot see.

        Raises:
            MlflowUnreachableError: MLflow does not answer; what was remembered stays.

        """
        del thorough
        patterns = sorted({p for s in house.setups.values() for p in s.experiments})
        runs = house.registry.runs(patterns) if patterns else ()
        models = house.registry.all_registered_models()
        events = (*self._of_runs(runs), *self._of_models(models.values()))
        return News(events, concerned(house.setups, events))

    def _of_runs(self, runs: Sequence[Run]) -> Iterable[Event]:
        present = {r.run_id: (r.experiment, _imprint(r)) for r in runs if r.status == "FINISHED"}
        names = {r.run_id: r.name for r in runs}
        before = self._runs or {}
        found: list[Event] = [
            RunFinished(e, i, names[i]) for i, (e, imprint) in present.items() if before.get(i) != (e, imprint)
        ]
        found += [RunGone(e, i) for i, (e, _) in before.items() if i not in present]
        self._runs = present
        return found

    def _of_models(self, models: Iterable[RegisteredModel]) -> Iterable[Event]:
        present = {m.name: (dict(m.aliases), frozenset(v.version for v in m.versions)) for m in models}
        found: list[Event] = []
        for name in sorted(present.keys() | self._models.keys()):
            aliases, versions = present.get(name, ({}, frozenset()))
            old_aliases, old_versions = self._models.get(name, ({}, frozenset()))
            found += [VersionRegistered(name, v) for v in sorted(versions - old_versions)]
            found += [VersionGone(name, v) for v in sorted(old_versions - versions)]
            for alias in sorted(aliases.keys() | old_aliases.keys()):
                if aliases.get(alias) != old_aliases.get(alias):
                    found.append(AliasMoved(name, alias, old_aliases.get(alias), aliases.get(alias)))
        self._models = dict(present)
        return found


def concerned(setups: Mapping[str, Setup], events: Iterable[Event]) -> tuple[str, ...]:
    """Return which configured names the events concern, in the configuration's order."""
    experiments = {e.experiment for e in events if isinstance(e, RunFinished | RunGone)}
    models = {e.model for e in events if not isinstance(e, RunFinished | RunGone)}
    return tuple(name for name, setup in setups.items() if _touches(setup, experiments, models))


def _touches(setup: Setup, experiments: Iterable[str], models: Iterable[str]) -> bool:
    if any(fnmatch.fnmatchcase(e, p) for e in experiments for p in setup.experiments):
        return True
    if setup.family is not None:
        return any(setup.family.value_of(m) is not None for m in models)
    return setup.model in models


def _imprint(run: Run) -> int:
    return hash((run.ended_at, tuple(sorted(run.metrics.items())), tuple(sorted(run.tags.items()))))
