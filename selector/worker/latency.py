"""How long does one call to the model take, for a single row and for a small batch?"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pandas as pd

from selector.worker.load import Predictor

CALLS = 40
"""Calls of each kind at most: enough for a 95th percentile that is not simply the slowest."""

BATCH_ROWS = 100
BUDGET_SECONDS = 0.5
"""What each kind may cost in all; a slow model is called less often."""


def timings(predictor: Predictor, frame: pd.DataFrame) -> list[tuple[int, float]]:
    """Call the model again for single rows and for batches, spread over the frame.

    Args:
        predictor: has answered all rows already, so that it is warm.
        frame: rows of the holdout.

    Returns:
        Per call the number of rows and the seconds in the model's own predict. Empty where the model cannot answer
        parts of what it has answered as a whole; fewer calls where it is slow.

    """
    calls: list[tuple[int, float]] = []
    for size in (1, BATCH_ROWS):
        ends = time.perf_counter() + BUDGET_SECONDS
        for part in _parts(frame, size):
            try:
                calls.append((len(part), predictor.predict(part)[1]))
            except Exception:  # noqa: BLE001  a foreign model; without calls the gate on latency says that none was timed
                return []
            if time.perf_counter() > ends:
                break
    return calls


def _parts(frame: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    """Yield pieces of so many rows that lie evenly over the frame; none where it has fewer rows."""
    pieces = len(frame) // size
    for call in range(min(CALLS, pieces)):
        begin = (call * pieces // min(CALLS, pieces)) * size
        yield frame.iloc[begin : begin + size]
