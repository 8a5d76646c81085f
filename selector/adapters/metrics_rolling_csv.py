"""Which metrics stand in a CSV file with one line per day, such as rolling_metrics.csv?"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from selector.adapters.production_values import ROWS_COLUMNS, TIME_COLUMNS, column, moment, numbers, whole
from selector.errors import ProductionError
from selector.ports_production import Batch, SourceSpec, Unusable


class RollingCsv:
    """Implements ports_production.ProductionMetrics for one file; a line that cannot be read costs only itself."""

    def __init__(self, spec: SourceSpec) -> None:
        """Read nothing yet."""
        self._spec = spec

    def batches(self, seen: Collection[str], since: datetime | None, until: datetime) -> Iterator[Batch | Unusable]:
        """Yield lines whose time is not known yet, oldest first.

        Raises:
            ProductionError: no such file, no header, or no column with a time.

        """
        del since
        path, spec = Path(self._spec.where), self._spec
        found: list[Batch] = []
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                names = [n for n in reader.fieldnames or () if n is not None]
                time = column(spec.time, names, TIME_COLUMNS)
                if time is None:
                    raise ProductionError(
                        f"{path} has no column {spec.time or 'with a time'}; its columns are {', '.join(names[:8])}.",
                        advice="Name it: monitor.sources: {csv: …, time: COLUMN}.",
                    )
                rows = column(spec.rows, names, ROWS_COLUMNS)
                for row in reader:
                    at = moment(row.get(time))
                    if at is None or None in row:
                        reason = "has more fields than the header" if at else f"has no time but {row.get(time)!r}"
                        line = f"line {reader.line_num}"
                        if line not in seen:
                            yield Unusable(line, f"{line} {reason}")
                        continue
                    name = at.isoformat()
                    if name not in seen:
                        values, counted = numbers(row, (time, rows)), whole(row.get(rows or "")) or 0
                        found.append(Batch(name, at, min(at, until), metrics=values, rows=counted))
        except (OSError, UnicodeError, csv.Error) as error:
            raise ProductionError(f"{path} cannot be read: {error}.", advice="Correct monitor.sources.") from error
        yield from sorted(found, key=lambda b: b.at)
