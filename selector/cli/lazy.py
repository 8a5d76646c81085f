"""How does the help list commands without importing any of them, and how does a command carry its example?"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, cast

import click

from selector.cli.commands import Listed
from selector.cli.session import Session, session


class LazyGroup(click.Group):
    """A group whose commands stand in a table; looking one up imports its module.

    Args:
        table: heading to commands, in the order of the help.

    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[Listed, ...]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def _listed(self) -> dict[str, Listed]:
        return {entry.name: entry for entries in self.table.values() for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(self._listed())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None."""
        del ctx
        entry = self._listed().get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; name the nearest one where there is none of that name."""
        name = args[0]
        if name not in self._listed() and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, self._listed(), n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table alone."""
        del ctx
        widest = max(len(name) for name in self._listed())
        for heading, entries in self.table.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{entry.name:<{widest}}", entry.help) for entry in entries])


class Verb(click.Command):
    """A command that does something: it knows the global options too, and nothing but its result reaches stdout."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options(hidden=True))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command while whatever libraries print goes to stderr."""
        current = session()
        current.out = sys.stdout
        with redirect_stdout(sys.stderr):
            return super().invoke(ctx)


def verb(name: str, *, example: str) -> Callable[[Callable[..., Any]], Verb]:
    """Make a command with an example at the end of its help."""
    lines = "\n".join(f"  {line}" for line in example.splitlines())
    return click.command(name, cls=Verb, epilog=f"\b\nExample:\n{lines}")


def global_options(*, hidden: bool = False) -> list[click.Option]:
    """Return --config, -v and --debug, which may stand before the command as well as behind it."""

    def keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
            del parameter
            if value:
                setattr(ctx.find_root().ensure_object(Session), attribute, value)

        return callback

    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Configuration file. Default: $MLFLOW_SELECTOR_CONFIG, else ./selector.yaml, else the one in /etc.",
            expose_value=False,
            hidden=hidden,
            callback=keep("config_path"),
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Say more; twice: also what libraries say.",
            expose_value=False,
            hidden=hidden,
            callback=keep("verbose"),
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=False,
            help="Show the traceback of an error.",
            expose_value=False,
            hidden=hidden,
            callback=keep("debug"),
        ),
    ]
