"""What does `heartbeat`, the check from outside, say and return?"""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from selector.cli.lazy import verb
from selector.cli.options import Age, as_json
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED
from selector.redaction import printable

if TYPE_CHECKING:
    from selector.adapters.heartbeat_file import Heartbeat
    from selector.config import Configuration


@verb(
    "heartbeat",
    example="mlflow-selector heartbeat --json\nmlflow-selector heartbeat --max-age 10m --tell",
)
@click.option(
    "--max-age",
    type=Age(),
    default="5m",
    show_default=True,
    metavar="TIME",
    help="How old the last sign of life, and the last good look at MLflow, may be.",
)
@click.option(
    "--tell",
    is_flag=True,
    default=False,
    help="Tell the channels of `notify` where it is dead, again every 4 h, and when it is back.",
)
@as_json
def heartbeat(*, max_age: float, tell: bool, as_json: bool) -> int:
    """Tell whether the service is alive, from outside: exit 1 where it is dead, hung, or cannot read MLflow.

    It reads one small file and asks no process, so that a timer can watch the watcher.
    """
    configuration = session().configuration(offline=True)
    from selector.adapters.heartbeat_file import read_heartbeat  # noqa: PLC0415 - costs more than the help

    found = read_heartbeat(configuration.state.folder)
    trouble = _trouble(found, timedelta(seconds=max_age), datetime.now(UTC))
    document = {
        "alive": trouble is None,
        "trouble": trouble,
        "phase": found.phase if found else None,
        "at": found.at.isoformat() if found else None,
        "good_at": found.good_at.isoformat() if found and found.good_at else None,
        "pid": found.pid if found else None,
    }
    text = trouble or (f"The service is {found.phase}; {printable(found.doing)}" if found else "")
    show(document, text, as_json=as_json)
    if tell:
        _tell(configuration, trouble)
    return EXIT_FAILED if trouble else 0


def _tell(configuration: Configuration, trouble: str | None) -> None:
    """Tell people without the service: its outbox is of no use while it is dead."""
    from selector.adapters.outage_file import read_outage, write_outage  # noqa: PLC0415 - only where asked for

    folder, now = configuration.state.folder, datetime.now(UTC)
    outage = read_outage(folder)
    if trouble is None and outage is None:
        return
    from selector.bootstrap_notify import notifiers  # noqa: PLC0415 - costs more than all the rest
    from selector.domain.service import Outage  # noqa: PLC0415 - the same
    from selector.workflows.dead_man import tell  # noqa: PLC0415 - the same

    # Before anybody is told: on a full disk people would be told at each look.
    write_outage(folder, outage or Outage(now))
    where = f"{configuration.path} on {socket.gethostname()}"
    write_outage(folder, tell(trouble, outage, notifiers(configuration), now, where=where))


def _trouble(found: Heartbeat | None, most: timedelta, now: datetime) -> str | None:
    """Return what is wrong as one sentence; None where the service is at work."""
    if found is None:
        return "The service has left no sign of life; was it ever started with this state?"
    age = now - found.at
    if found.phase == "stopping":
        return f"The service was stopped {_ago(age)}."
    if age < -most:
        return (
            f"The last sign of life (pid {found.pid}) is {_length(-age)} ahead of this clock; was the clock set back?"
        )
    if age > most:
        return f"The last sign of life is from {_ago(age)} (pid {found.pid}): the service is dead or hangs."
    if found.phase == "active" and found.mlflow and (found.good_at is None or now - found.good_at > most):
        since = _ago(now - found.good_at) if found.good_at else "its start"
        return f"The service has not been able to read MLflow since {since}: {printable(found.mlflow)}"
    return None


def _ago(age: timedelta) -> str:
    return f"{_length(age)} ago"


def _length(time: timedelta) -> str:
    seconds = max(0, int(time.total_seconds()))
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
