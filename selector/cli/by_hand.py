"""What may a person do to a model: promote, rollback, archive, restore, quarantine, clear, pause, resume?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from selector.cli.lazy import Verb, verb
from selector.cli.options import actor, as_json, dry_run, house, house_options, model, models, reason, version
from selector.cli.output import show, tell_failure
from selector.cli.tables import brief

if TYPE_CHECKING:
    from selector.workflows.by_hand import Done

Mark = Literal["archive", "restore", "quarantine", "clear"]


def _tell(done: Done, *, as_json: bool) -> int:
    """Show what was done, and what failed after it; return the exit code."""
    lines = [done.text, *(f"  {step}" for step in brief(done.document.get("steps", ())))]
    if done.document.get("report"):
        lines.append(f"  report: {done.document['report']}")
    show(done.document, "\n".join(lines), as_json=as_json)
    return tell_failure(done.document.get("model", "all models"), done.error)


@verb("promote", example='mlflow-selector promote churn 7\nmlflow-selector promote churn 7 --force "agreed with sales"')
@model
@version
@click.option("--force", metavar="REASON", help="Promote although a gate says no; recorded as forced, with the reason.")
@dry_run
@as_json
@house_options
def promote(
    model: str,
    version: int,
    *,
    force: str | None,
    dry_run: bool,
    as_json: bool,
    allow_unconfined: bool,
    upgrade_database: bool,
) -> int:
    """Make VERSION the champion of MODEL, through the same gates and the same executor as everything else."""
    if force is not None and not force.strip():
        raise click.BadParameter("a forced promotion needs a reason", param_hint="--force")
    with house(writable=not dry_run, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows import by_hand  # noqa: PLC0415 - costs more than all the help

        done = by_hand.promote(opened, model, version, force=force, dry_run=dry_run, actor=actor())
    return _tell(done, as_json=as_json)


@verb("rollback", example="mlflow-selector rollback churn\nmlflow-selector rollback churn --to 3")
@model
@click.option("--to", type=click.IntRange(min=1), metavar="VERSION", help="Default: the previous good champion.")
@reason
@dry_run
@as_json
def rollback(model: str, *, to: int | None, reason: str, dry_run: bool, as_json: bool) -> int:
    """Bring the previous good champion of MODEL back, and quarantine the one left."""
    with house(writable=not dry_run) as opened:
        from selector.workflows import by_hand  # noqa: PLC0415 - costs more than all the help

        done = by_hand.rollback(opened, model, to=to, dry_run=dry_run, actor=actor(), reason=reason)
    return _tell(done, as_json=as_json)


def _marking(what: Mark, help_text: str) -> Verb:
    @verb(what, example=f"mlflow-selector {what} churn 4")
    @model
    @version
    @reason
    @dry_run
    @as_json
    def command(model: str, version: int, *, reason: str, dry_run: bool, as_json: bool) -> None:
        with house(writable=not dry_run) as opened:
            from selector.workflows import by_hand  # noqa: PLC0415 - costs more than all the help

            done = by_hand.mark(opened, model, version, what, dry_run=dry_run, actor=actor(), reason=reason)
        _tell(done, as_json=as_json)

    command.help = help_text
    return command


archive = _marking("archive", "Put VERSION of MODEL aside as archived; it does not compete any more.")
restore = _marking("restore", "Take VERSION of MODEL out of the archive.")
quarantine = _marking("quarantine", "Keep VERSION of MODEL from ever being promoted, until it is cleared.")


@verb("clear", example="mlflow-selector clear churn 4\nmlflow-selector clear churn 20261120T214000-7f3a91c2")
@model
@click.argument("what", metavar="VERSION|DECISION")
@reason
@dry_run
@as_json
def clear(model: str, what: str, *, reason: str, dry_run: bool, as_json: bool) -> None:
    """Let VERSION of MODEL compete again after a quarantine or a rejection.

    A candidate that was rejected before it was registered is named by the DECISION that was answered.
    """
    with house(writable=not dry_run) as opened:
        if what.isdecimal():
            from selector.workflows import by_hand  # noqa: PLC0415 - costs more than all the help

            done = by_hand.mark(opened, model, int(what), "clear", dry_run=dry_run, actor=actor(), reason=reason)
        else:
            from selector.workflows import approval  # noqa: PLC0415 - the same

            done = approval.clear_rejection(opened, model, what, dry_run=dry_run, actor=actor(), reason=reason)
    _tell(done, as_json=as_json)


@verb("pause", example='mlflow-selector pause churn --reason "data freeze"')
@models
@reason
@dry_run
@as_json
def pause(models: tuple[str, ...], *, reason: str, dry_run: bool, as_json: bool) -> None:
    """Go on deciding and reporting, but write nothing, for these models (all by default)."""
    with house(writable=not dry_run) as opened:
        from selector.workflows import by_hand  # noqa: PLC0415 - costs more than all the help

        done = by_hand.pause(opened, models, dry_run=dry_run, actor=actor(), reason=reason)
    _tell(done, as_json=as_json)


@verb("resume", example="mlflow-selector resume churn")
@models
@dry_run
@as_json
def resume(models: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Undo pause, for these models (for all by default)."""
    with house(writable=not dry_run) as opened:
        from selector.workflows import by_hand  # noqa: PLC0415 - costs more than all the help

        done = by_hand.resume(opened, models, dry_run=dry_run, actor=actor())
    _tell(done, as_json=as_json)
