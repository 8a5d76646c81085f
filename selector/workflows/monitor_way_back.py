"""Could the version that a rollback would bring back still serve? It is fetched, loaded and asked, in confinement."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from selector.domain.health import WayBack
from selector.domain.model import RegisteredModel
from selector.errors import MlflowUnreachableError, SelectorError
from selector.ports import Entry, Features
from selector.workflows.fetched import fetch_model, why_silent
from selector.workflows.house import House, Setup
from selector.workflows.reigns import earlier_champions

EVERY = 86_400.0
AGAIN = 3_600.0
"""Seconds between two checks, and after one that failed."""

ROWS = 100
"""Rows of the holdout that it is asked about; one that loads and answers these answers more."""


def check_due(before: WayBack | None, now: datetime) -> bool:
    """Tell whether a check is due."""
    return before is None or (now - before.at).total_seconds() >= (AGAIN if before.reason else EVERY)


def check_way_back(house: House, setup: Setup, registered: RegisteredModel, spool: Path) -> WayBack:
    """Return whether the version that a rollback would bring back loads and answers.

    Kept answers are not asked: they would come from a model that is gone. Without a holdout its files are read only.

    Args:
        house: the ports.
        setup: the model.
        registered: as MLflow has it.
        spool: a private folder.

    Raises:
        MlflowUnreachableError: MLflow does not answer.

    """
    now = house.clock.now()
    left = registered.aliases.get(setup.policy.aliases.champion)
    version = next(iter(earlier_champions(house, registered, setup, left)), None)
    if version is None:
        return WayBack(None, now, "there is no earlier good champion")
    try:
        folder = fetch_model(house, f"models:/{setup.model}/{version}", spool / "way-back", "the way back")
        if setup.holdout is None:
            return WayBack(version, now)
        features = _FirstRows(house.holdouts.read(setup.holdout)[1], ROWS)
        return WayBack(version, now, why_silent(house, folder, features))
    except MlflowUnreachableError:
        raise
    except (SelectorError, OSError) as error:
        return WayBack(version, now, str(error))


def turned(model: str, before: WayBack | None, after: WayBack) -> tuple[Entry, ...]:
    """Return the ledger's line where a way back was lost, or is there again."""
    lost = after.version is not None and bool(after.reason)
    if lost == bool(before and before.version is not None and before.reason):
        return ()
    why = after.reason if lost else "it answers again"
    reason = f"version {after.version}, to which a rollback would go: {why}"
    return (Entry(after.at, model, "no_way_back" if lost else "way_back", after.version, reason=reason),)


@dataclass(frozen=True, slots=True, eq=False)
class _FirstRows:
    """Implements ports.Features for the first rows of others."""

    whole: Features
    most: int

    @property
    def columns(self) -> tuple[str, ...]:
        return self.whole.columns

    @property
    def rows(self) -> int:
        return min(self.whole.rows, self.most)

    def batches(self) -> Iterator[bytes]:
        import pyarrow as pa  # noqa: PLC0415 - tens of milliseconds that only this check needs

        left = self.most
        for piece in self.whole.batches():
            table = pa.ipc.open_stream(io.BytesIO(piece)).read_all().slice(0, left)
            left -= table.num_rows
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            yield sink.getvalue()
            if left <= 0:
                return
