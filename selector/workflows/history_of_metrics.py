"""Where a policy asks for the best value of a metric or for that of a step: which value did each candidate log?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from selector.domain.aggregated import aggregated
from selector.domain.logged import logged_key
from selector.domain.metric import Metric
from selector.domain.model import Candidate
from selector.ports import Registry


def with_aggregation(registry: Registry, metric: Metric, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with the value that counts in place of the last one; without any where there is none.

    MLflow's search gives last values only, so each run that competes costs one more call. A run with several models
    keeps each model's own last value: a run's history does not tell which of its models a value is about.
    """
    if metric.aggregation == "last":
        return tuple(candidates)
    keys = {c.run.run_id: key for c in candidates if c.run and _alone(c) and (key := logged_key(metric, c.metrics))}
    histories = {
        key: registry.metric_values([run_id for run_id, one in keys.items() if one == key], key)
        for key in sorted(set(keys.values()))
    }

    def counted(candidate: Candidate) -> Candidate:
        run_id = candidate.run.run_id if candidate.run else ""
        if run_id not in keys or not _alone(candidate):
            return candidate
        key = keys[run_id]
        value = aggregated(metric, histories[key].get(run_id, ()))
        metrics = {k: v for k, v in candidate.metrics.items() if k != key}
        return replace(candidate, metrics=MappingProxyType(metrics if value is None else {**metrics, key: value}))

    return tuple(counted(candidate) for candidate in candidates)


def _alone(candidate: Candidate) -> bool:
    """Tell whether it could compete, and is the only model that its run's history can be about."""
    run = candidate.run
    return (
        bool(candidate.uri) and run is not None and run.status == "FINISHED" and max(len(run.models), run.outputs) <= 1
    )
