"""How do models that were stored without MLflow come into MLflow: scan, apply, undo?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from selector.cli.commands import Listed
from selector.cli.lazy import LazyGroup, verb
from selector.cli.options import Zone, actor, as_json, dry_run, house
from selector.cli.output import show
from selector.cli.progress import progress_bar
from selector.cli.session import session
from selector.errors import UsageError

if TYPE_CHECKING:
    from migrations.model import ImportOutcome
    from migrations.plan_file import PlanFile
    from selector.adapters.registry_mlflow import MlflowRegistry
    from selector.ports import RunWriter
    from selector.workflows.house import House

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

migrate = LazyGroup(
    "migrate",
    help="Bring models into MLflow as it is today: from folders, stores, stages. The old store is only ever read.",
    table={
        "Commands": (
            Listed("scan", "selector.cli.migrate:scan", "List what is there, and why something cannot be imported."),
            Listed("apply", "selector.cli.migrate:apply", "Import it; safe to repeat and to interrupt."),
            Listed("verify", "selector.cli.migrate_verify:verify", "Compare an import with what it was to be."),
            Listed("undo", "selector.cli.migrate:undo", "Take one import back."),
            Listed("store", "selector.cli.migrate_store:store", "Carry a whole MLflow store, folder or database."),
            Listed("stages", "selector.cli.migrate_stages:stages", "Set aliases as MLflow's old stages say."),
        )
    },
)

paths = click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
upgrade_database = click.option(
    "--upgrade-database", is_flag=True, default=False, help="Let MLflow migrate an older database in place."
)


def reading(command: Decorated) -> Decorated:
    """Add the options that say how a legacy store is read."""
    command = click.option(
        "--timezone",
        type=Zone(),
        default="UTC",
        metavar="ZONE",
        help="Zone of recorded times that name none, for example Europe/Berlin. Default: UTC.",
    )(command)
    return click.option(
        "--layout",
        metavar="NAME|FILE",
        help="Use only this layout, or the one that a YAML file describes. Default: all that fit.",
    )(command)


@verb(
    "scan",
    example="mlflow-selector migrate scan models/staging\nmlflow-selector migrate scan models --json\n"
    "mlflow-selector migrate scan models --plan plan.yaml --model churn --experiment churn_monitoring",
)
@paths
@reading
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what an import would do, to be reviewed, changed, and given to apply --plan.",
)
@click.option("--model", metavar="NAME", help="For --plan: the registered model.")
@click.option("--experiment", metavar="NAME", help="For --plan: the experiment.")
@as_json
def scan(
    paths: tuple[Path, ...],
    *,
    layout: str | None,
    timezone: tzinfo,
    plan_file: Path | None,
    model: str | None,
    experiment: str | None,
    as_json: bool,
) -> None:
    """List every model below these paths: format, metrics, time, and why something cannot be imported.

    Reads only, and writes nothing but the plan that --plan asks for; no model is loaded.
    """
    from migrations import scan as scanner  # noqa: PLC0415 - costs more than the help
    from migrations import summary  # noqa: PLC0415 - the same
    from selector.cli import tables  # noqa: PLC0415 - the same

    with progress_bar() as progress:
        found = scanner.scan(paths, layout=layout, timezone=timezone, progress=progress)
    document = summary.scan_document(found)
    text = tables.imported(document)
    if plan_file is not None:
        from migrations.plan_file import write_plan  # noqa: PLC0415 - the same

        write_plan(found, plan_file, paths=paths, layout=layout, timezone=timezone, model=model, experiment=experiment)
        document |= {"plan": str(plan_file)}
        text += f"\nreview {plan_file}, then: mlflow-selector migrate apply --plan {plan_file}"
    show(document, text, as_json=as_json)


@verb(
    "apply",
    example="mlflow-selector migrate apply models/staging --model churn --experiment churn_monitoring --dry-run\n"
    "mlflow-selector migrate apply --plan plan.yaml --jobs 4",
)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--model", metavar="NAME", help="The registered model that versions are made of.")
@click.option("--experiment", metavar="NAME", help="The experiment that runs go to.")
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Do exactly what this reviewed plan says; scan --plan makes one.",
)
@reading
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Runs at a time.")
@click.option(
    "--keep-going/--fail-fast", default=True, show_default=True, help="Go on after a failure, or leave the rest."
)
@dry_run
@as_json
@upgrade_database
def apply(
    paths: tuple[Path, ...],
    *,
    model: str | None,
    experiment: str | None,
    plan_file: Path | None,
    layout: str | None,
    timezone: tzinfo,
    jobs: int,
    keep_going: bool,
    dry_run: bool,
    as_json: bool,
    upgrade_database: bool,
) -> int:
    """Import what is below these paths: one finished run, with its old time, and one version per model.

    Without PATH: the staging folders of the configuration; without --model and --experiment: what it says for PATH.
    Importing again imports nothing twice; an interrupted import goes on where it stopped.
    """
    reviewed = _reviewed(plan_file, paths)
    if reviewed is not None:
        layout, timezone = reviewed.layout, Zone().convert(reviewed.timezone, None, None)
        model, experiment = model or reviewed.model, experiment or reviewed.experiment
        work = [_Job(reviewed.paths, *_both(model, experiment))]
    else:
        work = _jobs(paths, model, experiment)
    more: dict[str, Any] = {"reviewed": reviewed, "jobs": jobs, "fail_fast": not keep_going}
    if more == {"reviewed": None, "jobs": 1, "fail_fast": False}:
        more = {}  # an importer that only knows the port's words will do
    begun = time.monotonic()
    with house(writable=not dry_run, upgrade_database=upgrade_database, needed=False) as opened:
        from migrations import summary  # noqa: PLC0415 - costs more than the help
        from migrations.importer import LegacyImporter, new_batch  # noqa: PLC0415 - the same
        from selector.cli import tables  # noqa: PLC0415 - the same

        batch = new_batch(opened.clock.now())
        importer = LegacyImporter(_writer(opened), opened.registry, opened.clock, layout=layout, timezone=timezone)
        outcomes: list[ImportOutcome] = []
        with _lease(opened, dry_run=dry_run):
            for job in work:
                found = importer.import_paths(
                    job.paths, job.model, job.experiment, batch=batch, dry_run=dry_run, progress=opened.progress, **more
                )
                outcomes += found
                _record_import(opened, job, found, batch)
                if not keep_going and summary.exit_code(found):
                    break
    document = summary.apply_document(outcomes, batch) | {"dry_run": dry_run, "report": None}
    text = tables.imported(document)
    if not dry_run and outcomes:
        asked = _asked(work, layout, timezone, plan_file)
        report = _report(outcomes, batch, asked, time.monotonic() - begun)
        document |= {"report": str(report)}
        text += f"\nreport: {report}"
    if document["imported"]:
        text += f"\nbatch {batch}; to take it back: mlflow-selector migrate undo {batch}"
    show(document, text, as_json=as_json)
    return summary.exit_code(outcomes)


def _reviewed(plan_file: Path | None, paths: tuple[Path, ...]) -> PlanFile | None:
    """Read the plan; it says itself which paths it is about."""
    if plan_file is None:
        return None
    if paths:
        raise click.UsageError("--plan says itself which paths it is about; give no PATH.")
    from migrations.plan_file import read_plan  # noqa: PLC0415 - costs more than the help

    return read_plan(plan_file)


def _both(model: str | None, experiment: str | None) -> tuple[str, str]:
    if not model or not experiment:
        raise click.UsageError(f"Missing option {'--experiment' if model else '--model'!r}: the plan names none.")
    _check_name(model)
    return model, experiment


def _asked(work: list[_Job], layout: str | None, timezone: tzinfo, plan_file: Path | None) -> dict[str, Any]:
    """Return what an import was asked to do, for its report and for `migrate verify`."""
    return {
        "paths": [os.path.abspath(path) for job in work for path in job.paths],  # noqa: PTH100 - resolve() follows links
        "models": sorted({job.model for job in work}),
        "experiments": sorted({job.experiment for job in work}),
        "layout": layout,
        "timezone": str(timezone),
        "plan": str(plan_file) if plan_file else None,
    }


def _report(outcomes: list[ImportOutcome], batch: str, asked: dict[str, Any], took: float) -> Path:
    from migrations.report import write_report  # noqa: PLC0415 - jinja2 costs more than the help

    return write_report(reports_folder(), outcomes, batch, asked=asked, took=took)


def reports_folder() -> Path:
    """Return where reports are kept."""
    return session().configuration(needed=False).state.folder / "reports"


def _record_import(opened: House, job: _Job, found: Sequence[ImportOutcome], batch: str) -> None:
    """Write into the ledger what came, and which alias came with it."""
    made = [outcome for outcome in found if outcome.status == "imported"]
    if not made:
        return
    said = f"{len(made)} models imported into experiment {job.experiment} as batch {batch}"
    _record(opened, job.model, "imported", said, {"batch": batch, "imported": len(made)})
    for outcome in made:
        if outcome.planned is not None and outcome.planned.alias and not outcome.reason:
            what = f"alias {outcome.planned.alias} was set to version {outcome.version} as the plan of {batch} says"
            _record(opened, job.model, "foreign_change", what, {"batch": batch})


@verb("undo", example="mlflow-selector migrate undo 20251120T101500Z-3fa9c1")
@click.argument("batch", metavar="BATCH")
@dry_run
@as_json
@upgrade_database
def undo(batch: str, *, dry_run: bool, as_json: bool, upgrade_database: bool) -> int:
    """Take one import back: its versions and runs, except those that somebody uses."""
    with house(writable=not dry_run, upgrade_database=upgrade_database, needed=False) as opened:
        from migrations import summary  # noqa: PLC0415 - costs more than the help
        from migrations.stores.undo import undo_store  # noqa: PLC0415 - the same
        from migrations.undo import undo as take_back  # noqa: PLC0415 - the same
        from selector.cli import tables  # noqa: PLC0415 - the same

        with _lease(opened, dry_run=dry_run):
            store = cast("MlflowRegistry", opened.registry).store_writer()
            outcomes = undo_store(batch, store, opened.registry, dry_run=dry_run, progress=opened.progress)
            outcomes = outcomes or take_back(
                batch, _writer(opened), opened.registry, dry_run=dry_run, progress=opened.progress
            )
            if not dry_run:
                for name in sorted({o.model for o in outcomes if o.status == "undone" and o.model}):
                    _record(opened, name, "undone", f"batch {batch} was taken back", {"batch": batch})
    document = summary.undo_document(batch, outcomes) | {"dry_run": dry_run}
    show(document, tables.undone(document), as_json=as_json)
    return 1 if document["failed"] else 0


@dataclass(frozen=True, slots=True)
class _Job:
    """What is imported to where."""

    paths: tuple[Path, ...]
    model: str
    experiment: str


def _jobs(paths: tuple[Path, ...], model: str | None, experiment: str | None) -> list[_Job]:
    """Return what to import: as the command line says, completed by the staging folders of the configuration."""
    if paths and model and experiment:
        _check_name(model)
        return [_Job(paths, model, experiment)]
    staging = session().configuration(needed=not paths).staging
    known = {s.folder: s for s in staging}
    asked = [Path(os.path.abspath(p)) for p in paths] or list(known)  # noqa: PTH100 - resolve() would follow links
    if not asked:
        raise UsageError("there is nothing to import", advice="give PATH, or staging folders in the configuration")
    jobs = []
    for path in asked:
        told = known.get(path)
        name, place = model or (told and told.model), experiment or (told and told.experiment)
        if not name or not place:
            missing = "--model" if not name else "--experiment"
            raise click.UsageError(f"Missing option {missing!r}: {path} is no staging folder of the configuration.")
        _check_name(name)
        jobs.append(_Job((path,), name, place))
    return jobs


def _check_name(model: str) -> None:
    from selector.config_values import model_name  # noqa: PLC0415 - pydantic costs more than the help

    try:
        model_name(model)
    except ValueError as error:
        raise UsageError(str(error), advice="--model NAME") from None


def _lease(opened: House, *, dry_run: bool) -> AbstractContextManager[None]:
    return nullcontext() if dry_run else opened.lease.hold()


def _writer(opened: House) -> RunWriter:
    """Return the registry in its second role: the MLflow adapter implements both ports."""
    return cast("RunWriter", opened.registry)


def _record(opened: House, model: str, kind: str, reason: str, details: dict[str, Any]) -> None:
    from selector.ports import Entry  # noqa: PLC0415 - numpy costs more than the help

    entry = Entry(at=opened.clock.now(), model=model, kind=kind, actor=actor(), reason=reason, details=details)
    opened.store.append((entry,))
