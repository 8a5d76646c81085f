"""Is everything there that is needed, and how is what is not made right?"""

from __future__ import annotations

from typing import Any

from selector.cli.lazy import verb
from selector.cli.options import as_json
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED

_WORDS = {True: "ok", False: "FAILED", None: "skipped"}


@verb("doctor", example="mlflow-selector doctor")
@as_json
def doctor(*, as_json: bool) -> int:
    """Check everything that is needed, one line each with the way out; exit 1 if anything fails."""
    configuration = session().configuration()
    from selector.workflows.doctor import checks  # noqa: PLC0415 - costs more than all the help

    found: list[dict[str, Any]] = [
        {"name": "configuration", "ok": True, "detail": str(configuration.path), "advice": ""}
    ]
    _line(found[0], as_json=as_json)
    for check in checks(configuration):
        found.append({"name": check.name, "ok": check.ok, "detail": check.detail, "advice": check.advice})
        _line(found[-1], as_json=as_json)
    healthy = all(check["ok"] is not False for check in found)
    if as_json:
        show({"ok": healthy, "checks": found}, "", as_json=True)
    return 0 if healthy else EXIT_FAILED


def _line(check: dict[str, Any], *, as_json: bool) -> None:
    """Show a check as soon as it is known: some take seconds."""
    if as_json:
        return
    text = f"{_WORDS[check['ok']]:<8} {check['name']}" + (f": {check['detail']}" if check["detail"] else "")
    if check["advice"] and check["ok"] is not True:
        text += f"\n         try: {check['advice']}"
    show({}, text, as_json=False)
