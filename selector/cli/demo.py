"""How is the demo shown: a line when a step is done, and at the end where to look?"""

from __future__ import annotations

import os
import shlex
import shutil
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selector.cli.lazy import verb
from selector.cli.options import actor, as_json, dry_run
from selector.cli.output import show
from selector.cli.session import session
from selector.redaction import printable

if TYPE_CHECKING:
    from selector.demo.stage import Step, Told
    from selector.demo.story import Ended

_LEVELS = ("ERROR", "INFO", "DEBUG")
NARROWEST, WIDEST = 60, 100
GAP = 2


@verb("demo", example="mlflow-selector demo\nmlflow-selector demo /tmp/demo --again")
@click.argument("folder", metavar="[DIR]", default="mlflow-selector-demo", type=click.Path(path_type=Path))
@click.option("--again", is_flag=True, default=False, help="Remove the earlier demo in DIR and play a new one.")
@dry_run
@as_json
@click.option(
    "--allow-unconfined",
    is_flag=True,
    default=False,
    help="Score models even where this machine cannot confine them.",
)
def demo(folder: Path, *, again: bool, dry_run: bool, as_json: bool, allow_unconfined: bool) -> None:
    """Play a model's life on made-up customers in DIR (./mlflow-selector-demo by default), in about a minute.

    Models, MLflow and decisions are real. Nothing outside DIR is read or written, whatever MLFLOW_TRACKING_URI says.
    Exits 1 where anything came out otherwise than it should.
    """
    from selector.adapters.logs import set_up_logging  # noqa: PLC0415 - only commands that do something log
    from selector.demo.folder import check  # noqa: PLC0415 - only this command needs it

    check(folder, again=again)
    begun = time.monotonic()
    set_up_logging(_LEVELS[min(session().verbose, 2)])
    if not as_json:
        about = "The customers are made up; everything else is real."
        _say([*_wrapped(f"The life of one model, in {folder}. {about}"), ""])
    from selector.demo.story import STEPS, play  # noqa: PLC0415 - scikit-learn and MLflow cost more than all the help

    screen = _Screen(max(len(step.title) for step in STEPS), silent=as_json)
    if dry_run:
        for step in STEPS:
            screen.line(step.title, step.preview)
        steps = [{"step": step.title, "preview": step.preview} for step in STEPS]
        show({"folder": str(folder), "dry_run": True, "steps": steps}, "\nNothing was written.", as_json=as_json)
        return
    try:
        ended = play(
            folder,
            again=again,
            actor=actor(),
            allow_unconfined=allow_unconfined,
            before=screen.begin,
            after=screen.end,
        )
    finally:
        screen.stop()
    seconds = round(time.monotonic() - begun, 1)
    document = {
        "folder": str(folder),
        "seconds": seconds,
        "steps": screen.steps,
        "champion": ended.champion,
        "report": str(ended.report) if ended.report else None,
        "tracking_uri": ended.tracking_uri,
        "configuration": str(ended.configuration),
    }
    show(document, "\n".join(_where_to_look(ended, seconds)), as_json=as_json)


class _Screen:
    """Shows the step that runs on a terminal, and a line for each that is done.

    Args:
        titles: width of the first column.
        silent: collect only.

    """

    def __init__(self, titles: int, *, silent: bool) -> None:
        self.steps: list[dict[str, Any]] = []
        self._titles = titles
        self._silent = silent
        self._waiting = ExitStack()

    def begin(self, step: Step) -> None:
        """Say what is going on, where somebody watches."""
        if not self._silent and _to_terminal():
            self._waiting.enter_context(_spinner(step.preview))

    def end(self, step: Step, told: Told) -> None:
        """Say what came of it."""
        self._waiting.close()
        self.steps.append({"step": step.title, "text": told.text, "details": list(told.details), **told.result})
        self.line(step.title, told.text, told.details)

    def line(self, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Print one step: its title, what came of it, and under it the details."""
        if self._silent:
            return
        indent = " " * (self._titles + GAP)
        first, *more = _wrapped(text, indent)
        head = click.style(title.ljust(len(indent)), bold=True) if _colours() else title.ljust(len(indent))
        _say([head + first.strip(), *more, *(line for detail in details for line in _wrapped(detail, indent))])

    def stop(self) -> None:
        """Leave nothing moving on the terminal."""
        self._waiting.close()


def _wrapped(text: str, indent: str = "") -> list[str]:
    width = min(max(shutil.get_terminal_size((WIDEST, 24)).columns, NARROWEST), WIDEST)
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent + ("  " if indent else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _say(lines: Sequence[str]) -> None:
    click.echo("\n".join(lines), file=session().out)


def _to_terminal() -> bool:
    return session().out.isatty() and os.environ.get("TERM") != "dumb"


def _colours() -> bool:
    return _to_terminal() and not os.environ.get("NO_COLOR")


@contextmanager
def _spinner(text: str) -> Iterator[None]:
    """Show that something is going on; it leaves no trace."""
    from rich.console import Console  # noqa: PLC0415 - only on a terminal

    with Console(file=session().out).status(printable(text)):
        yield


def _where_to_look(ended: Ended, seconds: float) -> list[str]:
    """Return what a newcomer may do next, one command a line."""
    configuration = shlex.quote(str(ended.configuration))
    rows = [
        ("report", str(ended.report)),
        ("look around", f"mlflow-selector --config {configuration} status"),
        ("", f"mlflow-selector --config {configuration} history"),
        ("in MLflow's UI", f"mlflow server --backend-store-uri {shlex.quote(ended.tracking_uri)}"),
        ("all commands", "mlflow-selector --help"),
        ("remove it", f"rm -r {shlex.quote(str(ended.folder))}"),
    ]
    widest = max(len(title) for title, _ in rows) + GAP
    done = f"Everything came out as it should, in {seconds:.0f} s."
    return ["", *_wrapped(done), "", *(f"{title:<{widest}}{text}" for title, text in rows)]
