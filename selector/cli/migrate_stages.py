"""How do MLflow's old stages become aliases: migrate stages?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run, house, models
from selector.cli.output import show
from selector.errors import UsageError

if TYPE_CHECKING:
    from migrations.stages import StageMove
    from selector.domain.model import RegisteredModel
    from selector.workflows.house import House, Setup


@verb(
    "stages",
    example="mlflow-selector migrate stages --dry-run\nmlflow-selector migrate stages churn --mirror\n"
    "mlflow-selector migrate stages --list\nmlflow-selector migrate stages --finish",
)
@models
@click.option("--all", "everything", is_flag=True, default=False, help="Every registered model of the server.")
@click.option(
    "--mirror",
    is_flag=True,
    default=False,
    help="Also put into its stage what only an alias points at. Default: as the configuration says.",
)
@click.option("--list", "listing", is_flag=True, default=False, help="Only list the versions still found by stage.")
@click.option("--finish", is_flag=True, default=False, help="Take versions that an alias finds out of their stages.")
@click.option("--revert", is_flag=True, default=False, help="Take back the aliases and stages that were set by this.")
@dry_run
@as_json
@click.option("--upgrade-database", is_flag=True, default=False, help="Let MLflow migrate an older database in place.")
def stages(
    models: tuple[str, ...],
    *,
    everything: bool,
    mirror: bool,
    listing: bool,
    finish: bool,
    revert: bool,
    dry_run: bool,
    as_json: bool,
    upgrade_database: bool,
) -> int:
    """Point the alias champion at the version in Production, and challenger at the one in Staging.

    Without MODEL: the models of the configuration. Stages stay as they are, so models:/NAME/Production loads what it
    loaded before, until --finish. An alias that is set already is never moved; --revert takes back what was set here.
    """
    if everything and models:
        raise UsageError("--all and MODEL exclude each other", advice="name the models, or say --all")
    if mirror + listing + finish + revert > 1:
        raise UsageError("--mirror, --list, --finish and --revert exclude each other", advice="say one of them")
    action = "list" if listing else "finish" if finish else "revert" if revert else "move"
    nothing = dry_run or listing
    needed = not (everything or models)
    with house(writable=not nothing, upgrade_database=upgrade_database, needed=needed) as opened:
        from migrations.stages import apply_stages, stages_document  # noqa: PLC0415 - costs more than the help
        from migrations.stages_end import still_found  # noqa: PLC0415 - the same
        from selector.cli import tables_migrate  # noqa: PLC0415 - the same

        with nullcontext() if nothing else opened.lease.hold():
            found = _asked(opened, models, everything=everything)
            planned = _planned(opened, found, action, mirror=mirror)
            moves = apply_stages(planned, found, opened.registry, dry_run=nothing, progress=opened.progress)
            _record(opened, moves)
            after = found if nothing else opened.registry.registered_models(sorted(found))
            by_stage = still_found(after.values(), {name: _aliases(opened, name) for name in after})
    document = {**stages_document(moves), "dry_run": dry_run, "action": action, "by_stage": list(by_stage)}
    show(document, tables_migrate.stages(document), as_json=as_json)
    return 1 if document["failed"] else 0


def _asked(opened: House, names: Sequence[str], *, everything: bool) -> Mapping[str, RegisteredModel]:
    """Return the registered models that are meant."""
    if everything:
        return opened.registry.all_registered_models()
    families = [setup.family for setup in opened.setups.values() if setup.family is not None]
    if not names and families:
        found = opened.registry.all_registered_models()
        wanted = {n for n in found if n in opened.setups or any(f.value_of(n) is not None for f in families)}
        return {name: model for name, model in found.items() if name in wanted}
    asked = list(names) or [name for name, setup in opened.setups.items() if setup.family is None]
    found = opened.registry.registered_models(asked)
    missing = [name for name in names if name not in found]
    if missing:
        advice = "mlflow-selector migrate stages --all lists those that there are"
        raise UsageError(f"there is no registered model {missing[0]!r}", advice=advice)
    return found


def _planned(opened: House, found: Mapping[str, RegisteredModel], action: str, *, mirror: bool) -> list[StageMove]:
    """Decide model by model, for each may have aliases of its own."""
    from migrations.stages import plan_stages  # noqa: PLC0415 - costs more than the help
    from migrations.stages_end import plan_finish, plan_revert  # noqa: PLC0415 - the same

    if action == "list":
        return []
    if action == "revert":
        return list(plan_revert(found.values()))
    mirrored = [name for name in found if (setup := _setup(opened, name)) is not None and setup.policy.mirror_stages]
    if action == "finish":
        return list(plan_finish(found.values(), {name: _aliases(opened, name) for name in found}, mirrored))
    moves: list[StageMove] = []
    for name in sorted(found):
        moves += plan_stages([found[name]], _aliases(opened, name), mirror=mirror or name in mirrored)
    return moves


def _aliases(opened: House, name: str) -> Mapping[str, str]:
    """Return which alias stands for which stage of a model."""
    from migrations.stages import ALIAS_OF_STAGE  # noqa: PLC0415 - costs more than the help

    setup = _setup(opened, name)
    if setup is None:
        return ALIAS_OF_STAGE
    return {"Production": setup.policy.aliases.champion, "Staging": setup.policy.aliases.challenger}


def _setup(opened: House, name: str) -> Setup | None:
    """Return how the model is configured; None for one that is not."""
    own = opened.setups.get(name)
    families = (s for s in opened.setups.values() if s.family is not None and s.family.value_of(name) is not None)
    return own or next(families, None)


def _record(opened: House, moves: Iterable[StageMove]) -> None:
    """Write into the ledger what was set, so that the next look does not take it for somebody else's change."""
    from selector.ports import Entry  # noqa: PLC0415 - numpy costs more than the help

    entries = []
    said = {
        "alias": "alias {0.alias} was set, as stage {0.stage} said",
        "stage": "stage {0.stage} was set, as alias {0.alias} said",
        "unset": "alias {0.alias}, which came from a stage, was taken back",
        "clear": "the version left stage {0.stage}, for consumers load it by alias",
        "restore": "stage {0.stage} is as it was before the move to aliases",
    }
    for move in moves:
        if move.status != "done":
            continue
        reigns = move.write in {"alias", "unset"} and move.alias == _aliases(opened, move.model)["Production"]
        details: dict[str, Any] = {"alias": move.alias, "stage": move.stage, "write": move.write}
        entries.append(
            Entry(
                at=opened.clock.now(),
                model=move.model,
                kind="foreign_change" if reigns else "imported",
                version=None if move.write == "unset" else move.version,
                previous=move.version if move.write == "unset" else None,
                actor=actor(),
                reason=said[move.write].format(move),
                details=details,
            )
        )
    if entries:
        opened.store.append(entries)
