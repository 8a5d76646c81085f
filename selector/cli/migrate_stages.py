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


@verb("stages", example="mlflow-selector migrate stages --dry-run\nmlflow-selector migrate stages churn --mirror")
@models
@click.option("--all", "everything", is_flag=True, default=False, help="Every registered model of the server.")
@click.option(
    "--mirror",
    is_flag=True,
    default=False,
    help="Also put into its stage what only an alias points at. Default: as the configuration says.",
)
@dry_run
@as_json
@click.option("--upgrade-database", is_flag=True, default=False, help="Let MLflow migrate an older database in place.")
def stages(
    models: tuple[str, ...],
    *,
    everything: bool,
    mirror: bool,
    dry_run: bool,
    as_json: bool,
    upgrade_database: bool,
) -> int:
    """Point the alias champion at the version in Production, and challenger at the one in Staging.

    Without MODEL: the models of the configuration. Stages stay as they are, so models:/NAME/Production loads what it
    loaded before. An alias that is set already is never moved.
    """
    if everything and models:
        raise UsageError("--all and MODEL exclude each other", advice="name the models, or say --all")
    needed = not (everything or models)
    with house(writable=not dry_run, upgrade_database=upgrade_database, needed=needed) as opened:
        from migrations.stages import apply_stages, stages_document  # noqa: PLC0415 - costs more than the help
        from selector.cli import tables_migrate  # noqa: PLC0415 - the same

        with nullcontext() if dry_run else opened.lease.hold():
            planned = _planned(opened, _asked(opened, models, everything=everything), mirror=mirror)
            moves = apply_stages(planned, opened.registry, dry_run=dry_run, progress=opened.progress)
            _record(opened, moves)
    document = {**stages_document(moves), "dry_run": dry_run}
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


def _planned(opened: House, found: Mapping[str, RegisteredModel], *, mirror: bool) -> list[StageMove]:
    """Decide model by model, for each may have aliases of its own."""
    from migrations.stages import plan_stages  # noqa: PLC0415 - costs more than the help

    moves: list[StageMove] = []
    for name in sorted(found):
        setup = _setup(opened, name)
        names = (
            {"Production": setup.policy.aliases.champion, "Staging": setup.policy.aliases.challenger} if setup else {}
        )
        also = mirror or (setup is not None and setup.policy.mirror_stages)
        moves += plan_stages([found[name]], names, mirror=also) if names else plan_stages([found[name]], mirror=also)
    return moves


def _setup(opened: House, name: str) -> Setup | None:
    """Return how the model is configured; None for one that is not."""
    own = opened.setups.get(name)
    families = (s for s in opened.setups.values() if s.family is not None and s.family.value_of(name) is not None)
    return own or next(families, None)


def _record(opened: House, moves: Iterable[StageMove]) -> None:
    """Write into the ledger what was set, so that the next look does not take it for somebody else's change."""
    from selector.ports import Entry  # noqa: PLC0415 - numpy costs more than the help

    entries = []
    for move in moves:
        if move.status != "done":
            continue
        reigns = move.stage == "Production" and move.write == "alias"
        set_one = f"alias {move.alias}" if move.write == "alias" else f"stage {move.stage}"
        found = f"stage {move.stage}" if move.write == "alias" else f"alias {move.alias}"
        details: dict[str, Any] = {"alias": move.alias, "stage": move.stage, "write": move.write}
        entries.append(
            Entry(
                at=opened.clock.now(),
                model=move.model,
                kind="foreign_change" if reigns else "imported",
                version=move.version,
                actor=actor(),
                reason=f"{set_one} was set, as {found} said",
                details=details,
            )
        )
    if entries:
        opened.store.append(entries)
