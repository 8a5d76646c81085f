"""Which adapter reads which source of production metrics? Each is imported when it is needed."""

from __future__ import annotations

from selector.domain.metric import Metric
from selector.ports import Registry
from selector.ports_production import ProductionMetrics, SourceSpec


def open_production(spec: SourceSpec, metric: Metric, registry: Registry) -> ProductionMetrics:
    """Return the source, not read yet."""
    if spec.kind == "folder":
        from selector.adapters.metrics_batches import BatchFolder  # noqa: PLC0415 - only what is configured

        return BatchFolder(spec)
    if spec.kind == "sql":
        from selector.adapters.metrics_sql import SqlProduction  # noqa: PLC0415 - the same

        return SqlProduction(spec)
    if spec.kind == "mlflow":
        from selector.adapters.metrics_mlflow import MlflowProduction  # noqa: PLC0415 - the same

        return MlflowProduction(spec, metric, registry)
    if spec.kind == "prometheus":
        from selector.adapters.metrics_prometheus import PrometheusProduction  # noqa: PLC0415 - the same

        return PrometheusProduction(spec, metric)
    from selector.adapters.metrics_rolling_csv import RollingCsv  # noqa: PLC0415 - the same

    return RollingCsv(spec)
