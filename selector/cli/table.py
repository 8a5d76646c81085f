"""How are rows laid out as aligned plain text that no terminal is too narrow for?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selector.cli.session import session
from selector.redaction import printable

GAP = "  "
BELOW = "      "
NARROWEST = 20


def width() -> int | None:
    """Return the columns there are; None in a pipe, where everything stands in one line."""
    if os.environ.get("COLUMNS", "").isdigit() or session().out.isatty():
        return shutil.get_terminal_size().columns
    return None


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], *, limit: int | None, indent: str = "") -> list[str]:
    """Return aligned lines; columns that do not fit side by side follow below their row, in full.

    Args:
        heads: the column titles; one without a title is a remark.
        rows: values; None becomes a dash, numbers stand right.
        limit: columns of the terminal, None for any number.
        indent: what each line begins with.

    """
    from rich.cells import cell_len  # noqa: PLC0415 - the help of a command with tables needs none

    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(cell_len(line[i]) for line in [list(heads), *cells]) for i in range(len(heads))]
    room = None if limit is None else max(limit - len(indent), NARROWEST)
    if room is not None:
        widths[0] = min(widths[0], room)
    right = tuple(any(_is_number(row[i]) for row in rows) for i in range(len(heads)))
    grid = _Grid(tuple(heads), tuple(widths), right, room)
    lines = [grid.beside(heads), *(line for row in cells for line in grid.row(row))]
    return [indent + line for line in lines]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The columns of one table: titles, widths, which of them hold numbers, and the room there is for them."""

    heads: tuple[str, ...]
    widths: tuple[int, ...]
    right: tuple[bool, ...]
    room: int | None

    @property
    def fitting(self) -> int:
        """How many columns fit side by side, at least one."""
        counts = range(len(self.widths), 1, -1)
        room = self.room
        if room is None:
            return len(self.widths)
        return next((n for n in counts if sum(self.widths[:n]) + len(GAP) * (n - 1) <= room), 1)

    def row(self, line: Sequence[str]) -> list[str]:
        """Return one row: what fits side by side, and the rest below it, with its titles."""
        from rich.cells import cell_len  # noqa: PLC0415 - as above

        first, fitting = self.beside(line), self.fitting
        if self.room is None or fitting == len(line):
            return [first]
        start = sum(self.widths[:fitting]) + len(GAP) * fitting
        if fitting == len(line) - 1 and start + cell_len(line[-1]) <= self.room:
            return [(first + " " * (start - cell_len(first)) + line[-1]).rstrip()]
        pairs = zip(self.heads[fitting:], line[fitting:], strict=True)
        rest = "; ".join(f"{head}: {text}" if head else text for head, text in pairs if text not in ("", "-"))
        return [first, *(BELOW + part for part in _wrapped(rest, self.room - len(BELOW)))]

    def beside(self, line: Sequence[str]) -> str:
        """Return those cells that fit side by side."""
        from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - as above

        parts = []
        for text, size, to_the_right in zip(line[: self.fitting], self.widths, self.right, strict=False):
            cut = text if cell_len(text) <= size else set_cell_size(text, size - 1) + "…"
            space = " " * (size - cell_len(cut))
            parts.append(space + cut if to_the_right else cut + space)
        return GAP.join(parts).rstrip()


def _wrapped(text: str, size: int) -> list[str]:
    from rich.cells import cell_len, chop_cells  # noqa: PLC0415 - as above

    lines: list[str] = []
    for word in (part for whole in text.split(" ") for part in chop_cells(whole, size)):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= size:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return printable(str(value))
