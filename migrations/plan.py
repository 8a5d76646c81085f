"""PURE: which scanned models are new, which were imported before, and which bytes are copies?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from migrations.model import ImportPlan, PlanEntry, Scan, StagedModel
from selector.domain.model import COPY_OF_TAG, SOURCE_TAG, Run

FINISHED: Final = "FINISHED"
DELETED: Final = "DELETED"


def plan(scan: Scan, imported: Mapping[str, Sequence[Run]], model: str, experiment: str, batch: str) -> ImportPlan:
    """Decide what to do with each entry of a scan.

    An entry is *already* imported when a finished run carries both its fingerprint and its source. The same bytes
    at another place are a model of their own and become a copy of the first one. A run that an interrupted import
    left unfinished is replaced; one that was deleted (an undone batch) counts as never imported.

    Args:
        scan: what lies in the legacy store.
        imported: the experiment's runs with a fingerprint tag, by fingerprint, oldest first.
        model: name of the registered model.
        experiment: name of the experiment.
        batch: id of this import.

    Returns:
        Entries in the order of their creation, then by name: the order of the versions to be.

    """
    first: dict[str, int] = {}
    entries: list[PlanEntry] = []
    for staged in sorted(scan.models, key=lambda m: (m.created_at, m.name, m.source)):
        runs = imported.get(staged.fingerprint, ())
        entry = _already(staged, runs) or _new(staged, runs, first.get(staged.fingerprint))
        first.setdefault(staged.fingerprint, len(entries))
        entries.append(entry)
    return ImportPlan(model, experiment, batch, tuple(entries), scan.unreadable)


def _already(staged: StagedModel, runs: Sequence[Run]) -> PlanEntry | None:
    run = next((r for r in runs if r.status == FINISHED and r.tags.get(SOURCE_TAG) == staged.source), None)
    if run is None:
        return None
    return PlanEntry(
        staged,
        "already",
        "these bytes were imported from here before",
        run_id=run.run_id,
        model_uri=run.models[0].uri if run.models else None,
        copy_of=run.tags.get(COPY_OF_TAG),
    )


def _new(staged: StagedModel, runs: Sequence[Run], earlier: int | None) -> PlanEntry:
    """Describe a run to be made; it is a copy where its bytes are in MLflow or earlier in this plan."""
    originals = [run for run in runs if run.status == FINISHED]
    original = next((run for run in originals if COPY_OF_TAG not in run.tags), originals[0] if originals else None)
    unfinished = [r for r in runs if r.status not in {FINISHED, DELETED} and r.tags.get(SOURCE_TAG) == staged.source]
    copied = original is not None or earlier is not None
    return PlanEntry(
        staged,
        "new",
        "the same bytes as an earlier one" if copied else "",
        copy_of=original.run_id if original else None,
        copy_of_entry=earlier,
        leftovers=tuple(run.run_id for run in unfinished),
    )
