"""What do `alerts list`, `alerts ack` and `alerts silence` say and do?"""

from __future__ import annotations

from datetime import timedelta

import click

from selector.cli.commands import Listed
from selector.cli.lazy import LazyGroup, verb
from selector.cli.options import Age, actor, as_json, complete_models, dry_run, house
from selector.cli.output import show
from selector.errors import UsageError

alerts = LazyGroup(
    "alerts",
    help="See what is wrong now, acknowledge it, or ask for silence. See docs/alerts.md.",
    table={
        "Commands": (
            Listed("list", "selector.cli.alerts:list_alerts", "List open alerts, silences and undelivered notices."),
            Listed("ack", "selector.cli.alerts:ack", "Acknowledge: no repeats until it is over or gets worse."),
            Listed("silence", "selector.cli.alerts:silence", "Tell nobody anything of a model for some time."),
        )
    },
)


@verb("list", example="mlflow-selector alerts list\nmlflow-selector alerts list --json")
@as_json
def list_alerts(*, as_json: bool) -> None:
    """List what is wrong now, which models are silenced, and what could not be delivered."""
    with house(writable=False) as opened:
        from selector.workflows import alert_box  # noqa: PLC0415 - costs more than all the help

        done = alert_box.listing(opened)
    show(done.document, done.text, as_json=as_json)


@verb("ack", example="mlflow-selector alerts ack churn\nmlflow-selector alerts ack 7f3a91c2")
@click.argument("what", metavar="MODEL|ID", shell_complete=complete_models)
@dry_run
@as_json
def ack(what: str, *, dry_run: bool, as_json: bool) -> None:
    """Acknowledge one alert by its ID, or all of MODEL: no repeats until it is resolved or gets worse."""
    with house(writable=not dry_run) as opened:
        from selector.workflows import alert_box  # noqa: PLC0415 - costs more than all the help

        done = alert_box.ack(opened, what, dry_run=dry_run, actor=actor())
    show(done.document, done.text, as_json=as_json)


@verb("silence", example='mlflow-selector alerts silence churn --for 4h --reason "labels are late, we know"')
@click.argument("model", metavar="MODEL", shell_complete=complete_models)
@click.option("--for", "seconds", type=Age(), default="4h", show_default=True, help="How long: 30m, 4h, 2d.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the ledger.")
@dry_run
@as_json
def silence(model: str, *, seconds: float, reason: str, dry_run: bool, as_json: bool) -> None:
    """Tell nobody anything of MODEL for some time; what still holds then is told then."""
    try:
        span = timedelta(seconds=seconds)
    except OverflowError as error:
        raise UsageError("a silence may last a year at most", advice="--for 4h") from error
    with house(writable=not dry_run) as opened:
        from selector.workflows import alert_box  # noqa: PLC0415 - costs more than all the help

        done = alert_box.silence(opened, model, span, reason=reason, dry_run=dry_run, actor=actor())
    show(done.document, done.text, as_json=as_json)
