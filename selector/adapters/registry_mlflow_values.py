"""What do MLflow's objects look like as our values?"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from selector.adapters.registry_mlflow_credit import credited, outputs
from selector.adapters.registry_mlflow_datasets import linked_to, measured_on, trained_on
from selector.domain.model import LoggedModel, ModelVersion, RegisteredModel, Run

PROMPT_TAG = "mlflow.prompt.is_prompt"
HISTORY_TAG = "mlflow.log-model.history"
DELETED = "DELETED"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int | None) -> datetime | None:
    """Return the UTC time of MLflow's milliseconds since 1970 (negative before); None where MLflow holds none."""
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=int(milliseconds))
    except (OverflowError, ValueError):
        return None


def milliseconds(time: datetime) -> int:
    """Return MLflow's milliseconds since 1970 of a time, never 0, which MLflow takes for "not given"."""
    return round((time - _EPOCH) / timedelta(milliseconds=1)) or 1


def run_value(run: Any, experiment: str, models: Iterable[Any] = ()) -> Run:
    """Make a Run of MLflow's run and of the logged models that came from it.

    Models logged by MLflow 2 are known from a tag only; they are added where no logged model has their name.
    """
    undefined = frozenset(key for key, value in run.data.metrics.items() if math.isnan(value))
    models = tuple(models)
    own = credited(run, models)
    inputs = tuple(getattr(getattr(run, "inputs", None), "dataset_inputs", None) or ())
    trained = trained_on(inputs)
    logged = tuple(logged_model(model, undefined, own[model.model_id], trained) for model in models)
    tags = dict(run.data.tags)
    names = {model.name for model in logged}
    older = tuple(model for model in _models_of_tag(run.info.run_id, tags) if model.name not in names)
    deleted = run.info.lifecycle_stage == "deleted"
    return Run(
        run_id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        experiment=experiment,
        status=DELETED if deleted else str(run.info.status),
        started_at=moment(run.info.start_time),
        ended_at=moment(run.info.end_time or None),
        metrics=MappingProxyType(dict(run.data.metrics)),
        params=MappingProxyType(dict(run.data.params)),
        tags=MappingProxyType(tags),
        models=logged + older,
        outputs=outputs(run),
        datasets=measured_on(inputs),
    )


def logged_model(
    model: Any, undefined: frozenset[str], own: Iterable[Any], trained: frozenset[str] = frozenset()
) -> LoggedModel:
    """Make a LoggedModel of MLflow 3's own. A metric logged more than once counts as it was logged last.

    Args:
        model: MLflow's logged model.
        undefined: metrics that are NaN in its run. MLflow 3.17 stores a model's NaN as 0 (its SQL store keeps the
            flag for runs only), and 0 would be the best of losses.
        own: the metrics that are about this very model.
        trained: digests of its run's training data, which no metric counts as measured on.

    """
    metrics = sorted(own, key=lambda metric: (metric.step or 0, metric.timestamp or 0))
    values = {metric.key: metric.value for metric in metrics}
    values.update({key: math.nan for key in undefined if values.get(key) == 0})
    return LoggedModel(
        uri=f"models:/{model.model_id}",
        name=model.name or "model",
        metrics=MappingProxyType(values),
        datasets=linked_to(metrics, trained),
        ready=str(getattr(model.status, "name", model.status)).upper().endswith("READY"),
        created_at=moment(model.creation_timestamp),
    )


def _models_of_tag(run_id: str, tags: Mapping[str, str]) -> Iterator[LoggedModel]:
    """Yield what MLflow 2 wrote into the tag; text that is not what MLflow writes says nothing."""
    try:
        entries = json.loads(tags.get(HISTORY_TAG, "[]"))
    except ValueError:
        return
    found: dict[str, LoggedModel] = {}
    for entry in entries if isinstance(entries, list) else ():
        path = entry.get("artifact_path") if isinstance(entry, dict) else None
        if isinstance(path, str) and path and ":" not in path and not entry.get("model_id"):
            found[path] = LoggedModel(
                f"runs:/{run_id}/{path}", path, created_at=_spelled(entry.get("utc_time_created"))
            )
    yield from found.values()


def _spelled(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    except ValueError:
        return None


def version_value(version: Any) -> ModelVersion:
    """Make a ModelVersion of MLflow's; its number is an int from SQL and text over HTTP."""
    return ModelVersion(
        version=int(version.version),
        source=version.source or "",
        run_id=version.run_id or None,
        status=str(version.status),
        stage=version.current_stage or "None",
        tags=MappingProxyType(dict(version.tags or {})),
        created_at=moment(version.creation_timestamp),
    )


def registered_value(model: Any, versions: Iterable[Any]) -> RegisteredModel | None:
    """Make a RegisteredModel; None for a prompt, which MLflow keeps among the models."""
    tags = dict(model.tags or {})
    if str(tags.get(PROMPT_TAG, "")).lower() == "true":
        return None
    return RegisteredModel(
        name=model.name,
        versions=tuple(sorted((version_value(v) for v in versions), key=lambda v: v.version)),
        aliases=MappingProxyType({alias: int(number) for alias, number in dict(model.aliases or {}).items()}),
        tags=MappingProxyType(tags),
    )


def by_run(models: Iterable[Any]) -> Mapping[str, list[Any]]:
    """Group MLflow's logged models by the run they came from, oldest first."""
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for model in sorted(models, key=lambda model: (model.creation_timestamp or 0, model.model_id)):
        if model.source_run_id:
            groups[model.source_run_id].append(model)
    return groups
