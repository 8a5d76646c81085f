"""PURE: in what does a run or logged model that was read back differ from the one in the store?"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from migrations.stores.meta import HISTORY_TAG
from selector.ports_store import Measurement, StoredDataset, StoredModel, StoredRun

NAME_TAG: Final = "mlflow.runName"
PARENT_TAG: Final = "mlflow.parentRunId"
History = Callable[[str], Sequence[tuple[int, int, float]]]
Difference = tuple[str, Any, Any]
"""What it is about, what the store says, what MLflow says."""


def run_differences(wanted: StoredRun, found: StoredRun, history: History) -> Iterator[Difference]:
    """Yield each difference of a run, without its files, parent and models.

    Args:
        wanted: as MLflow can keep it; `deleted` says what it should be.
        found: as read back, with the latest value of each metric.
        history: everything under a metric's key; asked only where the store holds more than one value.

    """
    for what in ("name", "status", "deleted", "started", "ended"):
        if getattr(wanted, what) != getattr(found, what):
            yield what, getattr(wanted, what), getattr(found, what)
    yield from _texts("param", wanted.params, found.params, exactly=True)
    ours = {key: text for key, text in wanted.tags.items() if key not in {HISTORY_TAG, NAME_TAG, PARENT_TAG}}
    yield from _texts("tag", ours, found.tags)
    yield from _metrics(wanted.metrics, found.metrics, history)
    yield from _sets("dataset", map(_dataset, wanted.datasets), map(_dataset, found.datasets))


def model_differences(wanted: StoredModel, found: StoredModel) -> Iterator[Difference]:
    """Yield each difference of a logged model, without its files."""
    for what in ("name", "status", "model_type"):
        if getattr(wanted, what) != getattr(found, what):
            yield what, getattr(wanted, what), getattr(found, what)
    yield from _texts("param", wanted.params, found.params, exactly=True)
    yield from _texts("tag", wanted.tags, found.tags)
    there = {_point(one) for one in found.metrics}
    for one in wanted.metrics:
        if _point(one) not in there:
            yield f"metric {one.key}", (one.timestamp, one.step, one.value), None


def _metrics(wanted: Iterable[Measurement], found: Iterable[Measurement], history: History) -> Iterator[Difference]:
    by_key: dict[str, list[Measurement]] = {}
    for one in wanted:
        by_key.setdefault(one.key, []).append(one)
    latest = {one.key: one for one in found}
    for key in sorted(set(by_key) | set(latest)):
        points = {(one.timestamp, one.step, _value(one.value)) for one in by_key.get(key, ())}
        there = latest.get(key)
        if there is None or not points:
            yield (
                f"metric {key}",
                sorted(points, key=repr) or None,
                there and (there.timestamp, there.step, there.value),
            )
            continue
        known = {(there.timestamp, there.step, _value(there.value))}
        if points == known:
            continue
        if len(points) > 1:
            known = {(timestamp, step, _value(value)) for timestamp, step, value in history(key)}
        yield from _sets(f"metric {key}", points, known)


def _texts(
    what: str, wanted: Mapping[str, str], found: Mapping[str, str], *, exactly: bool = False
) -> Iterator[Difference]:
    for key, text in wanted.items():
        if found.get(key) != text:
            yield f"{what} {key}", text, found.get(key)
    for key in sorted(set(found) - set(wanted)) if exactly else ():
        yield f"{what} {key}", None, found[key]


def _sets(what: str, wanted: Iterable[Hashable], found: Iterable[Hashable]) -> Iterator[Difference]:
    """Yield what only one side has; of thousands the first few say enough."""
    left, right = set(wanted), set(found)
    for missing in sorted(left - right, key=repr)[:MOST_NAMED]:
        yield what, missing, None
    for further in sorted(right - left, key=repr)[:MOST_NAMED]:
        yield what, None, further


MOST_NAMED: Final = 5


def _point(one: Measurement) -> tuple[Hashable, ...]:
    return (one.key, one.timestamp, one.step, _value(one.value), one.dataset_name, one.dataset_digest)


def _value(value: float) -> float | str:
    """Return what can be compared: NaN equals nothing, not even itself."""
    return "NaN" if math.isnan(value) else value


def _dataset(one: StoredDataset) -> tuple[Hashable, ...]:
    facts = (one.name, one.digest, one.source_type, one.source, one.schema, one.profile)
    return (*facts, *sorted(one.tags.items()))
