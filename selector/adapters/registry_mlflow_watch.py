"""Is anything new in MLflow, in one call about runs, one about models, and none where a database file is unchanged?"""

from __future__ import annotations

import base64
import fnmatch
import functools
import json
import operator
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from selector.adapters import registry_mlflow_runs as runs
from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_schema import is_database, sqlite_file
from selector.adapters.registry_mlflow_values import PROMPT_TAG, run_value
from selector.adapters.sqlite_stamp import stamp
from selector.domain.finished import Finished, Outline, imprint

MODELS_PER_PAGE = 1000
FINISHED = "attributes.status = 'FINISHED'"

COARSEST_CLOCK = 2.0
"""Seconds. A file written twice within one tick of its file system's clock (FAT: 2 s) looks unchanged."""


def experiments_like(connection: Connection, patterns: Sequence[str]) -> dict[str, str]:
    """Return names by id of the active experiments that match."""
    known = runs.experiments(connection)
    return {i: name for i, name in known.items() if any(name == p or fnmatch.fnmatchcase(name, p) for p in patterns)}


def finished(connection: Connection, experiments: Mapping[str, str]) -> Iterator[Finished]:
    """Yield every active finished run of the experiments once."""
    if experiments:
        for run in runs.all_runs(connection, list(experiments), FINISHED, deleted_too=False):
            yield _finished(run, experiments)


def finished_from(
    connection: Connection, experiments: Mapping[str, str], offset: int, most: int
) -> tuple[Finished, ...]:
    """Return finished runs from that place on, in the order of their ends."""
    question = operator.methodcaller(
        "search_runs",
        list(experiments),
        filter_string=FINISHED,
        run_view_type=runs.ACTIVE_RUNS,
        max_results=most,
        order_by=["attributes.end_time ASC"],
        page_token=page_token(offset),
    )
    return tuple(_finished(run, experiments) for run in connection.ask("look for finished runs", question))


def page_token(offset: int) -> str | None:
    """Return MLflow's page token for an offset, as its SearchUtils makes and reads it; it knows none for 0.

    MLflow calls the format "not stable". One that is refused costs a full reading, and nothing else.
    """
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode() if offset else None


def outlines(connection: Connection) -> dict[str, Outline]:
    """Return the outline of every registered model by name."""
    found: dict[str, Outline] = {}
    token: str | None = None
    if connection.absent(connection.registry_uri):
        return found
    while True:
        question = functools.partial(_models, token=token)
        page = connection.ask("look at registered models", question)
        found.update({model.name: _outline(model) for model in page if not _is_prompt(model)})
        token = page.token
        if not token:
            return found


def written(connection: Connection) -> str | None:
    """Return the stamps of the database files, or None where there is a server or another database."""
    files = [_database_file(uri) for uri in dict.fromkeys((connection.uri, connection.registry_uri))]
    found = [stamp(file) for file in files if file is not None]
    if len(found) < len(files) or any(newest > time.time() - COARSEST_CLOCK for newest, _ in found):
        return None
    return "; ".join(text for _, text in found)


def _database_file(uri: str) -> Path | None:
    return sqlite_file(uri) if is_database(uri) else None


def _models(client: Any, token: str | None) -> Any:
    return client.search_registered_models(max_results=MODELS_PER_PAGE, page_token=token)


def _finished(run: Any, experiments: Mapping[str, str]) -> Finished:
    ended = run.info.end_time
    value = run_value(run, experiments[run.info.experiment_id])
    return Finished(run.info.run_id, value.name, value.experiment, run.info.start_time, ended, imprint(value, ended))


def _is_prompt(model: Any) -> bool:
    return str(dict(model.tags or {}).get(PROMPT_TAG, "")).lower() == "true"


def _outline(model: Any) -> Outline:
    """Registering, deleting and moving a version between stages all set the model's time; so does nothing else here."""
    newest = sorted((v.current_stage or "", int(v.version)) for v in model.latest_versions or ())
    aliases = {alias: int(number) for alias, number in dict(model.aliases or {}).items()}
    return Outline(MappingProxyType(aliases), f"{model.last_updated_timestamp} {newest}")
