"""How does a whole MLflow store move into the configured MLflow: migrate store?"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run, house
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED, UsageError

if TYPE_CHECKING:
    from migrations.stores.model import SourceStore, StoreOutcome
    from migrations.stores.verify import Verified
    from selector.adapters.registry_mlflow import MlflowRegistry
    from selector.workflows.house import House


@verb(
    "store",
    example="mlflow-selector migrate store mlruns --dry-run\nmlflow-selector migrate store old/mlflow.db --verify",
)
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
@click.option(
    "--verify",
    is_flag=True,
    default=False,
    help="Read everything back afterwards and compare it with SOURCE; with --dry-run: only compare.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=32),
    default=None,
    metavar="N",
    help="Runs that are written at the same time. Default: 4 into a server, 1 into a database file.",
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
    verify: bool,
    jobs: int | None,
    dry_run: bool,
    as_json: bool,
    upgrade_database: bool,
) -> int:
    """Carry an MLflow file store (mlruns) or SQLite database of any age into the configured MLflow.

    Runs keep their times, status, params, metrics, tags, artifacts and models; registered models keep versions, stages
    and aliases. SOURCE is only ever read. Again carries nothing twice; an interrupted import goes on where it stopped.
    """
    begun = time.monotonic()
    with house(writable=not dry_run, upgrade_database=upgrade_database, needed=False) as opened:
        from migrations.importer import new_batch  # noqa: PLC0415 - costs more than the help
        from migrations.stores.open import open_store  # noqa: PLC0415 - the same
        from migrations.stores.summary import exit_code, store_document  # noqa: PLC0415 - the same
        from migrations.stores.verify import verified_document  # noqa: PLC0415 - the same

        registry = cast("MlflowRegistry", opened.registry)
        asked = _Asked(experiments, new_batch(opened.clock.now()), jobs or registry.jobs, not no_deleted, dry_run)
        folders = tuple(folder.absolute() for folder in artifacts)
        with open_store(source, opened.spool, folders) as found:
            if registry.is_at(found.path):
                raise UsageError(f"{found.path} is the configured MLflow itself", advice="name another store")
            outcome = _carried(opened, registry, found, asked)
            compared = _compared(opened, registry, found, asked) if verify else None
    document = store_document(outcome, dry_run=dry_run) | {"seconds": round(time.monotonic() - begun, 3)}
    document["verified"] = None if compared is None else verified_document(compared)
    _tell(document, as_json=as_json)
    return EXIT_FAILED if compared is not None and compared.differences else exit_code(outcome)


class _Asked(NamedTuple):
    """What is to be carried, and how."""

    experiments: tuple[str, ...]
    batch: str
    jobs: int
    deleted: bool
    dry_run: bool


def _carried(opened: House, registry: MlflowRegistry, found: SourceStore, asked: _Asked) -> StoreOutcome:
    from migrations.stores.carry import Carrier  # noqa: PLC0415 - costs more than the help

    carrier = Carrier(
        found,
        registry.store_writer(),
        registry,
        asked.batch,
        deleted=asked.deleted,
        globs=asked.experiments,
        dry_run=asked.dry_run,
        progress=opened.progress,
        jobs=asked.jobs,
    )
    with nullcontext() if asked.dry_run else opened.lease.hold():
        outcome = carrier.carry()
        if not asked.dry_run:
            _record(opened, outcome)
    return outcome


def _compared(opened: House, registry: MlflowRegistry, found: SourceStore, asked: _Asked) -> Verified:
    from migrations.stores.verify import StoreVerifier  # noqa: PLC0415 - costs more than the help

    return StoreVerifier(
        found,
        registry.store_writer(),
        registry.store_reader(),
        registry,
        opened.spool,
        deleted=asked.deleted,
        globs=asked.experiments,
        progress=opened.progress,
    ).verify()


def _tell(document: dict[str, Any], *, as_json: bool) -> None:
    """Print what became of the store; what was written also becomes a report."""
    from migrations.stores.report import write_store_report  # noqa: PLC0415 - costs more than the help
    from selector.cli import tables_migrate  # noqa: PLC0415 - the same

    text = tables_migrate.store(document)
    if not document["dry_run"]:
        folder = session().configuration(needed=False).state.folder / "reports"
        document["report"] = str(write_store_report(folder, document, text))
        text += f"\nreport: {document['report']}"
        if document["imported"]:
            text += f"\nbatch {document['batch']}; to take it back: mlflow-selector migrate undo {document['batch']}"
    show(document, text, as_json=as_json)


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
