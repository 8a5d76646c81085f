"""Which options mean the same in every command?"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from selector.cli.progress import progress_bar
from selector.cli.session import Session, session

if TYPE_CHECKING:
    from selector.workflows.house import House

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, default=False, help="Print one JSON document.")
dry_run = click.option("--dry-run", is_flag=True, default=False, help="Say what would be done; write nothing.")
reason = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the ledger and on the version.")


def house_options(command: Decorated) -> Decorated:
    """Add the options of every command that talks to MLflow and loads models."""
    command = click.option(
        "--upgrade-database",
        is_flag=True,
        default=False,
        help="Let MLflow migrate an older database in place; older servers cannot open it afterwards.",
    )(command)
    return click.option(
        "--allow-unconfined",
        is_flag=True,
        default=False,
        help="Score models even where this machine cannot confine them.",
    )(command)


def complete_models(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return configured model names for shell completion, from the file alone."""
    del parameter
    from selector.config import find  # noqa: PLC0415 - only while completing
    from selector.config_yaml import parse, read_text  # noqa: PLC0415 - the same
    from selector.errors import ConfigurationError  # noqa: PLC0415 - the same

    try:
        path = find(ctx.find_root().ensure_object(Session).config_path)
        models = parse(path, read_text(path)).data.get("models")
    except ConfigurationError:
        return []
    return [name for name in models if name.startswith(incomplete)] if isinstance(models, dict) else []


model = click.argument("model", metavar="MODEL", shell_complete=complete_models)
models = click.argument("models", metavar="[MODEL]...", nargs=-1, shell_complete=complete_models)
version = click.argument("version", metavar="VERSION", type=click.IntRange(min=1))


@contextmanager
def house(
    *, writable: bool, allow_unconfined: bool = False, upgrade_database: bool = False, needed: bool = True
) -> Iterator[House]:
    """Open everything that the configuration asks for, with a progress bar on a terminal."""
    configuration = session().configuration(needed=needed)
    from selector.bootstrap import open_house  # noqa: PLC0415 - costs more than all the help

    with (
        progress_bar() as progress,
        open_house(
            configuration,
            writable=writable,
            allow_unconfined=allow_unconfined,
            upgrade_database=upgrade_database,
            progress=progress,
        ) as opened,
    ):
        yield opened
        if writable and configuration.notify:
            from selector.bootstrap_notices import deliver_quickly  # noqa: PLC0415 - only where somebody is told

            deliver_quickly(configuration, opened)


def actor() -> str:
    """Return who is at the keyboard, for the ledger."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


class Moment(click.ParamType[datetime]):
    """A point in time: ISO 8601, UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware time."""
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is no time; write it as 2025-05-05T10:01:26Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class Age(click.ParamType[float]):
    """A duration such as 5m, 90s or 2h, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        from selector.config_values import parse_duration  # noqa: PLC0415 - pydantic costs more than the help

        try:
            return float(parse_duration(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Zone(click.ParamType[tzinfo]):
    """A time zone by its IANA name."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        """Return the zone."""
        if isinstance(value, tzinfo):
            return value
        if value.upper() in ("UTC", "Z"):
            return UTC
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"{value!r} is no time zone; write it as Europe/Berlin or UTC", param, ctx)
