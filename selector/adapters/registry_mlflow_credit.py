"""Which of a run's metrics are really about which of its models?

Seen with MLflow 3.17.2, where a run logs several models. `log_model` copies what the run has logged so far to the new
model. `log_metric` without `model_id` links the value to the first model of that step, whichever model it is about.
So of two models trained and measured in turn, each carries the other's score.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def credited(run: Any, models: Sequence[Any]) -> Mapping[str, list[Any]]:
    """Return the metrics that are about each model of the run, by model id.

    A run's only model has all that is linked to it. Of several models, each has what is linked to it alone, or was
    logged while no other was there yet; the first of a step has a value that may as well be the run's only where
    another model carries one of its own under that key, which shows that values were logged with `model_id`.

    Args:
        run: MLflow's run, with its outputs.
        models: all models of this run.

    """
    if len(models) <= 1:
        return {model.model_id: list(model.metrics or ()) for model in models}
    carriers = Counter(_identity(metric) for model in models for metric in model.metrics or ())
    own = {
        m.model_id: [x for x in m.metrics or () if carriers[_identity(x)] == 1 or _was_alone(m, models, x.timestamp)]
        for m in models
    }
    steps = _steps(run)
    named = Counter(key for found in own.values() for key in {metric.key for metric in found})
    for model in models:
        if _is_first(model, models, steps):
            found = own[model.model_id]
            unsure = {x.key for x in found if named[x.key] == 1 and _may_be_the_runs(x, run)}
            own[model.model_id] = [x for x in found if x.key not in unsure]
    return own


def outputs(run: Any) -> int:
    """Return how many models the run says that it logged."""
    return len(_steps(run))


def _identity(metric: Any) -> tuple[Any, ...]:
    return metric.key, metric.step, metric.timestamp, repr(metric.value)


def _was_alone(model: Any, models: Sequence[Any], moment: int | None) -> bool:
    there = [m for m in models if (m.creation_timestamp or 0) <= (moment or 0)]
    return there == [model]


def _steps(run: Any) -> dict[str, int]:
    logged = getattr(getattr(run, "outputs", None), "model_outputs", None) or ()
    return {output.model_id: int(output.step or 0) for output in logged}


def _is_first(model: Any, models: Sequence[Any], steps: Mapping[str, int]) -> bool:
    """Tell whether it is the model that MLflow links metrics without `model_id` to."""
    step = steps.get(model.model_id, 0)
    there = [m.creation_timestamp or 0 for m in models if steps.get(m.model_id, 0) == step]
    return (model.creation_timestamp or 0) <= min(there)


def _may_be_the_runs(metric: Any, run: Any) -> bool:
    value = run.data.metrics.get(metric.key, math.nan)
    return bool(value == metric.value) or math.isnan(value)
