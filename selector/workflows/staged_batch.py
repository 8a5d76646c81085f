"""What becomes of some staged entries that look complete: copied, compared, imported, written down?"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selector.domain.settling import WHOLE, StagedEntry, manifest_fault, settled
from selector.errors import SelectorError, StagingError
from selector.exchange import Entry
from selector.workflows.announce import of_failed_imports
from selector.workflows.house import House, Staging
from selector.workflows.imports import imported, not_imported
from selector.workflows.staged_files import CLOSED_FOLDER, Copied, NotYetError, copy, private_folder
from selector.workflows.staged_memory import FolderMemory, details, spelled

log = logging.getLogger(__name__)

ACTOR = "daemon"
COPYING = "copying staged models"
WRITER_PATIENCE = 30.0
"""So many quiet periods an unchanged file is left alone that somebody has open for writing; a forgotten one is not."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What one staged model became.

    Attributes:
        status: imported or failed.

    """

    model: str
    name: str
    status: Literal["imported", "failed"]
    reason: str = ""
    run_id: str | None = None


Result = Imported | SelectorError


@dataclass(slots=True, eq=False)
class Batch:
    """One import under way.

    Attributes:
        began: when the scan began that saw these entries.

    """

    house: House
    staging: Staging
    memory: FolderMemory
    began: float

    def take(self, chosen: Sequence[StagedEntry]) -> Iterator[Result]:
        """Import what is complete among these entries; one that fails does not stop the others.

        Raises:
            SelectorError: MLflow, our own state or the lease is not to be had; nothing is lost, try again.

        """
        with private_folder(self.house.spool) as room:
            copies: dict[str, Path] = {}
            for number, entry in enumerate(chosen):
                if not entry.files and not any(kind.startswith(CLOSED_FOLDER) for kind in entry.others.values()):
                    self._set_aside(entry)
                    continue
                try:
                    if self._copy(entry, self._place(room, entry, number)):
                        copies[entry.name] = self._place(room, entry, number)
                except NotYetError:
                    self.memory.wait(entry.name, self.began + self.staging.quiet)
                except StagingError as error:
                    yield from self._refused(entry, error.message)
                except SelectorError as error:
                    self.memory.failed(entry.name, self.began)
                    yield error
            if copies:
                with self.house.lease.hold():
                    yield from self._import([entry for entry in chosen if entry.name in copies], copies)

    def _place(self, room: Path, entry: StagedEntry, number: int) -> Path:
        """Return where its copy lies: under the names of the staging folder, which readers take into account.

        Some loose files are not all that lies in that folder, so they must not look as if they were.
        """
        folder = self.staging.folder
        if entry.loose:
            return room / f"files-{number}"
        return room / f"entry-{number}" / (folder.parent.name or "root") / (folder.name or "root")

    def _copy(self, entry: StagedEntry, into: Path) -> bool:
        """Copy an entry; return whether it is complete."""
        closed = next((f"{n} is {kind}" for n, kind in entry.others.items() if kind.startswith(CLOSED_FOLDER)), None)
        if closed is not None:
            raise StagingError(closed)
        quiet, sighting = self.staging.quiet, self.memory.sightings[entry.name]
        is_settled = settled(sighting, self.began, quiet)
        if self.staging.manifest and entry.files and not entry.manifests:
            raise StagingError("no manifest vouches for it, and the configuration asks for one (manifest: required)")
        writers = self.began - sighting.first < WRITER_PATIENCE * quiet
        copied = self._copied(entry, into, writers=writers and not entry.manifests)
        fault = manifest_fault(entry, copied.manifests, copied.digests)
        if fault == "":
            return True
        if not is_settled:
            self.memory.compared(entry.name, mismatched=bool(fault))
            return False
        if fault:
            raise StagingError(fault)
        if self.staging.manifest and entry.files:
            raise StagingError("its manifest lists no digests, and the configuration asks for them")
        return True

    def _copied(self, entry: StagedEntry, into: Path, *, writers: bool) -> Copied:
        """Copy, and tell that it goes on; it may be broken off at any moment, for nothing has been decided yet."""
        total = 1 + sum(stamp.size for stamp in entry.files.values())
        progress = self.house.progress
        try:
            return copy(
                self.staging.folder, entry, into, writers=writers, tell=lambda done: progress(COPYING, done, total)
            )
        finally:
            progress(COPYING, total, total)

    def _import(self, chosen: Sequence[StagedEntry], copies: dict[str, Path]) -> Iterator[Result]:
        """Import copies; where something unforeseen stops them all, each is left to itself."""
        importer = self.house.importer
        if importer is None:
            return
        paths = {copies[entry.name]: self.staging.folder for entry in chosen}
        batch = importer.new_batch()
        try:
            outcomes = importer.import_paths(
                sorted(paths),
                self.staging.model,
                self.staging.experiment,
                batch=batch,
                progress=self.house.progress,
                found_at=paths,
            )
        except SelectorError:
            raise
        except Exception as error:
            if len(chosen) == 1:
                log.exception("Importing %s failed in a way that was not foreseen.", spelled(chosen[0].name))
                yield from self._refused(chosen[0], f"unexpected {type(error).__name__}: {error}")
                return
            for entry in chosen:
                yield from self._import([entry], copies)
            return
        yield from self._written_down(chosen, outcomes, batch)

    def _written_down(self, chosen: Sequence[StagedEntry], outcomes: Iterable[Any], batch: str) -> Iterator[Result]:
        became = _by_entry(self.staging.folder, chosen, outcomes)
        lines: list[Entry] = []
        results: list[Result] = []
        known: dict[str, str] = {}
        refused: list[tuple[str, str]] = []
        for entry in chosen:
            found = became[entry.name]
            own = {} if any(map(_may_succeed_later, found)) else {spelled(entry.name): self._signature(entry)}
            if any(o.status == "imported" for o in found):
                known |= own
            for outcome in found:
                results += self._result(outcome)
                if outcome.status in {"failed", "ignored"} and not _may_succeed_later(outcome):
                    line = self._line(outcome.path, outcome.reason, own)
                    refused += [(spelled(outcome.name), spelled(outcome.reason)) for _ in line if _failed(outcome)]
                    lines += line
        made = sum(isinstance(r, Imported) and r.status == "imported" for r in results)
        if made:
            where: dict[str, Any] = {"model": self.staging.model, "experiment": self.staging.experiment, "batch": batch}
            more = details(self.staging, known)
            lines.append(imported(self.house.clock.now(), **where, count=made, actor=ACTOR, more=more))
        if lines:
            self._keep(lines, refused)
        for entry in chosen:
            if any(map(_may_succeed_later, became[entry.name])):
                self.memory.failed(entry.name, self.began)
            else:
                self.memory.finished(entry.name)
        yield from results

    def _signature(self, entry: StagedEntry) -> str:
        return self.memory.sightings[entry.name].signature

    def _result(self, outcome: Any) -> list[Result]:
        """Return what is worth a word in the log."""
        if _may_succeed_later(outcome):
            return [StagingError(f"{spelled(outcome.name)}: {outcome.reason}")]
        if outcome.status in {"imported", "failed"}:
            name, run_id = spelled(outcome.name), outcome.run_id
            return [Imported(self.staging.model, name, outcome.status, outcome.reason, run_id)]
        return []

    def _refused(self, entry: StagedEntry, why: str) -> Iterator[Result]:
        """Record an entry that cannot be imported as it is; it is not tried again until it changes."""
        known = {spelled(entry.name): self._signature(entry)}
        lines = self._line(self.staging.folder / entry.name, why, known)
        if lines:
            self._keep(lines, [(spelled(entry.name), spelled(why))])
        self.memory.finished(entry.name)
        yield Imported(self.staging.model, spelled(entry.name), "failed", why)

    def _keep(self, lines: Sequence[Entry], refused: Sequence[tuple[str, str]]) -> None:
        """Write into the ledger, and let people know what was refused."""
        told = of_failed_imports(lines[0].at.isoformat(), self.staging.model, refused)
        self.house.store.put(told, tuple(lines))

    def _set_aside(self, entry: StagedEntry) -> None:
        """Record links, pipes and devices that lie there alone: they are no models, and nothing failed."""
        known = {spelled(entry.name): self._signature(entry)}
        lines: list[Entry] = []
        for name, kind in entry.others.items():
            lines += self._line(self.staging.folder / name, f"it is {kind}, which is not followed or opened", known)
        if lines:
            self.house.store.append(tuple(lines))
        self.memory.finished(entry.name)

    def _line(self, path: Path, why: str, known: dict[str, str]) -> list[Entry]:
        """Return the ledger's line on a staged model that became no run, unless the same was recorded before."""
        name = spelled(str(path.relative_to(self.staging.folder)) if path != self.staging.folder else path.name)
        about: dict[str, Any] = {"model": self.staging.model, "name": name, "why": spelled(why)}
        entry = not_imported(self.house.clock.now(), **about, actor=ACTOR, more=details(self.staging, known))
        if (name, entry.reason) in self.memory.told:
            return []
        self.memory.told.add((name, entry.reason))
        return [entry]


def _failed(outcome: Any) -> bool:
    return bool(outcome.status == "failed")


def _may_succeed_later(outcome: Any) -> bool:
    """Tell whether a model was fit to be imported, and MLflow or our own disk was not."""
    return bool(outcome.status == "failed" and outcome.fingerprint is not None)


def _by_entry(folder: Path, chosen: Iterable[StagedEntry], outcomes: Iterable[Any]) -> dict[str, list[Any]]:
    """Return what became of each entry, by its name."""
    became: dict[str, list[Any]] = {entry.name: [] for entry in chosen}
    owners = _owners(folder, chosen)
    for outcome in outcomes:
        owner = next((owners[p] for p in (outcome.path, *outcome.path.parents) if p in owners), None)
        if owner is not None:
            became[owner].append(outcome)
    return became


def _owners(folder: Path, chosen: Iterable[StagedEntry]) -> dict[Path, str]:
    """Return which entry a path belongs to; paths below it belong to it too."""
    owners: dict[Path, str] = {}
    for entry in chosen:
        if entry.name == WHOLE:
            owners[folder] = entry.name
        elif entry.loose:
            owners |= {folder / name: entry.name for name in entry.files}
        else:
            owners[folder / entry.name] = entry.name
    return owners
