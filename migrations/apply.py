"""How is an import plan carried out, so that a crash at any moment is repaired by the next import?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from migrations.ahead import Ahead
from migrations.mlmodel import model_folder
from migrations.model import (
    DESCRIPTION_TAG,
    FORMAT_TAG,
    LEGACY_PREFIX,
    MODEL_TYPE_TAG,
    NOTES_TAG,
    PERCENT_TAG,
    REGISTERED_AS_TAG,
    ImportOutcome,
    ImportPlan,
    PlanEntry,
    StagedModel,
    Status,
    Unreadable,
)
from migrations.wording import printable
from selector.domain.model import BATCH_TAG, COPY_OF_TAG, FINGERPRINT_TAG, SOURCE_TAG
from selector.errors import MlflowRefusedError, MlflowUnreachableError, StagingError
from selector.ports import NewRun, Progress, Registry, RunWriter, WrittenRun

MAX_NOTES = 4000


def apply(
    plan: ImportPlan,
    writer: RunWriter,
    registry: Registry,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    jobs: int = 1,
    fail_fast: bool = False,
) -> tuple[ImportOutcome, ...]:
    """Make one finished run, with a loadable model and a registered version, of every new entry.

    Versions are registered in the order of creation. A run that lost its version to a crash gets it now. What fails
    becomes an outcome and stops nothing; when MLflow cannot be reached, the rest is left for the next import.

    Args:
        plan: from `migrations.plan.plan`.
        writer: where runs go.
        registry: where versions go.
        dry_run: say what would be done and write nothing.
        progress: called once an entry.
        jobs: runs that are written at the same time; versions are always made one after the other, in order.
        fail_fast: leave the rest for the next import once something failed.

    Returns:
        One outcome per entry, importable ones first in the plan's order.

    """
    work = _Import(plan, writer, registry, dry_run=dry_run)
    outcomes = []
    with Ahead(plan.entries, work.written, 1 if dry_run else jobs) as work.ahead:
        for index, entry in enumerate(plan.entries):
            if progress:
                progress(f"importing {printable(entry.staged.name)}", index, len(plan.entries))
            outcomes.append(work.entry(index, entry))
            if fail_fast and outcomes[-1].status == "failed" and not work.stopped:
                work.stopped = f"{printable(entry.staged.name)} failed, and the import stops at the first failure"
                work.ahead.stop()
    if progress and plan.entries:
        progress("imported", len(plan.entries), len(plan.entries))
    return (*outcomes, *(refused(entry) for entry in plan.unreadable))


class _Import:
    """One import under way."""

    def __init__(self, plan: ImportPlan, writer: RunWriter, registry: Registry, *, dry_run: bool) -> None:
        self.plan, self.writer, self.registry, self.dry_run = plan, writer, registry, dry_run
        self.first_run: dict[str, str] = {}
        self.stopped: str | None = None
        self.ahead: Ahead[WrittenRun]
        self.model_exists = False
        self.aliases: dict[str, int] = {}
        model = registry.registered_model(plan.model)
        self.version_of: dict[str, int] = {}
        if model is not None:
            self.model_exists = True
            self.aliases = dict(model.aliases)
            for version in sorted(model.versions, key=lambda v: -v.version):
                if version.run_id:
                    self.version_of[version.run_id] = version.version

    def entry(self, index: int, entry: PlanEntry) -> ImportOutcome:
        """Carry out one entry; every expected failure becomes its outcome."""
        if self.stopped:
            return outcome(entry, "failed", f"not tried: {self.stopped}")
        try:
            return self._already(entry) if entry.status == "already" else self._new(index, entry)
        except MlflowUnreachableError as error:
            self.stopped = error.message
            self.ahead.stop()
            return outcome(entry, "failed", error.message)
        except (StagingError, MlflowRefusedError) as error:
            return outcome(entry, "failed", error.message)

    def _already(self, entry: PlanEntry) -> ImportOutcome:
        """Leave the run alone; register it where a crash kept it from becoming a version."""
        run_id = entry.run_id or ""
        version, reason = self.version_of.get(run_id), entry.reason
        if version is None and entry.model_uri is not None:
            reason = "its run is there; its version would be made"
            if not self.dry_run:
                version = self._register(entry.staged, entry.model_uri, run_id, entry.copy_of)
                reason = "its run was there; its missing version was made"
        if version is not None and not self.dry_run:
            reason = _joined(reason, self._placed(entry.staged, version))
        return outcome(entry, "already", reason, run_id=run_id, version=version, copy_of=entry.copy_of)

    def _new(self, index: int, entry: PlanEntry) -> ImportOutcome:
        """Take the written run, then make the version."""
        staged = entry.staged
        if self.dry_run:
            return outcome(entry, "new", entry.reason, copy_of=entry.copy_of)
        written = self.ahead.result(index)
        copy_of = self._original(entry, written.run_id)
        if written.model_uri is None:
            raise MlflowRefusedError(f"MLflow kept no model of the run {written.run_id}.")
        version = self._register(staged, written.model_uri, written.run_id, copy_of)
        reason = _joined(entry.reason if copy_of else "", self._placed(staged, version))
        return outcome(entry, "imported", reason, run_id=written.run_id, version=version, copy_of=copy_of)

    def written(self, index: int) -> WrittenRun:
        """Write one run; entries with the same bytes come here one after the other, in the plan's order."""
        entry = self.plan.entries[index]
        staged = entry.staged
        if entry.status == "already":
            self.first_run.setdefault(staged.fingerprint, entry.copy_of or entry.run_id or "")
            return WrittenRun(entry.run_id or "", entry.model_uri)
        copy_of = self._original(entry, None)
        for leftover in entry.leftovers:
            self.writer.delete_run(leftover)
        with tempfile.TemporaryDirectory(prefix="mlflow-selector-import-") as scratch:
            folder = model_folder(staged, Path(scratch) / "model")
            written = self.writer.write(new_run(staged, self.plan, folder, copy_of))
        self.first_run.setdefault(staged.fingerprint, copy_of or written.run_id)
        return written

    def _original(self, entry: PlanEntry, own_run: str | None) -> str | None:
        """Return the run that holds the bytes already; None where that is this entry's own run, or nobody's."""
        first = entry.copy_of or self.first_run.get(entry.staged.fingerprint)
        return None if first == own_run else first

    def _placed(self, staged: StagedModel, version: int) -> str:
        """Set the alias and the stage that the plan asks for; an alias that points elsewhere is not moved."""
        said = ""
        held = self.aliases.get(staged.alias)
        if staged.alias and held not in {None, version}:
            said = f"the alias {staged.alias} points at version {held} and was not moved"
        elif staged.alias and held is None:
            self.registry.set_alias(self.plan.model, staged.alias, version)
            self.aliases[staged.alias] = version
        if staged.stage and staged.stage != "None":
            self.registry.set_stage(self.plan.model, version, staged.stage)
        return said

    def _register(self, staged: StagedModel, uri: str, run_id: str, copy_of: str | None) -> int:
        if not self.model_exists:
            self.registry.create_registered_model(self.plan.model)
            self.model_exists = True
        return self.registry.create_version(self.plan.model, uri, run_id, import_tags(staged, self.plan, copy_of))


def _joined(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def import_tags(staged: StagedModel, plan: ImportPlan, copy_of: str | None) -> dict[str, str]:
    """Return the tags that both the run and its version carry."""
    tags = {FINGERPRINT_TAG: staged.fingerprint, SOURCE_TAG: staged.source, BATCH_TAG: plan.batch}
    if copy_of:
        tags[COPY_OF_TAG] = copy_of
    if staged.model_type:
        tags[MODEL_TYPE_TAG] = staged.model_type
    return tags


def new_run(staged: StagedModel, plan: ImportPlan, folder: Path, copy_of: str | None) -> NewRun:
    """Describe the run: legacy name, times, metrics and params; every choice of the import as a tag."""
    legacy: Mapping[str, str] = {f"{LEGACY_PREFIX}{key}": value for key, value in staged.tags.items()}
    tags = {**legacy, **import_tags(staged, plan, copy_of), FORMAT_TAG: staged.format, REGISTERED_AS_TAG: plan.model}
    if staged.percent:
        tags[PERCENT_TAG] = ", ".join(map(printable, staged.percent))[:MAX_NOTES]
    if staged.notes:
        tags[NOTES_TAG] = "; ".join(printable(note) for note in staged.notes)[:MAX_NOTES]
    if staged.tags.get("description"):
        tags[DESCRIPTION_TAG] = staged.tags["description"]
    return NewRun(
        experiment=plan.experiment,
        name=printable(staged.name),
        started_at=staged.started_at,
        ended_at=staged.created_at,
        metrics=staged.metrics,
        params=staged.params,
        tags=tags,
        model_folder=folder,
    )


def outcome(
    entry: PlanEntry,
    status: Status,
    reason: str,
    *,
    run_id: str | None = None,
    version: int | None = None,
    copy_of: str | None = None,
) -> ImportOutcome:
    """Describe what became of an importable entry."""
    staged = entry.staged
    return ImportOutcome(
        staged.name,
        staged.path,
        status,
        reason,
        staged.format,
        staged.model_type,
        staged.metrics,
        staged.created_at,
        staged.fingerprint,
        run_id,
        version,
        copy_of,
        staged.notes,
        staged,
    )


def refused(entry: Unreadable) -> ImportOutcome:
    """Describe an entry that could not be imported, or that is no model."""
    return ImportOutcome(
        entry.name,
        entry.path,
        "ignored" if entry.ignored else "failed",
        entry.reason,
        entry.format,
        entry.model_type,
        entry.metrics,
        entry.created_at,
    )
