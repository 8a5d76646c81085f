"""What may a person answer to a decision: approve, reject?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run, house, house_options, model, reason
from selector.cli.output import show, tell_failure
from selector.cli.tables import brief

if TYPE_CHECKING:
    from selector.workflows.by_hand import Done

decision = click.argument("decision", metavar="DECISION")
candidate = click.option(
    "--candidate",
    metavar="NAME",
    help="Answer for a candidate that is held as too good to be true: its name, run or version.",
)


def _tell(done: Done, *, as_json: bool) -> int:
    """Show what was done, and what failed after it; return the exit code."""
    lines = [done.text, *(f"  {step}" for step in brief(done.document.get("steps", ())))]
    if done.document.get("report"):
        lines.append(f"  report: {done.document['report']}")
    show(done.document, "\n".join(lines), as_json=as_json)
    return tell_failure(done.document["model"], done.error)


@verb(
    "approve",
    example="mlflow-selector approve churn 20261120T214000-7f3a91c2\n"
    'mlflow-selector approve churn 20261120T214000-7f3a91c2 --candidate night-3 --reason "no leak: checked"',
)
@model
@decision
@candidate
@reason
@dry_run
@as_json
@house_options
def approve(*, as_json: bool, allow_unconfined: bool, upgrade_database: bool, **named: Any) -> int:
    """Approve a DECISION of MODEL that awaits a person, and promote at once.

    An approval holds for what was decided on: it lapses as soon as anything has changed.
    """
    writable = not named["dry_run"]
    with house(writable=writable, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows import approval  # noqa: PLC0415 - costs more than all the help

        done = approval.approve(opened, actor=actor(), **named)
    return _tell(done, as_json=as_json)


@verb("reject", example='mlflow-selector reject churn 20261120T214000-7f3a91c2 --reason "trained on last year"')
@model
@decision
@candidate
@reason
@dry_run
@as_json
def reject(*, as_json: bool, **named: Any) -> None:
    """Reject the candidate of a DECISION of MODEL; it does not compete again until it is cleared."""
    with house(writable=not named["dry_run"]) as opened:
        from selector.workflows import approval  # noqa: PLC0415 - costs more than all the help

        done = approval.reject(opened, actor=actor(), **named)
    _tell(done, as_json=as_json)
