"""What does the help of every command say, as one page?"""

from __future__ import annotations

from collections.abc import Iterator

import click

from selector.cli.app import app
from selector.cli.lazy import LazyGroup

COLUMNS = 100
_INTRODUCTION = """\
# Command line

`mlflow-selector [--config FILE] COMMAND`; `python -m selector` is the same. This page is what `--help` says.

- The result goes to stdout, everything else to stderr. With `--json` stdout carries exactly one JSON document with a
  `schema_version`, also where the command fails: `{"schema_version": 1, "error": {"message", "advice"}}`.
- `--config`, `-v` and `--debug` may stand before the command or behind it.
- A progress bar appears on a terminal for work longer than two seconds, never in a pipe. `NO_COLOR` is obeyed.
- Exit codes: 0 done or nothing to do, 1 failed, 2 wrong usage, 65 damaged state, 75 another instance holds the lease,
  78 configuration error, 130 interrupted. `select --exit-code` says the verdict: 0 promoted, 10 kept, 11 inconclusive,
  12 refused, 13 awaiting approval, 14 no candidate; of several models the highest.
"""


def page() -> str:
    """Return the page in Markdown."""
    root = click.Context(app, info_name="mlflow-selector", terminal_width=COLUMNS, max_content_width=COLUMNS)
    parts = [_INTRODUCTION, _block(root)]
    parts += [f"## {name}\n\n{text}" for name, text in _commands(app, root)]
    return "\n".join(parts)


def _commands(group: LazyGroup, context: click.Context) -> Iterator[tuple[str, str]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(
            command, info_name=name, parent=context, terminal_width=COLUMNS, max_content_width=COLUMNS
        )
        yield inner.command_path.partition(" ")[2], _block(inner)
        if isinstance(command, LazyGroup):
            yield from _commands(command, inner)


def _block(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```\n"
