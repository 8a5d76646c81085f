"""Which labelled batches have come into a folder? CSV and Parquet files: with answers, or with features to answer."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.adapters.production_rows import Columns, FeaturesOf, answered, without_versions
from selector.adapters.production_values import moment_in
from selector.errors import ProductionError
from selector.ports_production import Batch, SourceSpec, Unusable

_LOG = logging.getLogger(__name__)

PARQUET = (".parquet", ".pq")
SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".csv.bz2", ".csv.xz", *PARQUET)
ROWS_A_PIECE = 20_000
MOST_BYTES = 512 << 20
"""A batch is read as a whole; one that is larger than this is refused."""

SHOWN = 8


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    name: str
    at: datetime
    arrived: datetime


class BatchFolder:
    """Implements ports_production.ProductionMetrics for a folder.

    Files are taken in the order of the time in their names, else of their arrival. Names that start with a dot or end
    otherwise than in .csv, .csv.gz or .parquet are left alone, so that writers can move a finished file into place.
    """

    def __init__(self, spec: SourceSpec) -> None:
        """Read nothing yet."""
        self._spec = spec

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield what is new; a file that cannot be read costs only itself.

        Raises:
            ProductionError: there is no such folder.

        """
        del since, until
        known = without_versions(seen)
        spec = self._spec
        if spec.labels:
            yield from self._joined([f for f in _files(Path(spec.labels)) if f.name not in known])
            return
        for file in _files(Path(spec.where)):
            if file.name in known:
                continue
            yield from self._read(file)

    def _read(self, file: _File) -> list[Batch | Unusable]:
        """Return the batches of one file. Parsers and decompressors fail in ways of their own; each costs one file."""
        spec = self._spec
        try:
            if not spec.prediction and not spec.probability:
                return [_with_features(file, spec)]
            columns, notes, rest = self._columns(file)
            found = answered(
                file.name, spec, columns, at=file.at, arrived=file.arrived, notes=notes, features=_features_of(rest)
            )
            return list(found)
        except Exception as error:  # noqa: BLE001 - told as the reason why this one file is not used
            return [Unusable(file.name, _sentence(error))]

    def _columns(self, file: _File) -> tuple[Columns, tuple[str, ...], Any]:
        """Return the columns that are read as text, what was left out, and the features, None where nobody asks."""
        spec = self._spec
        needed = [name for name in (spec.label, spec.prediction, spec.probability, spec.version) if name]
        frame, notes = self._with_types(file.path)
        columns = _texts(frame, [*needed, *(s for s in spec.slices if s in frame.columns)])
        return columns, notes, self._rest(frame)

    def _with_types(self, path: Path) -> tuple[Any, tuple[str, ...]]:
        """Return a file in which labels, answers and ids are text; the other columns too, where nobody answers them."""
        spec = self._spec
        if not spec.features:
            return _frame(path, dtype=str)
        texts = (spec.label, spec.prediction, spec.probability, spec.version, spec.id)
        return _frame(path, dtype=dict.fromkeys((name for name in texts if name), str))

    def _rest(self, frame: Any) -> Any:
        """Return the columns that a model answers; None where nobody asks, or there are none."""
        spec = self._spec
        if not spec.features:
            return None
        own = {
            spec.label,
            spec.prediction,
            spec.probability,
            spec.version,
            spec.id,
            spec.batch,
            spec.time,
            *spec.ignore,
        }
        left = frame.drop(columns=[name for name in frame.columns if name in own])
        return left if len(left.columns) else None

    def _joined(self, labels: Sequence[_File]) -> Iterator[Batch | Unusable]:
        """Join each new file of labels to the predictions, which are read once, newest first, until all are found."""
        spec, wanted, waiting = self._spec, {}, []  # type: SourceSpec, dict[str, int], list[tuple[_File, Any]]
        for file in labels:
            try:
                frame, notes = _frame(file.path, dtype=str)
                columns = _texts(frame, [spec.id, spec.label])
            except Exception as error:  # noqa: BLE001 - the same
                yield Unusable(file.name, _sentence(error))
                continue
            waiting.append((file, (columns, notes)))
            wanted.update(dict.fromkeys((i for i in columns[spec.id] if i is not None), 0))
        found = self._answers(set(wanted)) if wanted else {}
        for file, (columns, notes) in waiting:
            yield from self._joined_file(file, columns, notes, found)

    def _joined_file(
        self, file: _File, columns: Columns, notes: tuple[str, ...], found: Mapping[str, tuple[Any, ...]]
    ) -> Iterator[Batch | Unusable]:
        spec = self._spec
        names = self._answer_columns()
        there = [i for i, one in enumerate(columns[spec.id]) if one in found]
        if lost := len(columns[spec.id]) - len(there):
            notes = (*notes, f"{lost} of {len(columns[spec.id])} labels have no prediction")
        if not there:
            yield Unusable(file.name, "none of its labels has a prediction yet", later=True)
            return
        rows = [found[columns[spec.id][i]] for i in there]
        rest = _together([row[-1] for row in rows]) if spec.features else None
        joined = {name: np.array([row[k] for row in rows], dtype=object) for k, name in enumerate(names)}
        joined[spec.label] = columns[spec.label][there]
        features = _features_of(rest)
        yield from answered(file.name, spec, joined, at=file.at, arrived=file.arrived, notes=notes, features=features)

    def _answer_columns(self) -> list[str]:
        spec = self._spec
        return [n for n in (spec.prediction, spec.probability, spec.version, *spec.slices) if n]

    def _answers(self, wanted: set[str]) -> dict[str, tuple[Any, ...]]:
        """Return the answers for these ids, and last in which frame and row the features are.

        A file of predictions that cannot be read is passed over.
        """
        spec, found = self._spec, {}  # type: SourceSpec, dict[str, tuple[Any, ...]]
        for file in reversed(_files(Path(spec.where))):
            if len(found) == len(wanted):
                break
            try:
                frame, _ = self._with_types(file.path)
                names = [n for n in self._answer_columns() if n in frame.columns or n not in spec.slices]
                columns = _texts(frame, [spec.id, *names])
            except Exception as error:  # noqa: BLE001 - the same; labels whose predictions were in it are told
                _LOG.warning("The predictions %s cannot be read: %s", file.path, _sentence(error))
                continue
            empty = np.full(len(frame), None, dtype=object)
            parts = [columns.get(name, empty) for name in self._answer_columns()]
            features = self._rest(frame)
            for row, (one, *rest) in enumerate(zip(columns[spec.id], *parts, strict=True)):
                if one in wanted and one not in found:
                    found[one] = (*rest, (features, row))
        return found


def _features_of(frame: Any) -> FeaturesOf | None:
    """Return what gives the features of some rows of this frame."""
    return None if frame is None else lambda mask: FrameFeatures(frame[mask])


def _together(places: Sequence[tuple[Any, int]]) -> Any:
    """Return rows of several frames in this order, as one frame; None where a frame has no features."""
    import pandas as pd  # noqa: PLC0415  only a batch needs it

    frames = {id(frame): frame for frame, _ in places}
    if any(frame is None for frame in frames.values()):
        return None
    parts: list[Any] = []
    order: list[int] = []
    for key, frame in frames.items():
        mine = [i for i, (other, _) in enumerate(places) if id(other) == key]
        parts.append(frame.iloc[[places[i][1] for i in mine]])
        order += mine
    whole = pd.concat(parts, ignore_index=True)
    whole.index = pd.Index(order)
    return whole.sort_index().reset_index(drop=True)


def _files(folder: Path) -> list[_File]:
    """Return the folder's files, oldest first by the time in their name, else by their arrival."""
    try:
        with os.scandir(folder) as there:
            entries = [e for e in there if not e.name.startswith(".") and e.name.lower().endswith(SUFFIXES)]
            found = []
            for entry in entries:
                if not entry.is_file():
                    continue
                arrived = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
                at = moment_in(entry.name) or arrived
                found.append(_File(Path(entry.path), entry.name, at, arrived))
    except OSError as error:
        raise ProductionError(
            f"The folder {folder} of production batches cannot be read: {error.strerror}.",
            advice="Correct monitor.sources, or make the folder.",
        ) from error
    return sorted(found, key=lambda f: (f.at, f.name))


def _frame(path: Path, **options: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the file as a data frame, and which lines were left out because they have too many fields."""
    import pandas as pd  # noqa: PLC0415  only a batch needs it

    before = path.stat()
    if before.st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB; split it")
    if path.name.lower().endswith(PARQUET):
        frame, skipped = pd.read_parquet(path), 0
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = pd.read_csv(path, on_bad_lines="warn", low_memory=False, **options)
        skipped = sum(str(w.message).count("Skipping line") for w in caught)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ValueError("it changed while it was read; move finished files into the folder")
    if frame.empty:
        raise ValueError("it has no rows")
    frame.columns = [str(name) for name in frame.columns]
    if skipped:
        return frame, (f"{skipped} lines do not have as many fields as the header, and were left out",)
    return frame, ()


def _texts(frame: Any, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return columns as text, None where a value is missing; whole numbers without a point."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        there = ", ".join(list(frame.columns)[:SHOWN]) + (", …" if len(frame.columns) > SHOWN else "")
        raise ValueError(f"it has no column {missing[0]!r}; its columns are {there}")
    return {name: np.array([_text(v) for v in frame[name].tolist()], dtype=object) for name in names}


def _text(value: Any) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN is missing as well
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _with_features(file: _File, spec: SourceSpec) -> Batch | Unusable:
    frame, notes = _frame(file.path, dtype={spec.label: str})
    labels = _texts(frame, [spec.label])[spec.label]
    labelled = np.array([v is not None for v in labels], dtype=np.bool_)
    if not labelled.all():
        notes = (*notes, f"{int((~labelled).sum())} of {len(labels)} rows have no label")
        frame = frame[labelled]
    if frame.empty:
        return Unusable(file.name, "none of its rows has a label")
    slices = _texts(frame, [s for s in spec.slices if s in frame.columns])
    features = frame.drop(columns=[c for c in (spec.label, spec.version, *spec.ignore) if c in frame.columns])
    return Batch(
        id=file.name,
        at=file.at,
        arrived=file.arrived,
        labels=labels[labelled],
        features=FrameFeatures(features),
        slices=slices,
        rows=len(frame),
        notes=notes,
    )


class FrameFeatures:
    """Implements ports.Features for the rows of one batch, which fit into memory."""

    def __init__(self, frame: Any) -> None:
        """Keep the rows."""
        self._frame = frame
        self.columns: tuple[str, ...] = tuple(frame.columns)
        self.rows = len(frame)

    def batches(self) -> Iterator[bytes]:
        """Yield Arrow IPC streams of at most 20,000 rows, all of one schema."""
        import pyarrow as pa  # noqa: PLC0415  tens of milliseconds that only scoring needs

        table = pa.Table.from_pandas(_plain_types(self._frame), preserve_index=False).replace_schema_metadata(None)
        for piece in table.to_batches(ROWS_A_PIECE):
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, piece.schema) as writer:
                writer.write_batch(piece)
            yield sink.getvalue()


def _plain_types(frame: Any) -> Any:
    """Return the frame with columns that Arrow can hold: what is empty as numbers, and what is mixed as text."""
    made = {}
    for name in frame.columns:
        column = frame[name]
        if column.isna().all():
            made[name] = column.astype("float64")
        elif (
            column.dtype.kind == "O" and len(kinds := set(map(type, column.dropna()))) and kinds not in ({bool}, {str})
        ):
            made[name] = column.map(_text)
    return frame.assign(**made) if made else frame


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
