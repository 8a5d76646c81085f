"""How is a carried store taken back, without taking away what somebody uses?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations.model import UndoOutcome
from migrations.undo import BATCH_NAME, STAGES_IN_USE
from selector.domain.model import BATCH_TAG, ModelVersion, RegisteredModel, Run
from selector.errors import MlflowRefusedError
from selector.ports import Progress, Registry
from selector.ports_store import SOURCE_RUN_TAG, SOURCE_VERSION_TAG, StoreWriter


def undo_store(
    batch: str, writer: StoreWriter, registry: Registry, *, dry_run: bool = False, progress: Progress | None = None
) -> tuple[UndoOutcome, ...]:
    """Delete the versions, runs and logged models that one carried store brought.

    A version that an alias points at, or that is in Staging or Production, stays with its run, also where alias and
    stage came with the store: move them first. Experiments and registered models stay, empty. MLflow keeps deleted
    runs restorable; importing the store again brings everything back.

    Args:
        batch: the id that the import reported.
        writer: deletes runs and logged models.
        registry: finds runs and deletes versions.
        dry_run: say what would be done and write nothing.
        progress: called once a version.

    Returns:
        One outcome per version and run of the batch; empty where the batch is not that of a store.

    """
    if not BATCH_NAME.fullmatch(batch):
        return ()
    found = registry.runs(registry.experiments(), f"tags.`{BATCH_TAG}` = '{batch}'")
    runs = [run for run in found if SOURCE_RUN_TAG in run.tags]
    versions = list(_versions(batch, registry))
    outcomes = []
    for index, (model, version) in enumerate(versions):
        if progress:
            progress(f"taking back {model.name} {version.version}", index, len(versions))
        outcomes.append(_undo_version(model, version, registry, dry_run=dry_run))
    kept = {one.run_id: one for one in outcomes if one.status != "undone" and one.run_id}
    going = [run for run in runs if run.run_id not in kept]
    failed = {} if dry_run or not (going or versions) else writer.take_back([run.run_id for run in going], batch)
    return (*outcomes, *(_told(run, kept, failed, dry_run=dry_run) for run in runs))


def _versions(batch: str, registry: Registry) -> Iterator[tuple[RegisteredModel, ModelVersion]]:
    for _, model in sorted(registry.all_registered_models().items()):
        for version in sorted(model.versions, key=lambda one: one.version):
            if version.tags.get(BATCH_TAG) == batch and SOURCE_VERSION_TAG in version.tags:
                yield model, version


def _undo_version(model: RegisteredModel, version: ModelVersion, registry: Registry, *, dry_run: bool) -> UndoOutcome:
    number, name = version.version, f"{model.name} {version.version}"
    run_id = version.run_id or ""
    aliases = sorted(alias for alias, pointed in model.aliases.items() if pointed == number)
    if aliases or version.stage in STAGES_IN_USE:
        why = f"is {aliases[0]}; move the alias first" if aliases else f"is in stage {version.stage}; move it out first"
        return UndoOutcome(run_id, name, model.name, (number,), "refused", f"version {number} of {model.name} {why}")
    if dry_run:
        return UndoOutcome(run_id, name, model.name, (number,), "undone", "would be deleted")
    try:
        registry.delete_version(model.name, number)
    except MlflowRefusedError as error:
        return UndoOutcome(run_id, name, model.name, (number,), "failed", error.message)
    return UndoOutcome(run_id, name, model.name, (number,), "undone")


def _told(run: Run, kept: Mapping[str, UndoOutcome], failed: Mapping[str, str], *, dry_run: bool) -> UndoOutcome:
    if run.run_id in kept:
        return UndoOutcome(run.run_id, run.name, "", (), "refused", kept[run.run_id].reason)
    if run.run_id in failed:
        return UndoOutcome(run.run_id, run.name, "", (), "failed", failed[run.run_id])
    return UndoOutcome(run.run_id, run.name, "", (), "undone", "would be deleted" if dry_run else "")
