"""Which texts and numbers of a foreign store does MLflow accept, and what is to be told of those it does not?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selector.adapters.registry_mlflow_import import MOST_TAG, accepted_texts
from selector.adapters.registry_mlflow_values import PROMPT_TAG
from selector.ports_store import Measurement

HISTORY_TAG = "mlflow.log-model.history"


class Said:
    """What is to be told about one run: what was changed, and what was lost."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.lost: list[str] = []


def readable_history(text: str, run_id: str, models: Mapping[str, str]) -> str:
    """Return the tag in which MLflow 2 keeps a run's models, with the ids of today, and as JSON whatever its length."""
    try:
        entries = json.loads(text)
    except ValueError:
        return text[:MOST_TAG]
    if not isinstance(entries, list):
        return text[:MOST_TAG]
    known = [entry | {"run_id": run_id} for entry in entries if isinstance(entry, dict)]
    for entry in known:
        if entry.get("model_id") in models:
            entry["model_id"] = models[entry["model_id"]]
    short = [
        {key: entry[key] for key in ("run_id", "artifact_path", "utc_time_created", "model_id") if key in entry}
        for entry in known
    ]
    for form in (known, short, *(short[-keep:] for keep in range(len(short) - 1, 0, -1))):
        said = json.dumps(form)
        if len(said) <= MOST_TAG:
            return said
    return "[]"


def texts_for_mlflow(what: str, texts: Mapping[str, str], most: int, left_out: list[str]) -> dict[str, str]:
    """Return params or tags as MLflow accepts them, and say what had to be changed."""
    renamed: dict[str, str] = {}
    cut: list[str] = []
    found = accepted_texts(texts, most, renamed, cut)
    left_out += [f"{what} {original!r} is called {name!r}" for name, original in renamed.items()]
    left_out += [f"{what} {one} was cut at {most} characters" for one in cut if not one.startswith(HISTORY_TAG)]
    return found


def accepted_names(metrics: Sequence[Measurement], said: Said) -> dict[str, str]:
    """Return the name that MLflow accepts for each key."""
    renamed: dict[str, str] = {}
    keys = accepted_texts({one.key: one.key for one in metrics}, MOST_TAG, renamed, [])
    said.changed += [f"metric {original!r} is called {name!r}" for name, original in renamed.items()]
    return {original: accepted for accepted, original in keys.items()}


def groups_of(texts: Mapping[str, str], size: int) -> list[dict[str, str]]:
    """Return the texts in order, so many at a time."""
    return [dict(some) for some in slices_of(list(texts.items()), size)]


def place_of(one: Measurement) -> tuple[Any, ...]:
    """Return what two measurements share that MLflow takes for one."""
    return (one.key, one.timestamp, one.step, repr(one.value))


def mlflow_metric(entities: Any, one: Measurement, model_id: str | None) -> Any:
    """Return MLflow's entity; its dataset is kept only with a logged model."""
    return entities.Metric(
        one.key,
        one.value,
        max(one.timestamp, 0),  # MLflow refuses metrics before 1970
        one.step,
        model_id=model_id,
        dataset_name=one.dataset_name if model_id else None,
        dataset_digest=one.dataset_digest if model_id else None,
    )


def slices_of(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield the values in order, so many at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))


def versions_of(name: str, *, prompt: bool = False) -> tuple[str, str]:
    """Return the question for all versions of a model or prompt; MLflow hides prompts from the plain one."""
    quoted = name.replace("'", "''")
    which = f" AND tags.`{PROMPT_TAG}` = 'true'" if prompt else ""
    return "search_model_versions", f"name='{quoted}'{which}"
