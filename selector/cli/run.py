"""What does `run`, the daemon in the foreground, say and return?"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, house_options
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED, UsageError

if TYPE_CHECKING:
    from selector.config import Configuration
    from selector.daemon import Daemon
    from selector.workflows.cycle import Turn


@verb("run", example="mlflow-selector run\nmlflow-selector --config /etc/mlflow-selector/selector.yaml run --standby")
@click.option("--once", is_flag=True, default=False, help="Take one turn, look at everything, and end.")
@click.option(
    "--standby/--no-standby",
    default=None,
    help="Wait while another daemon is at work, and take over when it ends. Default: with a state on PostgreSQL.",
)
@click.option("--dry-run", is_flag=True, default=False, help="Say what would be watched; write nothing, and end.")
@as_json
@house_options
def run(
    *,
    once: bool,
    standby: bool | None,
    dry_run: bool,
    as_json: bool,
    allow_unconfined: bool,
    upgrade_database: bool,
) -> int:
    """Run the service in the foreground: watch, import, select, report, until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again; a broken one is reported, and the old one stays in force. SIGUSR1 looks at
    everything now. With --once, --json prints what the turn came to; the exit code is 1 where something failed.
    """
    configuration = session().configuration(service=not dry_run)
    if dry_run:
        show(_watched(configuration), "\n".join(_watched_lines(configuration)), as_json=as_json)
        return 0
    if as_json and not once:
        raise UsageError("a service that goes on has no one document to print", advice="--once --json, or --dry-run")
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
    turns: list[Turn] = []
    if once:
        running.observers.append(lambda _state, turn, _seconds: turns.append(turn))
    running.run()
    return _told(turns[-1], as_json=as_json) if once and turns else 0


def _told(turn: Turn, *, as_json: bool) -> int:
    """Show what one turn came to; the log has the sentence already."""
    if as_json:
        document = {
            "models": [look.document for look in turn.looks],
            "imported": [
                {"model": i.model, "name": i.name, "status": i.status, "reason": i.reason, "run_id": i.run_id}
                for i in turn.imported
            ],
            "troubles": [{"about": t.about, "error": t.error.message, "advice": t.error.advice} for t in turn.troubles],
        }
        show(document, "", as_json=True)
    return EXIT_FAILED if turn.troubles else 0


def _watched(configuration: Configuration) -> dict[str, object]:
    return {
        "mlflow": configuration.masked()["mlflow"]["tracking_uri"],
        "models": [{"model": n, "experiments": list(m.experiments)} for n, m in configuration.models.items()],
        "staging": [{"folder": str(s.folder), "model": s.model} for s in configuration.staging],
    }


def _watched_lines(configuration: Configuration) -> list[str]:
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
