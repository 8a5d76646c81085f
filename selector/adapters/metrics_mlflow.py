"""Which production metrics have monitoring runs logged to MLflow?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from selector.adapters.production_values import ROWS_COLUMNS, column, whole
from selector.domain.logged import logged_key
from selector.domain.metric import Metric
from selector.domain.model import Run
from selector.ports import Registry
from selector.ports_production import Batch, SourceSpec, Unusable

VERSION_TAGS = ("model_version", "version", "mlflow.modelVersion")


class MlflowProduction:
    """Implements ports_production.ProductionMetrics for runs that log metrics, at one step or at many.

    Args:
        spec: the experiment, and which key holds the metric.
        metric: what is watched.
        registry: MLflow.

    """

    def __init__(self, spec: SourceSpec, metric: Metric, registry: Registry) -> None:
        """Read nothing yet."""
        self._spec = spec
        self._metric = metric
        self._registry = registry

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield values that are not known yet, oldest first; finished runs that were read are not asked again.

        Raises:
            MlflowUnreachableError: MLflow does not answer.

        """
        del since
        read = {str(one).partition("@")[0] for one in seen}
        runs = [
            r
            for r in self._registry.runs((self._spec.where,), self._spec.query)
            if not (r.run_id in read and r.status != "RUNNING")
        ]
        found: list[Batch] = []
        by_key: dict[str, list[Run]] = {}
        for run in runs:
            key = self._spec.key if self._spec.key in run.metrics else logged_key(self._metric, run.metrics)
            if key is not None:
                by_key.setdefault(key, []).append(run)
        for key, having in by_key.items():
            logged = self._registry.metric_values([r.run_id for r in having], key)
            for run in having:
                found += [b for b in self._of_run(run, key, logged.get(run.run_id, ()), until) if b.id not in seen]
        yield from sorted(found, key=lambda b: (b.at, b.id))

    def _of_run(
        self, run: Run, key: str, points: tuple[tuple[int, int, float], ...], until: datetime
    ) -> Iterator[Batch]:
        version = next((whole(run.tags[tag]) for tag in VERSION_TAGS if tag in run.tags), None)
        rows_key = column(self._spec.rows, run.metrics, ROWS_COLUMNS)
        rows = whole(run.metrics[rows_key]) if rows_key else None
        for step, milliseconds, value in points:
            logged = datetime.fromtimestamp(milliseconds / 1000.0, UTC) if milliseconds > 0 else None
            at = logged or run.ended_at or run.started_at or until
            # Of a run with one value all other metrics are of that moment too; of a series only the value itself is.
            values = {**run.metrics, key: value} if len(points) == 1 else {key: value}
            yield Batch(
                id=f"{run.run_id}@{step}:{milliseconds}",
                at=at,
                arrived=min(at, until),
                metrics=values,
                rows=rows or 0,
                version=version,
            )
