"""What is known of one staging folder: what became of each entry, and which ones are still being waited for?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from selector.domain.settling import Listing, Sighting, StagedEntry, due, entries, seen
from selector.workflows.house import House, Staging

FIRST_RETRY = 5.0
LONGEST_RETRY = 600.0
STAGING_KEY = "staging"


@dataclass(frozen=True, slots=True)
class Later:
    """An entry that could not be imported now, though nothing is wrong with it.

    Attributes:
        signature: the delay holds only while the entry stays the same.
        at: not before, in seconds of a monotonic clock.
        failures: in a row.

    """

    signature: str
    at: float
    failures: int = 0


@dataclass(slots=True, eq=False)
class FolderMemory:
    """Grows with the number of entries ever seen, by about 200 bytes each.

    Attributes:
        done: signature of each entry about which nothing is left to do, by its spelled name.
        told: what was recorded of entries that became no run, so that it is recorded once.
        sightings: of entries that are waited for.
        pending: these entries, as of the last scan.
        walk_at: when the next scan is due.
        walk_cost: seconds that the last scan took.
        walked_at: when the last scan ended.
        failures: of the folder as a whole, in a row.

    """

    done: dict[str, str] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)
    sightings: dict[str, Sighting] = field(default_factory=dict)
    pending: dict[str, StagedEntry] = field(default_factory=dict)
    later: dict[str, Later] = field(default_factory=dict)
    recalled: bool = False
    walk_at: float = float("-inf")
    walk_cost: float = 0.0
    walked_at: float = float("-inf")
    failures: int = 0

    def scanned(self, listing: Listing, ended: float) -> None:
        """Take note of a scan."""
        self.pending, sightings = {}, {}
        for entry in entries(listing):
            signature = entry.signature
            if self.done.get(spelled(entry.name)) != signature:
                self.pending[entry.name] = entry
                sightings[entry.name] = seen(self.sightings.get(entry.name), signature, ended)
        self.sightings = sightings
        self.later = {n: x for n, x in self.later.items() if n in sightings and sightings[n].signature == x.signature}

    def due(self, name: str, quiet: float) -> float:
        """Return when a pending entry is to be taken up, if it stays as it is."""
        at = due(self.sightings[name], self.pending[name], quiet)
        return max(at, self.later[name].at) if name in self.later else at

    def ripe(self, began: float, quiet: float) -> list[StagedEntry]:
        """Return what the scan that began then may take up, the oldest first."""
        found = [entry for name, entry in self.pending.items() if self.due(name, quiet) <= began]
        return sorted(found, key=lambda e: (max((s.mtime_ns for s in e.files.values()), default=0), e.name))

    def finished(self, name: str) -> None:
        """Nothing is left to do about it until it changes."""
        self.done[spelled(name)] = self.sightings.pop(name).signature
        self.pending.pop(name)
        self.later.pop(name, None)

    def compared(self, name: str, *, mismatched: bool) -> None:
        """Take note that its manifest was compared."""
        now = self.sightings[name]
        self.sightings[name] = replace(now, compared=now.signature, mismatched=mismatched)

    def wait(self, name: str, at: float) -> None:
        """Take it up again then."""
        self.later[name] = Later(self.sightings[name].signature, at)

    def failed(self, name: str, now: float) -> None:
        """Take it up again, later each time."""
        signature, before = self.sightings[name].signature, self.later.get(name)
        count = before.failures + 1 if before else 1
        self.later[name] = Later(signature, now + delay(count), count)

    def recall(self, house: House, staging: Staging) -> None:
        """Read from the ledger what became of entries before this process began.

        What became a run is believed only where MLflow still knows of it: somebody may have begun a new MLflow.

        Raises:
            SelectorError: the ledger or MLflow cannot be read.

        """
        became: dict[str, str] = {}
        for entry in house.store.entries(staging.model, kinds=("imported", "failed")):
            known = _known(entry.details, staging)
            if entry.kind == "imported":
                became |= known
            else:
                self.done |= known
                self.told |= {(str(entry.details.get("staged", "")), entry.reason) for _ in known}
        if became and house.importer is not None:
            there = _names(house.importer.sources(staging.experiment), spelled(str(staging.folder)))
            self.done |= {name: signature for name, signature in became.items() if name in there}
        self.recalled = True


def delay(failures: int) -> float:
    """Return how long to wait after so many failures in a row: 5 s, 10 s, 20 s … at most 10 minutes."""
    return float(min(FIRST_RETRY * 2.0 ** min(failures - 1, 10), LONGEST_RETRY))


def spelled(name: str) -> str:
    """Return a name as text that can be stored; bytes that are no text are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def details(staging: Staging, known: Mapping[str, str]) -> dict[str, Any]:
    """Return what a ledger line has to hold, so that a later process knows these entries; signatures by name."""
    folder = spelled(str(staging.folder))
    return {STAGING_KEY: {"folder": folder, "experiment": staging.experiment, "entries": dict(known)}}


def _known(held: Mapping[str, Any], staging: Staging) -> dict[str, str]:
    known = held.get(STAGING_KEY)
    if not isinstance(known, Mapping) or not isinstance(known.get("entries"), Mapping):
        return {}
    here = known.get("folder") == spelled(str(staging.folder)) and known.get("experiment") == staging.experiment
    return {str(name): str(signature) for name, signature in known["entries"].items()} if here else {}


def _names(sources: Iterable[str], folder: str) -> set[str]:
    """Return the names of all entries that these sources may have come from."""
    found = set()
    for source in sources:
        if source == folder:
            found.add(".")
        elif source.startswith(f"{folder}/"):
            path = PurePosixPath(source.removeprefix(f"{folder}/"))
            found |= {str(path), *(str(parent) for parent in path.parents)}
    return found
