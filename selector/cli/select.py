"""What do `select` and `plan` say and return?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run, house, house_options, models
from selector.cli.output import show, tell_failure
from selector.cli.tables import brief, ranking
from selector.errors import EXIT_FAILED

if TYPE_CHECKING:
    from selector.workflows.select_champion import Look

VERDICT_CODES = {
    "promoted": 0,
    "kept": 10,
    "inconclusive": 11,
    "refused": 12,
    "awaiting_approval": 13,
    "no_candidate": 14,
}

exit_code = click.option(
    "--exit-code",
    is_flag=True,
    default=False,
    help="Exit with the verdict: 0 promoted, 10 kept, 11 inconclusive, 12 refused, 13 awaiting approval,"
    " 14 no candidate; of several models the highest.",
)


@verb("select", example="mlflow-selector select churn --exit-code")
@models
@as_json
@dry_run
@exit_code
@house_options
def select(
    models: tuple[str, ...],
    *,
    as_json: bool,
    dry_run: bool,
    exit_code: bool,
    allow_unconfined: bool,
    upgrade_database: bool,
) -> int:
    """Look at these models now (all by default): observe, decide, carry out, report."""
    return _look(
        models,
        as_json=as_json,
        dry_run=dry_run,
        exit_code=exit_code,
        allow_unconfined=allow_unconfined,
        upgrade_database=upgrade_database,
    )


@verb("plan", example="mlflow-selector plan churn")
@models
@as_json
@click.option("--dry-run", is_flag=True, default=False, hidden=True, help="A plan is one already.")
@exit_code
@house_options
def plan(
    models: tuple[str, ...],
    *,
    as_json: bool,
    dry_run: bool,
    exit_code: bool,
    allow_unconfined: bool,
    upgrade_database: bool,
) -> int:
    """Show what select would decide now, and why. Nothing is written."""
    del dry_run
    return _look(
        models,
        as_json=as_json,
        dry_run=True,
        exit_code=exit_code,
        allow_unconfined=allow_unconfined,
        upgrade_database=upgrade_database,
    )


def _look(
    models: tuple[str, ...],
    *,
    as_json: bool,
    dry_run: bool,
    exit_code: bool,
    allow_unconfined: bool,
    upgrade_database: bool,
) -> int:
    with house(writable=not dry_run, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows.select_champion import select as look  # noqa: PLC0415 - costs more than all the help

        looks = look(opened, models, dry_run=dry_run, actor=actor())
    text = "\n\n".join(_text(found, dry_run=dry_run) for found in looks if found.error is None or found.decision)
    show({"models": [found.document for found in looks]}, text, as_json=as_json)
    for found in looks:
        tell_failure(found.model, found.error)
    return _code(looks, by_verdict=exit_code)


def _text(look: Look, *, dry_run: bool) -> str:
    lines = [look.text, *(f"  note: {note}" for note in look.document.get("notes", ()))]
    if look.document.get("verdict") == "awaiting_approval" or look.news:
        lines += [f"  to answer: {command}" for command in look.document.get("answer", ())]
    table = ranking(look.document.get("ranking", ()), look.document.get("metrics"))
    if table and (dry_run or look.news):
        lines += ["", *table]
    if look.steps:
        lines += ["", "  would be done:" if look.document.get("dry_run") else "  done:"]
        lines += [f"    {step}" for step in brief(look.steps)]
    if look.report is not None:
        lines.append(f"  report: {look.report}")
    if look.document.get("dry_run") and look.steps:
        lines.append(f"  to do it: mlflow-selector select {look.model}")
    return "\n".join(lines)


def _code(looks: Sequence[Look], *, by_verdict: bool) -> int:
    errors = {look.error.exit_code for look in looks if look.error is not None}
    if errors:
        return errors.pop() if len(errors) == 1 else EXIT_FAILED
    if not by_verdict:
        return 0
    return max((VERDICT_CODES[look.decision.verdict] for look in looks if look.decision is not None), default=0)
