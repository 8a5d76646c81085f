"""What do the commands that change nothing show: status, candidates, explain, history?"""

from __future__ import annotations

from datetime import datetime

import click

from selector.cli import tables
from selector.cli.explanation import explanation
from selector.cli.lazy import verb
from selector.cli.options import Moment, as_json, complete_models, house, house_options, model, models
from selector.cli.output import show


@verb("status", example="mlflow-selector status\nmlflow-selector status churn --json")
@models
@as_json
@click.option("--upgrade-database", is_flag=True, default=False, help="Let MLflow migrate an older database in place.")
def status(models: tuple[str, ...], *, as_json: bool, upgrade_database: bool) -> None:
    """Show champion, challenger, previous, health and last decision of each model (all by default)."""
    with house(writable=False, upgrade_database=upgrade_database) as opened:
        from selector.workflows import look  # noqa: PLC0415 - costs more than all the help

        found = look.status(opened, models)
    show({"models": found}, tables.status(found), as_json=as_json)


@verb("candidates", example="mlflow-selector candidates churn")
@model
@as_json
@house_options
def candidates(model: str, *, as_json: bool, allow_unconfined: bool, upgrade_database: bool) -> None:
    """Rank everything that was considered for MODEL, with the reason of each one that may not compete."""
    with house(writable=False, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows import look  # noqa: PLC0415 - costs more than all the help

        found = look.candidates(opened, model)
    show(found, tables.candidates(found), as_json=as_json)


@verb("explain", example="mlflow-selector explain churn\nmlflow-selector explain churn --decision ID")
@model
@click.option("--decision", metavar="ID", help="A recorded decision. Default: the present situation.")
@as_json
@house_options
def explain(model: str, *, decision: str | None, as_json: bool, allow_unconfined: bool, upgrade_database: bool) -> None:
    """Explain why MODEL has this champion: each gate, what the others lack, and what would change the verdict."""
    with house(writable=False, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows.explain import explain as explained  # noqa: PLC0415 - costs more than all the help

        found = explained(opened, model, decision)
    show(found, explanation(found), as_json=as_json)


@verb("history", example="mlflow-selector history churn\nmlflow-selector history --at 2025-05-05T10:00:00Z --json")
@click.argument("model", metavar="[MODEL]", required=False, shell_complete=complete_models)
@click.option("--at", type=Moment(), metavar="TIME", help="What had happened by then, and who was champion.")
@as_json
def history(model: str | None, *, at: datetime | None, as_json: bool) -> None:
    """List what was decided and done, and by whom; oldest first."""
    with house(writable=False) as opened:
        from selector.workflows import look  # noqa: PLC0415 - costs more than all the help

        found = look.history(opened, model, at)
    show(found, tables.history(found), as_json=as_json)
