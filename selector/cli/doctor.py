"""Is everything there that is needed, and how is what is not made right?"""

from __future__ import annotations

from typing import Any

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, dry_run
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED

_WORDS = {True: "ok", False: "FAILED", None: "note"}


@verb("doctor", example="mlflow-selector doctor")
@dry_run
@click.option(
    "--allow-unconfined",
    is_flag=True,
    default=False,
    help="Accept a machine that cannot confine models.",
)
@as_json
def doctor(*, dry_run: bool, allow_unconfined: bool, as_json: bool) -> int:
    """Check everything that is needed, one line each with the way out; exit 1 if anything fails.

    Writing to MLflow is tried with a run of our own, which is deleted again; --dry-run leaves that out.
    """
    configuration = session().configuration()
    from selector.bootstrap import doctor as checks  # noqa: PLC0415 - costs more than all the help

    found: list[dict[str, Any]] = []
    for check in checks(configuration, dry_run=dry_run, allow_unconfined=allow_unconfined):
        found.append({"name": check.name, "ok": check.ok, "detail": check.detail, "advice": check.advice})
        if not as_json:
            _line(found[-1])
    healthy = all(check["ok"] is not False for check in found)
    if as_json:
        show({"ok": healthy, "checks": found}, "", as_json=True)
    return 0 if healthy else EXIT_FAILED


def _line(check: dict[str, Any]) -> None:
    """Show a check as soon as it is known: some take seconds."""
    text = f"{_WORDS[check['ok']]:<8} {check['name']}" + (f": {check['detail']}" if check["detail"] else "")
    if check["advice"] and check["ok"] is not True:
        text += f"\n         try: {check['advice']}"
    show({}, text, as_json=False)
