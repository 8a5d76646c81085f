"""How is a batch taken back, without taking away what somebody uses?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from migrations.model import REGISTERED_AS_TAG, UndoOutcome
from selector.domain.model import BATCH_TAG, RegisteredModel, Run
from selector.errors import MlflowRefusedError, UsageError
from selector.ports import Progress, Registry, RunWriter

BATCH_NAME: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,100}")
STAGES_IN_USE: Final = frozenset({"Staging", "Production"})


def undo(
    batch: str,
    writer: RunWriter,
    registry: Registry,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> tuple[UndoOutcome, ...]:
    """Delete the versions and then the runs of one import.

    A run whose version an alias points at, or which is in Staging or Production, is left alone with the reason.
    MLflow keeps deleted runs restorable; a deleted version is gone, and importing again makes a new one.

    Args:
        batch: the id that the import reported.
        writer: deletes runs.
        registry: finds runs and deletes versions.
        dry_run: say what would be done and write nothing.
        progress: called once a run.

    Returns:
        One outcome per run of the batch that is not deleted yet; empty where there is none.

    Raises:
        UsageError: the batch is no id that an import reports.

    """
    if not BATCH_NAME.fullmatch(batch):
        raise UsageError(
            f"{batch!r} is no batch.", advice="An import reports its batch, for example 20251120T101500Z-3fa9c1."
        )
    runs = registry.runs(registry.experiments(), f"tags.`{BATCH_TAG}` = '{batch}'")
    models = registry.registered_models(
        sorted({run.tags[REGISTERED_AS_TAG] for run in runs if REGISTERED_AS_TAG in run.tags})
    )
    outcomes = []
    for index, run in enumerate(sorted(runs, key=lambda r: (r.name, r.run_id))):
        if progress:
            progress(f"taking back {run.name}", index, len(runs))
        outcomes.append(_undo_run(run, models, writer, registry, dry_run=dry_run))
    return tuple(outcomes)


def _undo_run(
    run: Run, models: Mapping[str, RegisteredModel], writer: RunWriter, registry: Registry, *, dry_run: bool
) -> UndoOutcome:
    name = run.tags.get(REGISTERED_AS_TAG, "")
    model = models.get(name, RegisteredModel(name))
    versions = tuple(sorted(v.version for v in model.versions if v.run_id == run.run_id))
    in_use = _in_use(model, versions)
    if in_use:
        return UndoOutcome(run.run_id, run.name, name, versions, "refused", in_use)
    if dry_run:
        return UndoOutcome(run.run_id, run.name, name, versions, "undone", "would be deleted")
    try:
        for version in versions:
            registry.delete_version(name, version)
        writer.delete_run(run.run_id)
    except MlflowRefusedError as error:
        return UndoOutcome(run.run_id, run.name, name, versions, "failed", error.message)
    return UndoOutcome(run.run_id, run.name, name, versions, "undone")


def _in_use(model: RegisteredModel, versions: tuple[int, ...]) -> str:
    """Say who needs one of the versions; empty where nobody does."""
    for alias, version in sorted(model.aliases.items()):
        if version in versions:
            return f"version {version} of {model.name} is {alias}; move the alias first"
    for held in model.versions:
        if held.version in versions and held.stage in STAGES_IN_USE:
            return f"version {held.version} of {model.name} is in stage {held.stage}; move it out first"
    return ""
