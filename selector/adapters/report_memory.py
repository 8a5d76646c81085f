"""Where do reports lie, where nothing may be written: in a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class MemoryReports:
    """Keeps the newest report of each decision; paths name nothing real."""

    def __init__(self) -> None:
        self.reports: dict[tuple[str, str], Any] = {}

    def write(self, report: Any) -> Path:
        """Keep the report."""
        self.reports[report.model, report.decision] = report
        return self._page(report.model, report.decision)

    def path(self, model: str, decision: str) -> Path | None:
        """Return the page of an earlier decision, or None."""
        return self._page(model, decision) if (model, decision) in self.reports else None

    @staticmethod
    def _page(model: str, decision: str) -> Path:
        return Path("/nowhere") / model / decision / "report.html"
