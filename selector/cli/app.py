"""Where does every invocation begin and end: the top of the commands, and how each failure is told and exits?"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import Any, TextIO

import click

from selector import __version__
from selector.cli.commands import COMMANDS
from selector.cli.lazy import LazyGroup, global_options
from selector.cli.session import Session
from selector.errors import EXIT_FAILED, EXIT_USAGE, SelectorError
from selector.redaction import printable, redact

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE


class App(LazyGroup):
    """The program: errors become one sentence and an exit code, never a traceback unless --debug asks for it."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, tell what went wrong, exit; takes what click's own `main` takes, by name."""
        given = args[0] if args else extra.pop("args", None)
        standalone = extra.pop("standalone_mode", True)
        _forgive_encodings()
        try:
            code = self._run(list(sys.argv[1:] if given is None else given), extra)
            sys.stdout.flush()
        except (_PipeClosedError, BrokenPipeError):
            _mute_stdout()
            code = EXIT_BROKEN_PIPE
        if standalone:
            sys.exit(code)
        return code

    def _run(self, words: list[str], extra: dict[str, Any]) -> int:
        current = Session()
        try:
            result = super().main(words, standalone_mode=False, **{"obj": current, **extra})
        except (KeyboardInterrupt, click.Abort):
            return EXIT_INTERRUPTED
        except (_PipeClosedError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: it is reported, and the exit code says so
            if current.debug and not isinstance(error, click.ClickException):
                _traceback(current)
            return _failed(words, current, error)
        return result if isinstance(result, int) else 0

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would exit 1 where the reader of a pipe went away."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeClosedError from error


class _PipeClosedError(Exception):
    """Nobody reads stdout any more."""


def _failed(words: list[str], current: Session, error: Exception) -> int:
    """Tell the error and return the exit code that it stands for."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return EXIT_USAGE
    if isinstance(error, click.ClickException):
        advice = _usage_advice(error) if isinstance(error, click.UsageError) else ""
        _tell(words, current, error.format_message(), advice)
        return error.exit_code
    if isinstance(error, SelectorError):
        _tell(words, current, error.message, error.advice)
        return error.exit_code
    said = str(error).strip().splitlines()
    text = f"unexpected {type(error).__name__}" + (f": {said[0]}" if said else "")
    _tell(words, current, text, "" if current.debug else "the same command with --debug shows the traceback")
    return EXIT_FAILED


def _usage_advice(error: click.UsageError) -> str:
    return f"{error.ctx.command_path} --help" if error.ctx else "mlflow-selector --help"


def _traceback(current: Session) -> None:
    import traceback  # noqa: PLC0415 - only for --debug

    click.echo(redact(traceback.format_exc(), current.secrets), err=True, nl=False)


def _tell(words: list[str], current: Session, message: str, advice: str) -> None:
    """Say what went wrong and what to do, on stderr for people and, with --json, on stdout for scripts."""
    message, advice = (redact(text, current.secrets) for text in (message, advice))
    lines = [_line(line) for line in message.splitlines()] or [""]
    head = click.style("error:", fg="red", bold=True) if _colours(sys.stderr) else "error:"
    click.echo("\n".join([f"{head} {lines[0]}", *lines[1:]]), err=True)
    if advice:
        click.echo(f"  try: {printable(advice)}", err=True)
    if "--json" in words:
        document = {"schema_version": 1, "error": {"message": message, "advice": advice}}
        click.echo(json.dumps(document, indent=2))


def _line(line: str) -> str:
    """Return a line fit for a terminal, its indentation kept."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + printable(line[indent:])


def _colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _forgive_encodings() -> None:
    """Print what the terminal's encoding cannot say as an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _mute_stdout() -> None:
    """Give stdout somewhere to go, so that the interpreter's last flush does not complain about the closed pipe."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a file descriptor is needed, not a path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    del parameter
    if not value or ctx.resilient_parsing:
        return
    click.echo(f"mlflow-selector {__version__}")
    ctx.exit()


app = App(
    name="mlflow-selector",
    help="Keeps the best model in production: ranks finished MLflow runs on the same rows, promotes only what is"
    " proven, explains, rolls back.",
    table=COMMANDS,
    params=[
        *global_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            default=False,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Print the version.",
        ),
    ],
    epilog="Exit codes: 0 done or nothing to do, 1 failed, 2 wrong usage, 65 damaged state, 75 another instance"
    " is writing, 78 configuration error.",
)
