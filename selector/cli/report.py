"""Where is the report of a decision?"""

from __future__ import annotations

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, house, model
from selector.cli.output import show
from selector.errors import SelectorError, UsageError


@verb("report", example="mlflow-selector report churn --open")
@model
@click.option("--decision", metavar="ID", help="Which decision. Default: the newest that has a report.")
@click.option("--open", "open_page", is_flag=True, default=False, help="Open the page in a browser.")
@as_json
def report(model: str, *, decision: str | None, open_page: bool, as_json: bool) -> None:
    """Print the path of a decision's report."""
    with house(writable=False) as opened:
        opened.setup(model)
        ids = [entry.decision for entry in opened.store.entries(model, decision=decision) if entry.decision]
        if not ids:
            what = f"no decision {decision!r}" if decision else "no decision yet"
            raise UsageError(f"{what} for model {model!r}", advice=f"mlflow-selector history {model}")
        pages = ((name, opened.reports.path(model, name)) for name in reversed(dict.fromkeys(ids)))
        found = next(((name, page) for name, page in pages if page is not None), None)
    if found is None:
        raise SelectorError(
            f"no report of {f'decision {decision!r}' if decision else 'any decision'} for model {model!r} is left",
            advice=f"mlflow-selector explain {model}",
        )
    name, page = found
    show({"model": model, "decision": name, "path": str(page)}, str(page), as_json=as_json)
    if open_page:
        click.launch(page.as_uri())
