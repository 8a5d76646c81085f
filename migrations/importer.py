"""How does the daemon, or the command line, import what lies below a folder? Scan, plan, apply in one call."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from migrations.apply import apply, refused
from migrations.found_at import as_found
from migrations.known_files import KnownFiles
from migrations.model import ImportOutcome
from migrations.plan import plan
from migrations.plan_file import PlanFile
from migrations.scan import scan
from selector.domain.model import SOURCE_TAG
from selector.ports import Clock, Progress, Registry, RunWriter


def new_batch(now: datetime) -> str:
    """Return an id for one import: its time in UTC, and six digits that no other import has."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class LegacyImporter:
    """Implements `selector.ports.StagedImporter`.

    Args:
        writer: where runs go.
        registry: where versions go.
        clock: for the batch's id.
        layout: the only layout to use; None for all.
        timezone: for recorded times without a zone.
        known: what earlier scans learned about files; by default the importer keeps its own, so that importing again
            reads only what has changed.

    """

    def __init__(
        self,
        writer: RunWriter,
        registry: Registry,
        clock: Clock,
        *,
        layout: str | None = None,
        timezone: tzinfo = UTC,
        known: KnownFiles | None = None,
    ) -> None:
        self._writer, self._registry, self._clock = writer, registry, clock
        self._layout, self._timezone = layout, timezone
        self._known = KnownFiles() if known is None else known

    def import_folder(self, folder: Path, model: str, experiment: str) -> Sequence[ImportOutcome]:
        """Import what is new below the folder and return one outcome per staged model."""
        return self.import_paths([folder], model, experiment)

    def import_paths(
        self,
        paths: Sequence[Path],
        model: str,
        experiment: str,
        *,
        batch: str | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        found_at: Mapping[Path, Path] | None = None,
        reviewed: PlanFile | None = None,
        jobs: int = 1,
        fail_fast: bool = False,
    ) -> tuple[ImportOutcome, ...]:
        """Import what is new below some paths.

        Args:
            paths: folders or model files.
            model: name of the registered model.
            experiment: name of the experiment; it is made where it is missing.
            batch: id under which the import can be undone; a new one by default.
            dry_run: say what would be done and write nothing.
            progress: called while scanning and while importing.
            found_at: for paths that are private copies, the folder that each stands for; sources and outcomes name it.
            reviewed: a plan that a person reviewed; exactly its entries are imported, as it says.
            jobs: runs that are written at the same time.
            fail_fast: leave the rest for the next import once something failed.

        """
        found = scan(paths, layout=self._layout, timezone=self._timezone, progress=progress, known=self._known)
        if found_at:
            found = as_found(found, found_at)
        if reviewed:
            found = reviewed.choose(found)
        if not found.models:  # tables and notes beside the models: nothing that MLflow would have to be asked about
            return tuple(refused(entry) for entry in found.unreadable)
        imported = self._writer.imported(experiment)
        chosen = plan(found, imported, model, experiment, batch or new_batch(self._clock.now()))
        return apply(
            chosen, self._writer, self._registry, dry_run=dry_run, progress=progress, jobs=jobs, fail_fast=fail_fast
        )

    def sources(self, experiment: str) -> frozenset[str]:
        """Return where everything that was ever imported into the experiment was found, deleted runs included."""
        runs = (run for group in self._writer.imported(experiment).values() for run in group)
        return frozenset(run.tags[SOURCE_TAG] for run in runs if SOURCE_TAG in run.tags)

    def new_batch(self) -> str:
        """Return an id for one import."""
        return new_batch(self._clock.now())
