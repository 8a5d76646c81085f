"""How are the holdout's rows read? CSV with pandas' own parser and rules, Parquet with pyarrow; both piece by piece.

Models were trained on what `pandas.read_csv` returns, so its parser reads the CSV here too: the same dtypes, the same
missing values, the same last bit of every number. A column's dtype is found over the whole file first, so that it is
the same in every piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from selector.adapters.holdout_source import Hashing, Source
from selector.errors import HoldoutError

ROWS_A_PIECE = 20_000
PARQUET = (".parquet", ".pq")
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}


class Table(Protocol):
    """Labelled rows in a file."""

    columns: tuple[str, ...]
    rows: int
    digest: str

    def pieces(self, columns: Sequence[str]) -> Iterator[Any]:
        """Yield Arrow tables of at most ROWS_A_PIECE rows, with these columns, all of one schema."""
        ...

    def spelled(self, columns: Sequence[str]) -> dict[str, Any]:
        """Return whole columns as the file spells them: arrays of str with None where a value is missing."""
        ...


def open_table(source: Source, as_text: Sequence[str]) -> Table:
    """Return the table behind the source, after one pass over it.

    Args:
        source: where it is.
        as_text: columns that will be asked for by `spelled`.

    Raises:
        HoldoutError: unreadable, with the row where that is known.

    """
    return ParquetTable(source) if source.suffix in PARQUET else CsvTable(source, as_text)


class CsvTable:
    """A CSV file, compressed or not."""

    def __init__(self, source: Source, as_text: Sequence[str]) -> None:
        """Read all rows once: digest, dtypes, and the columns that are needed as text."""
        import numpy as np  # noqa: PLC0415  only a holdout needs it
        import pandas as pd  # noqa: PLC0415  the same

        self._source = source
        self.rows = 0
        self.columns: tuple[str, ...] = ()
        kinds: dict[str, set[str]] = {}
        text: dict[str, list[Any]] = {}
        before = source.state()
        with source.open() as file:
            hashing = Hashing(file)
            for piece in self._read(hashing, dtype=dict.fromkeys(as_text, str)):
                if not self.columns:
                    self.columns = tuple(map(str, piece.columns))
                    kinds = {name: set() for name in self.columns}
                    text = {name: [] for name in self.columns if name in as_text}
                self.rows += len(piece)
                for name in self.columns:
                    kinds[name].add(_kind(piece[name]))
                for name, parts in text.items():
                    codes, values = pd.factorize(piece[name])  # one object per value, not per row
                    parts.append(np.array([*values, None], dtype=object)[codes])
            self.digest = hashing.digest()
        _refuse_changed(source, before)
        if not self.rows:
            raise HoldoutError(f"The holdout {source.name} has no rows.", advice="Write labelled rows to it.")
        self._state = before
        self._dtypes = {name: _dtype(found) for name, found in kinds.items()}
        self._text = {name: np.concatenate(parts) for name, parts in text.items()}

    def pieces(self, columns: Sequence[str]) -> Iterator[Any]:
        """See Table; reads the file again."""
        import pyarrow as pa  # noqa: PLC0415  only a holdout needs it

        schema = None
        with self._source.open() as file:
            _refuse_changed(self._source, self._state)
            dtypes = {name: kind for name, kind in self._dtypes.items() if kind is not None}
            for piece in self._read(file, dtype=dtypes, usecols=list(columns)):
                ordered = piece[list(columns)]
                schema = schema or pa.schema([(name, self._arrow_type(name, ordered[name])) for name in columns])
                yield pa.Table.from_pandas(ordered, schema=schema, preserve_index=False).replace_schema_metadata(None)
            _refuse_changed(self._source, self._state)

    def spelled(self, columns: Sequence[str]) -> dict[str, Any]:
        """See Table."""
        return {name: self._text[name] for name in columns}

    def _arrow_type(self, name: str, column: Any) -> Any:
        import pyarrow as pa  # noqa: PLC0415  the same

        kind = self._dtypes[name]
        if kind is None:
            return pa.bool_()
        return pa.large_string() if kind is str else pa.from_numpy_dtype(column.dtype)

    def _read(self, file: Any, **options: Any) -> Iterator[Any]:
        """Yield frames; pandas' own errors become ours."""
        import pandas as pd  # noqa: PLC0415  only a holdout needs it

        compression: Any = COMPRESSIONS.get(self._source.suffix)
        name = self._source.name
        try:
            with pd.read_csv(file, chunksize=ROWS_A_PIECE, compression=compression, **options) as reader:
                yield from reader
        except pd.errors.EmptyDataError as error:
            raise HoldoutError(
                f"The holdout {name} is empty.", advice="Write labelled rows with a header line."
            ) from error
        except pd.errors.ParserError as error:
            found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            said = f"line {found[2]} has {found[3]} fields instead of {found[1]}" if found else _line(error)
            raise HoldoutError(
                f"The holdout {name} is no readable CSV: {said}.", advice="Correct or remove it."
            ) from error
        except UnicodeDecodeError as error:
            raise HoldoutError(
                f"The holdout {name} is not UTF-8 text: {_line(error)}.", advice="Save it as UTF-8."
            ) from error
        except (OSError, EOFError, ValueError, OverflowError) as error:
            raise HoldoutError(f"The holdout {name} cannot be read: {_line(error)}.") from error


class ParquetTable:
    """A Parquet file."""

    def __init__(self, source: Source) -> None:
        """Read the file once for its digest, and its footer."""
        self._source = source
        self._state = source.state()
        with source.open() as file:
            self.digest = Hashing(file).digest()
        with source.open() as file:
            parquet = self._opened(file)
            self.columns = tuple(parquet.schema_arrow.names)
            self.rows = parquet.metadata.num_rows
        if not self.rows:
            raise HoldoutError(f"The holdout {source.name} has no rows.", advice="Write labelled rows to it.")

    def pieces(self, columns: Sequence[str]) -> Iterator[Any]:
        """See Table; text that is dictionary-encoded is decoded, as pandas users mostly had it."""
        import pyarrow as pa  # noqa: PLC0415  only a holdout needs it

        with self._source.open() as file:
            _refuse_changed(self._source, self._state)
            for batch in self._opened(file).iter_batches(ROWS_A_PIECE, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns)).replace_schema_metadata(None)
            _refuse_changed(self._source, self._state)

    def spelled(self, columns: Sequence[str]) -> dict[str, Any]:
        """See Table; whole numbers without a point, whatever their type."""
        import numpy as np  # noqa: PLC0415  only a holdout needs it

        with self._source.open() as file:
            table = self._opened(file).read(columns=list(columns))
        return {
            name: np.array([_spelling(value) for value in table.column(name).to_pylist()], dtype=object)
            for name in columns
        }

    def _opened(self, file: Any) -> Any:
        import pyarrow as pa  # noqa: PLC0415  the same
        import pyarrow.parquet as pq  # noqa: PLC0415  the same

        try:
            return pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise HoldoutError(
                f"The holdout {self._source.name} is no readable Parquet file: {_line(error)}."
            ) from error


def _kind(column: Any) -> str:
    """Return what pandas made of one piece of a column: nothing, bool, integer, float or text."""
    if column.isna().all():
        return "nothing"
    if column.dtype.kind in "iuf":
        return str(column.dtype)
    if column.dtype.kind == "b" or set(map(type, column.dropna().unique())) == {bool}:
        return "bool"
    return "text"


def _dtype(kinds: set[str]) -> Any:
    """Return the dtype for the whole column, as pandas finds it over the whole file; None leaves booleans to pandas."""
    found = kinds - {"nothing"}
    if not found:
        return "float64"
    if found == {"bool"}:
        return None
    if found <= {"int64", "uint64", "float64"}:
        return found.pop() if len(found) == 1 and "nothing" not in kinds else "float64"
    return str


def _spelling(value: Any) -> str | None:
    if value is None or value != value:  # noqa: PLR0124  NaN is missing as well
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _refuse_changed(source: Source, state: tuple[int, int]) -> None:
    if source.state() != state:
        raise HoldoutError(f"The holdout {source.name} was changed while it was in use.", advice="Run again.")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
