"""What would a source of production metrics give, and a command come to? Both in memory, for tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from selector.errors import ProductionError, SelectorError
from selector.ports_production import Batch, Ended, Unusable


@dataclass(slots=True)
class MemoryProduction:
    """Batches that are there already.

    Attributes:
        given: in any order.
        trouble: why the source cannot be read; "" where it can.
        read: ids of all that was yielded.

    """

    given: list[Batch | Unusable] = field(default_factory=list)
    trouble: str = ""
    read: list[str] = field(default_factory=list)

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield what is new, oldest first; raise ProductionError where there is trouble."""
        del since, until
        if self.trouble:
            raise ProductionError(self.trouble)
        known = set(seen)
        unusable = [b for b in self.given if isinstance(b, Unusable) and b.id not in known]
        usable = sorted((b for b in self.given if isinstance(b, Batch) and b.id not in known), key=lambda b: b.at)
        found: list[Batch | Unusable] = [*unusable, *usable]
        for one in found:
            self.read.append(one.id)
            yield one


@dataclass(slots=True)
class MemoryCommands:
    """Commands that end when the test says so.

    Attributes:
        started: name, command, environment and deadline of each.
        results: how each ended, by name.
        missing: commands that cannot be started.

    """

    started: list[tuple[str, tuple[str, ...], dict[str, str], float]] = field(default_factory=list)
    results: dict[str, Ended] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def start(self, name: str, command: tuple[str, ...], environment: Mapping[str, str], timeout: float) -> None:
        """Take note of it; raise SelectorError where it is missing."""
        if command[0] in self.missing:
            raise SelectorError(f"The command {command[0]} cannot be started.")
        self.started.append((name, command, dict(environment), timeout))

    def ended(self, name: str) -> Ended | None:
        """Return how it ended; None while it runs."""
        return self.results.get(name)
