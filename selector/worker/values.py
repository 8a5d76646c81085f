"""What may a model answer? Turned into plain arrays of numbers or text, or refused with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from selector.worker.answer import UnusableError


def as_labels(raw: Any, rows: int) -> npt.NDArray[Any]:
    """Return the answer of `predict` as shape (rows,) of int64, float64 or str objects.

    Raises:
        UnusableError: wrong length, several columns, or something that is neither number nor text.

    """
    values = np.asarray(raw)
    if values.ndim == 2 and values.shape[1] == 1:  # noqa: PLR2004  a single column of a table is what was asked for
        values = values[:, 0]
    if values.shape != (rows,):
        raise UnusableError(
            f"the model answers with the shape {values.shape} for {rows:,} rows; one label a row is needed"
        )
    if values.dtype.kind in "bui":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    found = values.tolist()
    if all(isinstance(value, (bool, int, np.integer)) for value in found):
        return np.array(found, dtype=np.int64)
    if all(isinstance(value, (bool, int, float, np.number)) for value in found):
        return np.array(found, dtype=np.float64)
    if all(isinstance(value, str) for value in found):
        return np.array(found, dtype=object)
    odd = next(type(value).__name__ for value in found if not isinstance(value, str))
    raise UnusableError(f"the model answers with a {odd} where a label is needed")


def as_probabilities(raw: Any, rows: int) -> npt.NDArray[np.float64]:
    """Return the answer of `predict_proba` as shape (rows, k) float64.

    Raises:
        UnusableError: wrong shape, or an answer for several targets at once.

    """
    if isinstance(raw, list):
        raise UnusableError("the model predicts several targets at once; one is needed")
    values = np.asarray(raw, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != rows:  # noqa: PLR2004  a table has two dimensions
        raise UnusableError(f"the model gives probabilities of the shape {values.shape} for {rows:,} rows")
    return values


def as_class_names(classes: Any) -> tuple[str, ...]:
    """Return the model's own class labels as text: 1 and 1.0 as "1", True as "True"."""
    return tuple(_name(value) for value in np.asarray(classes).tolist())


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
