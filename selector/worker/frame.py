"""What does a model get to see? The holdout's rows as a pandas frame, with the columns it names, in its order."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow.ipc

from selector.worker.answer import UnusableError


def batches(descriptor: int) -> Iterator[pd.DataFrame]:
    """Read the spooled features: per batch 8 bytes of length (little-endian), then one Arrow IPC stream."""
    offset = 0
    while head := os.pread(descriptor, 8, offset):
        (length,) = struct.unpack("<Q", head)
        with os.fdopen(os.dup(descriptor), "rb", closefd=True) as file:
            file.seek(offset + 8)
            content = file.read(length)
        offset += 8 + length
        yield _as_read_by_pandas(pyarrow.ipc.open_stream(io.BytesIO(content)).read_all().to_pandas())


def _as_read_by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Spell what is missing among booleans as NaN, like pandas.read_csv, where Arrow says None."""
    for name, kind in frame.dtypes.items():
        if kind == "object":
            frame[name] = frame[name].where(frame[name].notna(), np.nan)
    return frame


def chosen(frame: pd.DataFrame, names: Sequence[str] | None) -> pd.DataFrame:
    """Return the columns that the model names, in its order; all of them where it names none.

    Raises:
        UnusableError: naming the columns that are missing.

    """
    if names is None:
        return frame
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise UnusableError(lacking(missing))
    return frame[list(names)]


def lacking(missing: Sequence[str]) -> str:
    """Say which features are not there."""
    shown = ", ".join(f"'{name}'" for name in list(missing)[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""  # noqa: PLR2004  five names fit on a line
    return f"the model needs the feature{'s' if len(missing) > 1 else ''} {shown}{more}, which the holdout lacks"


def with_categories(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the frame with these columns as pandas categories, as LightGBM and XGBoost were trained on them."""
    return frame.astype(dict.fromkeys(columns, "category")) if columns else frame


def text_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of columns that hold text."""
    return [
        str(name)
        for name in frame.columns
        if isinstance(frame[name].dtype, pd.StringDtype) or frame[name].dtype == object
    ]
