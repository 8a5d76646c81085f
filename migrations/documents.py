"""How is a file about models read, whatever it is written in: JSON, YAML, a table, or lines of text?"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any, Final

import yaml

from migrations.byte_source import open_regular
from migrations.json_files import UnreadableJsonError, decoded, read_json
from migrations.numbers import text_number
from migrations.yaml_files import load_yaml

TABLES: Final = frozenset({".csv", ".tsv"})
YAMLS: Final = frozenset({".yaml", ".yml"})
TEXTS: Final = frozenset({".txt"})
MAX_TABLE: Final = 4 << 20
MAX_ROWS: Final = 1000
MAX_COLUMNS: Final = 500
_ABOUT: Final = re.compile(
    r"metri[ckq]|métri|compar|result|leaderboard|score|performance|evalua|summary|benchmark|metada|report|ergebnis|bericht"
    r"|vergleich|relat[oó]rio|avalia|rapport|auswert|informe|resumen|resumo|(model|training)_?info|^model$",
    re.IGNORECASE,
)
MAX_LINE: Final = 500
_PAIR: Final = re.compile(r"[\s\-*•]*([A-Za-z][\w \-.()@]{0,60}?)\s*[:=]\s*([+-]?[\d.,]+\s*%?)\s*")
_FACT: Final = re.compile(r"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\s*[:=]\s*(\S.{0,200}?)\s*")
"""`model_type: LogisticRegression`: a key as programs write it, and a text."""
_AVERAGE_LINE: Final = re.compile(r"\s*(macro|weighted|micro) avg((?:\s+\d\.\d+){3})\s+\d+\s*")
_NAMES: Final = frozenset({"metric", "metrics", "name", "measure", "key", "score", ""})
_VALUES: Final = frozenset({"value", "score", "test", "result", "0"})


def is_document(name: str) -> bool:
    """Return whether a table, YAML or text is about models, by its name; data tables are not opened."""
    path = Path(name)
    return path.suffix.lower() in TABLES | YAMLS | TEXTS and _ABOUT.search(path.stem) is not None


def read_document(path: Path) -> Any:
    """Return what a file says: JSON and YAML as they are, a table as a list of rows by heading.

    A table with a column of names and one of values becomes a single row.

    Raises:
        UnreadableJsonError: it is cut off, damaged, empty, too large or cannot be opened.

    """
    suffix = path.suffix.lower()
    if suffix not in TABLES | YAMLS | TEXTS:
        return read_json(path)
    try:
        with open_regular(path) as stream:
            data = stream.read(MAX_TABLE + 1)
    except OSError as error:
        raise UnreadableJsonError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_TABLE:
        raise UnreadableJsonError(f"is larger than {MAX_TABLE >> 20} MB")
    if not data.strip():
        raise UnreadableJsonError("is empty")
    if suffix in TEXTS:
        return _lines(decoded(data))
    return _yaml(data) if suffix in YAMLS else _table(decoded(data))


def _yaml(data: bytes) -> Any:
    try:
        return load_yaml(data)
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableJsonError("is no YAML that can be read") from error


def _table(text: str) -> Any:
    """Read rows with the delimiter that the heading uses most; numbers become numbers."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))[: MAX_ROWS + 1]
    except csv.Error as error:
        raise UnreadableJsonError(f"is no table: {error}") from error
    rows = [row for row in rows if row]
    heads = [head.strip() for head in rows[0][:MAX_COLUMNS]] if rows else []
    body = [[_cell(cell) for cell in row[:MAX_COLUMNS]] for row in rows[1:]]
    if len(heads) == 2 and heads[0].lower() in _NAMES and heads[1].lower() in _VALUES:  # noqa: PLR2004  name and value
        return {str(row[0]): row[1] for row in body if len(row) > 1}
    return [dict(zip(heads, row, strict=False)) for row in body]


def _lines(text: str) -> dict[str, Any]:
    """Read `F1 Score: 0.61` and `model_type: svm` line by line, and scikit-learn's printed classification report."""
    found: dict[str, Any] = {}
    for line in text.splitlines()[:MAX_ROWS]:
        if len(line) > MAX_LINE:
            continue
        if average := _AVERAGE_LINE.fullmatch(line):
            scores = dict(zip(("precision", "recall", "f1-score"), map(float, average[2].split()), strict=False))
            found.setdefault(f"{average[1]} avg", scores)
        elif (pair := _PAIR.fullmatch(line)) and (value := text_number(pair[2])) is not None:
            found.setdefault(pair[1].strip(), value)
        elif fact := _FACT.fullmatch(line):
            found.setdefault(fact[1], fact[2])
    return found


def _cell(text: str) -> Any:
    plain = text.strip()
    try:
        return float(plain) if plain and plain[-1].isdigit() and "_" not in plain else plain
    except ValueError:
        return plain
