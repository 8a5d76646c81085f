"""How does a whole MLflow store move into the configured MLflow: migrate store?"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run, house
from selector.cli.output import show
from selector.errors import UsageError

if TYPE_CHECKING:
    from migrations.stores.model import StoreOutcome
    from selector.adapters.registry_mlflow import MlflowRegistry
    from selector.workflows.house import House


@verb("store", example="mlflow-selector migrate store mlruns --dry-run\nmlflow-selector migrate store old/mlflow.db")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--experiments", multiple=True, metavar="GLOB", help="Only these experiments; may be given more than once."
)
@click.option("--no-deleted", is_flag=True, default=False, help="Leave out what is deleted in SOURCE.")
@click.option(
    "--artifacts",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A further folder to look for artifacts in.",
)
@dry_run
@as_json
@click.option("--upgrade-database", is_flag=True, default=False, help="Let MLflow migrate an older database in place.")
def store(
    source: str,
    *,
    experiments: tuple[str, ...],
    no_deleted: bool,
    artifacts: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
    upgrade_database: bool,
) -> int:
    """Carry an MLflow file store (mlruns) or SQLite database of any age into the configured MLflow.

    Runs keep their times, status, params, metrics, tags, artifacts and models; registered models keep versions, stages
    and aliases. SOURCE is only ever read. Again carries nothing twice; an interrupted import goes on where it stopped.
    """
    with house(writable=not dry_run, upgrade_database=upgrade_database, needed=False) as opened:
        from migrations.importer import new_batch  # noqa: PLC0415 - costs more than the help
        from migrations.stores.carry import Carrier  # noqa: PLC0415 - the same
        from migrations.stores.open import open_store  # noqa: PLC0415 - the same
        from migrations.stores.summary import exit_code, store_document  # noqa: PLC0415 - the same
        from selector.cli import tables_migrate  # noqa: PLC0415 - the same

        registry = cast("MlflowRegistry", opened.registry)
        folders = tuple(folder.absolute() for folder in artifacts)
        with open_store(source, opened.spool, folders) as found:
            if registry.is_at(found.path):
                raise UsageError(f"{found.path} is the configured MLflow itself", advice="name another store")
            carrier = Carrier(
                found,
                registry.store_writer(),
                registry,
                new_batch(opened.clock.now()),
                deleted=not no_deleted,
                globs=experiments,
                dry_run=dry_run,
                progress=opened.progress,
            )
            with nullcontext() if dry_run else opened.lease.hold():
                outcome = carrier.carry()
                if not dry_run:
                    _record(opened, outcome)
    document = store_document(outcome, dry_run=dry_run)
    show(document, tables_migrate.store(document), as_json=as_json)
    return exit_code(outcome)


def _record(opened: House, outcome: StoreOutcome) -> None:
    """Write into the ledger which registered models came, and which champion came with them."""
    from selector.ports import Entry  # noqa: PLC0415 - numpy costs more than the help

    entries = []
    now = opened.clock.now()
    made = [version for version in outcome.versions if version.status == "imported"]
    for name in sorted({version.name for version in made}):
        count = sum(version.name == name for version in made)
        details = {"batch": outcome.batch, "imported": count, "source": outcome.path}
        said = f"{count} versions carried from {outcome.path} as batch {outcome.batch}"
        entries.append(Entry(at=now, model=name, kind="imported", actor=actor(), reason=said, details=details))
        setup = opened.setups.get(name)
        alias = setup.policy.aliases.champion if setup else "champion"
        crowned = [version for version in made if version.name == name and alias in version.aliases]
        for version in crowned:
            reason = f"alias {alias} came from {outcome.path}"
            entries.append(
                Entry(now, name, "foreign_change", version.version, actor=actor(), reason=reason, details=details)
            )
    if entries:
        opened.store.append(entries)
