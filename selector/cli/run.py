"""What does `run`, the daemon in the foreground, say and return?"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

import click

from selector.cli.lazy import verb
from selector.cli.options import house_options
from selector.cli.output import talk
from selector.cli.session import session

if TYPE_CHECKING:
    from selector.config import Configuration
    from selector.daemon import Daemon


@verb("run", example="mlflow-selector run\nmlflow-selector --config /etc/mlflow-selector/selector.yaml run --standby")
@click.option("--once", is_flag=True, default=False, help="Take one turn, look at everything, and end.")
@click.option(
    "--standby/--no-standby",
    default=None,
    help="Wait while another daemon is at work, and take over when it ends. Default: with a state on PostgreSQL.",
)
@click.option("--dry-run", is_flag=True, default=False, help="Say what would be watched; write nothing, and end.")
@house_options
def run(*, once: bool, standby: bool | None, dry_run: bool, allow_unconfined: bool, upgrade_database: bool) -> int:
    """Run the service in the foreground: watch, import, select, report, until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again; a broken one is reported, and the old one stays in force.
    """
    configuration = session().configuration()
    if dry_run:
        for line in _watched(configuration):
            talk(line)
        return 0
    session().speak_up(configuration)
    from selector.bootstrap_daemon import daemon  # noqa: PLC0415 - costs more than all the help

    running = daemon(
        configuration,
        standby=standby,
        once=once,
        allow_unconfined=allow_unconfined,
        upgrade_database=upgrade_database,
    )
    _obey_signals(running)
    running.run()
    return 0


def _watched(configuration: Configuration) -> list[str]:
    lines = [f"MLflow at {configuration.masked()['mlflow']['tracking_uri']}"]
    lines += [
        f"model {name}: runs of {', '.join(m.experiments) or 'no experiment, registered versions only'}"
        for name, m in configuration.models.items()
    ]
    lines += [f"staged models in {s.folder} for {s.model}" for s in configuration.staging]
    return lines


def _obey_signals(running: Daemon) -> None:
    """Let SIGTERM and SIGINT end it, SIGHUP read the configuration again, SIGUSR1 look at everything now."""
    if threading.current_thread() is not threading.main_thread():
        return
    from selector.domain.events import WakeUp  # noqa: PLC0415 - only the daemon needs it

    def end(_number: int, _frame: FrameType | None) -> None:
        running.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda _number, _frame: running.reload())
    signal.signal(signal.SIGUSR1, lambda _number, _frame: running.wake(WakeUp("signal", everything=True)))
