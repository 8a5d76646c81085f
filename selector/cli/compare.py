"""How do versions look side by side?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, house, house_options, model
from selector.cli.output import show
from selector.cli.table import table, width
from selector.cli.tables import interval

Document = Mapping[str, Any]
MOST_CLASSES = 6
"""Beyond, a table of true and answered classes is for --json."""


@verb("compare", example="mlflow-selector compare churn\nmlflow-selector compare churn 4 8 --json")
@model
@click.argument("versions", metavar="[VERSION]...", type=click.IntRange(min=1), nargs=-1)
@as_json
@house_options
def compare(
    model: str, versions: tuple[int, ...], *, as_json: bool, allow_unconfined: bool, upgrade_database: bool
) -> None:
    """Compare versions of MODEL on the same rows, each with the first one named.

    Default: champion, challenger and previous, or the five best.
    """
    with house(writable=False, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows.compare import compare as compared  # noqa: PLC0415 - costs more than all the help

        found = compared(opened, model, versions)
    show(found, comparison(found), as_json=as_json)


def comparison(document: Document) -> str:
    """Return versions side by side."""
    lines = document["versions"]
    if not lines:
        return f"{document['model']}: there is nothing to compare"
    rows = f"on the same {document['rows']:,} labelled rows" if document.get("rows") else "by what their runs logged"
    text = [f"{document['model']}: {len(lines)} compared {rows}"]
    parts = (_scores(document), _leads(lines), _metrics(document), _confusions(document))
    for part in parts:
        text += ["", *part] if part else []
    notes = [f"  note: {note}" for note in document.get("notes", ())]
    return "\n".join([*text, "", *notes] if notes else text)


def _short(one: Document) -> str:
    return f"v{one['version']}" if one.get("version") else str(one.get("name"))


def _scores(document: Document) -> list[str]:
    heads = ("version", "name", "is", document["metric"], "95 % interval", "rows a second", "")
    rows = [
        (
            f"v{one['version']}" if one.get("version") else None,
            one.get("name"),
            one.get("role"),
            one.get("score"),
            interval(one.get("low"), one.get("high")),
            _speed(one.get("rows_per_second")),
            one.get("reason"),
        )
        for one in document["versions"]
    ]
    return table(heads, rows, limit=width(), indent="  ")


def _speed(value: float | None) -> str | None:
    return None if value is None else f"{int(float(f'{value:.2g}')):,}"


def _leads(lines: Sequence[Document]) -> list[str]:
    """Return how each of them does against the first one."""
    first, others = lines[0], [one for one in lines[1:] if one.get("lead") is not None]
    if not others:
        return []
    heads = (f"against {_short(first)}", "lead", "95 % interval", "chance of luck", "differ on", "fixed", "broken")
    rows = [
        (
            _short(one),
            f"{one['lead']:+.4f}",
            interval(one.get("lead_low"), one.get("lead_high")),
            _chance(one.get("p")),
            one.get("disagreements"),
            one.get("rows_fixed"),
            one.get("rows_broken"),
        )
        for one in others
    ]
    return table(heads, rows, limit=width(), indent="  ")


def _chance(p: float | None) -> str | None:
    return None if p is None else "<0.0001" if p < 0.0001 else f"{p:.4f}"  # noqa: PLR2004 - four digits


def _metrics(document: Document) -> list[str]:
    """Return the further metrics, one line each, one column per version."""
    lines = document["versions"]
    labels = {name: found["label"] for one in lines for name, found in one.get("metrics", {}).items()}
    if not labels:
        return []
    rows = [
        (label, *((one.get("metrics", {}).get(name) or {}).get("value") for one in lines))
        for name, label in labels.items()
    ]
    return table(("also", *(_short(one) for one in lines)), rows, limit=width(), indent="  ")


def _confusions(document: Document) -> list[str]:
    """Return how often each class was answered for each true class."""
    classes, lines = document.get("classes", ()), [o for o in document["versions"] if o.get("confusion")]
    if not lines or len(classes) > MOST_CLASSES:
        return []
    heads = ("version", "of the rows that are", *(f"answered {name}" for name in classes))
    rows = [
        (_short(one) if i == 0 else "", name, *one["confusion"][i]) for one in lines for i, name in enumerate(classes)
    ]
    return table(heads, rows, limit=width(), indent="  ")
