"""Which datasets were a run's metrics measured on, and not merely trained on?

Seen with MLflow 3.17.2: `mlflow.log_input(dataset, context=…)` leaves the tag mlflow.data.context on the input. A
metric logged with `dataset=…`, and `mlflow.models.evaluate`, leave an input without the tag. Autologging leaves the
training data with the context "train" and links its training metrics to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

CONTEXT_TAG = "mlflow.data.context"

_TRAINED = frozenset({"train", "training"})
_MEASURED = frozenset({"eval", "evaluation", "test", "testing", "holdout", "val", "valid", "validation"})

Use = Literal["trained", "measured", "linked", "unknown"]


def measured_on(inputs: Iterable[Any]) -> frozenset[str]:
    """Return the digests of the inputs that metrics can have been measured on: held out by context, or without one."""
    return _digests(inputs, "measured", "linked") - trained_on(inputs)


def trained_on(inputs: Iterable[Any]) -> frozenset[str]:
    """Return the digests of the inputs that are training data, and nothing else besides."""
    return _digests(inputs, "trained") - _digests(inputs, "measured")


def linked_to(metrics: Iterable[Any], trained: frozenset[str]) -> frozenset[str]:
    """Return the digests of the datasets that a model's metrics are linked to, training left out."""
    return (
        frozenset(
            str(metric.dataset_digest)
            for metric in metrics
            if metric.dataset_digest and not _TRAINED & _words(metric.key)
        )
        - trained
    )


def _digests(inputs: Iterable[Any], *uses: Use) -> frozenset[str]:
    return frozenset(str(i.dataset.digest) for i in inputs if i.dataset.digest and _use(i) in uses)


def _use(entry: Any) -> Use:
    context = next((str(tag.value) for tag in entry.tags or () if tag.key == CONTEXT_TAG), "")
    words = _words(context) | _words(context.replace("-", "").replace("_", ""))
    if words & _TRAINED:
        return "trained"
    if words & _MEASURED:
        return "measured"
    return "unknown" if words else "linked"


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z]+", text.lower()) if word}
