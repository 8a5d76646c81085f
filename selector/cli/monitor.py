"""What does `monitor` say and return?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run, house, house_options, models
from selector.cli.output import show, talk
from selector.errors import EXIT_FAILED, SelectorError, UsageError

if TYPE_CHECKING:
    from selector.workflows.house import House, Setup

HEALTH_CODES = {"unknown": 0, "healthy": 0, "warning": 20, "degraded": 21}


@verb("monitor", example="mlflow-selector monitor churn\nmlflow-selector monitor --exit-code --json")
@models
@as_json
@dry_run
@click.option(
    "--exit-code",
    is_flag=True,
    default=False,
    help="Exit with the health: 0 healthy or unknown, 20 warning, 21 degraded; of several models the worst.",
)
@house_options
def monitor(
    models: tuple[str, ...],
    *,
    as_json: bool,
    dry_run: bool,
    exit_code: bool,
    allow_unconfined: bool,
    upgrade_database: bool,
) -> int:
    """Measure these models in production now (all that are watched, by default), and act where they degraded."""
    documents: list[dict[str, Any]] = []
    texts: list[str] = []
    errors: list[tuple[str, SelectorError]] = []
    with house(writable=not dry_run, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows.alarm import raise_alerts  # noqa: PLC0415 - costs more than all the help
        from selector.workflows.monitor import monitor as look  # noqa: PLC0415 - costs more than all the help

        for setup in _watched(opened, models):
            name = setup.model
            try:
                found = look(opened, setup, dry_run=dry_run, actor=actor())
                raise_alerts(opened, found)
            except UsageError:
                raise
            except SelectorError as error:
                errors.append((name, error))
                documents.append({"model": name, "error": error.message, "advice": error.advice})
                continue
            documents.append(found.document)
            texts.append(found.text)
            if found.document["report"]:
                texts.append(f"  report: {found.document['report']}")
    show({"models": documents}, "\n".join(texts), as_json=as_json)
    for name, problem in errors:
        talk(f"error: {name}: {problem.message}")
        if problem.advice:
            talk(f"  try: {problem.advice}")
    if errors:
        return errors[0][1].exit_code if len(errors) == 1 else EXIT_FAILED
    return _code(documents) if exit_code else 0


def _watched(house: House, models: Sequence[str]) -> list[Setup]:
    """Return the models that are asked for, else all that are watched, members of families included."""
    from selector.workflows.families import known  # noqa: PLC0415 - the same

    found = [setup for setup in known(house, models) if models or setup.monitor is not None]
    if not found:
        raise UsageError("no model is watched", advice="add models.NAME.monitor; see docs/monitoring.md")
    return found


def _code(documents: Sequence[dict[str, Any]]) -> int:
    return max((HEALTH_CODES.get(str(one["health"]), 0) for one in documents), default=0)
