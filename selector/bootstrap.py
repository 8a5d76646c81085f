"""Which object goes where: configuration in, a wired house out; the only module that knows every class."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

from migrations.importer import LegacyImporter
from selector.adapters.clock_system import SystemClock
from selector.adapters.commands_subprocess import SubprocessCommands
from selector.adapters.exports_chosen import ChosenExports
from selector.adapters.exports_mlflow import MlflowExports
from selector.adapters.holdout_files import HoldoutFiles
from selector.adapters.lock_file import FileLease
from selector.adapters.lock_patient import PatientLease
from selector.adapters.lock_postgres import PostgresLease
from selector.adapters.production import open_production
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.adapters.report_files import ReportFiles, linked
from selector.adapters.scorer_confined import ConfinedScorer
from selector.adapters.scorer_dask import SCHEME, DaskScorer
from selector.adapters.store_sql import open_store
from selector.config import Configuration, ModelSettings, ScoringSettings
from selector.domain.family import Family
from selector.domain.further import further_metric
from selector.errors import SelectorError
from selector.ports import Clock, Lease, Progress
from selector.workflows.check import Check
from selector.workflows.doctor import checks
from selector.workflows.house import House, Setup, Staging, silent

MOST_WORKERS = 8
"""More models at once than this use more memory than they save time, unless the operator knows better."""

PATIENCE_SECONDS = 5.0
"""The service writes for moments; whoever works at the command line beside it should not notice."""

ABANDONED_SECONDS = 86_400.0
"""A spool folder of this age was left behind by a process that was killed."""


@contextmanager
def open_house(
    config: Configuration,
    *,
    writable: bool,
    allow_unconfined: bool = False,
    upgrade_database: bool = False,
    progress: Progress | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Iterator[House]:
    """Wire every port for this configuration, and release what was opened at the end.

    Args:
        config: what the operator configured.
        writable: whether our own state may be written; without it a missing state is not even created.
        allow_unconfined: score models even where they cannot be confined.
        upgrade_database: let MLflow upgrade the schema of an older database.
        progress: told about long work.
        patience: seconds to wait for another writer.

    Raises:
        DamagedStateError: our state cannot be trusted.
        StateUnavailableError: our state cannot be opened.

    """
    clock = SystemClock()
    with ExitStack() as stack:
        store = open_store(config.state.folder, config.state.database, writable=writable, clock=clock)
        stack.callback(store.close)
        spool = _spool(config.state.folder / "spool") if writable else Path(_temporary(stack))
        registry = MlflowRegistry(
            config.mlflow.tracking_uri,
            registry_uri=config.mlflow.registry_uri,
            timeout=config.mlflow.timeout,
            upgrade_database=upgrade_database or config.mlflow.upgrade_database,
        )
        scorer = _scorer(config.scoring, allow_unconfined=allow_unconfined)
        stack.callback(scorer.close)
        yield House(
            registry=registry,
            store=store,
            clock=clock,
            lease=PatientLease(_lease(config, clock), patience),
            reports=ReportFiles(config.state.folder / "reports"),
            scorer=scorer,
            holdouts=HoldoutFiles(config.folder),
            setups={name: setup(name, settings) for name, settings in config.models.items()},
            spool=spool,
            progress=progress or silent,
            staging=tuple(
                Staging(s.folder, s.model, s.experiment, s.quiet, s.manifest == "required", s.rescan)
                for s in config.staging
            ),
            importer=LegacyImporter(registry, registry, clock),
            production=lambda spec, metric: open_production(spec, metric, registry),
            commands=SubprocessCommands(config.state.folder / "commands"),
            alert_rules=config.alerts.rules(),
            report_link=linked(config.state.folder / "reports", config.alerts.reports_at),
            exports=ChosenExports(
                MlflowExports(config.mlflow.tracking_uri, config.mlflow.registry_uri, config.mlflow.timeout)
            ),
        )


def setup(model: str, settings: ModelSettings) -> Setup:
    """Return one model's settings in the workflows' words."""
    holdout, watch = settings.holdout, settings.monitor
    slices = (watch.slices or (holdout.slices if holdout else ())) if watch else ()
    hidden = tuple(n for n in (holdout.weights, *holdout.ignore) if n) if holdout else ()
    target = holdout.target if holdout else ""
    return Setup(
        model=model,
        policy=settings.policy(),
        experiments=settings.experiments,
        filter=settings.filter,
        holdout=holdout.spec() if holdout else None,
        threshold=holdout.threshold if holdout else None,
        shadow=settings.shadow,
        family=Family(model, settings.split_by) if settings.split_by else None,
        monitor=watch.policy(settings.metric.metric()) if watch else None,
        sources=tuple(s.spec(target, slices, hidden, features=watch.challengers > 0) for s in watch.sources)
        if watch
        else (),
        keep=settings.keep.rule() if settings.keep else None,
        exports=settings.export,
        metrics=tuple(further_metric(name) for name in settings.metrics),
    )


def _scorer(settings: ScoringSettings, *, allow_unconfined: bool) -> ConfinedScorer | DaskScorer:
    """Return who scores: this computer, or a cluster."""
    unconfined = allow_unconfined or settings.allow_unconfined
    if settings.scorer.startswith(SCHEME):
        return DaskScorer(
            settings.scorer, memory=settings.memory, timeout=settings.timeout, allow_unconfined=unconfined
        )
    return ConfinedScorer(
        workers=settings.workers or min(MOST_WORKERS, os.cpu_count() or 1),
        memory=settings.memory,
        timeout=settings.timeout,
        allow_unconfined=unconfined,
    )


def _lease(config: Configuration, clock: Clock) -> Lease:
    """Return the lease that fits where the state lies: a PostgreSQL lock guards several hosts, a file lock one."""
    database = config.state.database
    if database is not None and database.startswith("postgres"):
        return PostgresLease(database)
    return FileLease(config.state.folder, clock)


def _temporary(stack: ExitStack) -> str:
    return stack.enter_context(tempfile.TemporaryDirectory(prefix="mlflow-selector-"))


def _spool(folder: Path) -> Path:
    """Return the folder for fetched models, without what a killed process left there."""
    if folder.is_dir():
        for left in folder.iterdir():
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    return folder


def doctor(config: Configuration, *, dry_run: bool, allow_unconfined: bool = False) -> Iterator[Check]:
    """Check everything that a configuration needs; what cannot even be wired is a finding too."""
    yield Check("configuration", ok=True, detail=str(config.path or "defaults"))
    try:
        with open_house(config, writable=not dry_run, allow_unconfined=allow_unconfined) as house:
            writer = cast("MlflowRegistry", house.registry)
            yield from checks(house, writer, [s.folder for s in config.staging], dry_run=dry_run)
    except SelectorError as error:
        yield Check("state", ok=False, detail=error.message, advice=error.advice)
