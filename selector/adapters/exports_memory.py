"""Where do exports lie in tests and rehearsals: in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from selector.adapters.exports_record import sizes
from selector.errors import ExportError
from selector.ports_exports import Exported


@dataclass(eq=False)
class MemoryExports:
    """Implements ports_exports.Exports.

    Attributes:
        held: what each place holds, with the bytes of its files.
        refused: why a place cannot be read or written, by place.
        writes: how often anything was replaced.

    """

    held: dict[str, tuple[Exported, dict[str, bytes]]] = field(default_factory=dict)
    refused: dict[str, ExportError] = field(default_factory=dict)
    writes: int = 0

    def read(self, where: str) -> Exported | None:
        """Return what the place holds, as `Exports.read` says."""
        if where in self.refused:
            raise self.refused[where]
        return self.held[where][0] if where in self.held else None

    def write(self, where: str, folder: Path, exported: Exported) -> None:
        """Replace what the place holds, as `Exports.write` says."""
        if where in self.refused:
            raise self.refused[where]
        self.held[where] = (exported, {name: (folder / name).read_bytes() for name in sizes(folder, where)})
        self.writes += 1
