"""How does the history look that another policy would have made?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, house, house_options, model
from selector.cli.output import show
from selector.cli.session import session
from selector.cli.table import table, width
from selector.cli.tables import when

if TYPE_CHECKING:
    from selector.domain.policy import Policy
    from selector.workflows.house import House

Document = Mapping[str, Any]
NAMES = {"policy": "this policy", "recorded": "as recorded", "highest": "highest score wins"}


@verb("backtest", example="mlflow-selector backtest churn\nmlflow-selector backtest churn --policy stricter.yaml")
@model
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A selector.yaml, or a YAML file with keys of one model, such as minimum_gain. Default: the present policy.",
)
@as_json
@house_options
def backtest(model: str, *, policy: Path | None, as_json: bool, allow_unconfined: bool, upgrade_database: bool) -> None:
    """Replay MODEL's history under a policy: who would have been champion, and what that would have missed."""
    with house(writable=False, allow_unconfined=allow_unconfined, upgrade_database=upgrade_database) as opened:
        from selector.workflows.backtest import backtest as replayed  # noqa: PLC0415 - costs more than all the help

        tried = _policy(opened, model, policy) if policy is not None else None
        found = replayed(opened, model, tried, str(policy) if policy else "")
    show(found, history(found), as_json=as_json)


def _policy(opened: House, model: str, path: Path) -> Policy:
    """Return the policy that a file describes for this model, or for the family that it belongs to."""
    from selector.config_policy import load_policy  # noqa: PLC0415 - costs more than all the help

    configured = session().configuration(needed=True).models
    if model in configured:
        return load_policy(path, model, configured[model])
    family = opened.setup(model).family
    rule = next(name for name, found in opened.setups.items() if found.family == family)
    return load_policy(path, rule, configured[rule])


def history(document: Document) -> str:
    """Return the moments at which some champion changes, and what came of each rule."""
    policy, moments = document["policy"], document["moments"]
    rows = f" on the present {document['rows']:,} labelled rows" if document.get("rows") else ", as logged"
    rule = f"rule {policy['rule']}, confidence {policy['confidence']:g}, minimum gain {policy['minimum_gain']:g}"
    lines = [
        f"{document['model']}: {len(moments)} moments decided again, by {document['metric']}{rows}",
        f"  policy from {policy['source']}: {rule}",
    ]
    shown = moments if session().verbose else [m for m in moments if _news(m)]
    if shown:
        lines += ["", *_table(shown)]
    if len(shown) < len(moments):
        quiet = len(moments) - len(shown)
        lines.append(f"  {quiet} more moment{'' if quiet == 1 else 's'} changed nothing (-v lists them)")
    lines += ["", *_summary(document["summary"]), ""]
    return "\n".join([*lines, *(f"  note: {note}" for note in document.get("notes", ()))])


def _news(moment: Document) -> bool:
    return any((moment.get(track) or {}).get("how") for track in NAMES)


def _table(moments: Sequence[Document]) -> list[str]:
    heads = ("at (UTC)", "arrived", "best score", *NAMES.values())
    rows = []
    for moment in moments:
        best, arrived = moment.get("best") or {}, moment["arrived"]
        more = f" and {len(arrived) - 1} more" if len(arrived) > 1 else ""
        rows.append(
            (
                when(moment["at"]),
                f"{arrived[0]}{more}" if arrived else None,
                best.get("score"),
                *(_champion(moment.get(track)) for track in NAMES),
            )
        )
    return table(heads, rows, limit=width(), indent="  ")


def _champion(stand: Document | None) -> str | None:
    """Return who becomes champion, and how, where it is not by promotion; "same" where nothing changes."""
    if not stand or not stand.get("name"):
        return None
    how = str(stand.get("how") or "").replace("_", " ")
    if not how:
        return "same"
    return str(stand["name"]) if how == "promoted" else f"{stand['name']} ({how})"


def _summary(summary: Document) -> list[str]:
    heads = ("", "promotions", "no lead today", "within luck", "missed in all", "per decision", "champion now")
    rows = [
        (
            name,
            summary[track]["promotions"],
            summary[track]["not_held"],
            summary[track]["within_luck"],
            summary[track]["regret"],
            summary[track]["mean_regret"],
            summary[track]["champion"],
        )
        for track, name in NAMES.items()
    ]
    return table(heads, rows, limit=width(), indent="  ")
