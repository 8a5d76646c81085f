"""How is long work shown: a bar on a terminal once it takes longer than two seconds, nothing in a pipe?"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from selector.redaction import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task, TaskID

    from selector.ports import Progress

PATIENCE_SECONDS = 2.0


class _Bar:
    """Shows one line per kind of work, from the moment on when it has become long."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._begun = time.monotonic()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._bars is None and time.monotonic() - self._begun >= self._patience:
            self._bars = _bars()
            self._bars.start()
        if self._bars is None:
            return
        # "scanning churn_7" and "scanning churn_8" are the same work.
        kind = what.split(" ", 1)[0]
        if kind not in self._tasks:
            self._tasks[kind] = self._bars.add_task(printable(what), total=total)
        self._bars.update(self._tasks[kind], description=printable(what), completed=done, total=total or None)

    def close(self) -> None:
        """Remove the bar."""
        if self._bars is not None:
            self._bars.stop()


def _bars() -> Bars:
    from rich.console import Console  # noqa: PLC0415 - only once work has become long
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415 - the same

    class Rate(TextColumn):
        """How many a second, over the last half minute."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.3g}/s" if speed else "", style="dim")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(""),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(file=sys.stderr), transient=True)


@contextmanager
def progress_bar(patience: float = PATIENCE_SECONDS) -> Iterator[Progress | None]:
    """Give something to call with progress on a terminal, None elsewhere."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    bar = _Bar(patience)
    try:
        yield bar
    finally:
        bar.close()
