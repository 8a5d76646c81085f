"""PURE: which experiments and runs of a store are written where, and which are there already?"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Final

from migrations.stores.model import ExperimentPlan, RunHead, RunPlan, SourceExperiment, StorePlan
from selector.domain.model import SOURCE_TAG
from selector.ports_store import CARRYING_TAG, SOURCE_EXPERIMENT_TAG, Carried, CarriedRun, PresentExperiment

LONGEST_NAME: Final = 250


def chosen(
    experiments: Sequence[SourceExperiment], globs: Sequence[str], *, deleted: bool
) -> tuple[SourceExperiment, ...]:
    """Return the experiments that are asked for: by name or glob, all where none is given; deleted ones if wanted."""
    return tuple(
        experiment
        for experiment in experiments
        if (deleted or not experiment.deleted)
        and (not globs or any(experiment.name == g or fnmatch.fnmatchcase(experiment.name, g) for g in globs))
    )


def plan_store(
    path: str,
    experiments: Sequence[SourceExperiment],
    heads: Mapping[str, Sequence[RunHead]],
    present: Sequence[PresentExperiment],
    carried: Carried,
) -> StorePlan:
    """Decide where everything goes.

    Args:
        path: identifies the store.
        experiments: those to carry.
        heads: their runs by experiment id.
        present: all experiments in MLflow, deleted ones too.
        carried: what earlier imports wrote.

    Returns:
        Experiments in the order of the store; runs with parents before their children, then by start.

    """
    homes = {
        experiment.experiment_id: _home(experiment, path, heads[experiment.experiment_id], present, carried)
        for experiment in experiments
    }
    taken = {p.name for p in homes.values() if p is not None}
    plans: dict[str, ExperimentPlan] = {}
    # Active experiments come first, so that they keep their names where a deleted one has the same.
    for experiment in sorted(experiments, key=lambda e: e.deleted):
        made = _plan_experiment(experiment, homes[experiment.experiment_id], present, taken)
        taken.add(made.name)
        plans[experiment.experiment_id] = made
    ordered = _parents_first([head for experiment in experiments for head in heads[experiment.experiment_id]])
    runs = [_plan_run(head, carried.runs.get(head.run_id, ()), plans[head.experiment_id]) for head in ordered]
    return StorePlan(tuple(plans[e.experiment_id] for e in experiments), tuple(runs))


def _home(
    experiment: SourceExperiment,
    path: str,
    heads: Sequence[RunHead],
    present: Sequence[PresentExperiment],
    carried: Carried,
) -> PresentExperiment | None:
    """Return where an earlier import put this experiment: the one that it made, or where its runs are."""
    mine = (SOURCE_EXPERIMENT_TAG, experiment.experiment_id), (SOURCE_TAG, path)
    for one in present:
        if all(one.tags.get(key) == value for key, value in mine):
            return one
    places = {run.experiment_id for head in heads for run in carried.runs.get(head.run_id, ())}
    return next((one for one in present if one.experiment_id in places), None)


def _plan_experiment(
    experiment: SourceExperiment,
    home: PresentExperiment | None,
    present: Sequence[PresentExperiment],
    taken: set[str],
) -> ExperimentPlan:
    if home is not None:
        interrupted = home.tags.get(CARRYING_TAG) == "yes"
        return ExperimentPlan(experiment, "again", home.name, home.experiment_id, "", interrupted, home.deleted)
    name = experiment.name.strip()[:LONGEST_NAME] or f"experiment {experiment.experiment_id}"
    there = {one.name: one for one in present}
    same = there.get(name)
    if same is not None and not same.deleted and not experiment.deleted and name not in taken:
        note = f"merged into the experiment {name!r} that is there"
        return ExperimentPlan(experiment, "merge", name, same.experiment_id, note)
    if same is None and name not in taken:
        return ExperimentPlan(experiment, "create", name)
    free = f"{name} ({experiment.experiment_id})"
    while free in there or free in taken:
        free += "'"
    why = "a deleted experiment has that name" if same is not None and same.deleted else "that name is taken"
    return ExperimentPlan(experiment, "create", free, None, f"{name!r} becomes {free!r}: {why}")


def _parents_first(heads: Sequence[RunHead]) -> list[RunHead]:
    """Order runs so that a parent stands before its children; parents that form a ring are no parents."""
    known = {head.run_id: head for head in heads}
    depths: dict[str, int] = {}
    for head in heads:
        chain: list[str] = []
        run_id = head.run_id
        while run_id in known and run_id not in depths and run_id not in chain:
            chain.append(run_id)
            run_id = known[run_id].parent
        depth = depths.get(run_id, -1)
        for one in reversed(chain):
            depth += 1
            depths[one] = depth
    return sorted(heads, key=lambda head: (depths[head.run_id], head.started, head.run_id))


def _plan_run(head: RunHead, copies: Sequence[CarriedRun], experiment: ExperimentPlan) -> RunPlan:
    whole = [run for run in copies if run.whole]
    leftovers = tuple(run.run_id for run in copies if not run.whole and not run.deleted)
    if not whole:
        return RunPlan(head, "new", leftovers=leftovers)
    # A run that is active here and deleted there was either restored by somebody, or never got its deletion.
    unfinished = experiment.interrupted and head.deleted and all(not run.deleted for run in whole)
    return RunPlan(head, "already", whole[0].run_id, leftovers, delete=unfinished)
