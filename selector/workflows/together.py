"""How is what many models need read once for all of them, instead of once for each?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from selector.domain.model import RegisteredModel, Run, Truth
from selector.ports import Features, HoldoutReader, HoldoutSpec
from selector.workflows.finished_runs import matches
from selector.workflows.house import House, Seen, Setup

FEW = 3
"""Up to so many models are read one by one, each as it is at that moment."""


def read_together(house: House, setups: Sequence[Setup]) -> tuple[Setup, ...]:
    """Return the set-ups with what was read for all of them at once, where they are more than a few.

    The number of MLflow calls is that of the pages: of registered models, of versions, of runs and logged models for
    each distinct filter, of versions' runs from other experiments; and two listings of experiments.

    Raises:
        MlflowUnreachableError: MLflow does not answer.
        MlflowRefusedError: MLflow refuses, for example a filter; then the models are better read one by one.

    """
    alone = [s for s in setups if s.seen is None]
    if len(alone) <= FEW:
        return tuple(setups)
    registered = house.registry.registered_models([s.model for s in alone])
    runs = _runs(house, alone)
    existing = house.registry.experiments() if any(s.experiments for s in alone) else ()
    everybody = {run.run_id: run for found in runs.values() for run in found}
    elsewhere = sorted(_made_from(registered.values()) - everybody.keys())
    if elsewhere:
        everybody |= {run.run_id: run for run in house.registry.runs_by_id(elsewhere)}
    seen = {s.model: Seen(runs[s.model], registered.get(s.model), everybody, existing=existing) for s in alone}
    return tuple(s if s.seen is not None else replace(s, seen=seen[s.model]) for s in setups)


def _made_from(models: Iterable[RegisteredModel]) -> set[str]:
    return {v.run_id for model in models for v in model.versions if v.run_id}


def _runs(house: House, setups: Iterable[Setup]) -> dict[str, tuple[Run, ...]]:
    """Read the runs once for each distinct filter, and hand each model those of its experiments."""
    by_filter: defaultdict[str, list[Setup]] = defaultdict(list)
    for setup in setups:
        by_filter[setup.filter].append(setup)
    found: dict[str, tuple[Run, ...]] = {}
    for condition, same in by_filter.items():
        patterns = sorted({p for s in same for p in s.experiments})
        groups: defaultdict[str, list[Run]] = defaultdict(list)
        for run in house.registry.runs(patterns, condition) if patterns else ():
            groups[run.experiment].append(run)
        for setup in same:
            found[setup.model] = _of(groups, setup.experiments)
    return found


def _of(groups: Mapping[str, Sequence[Run]], patterns: Sequence[str]) -> tuple[Run, ...]:
    """Return the runs of the experiments that match; those of one experiment are newest first, as they were read."""
    plain = len(patterns) == 1 and patterns[0] in groups
    chosen = [patterns[0]] if plain else [experiment for experiment in groups if matches(experiment, patterns)]
    return tuple(run for experiment in chosen for run in groups[experiment])


class ReadOnce:
    """Reads rows that several models share once, and keeps them until the last of these models has had them.

    Args:
        holdouts: the reader.
        setups: the models that are looked at together.

    """

    def __init__(self, holdouts: HoldoutReader, setups: Iterable[Setup]) -> None:
        self._holdouts = holdouts
        self._left = Counter(s.holdout for s in setups if s.holdout is not None)
        self._kept: dict[HoldoutSpec, tuple[Truth, Features]] = {}

    def read(self, spec: HoldoutSpec) -> tuple[Truth, Features]:
        """Return the labels and the features; raise HoldoutError where they cannot be used."""
        found = self._kept.pop(spec, None) or self._holdouts.read(spec)
        self._left[spec] -= 1
        if self._left[spec] > 0:
            self._kept[spec] = found
        return found
