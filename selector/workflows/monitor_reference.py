"""What did the champion do on the holdout, and which floors follow from that?"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.domain.health import Reference
from selector.domain.health_drift import Bins, bins_of
from selector.domain.health_policy import MonitorPolicy, floor_of
from selector.domain.health_readings import Measured, kind_of, read_batch
from selector.domain.health_watch import Reading
from selector.domain.intervals import wilson
from selector.domain.metric import Metric, resolve_average
from selector.domain.model import SCORES_TAG, Candidate, ModelVersion, Predictions, Truth
from selector.domain.plain import plain
from selector.errors import MlflowUnreachableError, SelectorError
from selector.ports import Features
from selector.workflows.evaluate import evaluate
from selector.workflows.house import House, Setup
from selector.workflows.observe import threshold_of

MOST_ROWS = 50_000
"""More rows than these make no better bins."""

SURE = 1.96


@dataclass(frozen=True, slots=True)
class Referred:
    """A reference, with what could not be found out."""

    reference: Reference
    notes: tuple[str, ...] = ()


def watched_metric(setup: Setup, policy: MonitorPolicy, classes: tuple[str, ...], positive: int | None) -> Metric:
    """Return the metric that is watched, its averaging settled where the classes are known."""
    metric = policy.metric or setup.policy.metric
    if classes:
        return resolve_average(metric, classes, classes[positive] if positive is not None else None)
    if setup.holdout is not None and setup.holdout.positive is not None:
        return resolve_average(metric, (setup.holdout.positive,), setup.holdout.positive)
    return metric


def champion_candidate(house: House, model: str, version: ModelVersion) -> Candidate:
    """Return the champion as something that can be scored."""
    run = house.registry.run(version.run_id) if version.run_id else None
    return Candidate(uri=f"models:/{model}/{version.version}", name=f"v{version.version}", run=run, version=version)


def refer(house: House, setup: Setup, policy: MonitorPolicy, champion: Candidate) -> Referred:
    """Return the floors of all metrics that are watched, from the score at promotion and the holdout.

    A holdout that cannot be read, or a champion that cannot be scored on it, costs classes, slices and drift only.

    Raises:
        MlflowUnreachableError: MLflow does not answer.

    """
    truth: Truth | None = None
    measured: Measured | None = None
    bins: tuple[Bins, ...] = ()
    notes: list[str] = []
    if setup.holdout is not None:
        try:
            truth, features = house.holdouts.read(setup.holdout)
            measured = _on_holdout(house, setup, champion, truth, features)
            bins = bins_of(feature_columns(features, MOST_ROWS)) if policy.drift else ()
        except MlflowUnreachableError:
            raise
        except SelectorError as error:
            notes.append(f"without a reference on the holdout: {error.message}")
        if truth is not None and measured is None and not notes:
            notes.append("without a reference on the holdout: the champion cannot be scored on it")
    classes, positive = (truth.classes, truth.positive) if truth else ((), None)
    metric = watched_metric(setup, policy, classes, positive)
    name = metric.label()
    scores = {r.name: r.value for r in measured.readings if r.value is not None} if measured else {}
    promoted = promotion_score(champion, metric)
    if promoted is not None and policy.metric is None:
        scores = {name: promoted, **{k: v for k, v in scores.items() if k != name}}
    floors = _floors(policy, metric, scores, measured) | {further: floor for further, _, floor in policy.floors}
    if name not in floors:
        notes.append(f"nothing tells how good {name} should be; give monitor.minimum")
    reference = Reference(
        name=name,
        floors=floors,
        scores=scores,
        counts=measured.counts if measured else None,
        bins=bins,
        classes=classes,
        positive=positive,
        rules=rules_digest(setup, policy),
    )
    return Referred(reference, tuple(notes))


def rules_digest(setup: Setup, policy: MonitorPolicy) -> str:
    """Return a digest of everything configured that floors follow from; another one starts the watch anew."""
    rules: list[object] = [policy.metric or setup.policy.metric, policy.minimum, policy.drop, policy.relative_drop]
    rules += [policy.per_class, policy.slices, policy.floors, policy.drift, setup.holdout]
    text = json.dumps(plain(rules), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def promotion_score(champion: Candidate, metric: Metric) -> float | None:
    """Return the score that the champion was promoted with, as its version's tag has it."""
    text = champion.version.tags.get(SCORES_TAG) if champion.version else None
    try:
        found = json.loads(text or "{}")
        value = float(found[metric.name])
    except (ValueError, TypeError, KeyError):
        return None
    return value if math.isfinite(value) else None


def feature_columns(features: Features, most: int) -> dict[str, npt.NDArray[Any]]:
    """Return the first rows as columns: numbers, or text with None where a value is missing.

    Rows travel as Arrow IPC streams between ports, so that is what is read here.
    """
    import pyarrow as pa  # noqa: PLC0415 - tens of milliseconds that only a watch needs

    parts: list[Any] = []
    rows = 0
    for piece in features.batches():
        parts.append(pa.ipc.open_stream(io.BytesIO(piece)).read_all())
        rows += parts[-1].num_rows
        if rows >= most:
            break
    if not parts:
        return {}
    table = pa.concat_tables(parts).slice(0, most)
    return {name: _column(table.column(name)) for name in table.column_names}


def _column(column: Any) -> npt.NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415 - the same

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.array([math.nan if v is None else float(v) for v in column.to_pylist()], dtype=np.float64)
    return np.array([None if v is None else str(v) for v in column.to_pylist()], dtype=object)


def _on_holdout(house: House, setup: Setup, champion: Candidate, truth: Truth, features: Features) -> Measured | None:
    policy = setup.monitor or MonitorPolicy()
    found = evaluate(house, [champion], truth.digest, features).answers.get(champion.uri)
    if not isinstance(found, Predictions):
        return None
    if policy.slices and setup.holdout is not None and policy.slices != setup.holdout.slices:
        sliced, _ = house.holdouts.read(replace(setup.holdout, slices=policy.slices))
        truth = replace(truth, slices=sliced.slices)
    metric = watched_metric(setup, policy, truth.classes, truth.positive)
    threshold = threshold_of(setup, champion)
    measured = read_batch(metric, truth, found, threshold=threshold, per_class=bool(policy.per_class))
    return measured if isinstance(measured, Measured) else None


def _floors(
    policy: MonitorPolicy, metric: Metric, scores: Mapping[str, float], measured: Measured | None
) -> dict[str, float]:
    lower = kind_of(metric) == "lower"
    floors: dict[str, float] = {}
    own = floor_of(
        scores.get(metric.label()),
        minimum=policy.minimum,
        maximum_drop=policy.drop,
        relative_drop=policy.relative_drop,
        lower_is_better=lower,
    )
    if own is not None:
        floors[metric.label()] = own
    explicit = dict(policy.per_class) if isinstance(policy.per_class, tuple) else {}
    for reading in measured.readings[1:] if measured else ():
        name = reading.name.partition(" of class ")[2]
        if name in explicit:
            floors[reading.name] = explicit[name]
            continue
        if explicit and name:
            continue
        drop = policy.drop if policy.drop is not None or policy.relative_drop is not None else None
        floor = floor_of(
            reading.value,
            minimum=None,
            maximum_drop=drop,
            relative_drop=policy.relative_drop,
            lower_is_better=lower,
            bound=_bound(reading, lower=lower),
        )
        if floor is not None:
            floors[reading.name] = floor
    return floors


def _bound(reading: Reading, *, lower: bool) -> float | None:
    """Return the pessimistic end of the 95 % interval: few rows of a slice prove little about how good it was."""
    if reading.hits is not None and reading.of:
        share = wilson(reading.hits, reading.of, SURE)[0]
        return 2.0 * share / (1.0 + share) if reading.kind == "f1" else share
    if reading.value is None or reading.standard_error is None:
        return None
    return reading.value + (SURE if lower else -SURE) * reading.standard_error
