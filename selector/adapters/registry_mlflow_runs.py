"""Which runs are there in MLflow, with their models, in as few calls as there are pages?"""

from __future__ import annotations

import fnmatch
import operator
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from selector.adapters.mlflow_connection import Connection
from selector.adapters.mlflow_deadline import MissingError
from selector.adapters.registry_mlflow_values import by_run, run_value
from selector.domain.model import Run
from selector.errors import MlflowRefusedError

PAGE = 1000
"""Runs a page. A page of 1,000 takes about a second over HTTP, which leaves room within ten."""

IDS = 200
"""Run ids in one question; SQLite takes at most 999 values, and a server's request line has its limits too."""

ACTIVE_RUNS, ALL_RUNS = 1, 3
"""MLflow's ViewType.ACTIVE_ONLY and ViewType.ALL."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def experiments(connection: Connection) -> dict[str, str]:
    """Return the names of active experiments by their ids."""
    if connection.absent():
        return {}
    found: dict[str, str] = {}
    token: str | None = None
    while True:
        question = operator.methodcaller("search_experiments", max_results=PAGE, page_token=token)
        page = connection.ask("list experiments", question)
        found.update({experiment.experiment_id: experiment.name for experiment in page})
        token = page.token
        if not token:
            return found


def read_runs(connection: Connection, wanted: Sequence[str], filter_string: str) -> tuple[Run, ...]:
    """Return the active runs of the experiments that match the names or globs, newest first, with their models."""
    known = experiments(connection)
    chosen = {i: name for i, name in known.items() if any(name == w or fnmatch.fnmatchcase(name, w) for w in wanted)}
    return read_experiments(connection, chosen, filter_string)


def read_experiments(
    connection: Connection, chosen: dict[str, str], filter_string: str = "", *, deleted_too: bool = False
) -> tuple[Run, ...]:
    """Return the runs of these experiments (names by id), newest first, with their models."""
    if not chosen:
        return ()
    found = list(all_runs(connection, list(chosen), filter_string, deleted_too=deleted_too))
    models = by_run(all_models(connection, list(chosen))) if found else {}
    runs = [run_value(run, chosen[run.info.experiment_id], models.get(run.info.run_id, ())) for run in found]
    return tuple(sorted(runs, key=lambda run: (run.started_at or _LONG_AGO, run.run_id), reverse=True))


def read_run(connection: Connection, run_id: str) -> Run | None:
    """Return one active run without its models, or None."""
    if connection.absent():
        return None
    try:
        run = connection.ask("get a run", lambda client: client.get_run(run_id))
        if run.info.lifecycle_stage == "deleted":
            return None
        number = run.info.experiment_id
        return run_value(run, connection.ask("get an experiment", lambda client: client.get_experiment(number)).name)
    except MissingError:
        return None


def read_by_id(connection: Connection, run_ids: Sequence[str]) -> tuple[Run, ...]:
    """Return those of the runs that are active, without their models, in chunks of as many as fit one question."""
    wanted = [run_id for run_id in dict.fromkeys(run_ids) if run_id and "'" not in run_id]
    if not wanted or connection.absent():
        return ()
    known = experiments(connection)
    found: list[Run] = []
    for start in range(0, len(wanted), IDS):
        listed = ", ".join(f"'{run_id}'" for run_id in wanted[start : start + IDS])
        question = operator.methodcaller(
            "search_runs",
            list(known),
            filter_string=f"attributes.run_id IN ({listed})",
            run_view_type=ACTIVE_RUNS,
            max_results=IDS,
        )
        page = connection.ask("search runs by id", question)
        found.extend(run_value(run, known[run.info.experiment_id]) for run in page)
    return tuple(found)


def read_history(
    connection: Connection, run_ids: Sequence[str], key: str
) -> dict[str, tuple[tuple[int, int, float], ...]]:
    """Return what each run logged under the key, sorted by step, time and value.

    MLflow's client has no question for several runs at once; its server's one for charts is not public, and leaves
    values out where there are many.
    """
    found: dict[str, tuple[tuple[int, int, float], ...]] = {}
    if connection.absent():
        return found
    for run_id in dict.fromkeys(run_ids):
        try:
            history = connection.ask(
                "read a metric's history", operator.methodcaller("get_metric_history", run_id, key)
            )
        except MissingError:
            continue
        if history:
            found[run_id] = tuple(sorted((m.step or 0, m.timestamp or 0, float(m.value)) for m in history))
    return found


def all_runs(connection: Connection, ids: list[str], filter_string: str, *, deleted_too: bool) -> Iterator[Any]:
    """Yield every run once, oldest first.

    MLflow's page tokens are offsets: a run deleted between two pages would hide another. So each page asks for what
    started at or after the last one seen, and tokens are followed only through runs of one and the same start.
    """
    seen: set[str] = set()
    since: int | None = None
    token: str | None = None
    while True:
        parts = [filter_string.strip(), "" if since is None else f"attributes.start_time >= {since}"]
        question = operator.methodcaller(
            "search_runs",
            ids,
            filter_string=" AND ".join(part for part in parts if part),
            run_view_type=ALL_RUNS if deleted_too else ACTIVE_RUNS,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        page = connection.ask("search runs", question)
        yield from (run for run in page if run.info.run_id not in seen)
        seen.update(run.info.run_id for run in page)
        if not page.token:
            return
        last = page[-1].info.start_time
        token = page.token if last == since else None
        since = last


def all_models(connection: Connection, ids: list[str]) -> Iterator[Any]:
    """Yield every logged model of the experiments once; none where the server is older than logged models."""
    seen: set[str] = set()
    since: int | None = None
    token: str | None = None
    while True:
        question = operator.methodcaller(
            "search_logged_models",
            ids,
            filter_string=None if since is None else f"creation_timestamp >= {since}",
            max_results=PAGE,
            order_by=[{"field_name": "creation_timestamp", "ascending": True}],
            page_token=token,
        )
        try:
            page = connection.ask("search logged models", question)
        except MlflowRefusedError as error:
            if "ENDPOINT_NOT_FOUND" in error.message or " 404" in error.message:
                return
            raise
        yield from (model for model in page if model.model_id not in seen)
        seen.update(model.model_id for model in page)
        if not page.token:
            return
        last = page[-1].creation_timestamp
        token = page.token if last == since else None
        since = last
