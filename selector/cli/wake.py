"""What does `wake`, which asks the running service to look now, say and return?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, dry_run, models
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED, SelectorError, UsageError

CONNECT_SECONDS = 5.0
MOST_SECONDS = 3_600.0


@verb("wake", example="mlflow-selector wake\nmlflow-selector wake churn --wait --timeout 600")
@models
@click.option(
    "--wait", is_flag=True, default=False, help="End only when the looks are done, and say what came of them."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=MOST_SECONDS),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@dry_run
@as_json
def wake(models: tuple[str, ...], *, wait: bool, timeout: float, dry_run: bool, as_json: bool) -> int:
    """Tell the running service to look at these models now (at all by default).

    For training scripts and CI: the service needs no time to notice. Without --wait the exit code is 0 as soon as the
    service knows; with --wait it is 1 where a look failed, or was not done in time.
    """
    configuration = session().configuration()
    known = list(configuration.models)
    if unknown := [m for m in models if m not in known and not any(s.split_by for s in configuration.models.values())]:
        raise UsageError(f"model {unknown[0]!r} is not in the configuration", advice=f"configured: {', '.join(known)}")
    path = configuration.socket.known_at(configuration.state.folder)
    request: dict[str, Any] = {"state": True} if dry_run else {"look": list(models) or "*"}
    if wait and not dry_run:
        request |= {"wait": True, "timeout": timeout}
    answer = asked(path, request, CONNECT_SECONDS + (timeout if wait else CONNECT_SECONDS))
    if not answer.get("ok"):
        raise SelectorError(f"the service did not do it: {answer.get('error')}")
    looked = answer.get("looked", [])
    named = ", ".join(models) or "everything"
    if wait and not dry_run:
        show({"looked": looked}, "\n".join(look["text"] for look in looked) or "nothing to look at", as_json=as_json)
        return EXIT_FAILED if any(look.get("error") for look in looked) else 0
    said = f"the service would be asked to look at {named}" if dry_run else f"the service was asked to look at {named}"
    show({"asked": list(models) or "*", "dry_run": dry_run}, f"{said}.", as_json=as_json)
    return 0


def asked(path: Path, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Send one request to the service and return its answer.

    Raises:
        SelectorError: no service listens there, we may not ask it, or it did not answer in time.

    """
    from selector.adapters.socket_file import connected  # noqa: PLC0415 - only this command needs it

    try:
        with closing(connected(path, CONNECT_SECONDS)) as connection:
            connection.settimeout(seconds)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline(1 << 24)
    except TimeoutError:
        raise SelectorError(f"the service did not answer within {seconds:g} s") from None
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        advice = "mlflow-selector run starts it; mlflow-selector select looks without it"
        raise SelectorError(f"no service is at work here: nobody listens at {path}", advice=advice) from None
    except PermissionError:
        advice = "ask as its user or root, or set socket.group in the configuration"
        raise SelectorError(f"you may not ask the service at {path}", advice=advice) from None
    except OSError as error:
        raise SelectorError(f"the service at {path} cannot be asked: {error.strerror or error}") from None
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        raise SelectorError("the service ended before it answered") from None
    return found
