"""What are the labels of the holdout, and what may the models see of it?"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.adapters.holdout_source import Source
from selector.adapters.holdout_table import Table, open_table
from selector.domain.model import Truth
from selector.errors import HoldoutError
from selector.ports import Features, HoldoutSpec

MANY_VALUES = 20
MAX_CLASSES = 1_000
MAX_SLICES = 50
SHOWN = 12


class HoldoutFiles:
    """Implements ports.HoldoutReader for CSV and Parquet files.

    Args:
        base: what relative paths are relative to.

    """

    def __init__(self, base: Path) -> None:
        """Read nothing yet."""
        self._base = base

    def read(self, spec: HoldoutSpec) -> tuple[Truth, Features]:
        """Return the labels and the features.

        Raises:
            HoldoutError: one sentence with the offending value, and advice.

        """
        extra = [name for name in (spec.weights, spec.group, *spec.slices) if name]
        wanted = list(dict.fromkeys([spec.target, *extra]))
        table = open_table(Source(spec.data, self._base), wanted)
        for name, role in (
            (spec.target, "target"),
            *((name, "") for name in extra),
            *((n, "ignored") for n in spec.ignore),
        ):
            _require_column(table, name, role, spec)
        text = table.spelled(wanted)
        _require_labels(text[spec.target], spec)
        labels, classes = _labels(text[spec.target], spec)
        truth = Truth(
            digest=_digest(table.digest, spec),
            labels=labels,
            classes=classes,
            positive=_positive(spec, classes),
            weights=_weights(text[spec.weights], spec) if spec.weights else None,
            groups=_codes(text[spec.group]) if spec.group else None,
            slices=_slices(text, spec),
        )
        hidden = {spec.target, spec.weights, *spec.ignore}
        columns = tuple(name for name in table.columns if name not in hidden)
        if not columns:
            raise HoldoutError(f"The holdout {spec.data} has no column besides the target.", advice="Add the features.")
        return truth, TableFeatures(table, columns)


class TableFeatures:
    """Implements ports.Features: everything but target, weights and ignored columns."""

    def __init__(self, table: Table, columns: tuple[str, ...]) -> None:
        """Keep the table; rows are read when they are asked for."""
        self._table = table
        self.columns, self.rows = columns, table.rows

    def batches(self) -> Iterator[bytes]:
        """Yield Arrow IPC streams of at most 20,000 rows, all of one schema; the file is read again."""
        import pyarrow as pa  # noqa: PLC0415  tens of milliseconds that only scoring needs

        for piece in self._table.pieces(self.columns):
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, piece.schema) as writer:
                writer.write_table(piece)
            yield sink.getvalue()


def _digest(content: str, spec: HoldoutSpec) -> str:
    """Return one digest of the bytes and of what else decides which labels and features come from them."""
    fields = [
        spec.target,
        spec.positive,
        spec.weights,
        spec.group,
        list(spec.slices),
        sorted(spec.ignore),
        spec.regression,
    ]
    return hashlib.sha256(json.dumps([content, *fields]).encode()).hexdigest()


def _require_column(table: Table, name: str, role: str, spec: HoldoutSpec) -> None:
    if name in table.columns:
        return
    near = difflib.get_close_matches(name, table.columns, 1, 0.5) or [
        column for column in table.columns if column.lower() == name.lower()
    ]
    there = _listed(table.columns)
    hint = f"Did you mean '{near[0]}'?" if near else f"Its columns are {there}."
    raise HoldoutError(f"The holdout {spec.data} has no {role + ' ' if role else ''}column '{name}'.", advice=hint)


def _require_labels(text: npt.NDArray[Any], spec: HoldoutSpec) -> None:
    missing = np.flatnonzero([value is None for value in text])
    if len(missing):
        rows = "1 row" if len(missing) == 1 else f"{len(missing):,} rows"
        raise HoldoutError(
            f"The holdout {spec.data} has {rows} without a label in '{spec.target}', "
            f"the first is row {missing[0] + 1:,}.",
            advice="Remove rows without a label, or label them.",
        )


def _labels(text: npt.NDArray[Any], spec: HoldoutSpec) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Return targets of a regression, or class codes with the class names."""
    distinct = sorted(set(text))
    numbers = _numbers(text)
    fractional = numbers is not None and bool(np.any(numbers != np.round(numbers)))
    guessed = spec.positive is None and fractional and len(distinct) > MANY_VALUES
    if spec.regression or (spec.regression is None and guessed):
        if numbers is None or not np.isfinite(numbers).all():
            odd = next(value for value in text if _number(value) is None or not np.isfinite(float(value)))
            raise HoldoutError(
                f"The target '{spec.target}' of the holdout {spec.data} holds '{odd[:80]}', which is no number.",
                advice="Correct it, or set `regression: false`.",
            )
        return numbers, ()
    if len(distinct) == 1:
        raise HoldoutError(
            f"All labels in '{spec.target}' of the holdout {spec.data} are '{distinct[0][:80]}'.",
            advice="Models can only be told apart on rows of at least two classes.",
        )
    if len(distinct) > MAX_CLASSES:
        raise HoldoutError(
            f"The target '{spec.target}' of the holdout {spec.data} has {len(distinct):,} different labels.",
            advice="Name the column with the class, or set `regression: true`.",
        )
    codes = {name: code for code, name in enumerate(distinct)}
    return np.array([codes[value] for value in text], dtype=np.int64), tuple(distinct)


def _positive(spec: HoldoutSpec, classes: Sequence[str]) -> int | None:
    """Return the index of the positive class; 1 and 1.0 are the same class however they are spelled."""
    if spec.positive is None or not classes:
        return None
    if spec.positive in classes:
        return classes.index(spec.positive)
    wanted = _number(spec.positive)
    equal = [i for i, name in enumerate(classes) if wanted is not None and _number(name) == wanted]
    if equal:
        return equal[0]
    near = difflib.get_close_matches(spec.positive.lower(), [name.lower() for name in classes], 1, 0.5)
    meant = next((name for name in classes if near and name.lower() == near[0]), None)
    there = _listed([f"'{name}'" for name in classes])
    raise HoldoutError(
        f"The positive class '{spec.positive}' is not among the labels of '{spec.target}': {there}.",
        advice=f"Did you mean '{meant}'?" if meant else "Set `positive` to one of them, in quotes.",
    )


def _weights(text: npt.NDArray[Any], spec: HoldoutSpec) -> npt.NDArray[np.float64]:
    numbers = [_number(value) if value is not None else None for value in text]
    for row, number in enumerate(numbers, 1):
        if number is None or not np.isfinite(number) or number < 0:
            raise HoldoutError(
                f"The weight in '{spec.weights}' of row {row:,} of the holdout {spec.data} "
                f"is {str(text[row - 1])[:80]!r}.",
                advice="Weights are finite numbers of at least 0.",
            )
    weights = np.array(numbers, dtype=np.float64)
    if not weights.any():
        raise HoldoutError(f"All weights in '{spec.weights}' of the holdout {spec.data} are 0.", advice="Correct them.")
    return weights


def _codes(text: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return one number per different value; rows without a value are a group each, as they share nothing known."""
    codes: dict[str, int] = {}
    out = np.empty(len(text), dtype=np.int64)
    for row, value in enumerate(text):
        out[row] = codes.setdefault(f"={value}" if value is not None else f"row {row}", len(codes))
    return out


def _slices(text: Mapping[str, npt.NDArray[Any]], spec: HoldoutSpec) -> dict[str, npt.NDArray[np.bool_]]:
    out: dict[str, npt.NDArray[np.bool_]] = {}
    for column in spec.slices:
        values = sorted({value for value in text[column] if value is not None})
        if len(values) > MAX_SLICES:
            raise HoldoutError(
                f"The column '{column}' of the holdout {spec.data} has {len(values):,} values, too many for slices.",
                advice=f"Name a column with at most {MAX_SLICES} values.",
            )
        out |= {f"{column}={value}": np.array(text[column] == value, dtype=np.bool_) for value in values}
    return out


def _listed(names: Sequence[str]) -> str:
    """Return the first names, as many as fit on a line."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _numbers(text: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    try:
        return text.astype(np.float64)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
