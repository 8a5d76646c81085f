"""How does the demo's service run: `mlflow-selector run` in a process of its own, as systemd would start it?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from selector.demo.folder import CONFIGURATION
from selector.errors import SelectorError
from selector.ports import Entry, Store

LOG = "service.log"
PATIENCE_SECONDS = 120.0
ACTOR = "daemon"


class Service:
    """The service, from the moment on when the story needs it.

    Args:
        folder: the demo's.
        store: where its decisions are read.

    """

    def __init__(self, folder: Path, store: Store, *, allow_unconfined: bool) -> None:
        self._folder, self._store = folder, store
        self._options = ["--allow-unconfined"] if allow_unconfined else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it gets ready while others work."""
        if self._process is not None:
            return
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "selector",
            "--config",
            str(self._folder / CONFIGURATION),
            "run",
        ]
        with (self._folder / LOG).open("wb") as log:
            self._process = subprocess.Popen([*command, *self._options], stdout=log, stderr=log, cwd=self._folder)

    def stop(self) -> None:
        """End it as systemd would."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    def decision_on(self, model: str, run_id: str) -> tuple[Entry, Mapping[str, Any]]:
        """Wait until the service has decided with this run among those that were scored.

        Returns:
            The ledger's entry, and what `mlflow-selector select --json` would have said.

        Raises:
            SelectorError: it ended, or said nothing for two minutes; the message ends with its last words.

        """

        def found() -> Entry | None:
            for entry in reversed(self._store.entries(model, kinds=("decision",))):
                ranking = entry.details.get("ranking", ())
                if entry.actor == ACTOR and any(_scored(line, run_id) for line in ranking):
                    return entry
            return None

        entry = self._until(found)
        return entry, entry.details

    def _until(self, found: Callable[[], Entry | None]) -> Entry:
        ends = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends and self.running:
            entry = found()
            if entry is not None:
                return entry
            time.sleep(0.1)
        raise SelectorError(f"the service did not decide; its last words: {self.last_words()}")

    def last_words(self) -> str:
        """Return the last line of its log."""
        try:
            lines = (self._folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except FileNotFoundError:
            return "none"
        return lines[-1] if lines else "none"


def _scored(line: Mapping[str, Any], run_id: str) -> bool:
    """Tell whether it is this run's line; the service also sees runs that are still being written, without a score."""
    return bool(line["run_id"] == run_id and line["score"] is not None)
