"""What holds for one invocation: the configuration, how much to say, and where the result goes?"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from selector.errors import ConfigurationError
from selector.redaction import SECRET_VARIABLES

if TYPE_CHECKING:
    from selector.config import Configuration

_LEVELS = ("WARNING", "INFO", "DEBUG")
_OURS = ("selector", "migrations")


@dataclass(slots=True)
class Session:
    """One invocation of the command line.

    Attributes:
        config_path: the option --config; None looks in the usual places.
        verbose: how often -v was given.
        debug: show tracebacks.
        secrets: values that must not be printed.
        out: where the result goes.

    """

    config_path: Path | None = None
    verbose: int = 0
    debug: bool = False
    secrets: frozenset[str] = frozenset()
    out: TextIO = field(default_factory=lambda: sys.stdout)

    def configuration(self, *, needed: bool = True, service: bool = False, offline: bool = False) -> Configuration:
        """Return the checked configuration; without a file the defaults, unless it is needed.

        Raises:
            ConfigurationError: it is wrong, or needed and missing.

        """
        from selector.config import Configuration, find, load  # noqa: PLC0415 - pydantic costs more than all the help

        try:
            path = find(self.config_path)
        except ConfigurationError:
            if needed:
                raise
            configuration = Configuration.defaults(Path.cwd())
        else:
            configuration = load(path, service=service, offline=offline)
        self.secrets = configuration.secrets | {os.environ[name] for name in SECRET_VARIABLES if os.environ.get(name)}
        self._log(configuration)
        return configuration

    def speak_up(self, configuration: Configuration) -> None:
        """Log what a service should tell although nobody asked: one sentence per turn."""
        self._log(configuration, least="INFO")

    @staticmethod
    def _in_json(configuration: Configuration, *, service: bool) -> bool:
        """Tell whether lines go to a collector: as configured, else where systemd has tied stderr to its journal."""
        if "format" in configuration.logging.model_fields_set or not service:
            return configuration.logging.format == "json"
        return "JOURNAL_STREAM" in os.environ and not sys.stderr.isatty()

    def _log(self, configuration: Configuration, *, least: str = "ERROR") -> None:
        from selector.adapters.logs import set_up_logging  # noqa: PLC0415 - only commands that do something log

        level = configuration.logging.level.upper()
        if "level" not in configuration.logging.model_fields_set and least == "INFO":
            level = least
        if self.verbose:
            level = _LEVELS[min(self.verbose, len(_LEVELS) - 1)]
        # MLflow and alembic chat at INFO; only -vv lets them.
        set_up_logging(
            "WARNING" if level == "INFO" else level,
            as_json=self._in_json(configuration, service=least == "INFO"),
            secrets=self.secrets,
        )
        for name in _OURS:
            logging.getLogger(name).setLevel(level)


def session() -> Session:
    """Return the session of the command that is running."""
    return click.get_current_context().find_root().ensure_object(Session)
